//! Bodies and connections through the hop: large ones, chunks, trailers, upgrades, 100-continue, early answers, and ends
//! that come too soon on either side.

use bytes::Bytes;
use cluster_tests::answer::{Answer, Received};
use cluster_tests::cluster::Cluster;
use cluster_tests::etcd::Etcd;
use cluster_tests::h2_client::H2Client;
use cluster_tests::h2_target::GrpcTarget;
use cluster_tests::http1::{self, Framing, Head, Wire};
use cluster_tests::objects::{route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::wait::{SOON, eventually, same};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

async fn stage(
    script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
) -> (Etcd, Cluster, Target) {
    let (etcd, cluster) = Cluster::start(1, 1).await;
    let target = Target::start(script).await;
    let mut route = route(&target.node());
    route["enable_websocket"] = json!(true);
    cluster.put("routes/1", &route).await;
    (etcd, cluster, target)
}

/// Bytes that repeat nowhere near, so that a piece lost, doubled or moved shows.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(count).collect()
}

const LARGE: usize = 5 << 20;

/// HTTP/2's frame type and error code by which a client takes a request back.
const RST_STREAM: u8 = 3;
const CANCEL: u32 = 8;

fn with_length(body: &[u8]) -> Answer {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    Answer::Send(answer)
}

#[tokio::test]
async fn five_megabytes_go_up_and_down_unchanged() {
    let (_etcd, cluster, target) = stage(|received| with_length(&received.message.body)).await;
    let body = bytes(LARGE);
    let mut wire = http1::open(cluster.routers[0].http).await;
    wire.send(format!(
        "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n"
    ))
    .await
    .unwrap();
    wire.send(&body).await.unwrap();
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.status(), reply.body.len()), (200, LARGE));
    assert!(reply.body == body, "the bytes are the same");
    wire.send("POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    for piece in body.chunks(77_777) {
        wire.send(format!("{:x}\r\n", piece.len())).await.unwrap();
        wire.send(piece).await.unwrap();
        wire.send("\r\n").await.unwrap();
    }
    wire.send("0\r\n\r\n").await.unwrap();
    let reply = wire.reply().await.unwrap();
    assert!(
        (reply.status(), &reply.body) == (200, &body),
        "the bytes are the same when chunked"
    );
    assert!(
        target
            .received()
            .iter()
            .all(|received| received.message.body == body)
    );
}

#[tokio::test]
async fn trailers_empty_answers_and_kept_connections() {
    let (_etcd, cluster, target) = stage(|received| match received.target() {
        "/trailers" => Answer::raw(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
        ),
        "/204" => Answer::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        "/304" => Answer::raw("HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n"),
        "/head" => Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        "/to-the-end" => Answer::SendAndClose(b"HTTP/1.1 200 OK\r\n\r\nuntil closed".to_vec()),
        _ => Answer::ok("body"),
    })
    .await;
    let mut wire = http1::open(cluster.routers[0].http).await;
    wire.send(
        "POST /trailers HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-In: 8\r\n\r\n",
    )
    .await
    .unwrap();
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.status(), reply.text()), (200, "ok".to_owned()));
    let told = reply
        .trailers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), [("x-sum".to_owned(), "7")]);
    let seen = target.received().pop().unwrap().message;
    let told = seen
        .trailers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.as_str()));
    assert_eq!(
        (seen.body.as_slice(), told.collect::<Vec<_>>()),
        (b"hi".as_slice(), vec![("x-in".to_owned(), "8")])
    );
    for (method, path, status, body) in [
        ("GET", "/204", 204, ""),
        ("GET", "/304", 304, ""),
        ("HEAD", "/head", 200, ""),
        ("GET", "/to-the-end", 200, "until closed"),
    ] {
        wire.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await
            .unwrap();
        let reply = wire.reply_to(method).await.unwrap();
        assert_eq!(
            (reply.status(), reply.text().as_str()),
            (status, body),
            "{path}"
        );
        if path == "/head" {
            assert_eq!(reply.header("content-length"), Some("7"));
        }
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(wire.reply().await.unwrap().text(), "body", "after {path}");
    }
}

#[tokio::test]
async fn http_2_clients_and_grpc_targets() {
    let (_etcd, cluster, _target) = stage(Answer::echo).await;
    let ca = Authority::root("ca");
    cluster
        .put("ssls/1", &ssl("test.com", &ca.server(&["test.com"])))
        .await;
    let grpc = GrpcTarget::start(None).await;
    let object =
        json!({"uri": "/pkg.Service/*", "upstream": {"scheme": "grpc", "nodes": {grpc.node(): 1}}});
    cluster.put("routes/2", &object).await;
    let router = &cluster.routers[0];
    let mut h2 = H2Client::connect(&TlsClient::new("test.com"), router.https)
        .await
        .unwrap();
    for number in 0..3 {
        let path = format!("/h2/{number}");
        let outcome = h2.get("test.com", path.as_bytes()).await;
        assert_eq!(outcome.status, Some(200), "{outcome:?}");
        assert!(
            String::from_utf8_lossy(&outcome.body).contains(&path),
            "{outcome:?}"
        );
    }
    let wire = TlsClient::new("test.com")
        .alpn(&["h2"])
        .connect(router.https)
        .await
        .unwrap();
    let connected =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(wire.stream))
            .await;
    let (mut sender, connection) = connected.unwrap();
    tokio::spawn(connection);
    let sent = Bytes::from(bytes(1 << 20));
    let request = http::Request::post("https://test.com/pkg.Service/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(sent.clone()))
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
    assert!(body.to_bytes() == sent, "the bytes are the same");
    assert_eq!(grpc.heads()[0].headers.get("te").unwrap(), "trailers");
}

#[tokio::test]
async fn a_tunnel_carries_both_directions_and_their_separate_ends() {
    let (_etcd, cluster, target) =
        stage(|_| Answer::TunnelToTheEnd(b"and good bye".to_vec())).await;
    let upgrade = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut wire = http1::open(cluster.routers[0].http).await;
    wire.send(upgrade).await.unwrap();
    let reply = wire.reply().await.unwrap();
    assert_eq!(reply.status(), 101, "{}", reply.text());
    assert_eq!(reply.head.all("upgrade"), ["websocket"]);
    for message in [
        b"\x81\x05hello".to_vec(),
        vec![0, 1, 2, 255],
        bytes(200_000),
    ] {
        wire.send(&message).await.unwrap();
        assert!(
            wire.at_least(message.len()).await.unwrap() == message,
            "the bytes are the same"
        );
    }
    wire.send("last").await.unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut wire.stream)
        .await
        .unwrap();
    let rest = wire.rest().await;
    assert_eq!(
        String::from_utf8_lossy(&rest),
        "lastand good bye",
        "the other half went on"
    );
    eventually("the target's connection is closed", SOON, || async {
        same(target.open_connections(), &0)
    })
    .await;
}

#[tokio::test]
async fn a_client_that_waits_for_continue_is_told_what_the_target_says() {
    let (_etcd, cluster, target) = stage(|received| match received.target() {
        "/early/refuse" => Answer::SendAndClose(
            b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno".to_vec(),
        ),
        _ => Answer::echo(received),
    })
    .await;
    let asked = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };
    let mut wire = http1::open(cluster.routers[0].http).await;
    wire.send(asked("/taken")).await.unwrap();
    assert_eq!(wire.read_head().await.unwrap().unwrap().status(), 100);
    wire.send("hello").await.unwrap();
    assert_eq!(wire.reply().await.unwrap().json()["body"], "hello");
    let mut wire = http1::open(cluster.routers[0].http).await;
    wire.send(asked("/early/refuse")).await.unwrap();
    let head = wire.read_head().await.unwrap().unwrap();
    assert_eq!(
        head.status(),
        417,
        "the target's answer and no 100 before it: {}",
        head.start
    );
    assert_eq!(target.received().len(), 2);
}

#[tokio::test]
async fn an_early_answer_comes_while_the_body_is_on_its_way() {
    let (_etcd, cluster, _target) =
        stage(|_| Answer::status("413 Content Too Large", "enough")).await;
    for length in [1_000_000, 100] {
        let mut wire = http1::open(cluster.routers[0].http).await;
        let head =
            format!("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nbeginning");
        wire.send(head).await.unwrap();
        let reply = wire.reply().await.unwrap();
        assert_eq!(
            (reply.status(), reply.text()),
            (413, "enough".to_owned()),
            "of {length} bytes"
        );
    }
}

#[tokio::test]
async fn who_hangs_up_on_one_side_is_heard_on_the_other() {
    let (_etcd, cluster, target) = stage(|received| match received.target() {
        "/endless" => Answer::Stream(1 << 40),
        "/hang" => Answer::Hang,
        "/cut" => Answer::SendAndClose(
            b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbeginning".to_vec(),
        ),
        "/cut-chunks" => Answer::SendAndClose(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbeginning\r\n".to_vec(),
        ),
        _ => Answer::ok("fine"),
    })
    .await;
    let router = &cluster.routers[0];
    let idle = target.open_connections();
    let at_work = |path: &'static str| {
        let target = &target;
        eventually("the target is at work", SOON, move || async move {
            let received = target.received();
            same(received.last().map(Received::target), &Some(path)).map(drop)
        })
    };
    let closed = |what: &'static str| {
        let target = &target;
        eventually(what, SOON, move || async move {
            same(target.open_connections() <= idle, &true)
        })
    };
    let mut wire = http1::open(router.http).await;
    wire.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    at_work("/endless").await;
    wire.at_least(300_000).await.unwrap();
    drop(wire);
    closed("a download broken off ends the target's connection").await;
    cluster
        .put(
            "ssls/1",
            &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
        )
        .await;
    let mut h2 = H2Client::connect(&TlsClient::new("test.com"), router.https)
        .await
        .unwrap();
    let fields: [(&str, &[u8]); 4] = [
        (":method", b"GET"),
        (":scheme", b"https"),
        (":authority", b"test.com"),
        (":path", b"/hang"),
    ];
    let stream = h2.begin(&fields, true).await.unwrap();
    at_work("/hang").await;
    h2.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
        .await
        .unwrap();
    closed("a request taken back ends the target's connection").await;
    let mut wire = http1::open(router.http).await;
    wire.send("POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        .await
        .unwrap();
    wire.send(&bytes(500_000)).await.unwrap();
    eventually("the body is on its way", SOON, || async {
        same(target.open_connections() > idle, &true)
    })
    .await;
    drop(wire);
    eventually("the half request is given up", SOON, || async {
        same(target.open_connections() <= idle, &true)
    })
    .await;
    assert!(
        target
            .received()
            .iter()
            .all(|received| received.target() != "/half"),
        "and never was a whole one"
    );
    for path in ["/cut", "/cut-chunks"] {
        let mut wire = http1::open(router.http).await;
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await
            .unwrap();
        let head = wire.read_head().await.unwrap().unwrap();
        assert_eq!(head.status(), 200, "{path}");
        cut(wire, head).await;
    }
    assert_eq!(
        http1::get(router.http, "x", "/").await.unwrap().text(),
        "fine",
        "and the hop is in order"
    );
}

#[tokio::test]
async fn a_processor_that_dies_in_mid_body_cuts_the_answer() {
    let (_etcd, mut cluster, _target) = stage(|_| Answer::Stream(1 << 40)).await;
    let mut wire = http1::open(cluster.routers[0].http).await;
    wire.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let head = wire.read_head().await.unwrap().unwrap();
    assert_eq!(head.status(), 200);
    cluster.processors[0].process.kill().await;
    cut(wire, head).await;
}

/// The body must end too soon, by the end of the connection and not by our patience.
async fn cut(mut wire: Wire<TcpStream>, head: Head) {
    let framing = Framing::of(&head, Framing::ToTheEnd);
    let error = wire
        .read_body(head, framing)
        .await
        .expect_err("a cut answer");
    assert_ne!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
}

#[tokio::test]
async fn clients_that_do_not_read_hold_up_nobody_else() {
    let (_etcd, cluster, target) = stage(|received| match received.target() {
        "/endless" => Answer::Stream(1 << 40),
        "/large" => Answer::Stream(3 << 20),
        _ => Answer::ok("fine"),
    })
    .await;
    let router = cluster.routers[0].http;
    let mut unread = Vec::new();
    // Together far more than any window of a connection between router and processor.
    for _ in 0..80 {
        let mut wire = http1::open(router).await;
        wire.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(wire.read_head().await.unwrap().unwrap().status(), 200);
        unread.push(wire);
    }
    for round in 0..10 {
        assert_eq!(
            http1::get(router, "x", "/").await.unwrap().text(),
            "fine",
            "{round}"
        );
        assert_eq!(
            http1::get(router, "x", "/large").await.unwrap().length,
            3 << 20,
            "{round}"
        );
    }
    assert_eq!(unread.len(), 80);
    drop(unread);
    eventually("all of them are given up", SOON, || async {
        same(target.open_connections() <= 2, &true)
            .map_err(|_| target.open_connections().to_string())
    })
    .await;
}

#[tokio::test]
async fn an_upload_whose_processor_dies_is_answered_and_given_up() {
    let (_etcd, mut cluster, target) = stage(Answer::echo).await;
    let mut wire = http1::open(cluster.routers[0].http).await;
    wire.send("POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        .await
        .unwrap();
    wire.send(&bytes(500_000)).await.unwrap();
    eventually("the target is at it", SOON, || async {
        same(target.open_connections(), &1)
    })
    .await;
    cluster.processors[0].process.kill().await;
    let reply = wire.reply().await.unwrap();
    assert_eq!(
        (reply.status(), reply.fault_code()),
        (503, "NoProcessor".to_owned()),
        "{}",
        reply.text()
    );
    eventually("the half request is given up", SOON, || async {
        same(target.open_connections(), &0)
    })
    .await;
    assert!(target.received().is_empty());
}
