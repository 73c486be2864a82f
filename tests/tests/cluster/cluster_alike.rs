//! The hop against the call: what a client sends and what a target answers come out the same, byte for byte, whether
//! router and processor are one process or two.

use cluster_tests::answer::{Answer, Received};
use cluster_tests::cluster::Cluster;
use cluster_tests::http1;
use cluster_tests::node::Node;
use cluster_tests::objects::route;
use cluster_tests::target::Target;
use serde_json::json;

/// What targets say; `false` if they close behind it.
const ANSWERS: [(&str, bool); 18] = [
    (
        "200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\nok",
        true,
    ),
    ("200 OK\r\nContent-Length: 0\r\n\r\n", true),
    (
        "200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        false,
    ),
    ("200 OK\r\n\r\nto the end", false),
    ("200 OK\r\nContent-Length: 9\r\n\r\nshort", false),
    ("200 OK\r\nContent-Length: 1\r\n\r\nlong", false),
    (
        "200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
        false,
    ),
    (
        "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        true,
    ),
    (
        "200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
        true,
    ),
    (
        "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        false,
    ),
    ("200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false),
    (
        "200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        false,
    ),
    ("204 No Content\r\nX-A: b\r\n\r\n", true),
    ("304 Not Modified\r\nContent-Length: 9\r\n\r\n", true),
    (
        "103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        true,
    ),
    (
        "503 Service Unavailable\r\nContent-Length: 4\r\nServer: t\r\n\r\nbusy",
        true,
    ),
    (
        "101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        false,
    ),
    ("nonsense", false),
];

/// Of these, the ones that break off.
const CUT: [usize; 3] = [4, 9, 10];

fn script(received: &Received) -> Answer {
    let number = received.target().rsplit('/').next().unwrap_or_default();
    let Some((answer, stays)) = number.parse().ok().and_then(|n: usize| ANSWERS.get(n)) else {
        return Answer::echo(received);
    };
    let answer = format!("HTTP/1.1 {answer}").into_bytes();
    if *stays {
        Answer::Send(answer)
    } else {
        Answer::SendAndClose(answer)
    }
}

/// What clients send; `/N` stands for the answer that is asked for.
const REQUESTS: [&str; 16] = [
    "GET /N HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD /N HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /N HTTP/1.0\r\nHost: x\r\n\r\n",
    "GET /N HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    "DELETE /a%20b?c&/N HTTP/1.1\r\nHost: x\r\nX-B: 2\r\nX-A: 1\r\nX-B: 1\r\nCookie: a\r\nConnection: x-a\r\n\r\n",
    "POST /N HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
    "POST /N HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "POST /N HTTP/1.1\r\nHost: x\r\n\r\n",
    "PUT /N HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "POST /N HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-T: 1\r\nX-Real-IP: 1\r\n\r\n",
    "POST /N HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
    "POST /N HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "POST /N HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "POST /N HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nContent-Length: 1\r\n\r\n",
    "GET /N HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "GET /N HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nProxy-Connection: a\r\nKeep-Alive: 1\r\n\r\n",
];

/// Everything a client gets for `request` and one that ends the connection, without what differs from answer to answer.
async fn heard(node: &Node, request: &str) -> String {
    let mut wire = http1::open(node.http).await;
    let end = "GET /0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    wire.send(format!("{request}{end}")).await.unwrap();
    let bytes = wire.rest().await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines = text.split("\r\n").map(|line| match line.split_once(": ") {
        Some(("date" | "x-request-id", _)) => "",
        _ => line.split("\"request_id\"").next().unwrap_or_default(),
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// What a target got since the first `before` requests.
fn got(target: &Target, before: usize) -> Vec<String> {
    let received = target.received();
    let told = received[before..].iter().map(|received| {
        let message = &received.message;
        let head = String::from_utf8_lossy(&message.head.raw).into_owned();
        let head = head
            .split("\r\n")
            .filter(|l| !l.starts_with("x-forwarded-port"));
        let head = head.collect::<Vec<_>>().join("\r\n");
        format!("{head}{}{:?}", message.text(), message.trailers)
    });
    told.collect()
}

#[tokio::test]
async fn a_hop_changes_no_byte() {
    let (_etcd, cluster) = Cluster::start(1, 1).await;
    let (near, far) = (Target::start(script).await, Target::start(script).await);
    let one = Node::start().await;
    let mut to_near = route(&near.node());
    to_near["enable_websocket"] = json!(true);
    let mut to_far = route(&far.node());
    to_far["enable_websocket"] = json!(true);
    one.put("routes/1", &to_near).await;
    cluster.put("routes/1", &to_far).await;
    for request in REQUESTS {
        for (number, answer) in ANSWERS.iter().enumerate() {
            let request = request.replace("/N", &format!("/{number}"));
            let before = (near.received().len(), far.received().len());
            let (called, carried) =
                tokio::join!(heard(&one, &request), heard(&cluster.routers[0], &request));
            // How much of an answer that breaks off was passed on before is a matter of time.
            let alike = if CUT.contains(&number) {
                called.starts_with(&carried) || carried.starts_with(&called)
            } else {
                called == carried
            };
            assert!(alike, "{request} {answer:?}\n{called}\n---\n{carried}");
            let got = (got(&near, before.0), got(&far, before.1));
            assert_eq!(got.0, got.1, "{request} {answer:?}");
        }
    }
}
