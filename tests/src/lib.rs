//! What the black-box tests need around the real `sallyport` binary: certificates, a real etcd, nodes, targets that
//! misbehave on demand, and clients that send exact bytes. Nothing here knows how Sallyport works inside.
//!
//! Every test owns its processes and ports; each is ended by its process id when its value is dropped. Waiting is always
//! [`wait::eventually`]: a condition with a deadline, never a fixed sleep.

// A support library of tests: what cannot go on must stop the test with a message.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod answer;
pub mod cluster;
pub mod compose;
pub mod counting;
pub mod etcd;
pub mod etcd_trio;
pub mod gate;
pub mod h2_client;
pub mod h2_target;
pub mod hello;
pub mod http1;
pub mod load;
pub mod matrix;
pub mod metrics;
pub mod nginx;
pub mod node;
pub mod objects;
pub mod pki;
pub mod process;
pub mod shape;
pub mod target;
pub mod tls_client;
pub mod tls_server;
pub mod wait;
