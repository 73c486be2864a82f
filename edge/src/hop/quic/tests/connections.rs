//! Connections: who may make one, which version is spoken, how they end.

use rcgen::ExtendedKeyUsagePurpose;

use super::*;
use crate::hop::identity::Role;
use crate::hop::identity::tests::{identity, new_ca};

async fn refusal(server: &Server, tls: &rustls::ClientConfig) -> String {
    let metrics = Metrics::new();
    assert!(open_lane(server.address, tls, &metrics).await.is_err());
    let of = |metrics: &Metrics| {
        metrics
            .encode()
            .lines()
            .find(|l| l.starts_with("sallyport_tls_handshake_failures_total"))
            .map(str::to_owned)
    };
    until("the server counts it", || of(&server.metrics).is_some()).await;
    format!(
        "{}\n{}",
        of(&metrics).unwrap(),
        of(&server.metrics).unwrap()
    )
}

fn failure(cause: &str, alert: &str, direction: &str) -> String {
    format!(
        "sallyport_tls_handshake_failures_total{{alert=\"{alert}\",cause=\"{cause}\",\
         direction=\"{direction}\",hop=\"internal\"}} 1"
    )
}

fn both(cause: &str, alert: &str, sent_by_server: bool) -> String {
    let (client, server) = if sent_by_server {
        ("received", "sent")
    } else {
        ("sent", "received")
    };
    format!(
        "{}\n{}",
        failure(cause, alert, client),
        failure(cause, alert, server)
    )
}

#[tokio::test]
async fn strangers_get_nothing_and_both_sides_count_why() {
    on_a_thread(async {
        let cluster = Cluster::start(true).await;
        let (pki, namesake, other) = (Pki::new(), Pki::new(), Pki::named("other"));
        let ours = ExtendedKeyUsagePurpose::ServerAuth;
        let mut wrong_alpn = pki.client();
        wrong_alpn.alpn_protocols = vec![b"sallyport-hop/9".to_vec()];
        for (client, cause, alert, by_server) in [
            (
                pki.nobody(),
                "client_cert_missing",
                "certificate_required",
                true,
            ),
            (
                pki.client_of(&namesake),
                "client_cert_untrusted_ca",
                "decrypt_error",
                true,
            ),
            (
                pki.client_of(&other),
                "client_cert_untrusted_ca",
                "unknown_ca",
                true,
            ),
            (
                pki.client_for(ours),
                "client_cert_wrong_purpose",
                "unsupported_certificate",
                true,
            ),
            (
                wrong_alpn,
                "no_shared_alpn",
                "no_application_protocol",
                true,
            ),
            (
                other.client_of(&pki),
                "server_cert_untrusted_ca",
                "unknown_ca",
                false,
            ),
        ] {
            let server = serve_with(&cluster, pki.server());
            assert_eq!(
                refusal(&server, &client).await,
                both(cause, alert, by_server)
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_of_the_next_version_is_understood() {
    on_a_thread(async {
        let (target, _) = Target::saying(OK).await;
        let cluster = Cluster::start(true).await;
        cluster.put("routes/1", route(target.port)).await;
        let pki = Pki::new();
        let next = || vec![b"sallyport-hop/2".to_vec(), b"sallyport-hop/1".to_vec()];
        for (newer_client, newer_server) in [(true, false), (false, true)] {
            let (mut client, mut server) = (pki.client(), pki.server());
            if newer_client {
                client.alpn_protocols = next();
            }
            if newer_server {
                server.alpn_protocols = next();
            }
            let server = serve_with(&cluster, server);
            assert!(
                open_lane(server.address, &client, &Metrics::new())
                    .await
                    .is_ok()
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_idle_connection_is_heard_of() {
    on_a_thread(async {
        let (target, _) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        for _ in 0..3 {
            let heard = bench.lane.heard();
            until("a sign of life", || bench.lane.heard() > heard).await;
        }
        assert_eq!(bench.lane.ended(), None);
    })
    .await;
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_nothing_new() {
    on_a_thread(async {
        let go = Rc::new(tokio::sync::Notify::new());
        let gone = go.clone();
        let target = Target::start(move |mut stream| {
            let go = gone.clone();
            async move {
                read_head(&mut stream).await.unwrap();
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfour";
                stream.write_all(head).await.unwrap();
                go.notified().await;
                stream.write_all(b"more").await.unwrap();
            }
        })
        .await;
        let bench = Bench::to(&target).await;
        let answer = bench.ask("GET", Body::Empty).await;
        bench.server.drain.begin(Duration::from_secs(30));
        let outcome = bench.lane.call(bench.request("GET", Body::Empty)).await;
        assert_eq!(told(&outcome), "not taken: Draining");
        go.notify_one();
        assert_eq!(text(answer.body).await, "fourmore");
        assert_eq!(target.connections.get(), 1);
        until("the connection is closed", || bench.lane.ended().is_some()).await;
        until("the server is done", || bench.server.task.is_finished()).await;
        assert_eq!(bench.server.drain.in_flight(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_is_no_longer_good_ends_its_connections() {
    on_a_thread(async {
        let (target, _) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        bench.server.generation.send_replace(1);
        bench.ask("GET", Body::Empty).await;
        bench.server.trusting.set(false);
        bench.server.generation.send_replace(2);
        until("the connection is closed", || bench.lane.ended().is_some()).await;
    })
    .await;
}

#[tokio::test]
async fn a_router_knows_what_its_lane_was_shown() {
    on_a_thread(async {
        let (cluster, ca) = (Cluster::start(true).await, new_ca());
        let ours = identity(&ca, &[Role::Router, Role::Processor]);
        let server = serve_with(&cluster, ours.server().as_ref().clone());
        let lane = {
            let metrics = Metrics::new();
            let failures = Failures::new("n", metrics.clone());
            Lane::open(server.address, &ours, &metrics, &failures).await
        };
        let lane = lane.unwrap();
        assert!(lane.is_trusted(&ours) && lane.is_trusted(&identity(&ca, &[Role::Router])));
        assert!(!lane.is_trusted(&identity(&new_ca(), &[Role::Router])));
    })
    .await;
}

#[tokio::test]
async fn sockets_of_all_threads_share_a_port() {
    let sockets = serve::bind(([127, 0, 0, 1], 0).into(), 3).unwrap();
    let ports: Vec<_> = sockets
        .iter()
        .map(|s| s.local_addr().unwrap().port())
        .collect();
    assert!(ports.len() == 3 && ports.iter().all(|p| *p == ports[0] && *p != 0));
}

#[tokio::test]
async fn a_target_may_be_silent_for_longer_than_a_dead_connection_lives() {
    on_a_thread(async {
        let target = Target::start(|mut stream| async move {
            read_head(&mut stream).await.unwrap();
            tokio::time::sleep(Duration::from_secs(4)).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
        })
        .await;
        let bench = Bench::to(&target).await;
        assert_eq!(text(bench.ask("GET", Body::Empty).await.body).await, "ok");
    })
    .await;
}
