//! The control group of the matrix: handshakes that succeed, of every stack, both ways, with and without client certificates,
//! cut in every way, resumed. None of them may leave a record or move the counter of failures.

use std::sync::Arc;

use cluster_tests::h2_client::H2Client;
use cluster_tests::http1;
use cluster_tests::matrix::run::side_by_side;
use cluster_tests::matrix::server::Offer;
use cluster_tests::matrix::table::{Besides, Row, judge};
use cluster_tests::matrix::want::Expect;
use cluster_tests::matrix::zoo::Fault;
use cluster_tests::matrix::{Stack, Version};
use cluster_tests::node::Launch;
use cluster_tests::shape::Shape;
use cluster_tests::tls_client::TlsClient;
use serde_json::{Value, json};

use super::matrix_northbound::{Case, Stage, host};
use super::matrix_southbound::{Ask, ask};

#[tokio::test]
async fn matrix_control_group() {
    let stage = Stage::new(Launch::new()).await;
    stage.serve("good", Fault::Good, &json!({})).await;
    stage.serve_mtls("mtls", &json!({})).await;
    stage
        .serve_mtls("mtls-400", &json!({"auth_failure": "http_400"}))
        .await;
    let mut rows = clients(&stage).await;
    rows.extend(targets(&stage).await);
    shapes(&stage).await;
    judge("Control group", &stage.node, &rows, Besides::Nothing).await;
    let metrics = stage.node.metrics().await;
    let failed = metrics.value("tls_handshake_failures_total", &[]);
    assert!(failed < 0.5, "counted failures: {failed}");
    for hop in ["northbound", "southbound"] {
        let ok = metrics.value("tls_handshakes_total", &[("hop", hop), ("result", "ok")]);
        assert!(ok > 10.5, "{hop}: {ok} handshakes");
    }
}

async fn clients(stage: &Stage) -> Vec<Row> {
    let mut cases = Vec::new();
    for stack in Stack::CLIENTS {
        for version in Version::BOTH {
            for label in ["good", "mtls", "mtls-400"] {
                let mut dial = stage.dial(stack, version, label);
                if label != "good" {
                    dial.identity = Some(stage.peers.zoo.client(Fault::Good));
                }
                let expect = Expect::Nothing(Some(200), "");
                cases.push(Case::new(format!("client of {label}"), dial, expect));
            }
        }
    }
    stage.run(cases).await
}

async fn targets(stage: &Stage) -> Vec<Row> {
    let zoo = &stage.peers.zoo;
    let client = zoo.client(Fault::Good);
    let ours = json!({"client_cert": client.identity.chain, "client_key": client.identity.key});
    let mut jobs = Vec::new();
    for stack in Stack::SERVERS
        .into_iter()
        .filter(|stack| stage.peers.has(*stack))
    {
        for version in Version::BOTH {
            for mutual in [false, true] {
                let mut offer = Offer::new(stack, &[version], zoo.server(Fault::Good));
                offer.clients = mutual.then(|| zoo.trust());
                let tls = if mutual { ours.clone() } else { json!({}) };
                let id = format!("{}-{}-{mutual}", stack.name(), version.number());
                jobs.push(target(stage, id.replace('.', ""), offer, tls));
            }
        }
    }
    side_by_side(jobs).await
}

fn target(
    stage: &Stage,
    id: String,
    offer: Offer,
    tls: Value,
) -> impl Future<Output = Row> + Send + use<> {
    let (node, peers) = (Arc::clone(&stage.node), Arc::clone(&stage.peers));
    async move {
        let server = offer.start(&peers, peers.zoo.dir()).await;
        let asked = Ask {
            id: &id,
            port: server.port(),
            tls: &tls,
            host: &host("good"),
            scheme: "https",
            root: peers.zoo.root(),
        };
        let reply = ask(&node, &asked).await;
        let version = offer
            .versions
            .first()
            .map_or("", |version| version.number());
        Row {
            case: if offer.clients.is_some() {
                "target that demands our certificate".to_owned()
            } else {
                "target".to_owned()
            },
            peer: format!("{} {version}", offer.stack.name()),
            hop: "southbound",
            expect: Expect::Nothing(Some(200), ""),
            key: cluster_tests::matrix::table::Key::Route(id),
            said: String::new(),
            passed: Vec::new(),
            reply: Some(reply),
        }
    }
}

/// Hellos in single bytes and in many records, HTTP/2, sessions that are resumed, a request in the clear.
async fn shapes(stage: &Stage) {
    let at = stage.node.https;
    let client = TlsClient::new(&host("good"));
    for shape in [
        Shape::Whole,
        Shape::Segments(1),
        Shape::Segments(100),
        Shape::Records(40),
    ] {
        for client in [client.clone().tls12(), client.clone().tls13()] {
            let reply = client.shape(shape).get(at, "/").await;
            let status = reply.map(|reply| reply.status());
            assert!(matches!(status, Ok(200)), "{shape:?}: {status:?}");
        }
    }
    for client in [client.clone().tls12(), client.clone().tls13()] {
        let dialer = client.dialer();
        let first = dialer.get_and_kind(at, "/").await.expect("a good client");
        let second = dialer.get_and_kind(at, "/").await.expect("a good client");
        assert_eq!((first.1, second.1), (false, true), "resumed");
    }
    let mut h2 = H2Client::connect(&client, at).await.expect("a good client");
    assert_eq!(h2.get(&host("good"), b"/").await.status, Some(200));
    let plain = http1::get(stage.node.http, &host("good"), "/").await;
    assert_eq!(plain.expect("an answer").status(), 200);
}
