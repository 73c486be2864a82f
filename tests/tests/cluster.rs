//! Black-box tests of the real `sallyport` program with real etcd, nginx, curl and openssl; one module a topic. Every test
//! has its own node and its own certificates, so that any number of them run side by side.

#![allow(
    clippy::too_many_lines,
    reason = "a table of cases reads best in one piece"
)]
// What cannot go on must stop the test with a message.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cluster {
    //! The topics.
    mod admin;
    mod admin_refusals;
    mod admin_secrets;
    mod balancing;
    mod captures;
    mod certificates;
    mod cli;
    mod cluster_admin;
    mod cluster_alike;
    mod cluster_answers;
    mod cluster_bodies;
    mod cluster_changes;
    mod cluster_cut;
    mod cluster_failures;
    mod cluster_faults;
    mod cluster_members;
    mod cluster_same;
    mod cluster_security;
    mod cluster_store;
    mod cluster_tickets;
    mod compose;
    mod diagnose;
    mod diagnose_nodes;
    mod drain_and_change;
    mod etcd_away;
    mod etcd_live;
    mod exemption;
    mod layout;
    mod matrix_control;
    mod matrix_fake_clients;
    mod matrix_fake_targets;
    mod matrix_hellos;
    mod matrix_internal;
    mod matrix_northbound;
    mod matrix_southbound;
    mod matrix_southbound_hellos;
    mod membership;
    mod mtls_in;
    mod mtls_out;
    mod proxying;
    mod quickstart_guide;
    mod resumption;
    mod routing;
    mod settings;
    mod sni;
    mod stores;
    mod strict_answers;
    mod strict_h2;
    mod strict_http;
    mod target_faults;
    mod target_tls_faults;
    mod telemetry;
    mod tls_records;
    mod trusted_headers;
}
