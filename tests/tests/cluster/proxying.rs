//! Requests on their way: streaming, keep-alive, upgrades, trailers, early answers.

use bytes::Bytes;
use cluster_tests::answer::Answer;
use cluster_tests::h2_target::GrpcTarget;
use cluster_tests::http1;
use cluster_tests::node::Node;
use cluster_tests::objects::{route, ssl};
use cluster_tests::pki::{Authority, Identity};
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::tls_server::server_config;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

async fn stage(
    script: impl Fn(&cluster_tests::answer::Received) -> Answer + Send + Sync + 'static,
) -> (Node, Target) {
    let node = Node::start().await;
    let target = Target::start(script).await;
    node.put("routes/1", &route(&target.node())).await;
    (node, target)
}

const LARGE: u64 = 100 << 20;

#[tokio::test]
async fn large_bodies_stream_both_ways_through_little_memory() {
    let (node, target) = stage(|received| match received.target() {
        "/down" => Answer::Stream(LARGE),
        _ => Answer::ok("taken"),
    })
    .await;
    let before = node.peak_resident_kb();
    let mut wire = http1::open(node.http).await;
    wire.send(format!(
        "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n"
    ))
    .await
    .unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        wire.send(&block).await.unwrap();
    }
    assert_eq!(wire.reply().await.unwrap().status(), 200);
    assert_eq!(target.received().pop().unwrap().message.length, LARGE);
    wire.send("GET /down HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(wire.reply().await.unwrap().length, LARGE);
    let grown = node.peak_resident_kb() - before;
    assert!(
        grown < 48 << 10,
        "memory grew by {grown} kB for bodies of 100 MB"
    );
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_target_instead_of_filling_memory() {
    let (node, _target) = stage(|_| Answer::Stream(LARGE)).await;
    let before = node.peak_resident_kb();
    let mut wire = http1::open(node.http).await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    for _ in 0..20 {
        http1::get(node.metrics, "localhost", "/status")
            .await
            .unwrap();
    }
    let grown = node.peak_resident_kb() - before;
    assert!(grown < 48 << 10, "memory grew by {grown} kB");
    assert_eq!(
        wire.reply().await.unwrap().length,
        LARGE,
        "and all of it comes once it reads"
    );
}

#[tokio::test]
async fn chunked_bodies_arrive_whole() {
    let (node, target) = stage(Answer::echo).await;
    let request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(
        http1::exchange(node.http, request).await.unwrap().json()["body"],
        "abc0123456789"
    );
    assert_eq!(target.received()[0].message.length, 13);
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body_is_sent() {
    let (node, _target) = stage(Answer::echo).await;
    let mut wire = http1::open(node.http).await;
    wire.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(wire.read_head().await.unwrap().unwrap().status(), 100);
    wire.send("hello").await.unwrap();
    assert_eq!(wire.reply().await.unwrap().json()["body"], "hello");
}

#[tokio::test]
async fn an_early_answer_comes_before_the_body_is_whole() {
    let (node, _target) = stage(|_| Answer::status("413 Content Too Large", "enough")).await;
    let mut wire = http1::open(node.http).await;
    wire.send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbeginning")
        .await
        .unwrap();
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.status(), reply.text()), (413, "enough".to_owned()));
}

#[tokio::test]
async fn connections_are_kept_and_pipelined_requests_answered_in_order() {
    let (node, target) = stage(Answer::echo).await;
    let mut wire = http1::open(node.http).await;
    let requests = (0..5)
        .map(|number| format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n"))
        .collect::<String>();
    wire.send(requests).await.unwrap();
    for number in 0..5 {
        assert_eq!(
            wire.reply().await.unwrap().json()["target"],
            format!("/{number}")
        );
    }
    assert_eq!(target.connections(), 1, "to the target too");
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_usable() {
    let (node, _target) = stage(|received| match received.target() {
        "/204" => Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        "/304" => Answer::raw("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
        "/head" => Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        "/hints" => Answer::raw("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nh"),
        _ => Answer::ok("body"),
    })
    .await;
    let mut wire = http1::open(node.http).await;
    for (method, path, status) in [
        ("GET", "/204", 204),
        ("GET", "/304", 304),
        ("HEAD", "/head", 200),
        ("GET", "/hints", 200),
    ] {
        wire.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await
            .unwrap();
        assert_eq!(
            wire.reply_to(method).await.unwrap().status(),
            status,
            "{path}"
        );
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(wire.reply().await.unwrap().text(), "body", "after {path}");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks_and_a_close() {
    let (node, _target) = stage(|_| {
        Answer::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    })
    .await;
    let mut wire = http1::open(node.http).await;
    wire.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let text = String::from_utf8(wire.rest().await).unwrap();
    assert!(text.ends_with("\r\n\r\nok"), "{text}");
    assert!(!text.to_lowercase().contains("chunked"), "{text}");
}

#[tokio::test]
async fn a_websocket_is_a_tunnel_once_the_target_said_101_and_only_where_the_route_allows_it() {
    let (node, target) = stage(|received| match received.message.header("upgrade") {
        Some(_) => Answer::Tunnel,
        None => Answer::ok("no upgrade"),
    })
    .await;
    let upgrade = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let reply = http1::exchange(node.http, upgrade).await.unwrap();
    assert_eq!(
        (reply.status(), reply.text()),
        (200, "no upgrade".to_owned())
    );
    let mut allowed = route(&target.node());
    allowed["enable_websocket"] = json!(true);
    node.put("routes/1", &allowed).await;
    // What comes with a body is no WebSocket's handshake.
    let with_body =
        upgrade.replace("Host: x", "Host: x\r\nTransfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n";
    let reply = http1::exchange(node.http, with_body).await.unwrap();
    assert_eq!(reply.text(), "no upgrade");
    let mut wire = http1::open(node.http).await;
    wire.send(upgrade).await.unwrap();
    let reply = wire.reply().await.unwrap();
    assert_eq!(reply.status(), 101, "{}", reply.text());
    assert_eq!(reply.head.all("upgrade"), ["websocket"]);
    assert_eq!(reply.head.all("connection"), ["upgrade"]);
    for message in [
        b"\x81\x05hello".to_vec(),
        vec![0, 1, 2, 255],
        vec![b'x'; 100_000],
    ] {
        wire.send(&message).await.unwrap();
        assert_eq!(wire.at_least(message.len()).await.unwrap(), message);
    }
}

async fn grpc_through(node: &Node, name: &str) {
    let wire = TlsClient::new(name)
        .alpn(&["h2"])
        .connect(node.https)
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(wire.stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("https://{name}/pkg.Service/Call"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\x03abc")))
        .unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    assert_eq!(head.status, 200);
    let body = body.collect().await.unwrap();
    assert_eq!(
        body.trailers()
            .and_then(|trailers| trailers.get("grpc-status"))
            .unwrap(),
        "0"
    );
    assert_eq!(body.to_bytes(), Bytes::from_static(b"\0\0\0\0\x03abc"));
}

fn served(ca: &Authority) -> Identity {
    ca.server(&["test.com"])
}

#[tokio::test]
async fn grpc_with_trailers_goes_through_to_plain_and_tls_targets() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    node.put("ssls/1", &ssl("test.com", &served(&ca))).await;
    let plain = GrpcTarget::start(None).await;
    node.put(
        "routes/1",
        &json!({"uri": "/*", "upstream": {"scheme": "grpc", "nodes": {plain.node(): 1}}}),
    )
    .await;
    grpc_through(&node, "test.com").await;
    let tls = GrpcTarget::start(Some(server_config(&served(&ca), None))).await;
    let upstream =
        json!({"scheme": "grpcs", "nodes": {tls.node(): 1}, "tls": {"ca_certs": [ca.cert]}});
    node.put("routes/1", &json!({"uri": "/*", "upstream": upstream}))
        .await;
    grpc_through(&node, "test.com").await;
    assert_eq!(plain.heads().len() + tls.heads().len(), 2);
    assert_eq!(tls.heads()[0].headers.get("te").unwrap(), "trailers");
}
