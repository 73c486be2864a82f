//! Whatever a client sends and a target answers, both see the same through router and processor apart as through one
//! process: the two are compared byte by byte, but for what is made anew for each request.

use cluster_tests::answer::{Answer, Received};
use cluster_tests::cluster::Cluster;
use cluster_tests::http1::{self, Head, Message};
use cluster_tests::node::Node;
use cluster_tests::objects::route;
use cluster_tests::target::Target;

/// Header lines that differ from one request to the next.
const ANEW: [&str; 4] = ["x-request-id", "date", "x-forwarded-port", "traceparent"];

/// A head's lines as bytes, without those.
fn lines(head: &Head) -> Vec<Vec<u8>> {
    let lines = head.raw.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let is_new = |line: &[u8]| {
        let text = String::from_utf8_lossy(line).to_lowercase();
        ANEW.iter()
            .any(|name| text.starts_with(&format!("{name}:")))
    };
    lines.filter(|line| !is_new(line)).collect()
}

/// What both ends saw.
type Seen = (Vec<Vec<u8>>, Vec<u8>, Vec<(String, String)>);

fn seen(message: &Message) -> Seen {
    (
        lines(&message.head),
        message.body.clone(),
        message.trailers.clone(),
    )
}

fn show(seen: &Seen) -> String {
    let head = seen
        .0
        .iter()
        .map(|line| String::from_utf8_lossy(line).into_owned());
    let head = head.collect::<Vec<_>>().join("\n");
    format!("{head}{} {:?}", String::from_utf8_lossy(&seen.1), seen.2)
}

/// Odd but permitted answers, by path.
fn script(received: &Received) -> Answer {
    let bytes: &[u8] = match received.target() {
        "/reason" => b"HTTP/1.1 299 Odd But Fine\r\nContent-Length: 0\r\n\r\n",
        "/duplicates" => {
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-A: 1\r\nset-cookie: b=2\r\nX-a: 2\r\nContent-Length: 2\r\n\r\nok"
        }
        "/bytes" => b"HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nX-Empty:\r\nX-Tab: a\tb\r\nContent-Length: 0\r\n\r\n",
        "/1.0" => return Answer::SendAndClose(b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nto the end".to_vec()),
        "/chunks" => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
        }
        "/hints" => b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nh",
        "/205" => b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        "/204" => b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
        "/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 10\r\n\r\n",
        "/500" => b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nbad!",
        "/hop-by-hop" => {
            b"HTTP/1.1 200 OK\r\nConnection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n"
        }
        "/nonsense" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        _ => return Answer::ok("plain"),
    };
    Answer::Send(bytes.to_vec())
}

fn requests() -> Vec<Vec<u8>> {
    let long = "x".repeat(50_000);
    let mut all = [
        "/reason",
        "/duplicates",
        "/bytes",
        "/1.0",
        "/chunks",
        "/hints",
        "/205",
        "/204",
        "/304",
        "/500",
        "/hop-by-hop",
        "/nonsense",
    ]
    .map(|path| format!("GET {path} HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n").into_bytes())
    .to_vec();
    all.extend(
        [
            "HEAD /duplicates HTTP/1.1\r\nHost: x\r\n\r\n",
            "HEAD /chunks HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /%7Ea/../b//c;d?q=%zz&&=1?? HTTP/1.1\r\nHost: UPPER.test:80\r\n\r\n",
            "GET http://other.test/absolute?x HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /old HTTP/1.0\r\n\r\n",
            "GET /old-kept HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
            "PROPFIND /dav HTTP/1.1\r\nHost: x\r\nDepth: 1\r\nContent-Length: 3\r\n\r\nabc",
            "DELETE /d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
            "POST /empty HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            "POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
            "PUT /no-length HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /repeated HTTP/1.1\r\nHost: x\r\nCookie: a\r\nX-A: 1\r\nCookie: b\r\nx-a: 2\r\nX-Empty:\r\n\r\n",
            "GET /named HTTP/1.1\r\nHost: x\r\nConnection: X-Mine\r\nX-Mine: 1\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    all.push(b"GET /latin HTTP/1.1\r\nHost: x\r\nX-Latin: caf\xe9\r\n\r\n".to_vec());
    all.push(format!("GET /long HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n").into_bytes());
    all.push(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..9_000]).into_bytes());
    all
}

async fn ask(node: &Node, target: &Target, request: &[u8]) -> (Option<Seen>, Seen) {
    let before = target.received().len();
    let mut wire = http1::open(node.http).await;
    wire.send(request).await.unwrap();
    let method = String::from_utf8_lossy(request);
    let method = method.split(' ').next().unwrap_or_default();
    let answer = wire.reply_to(method).await.unwrap();
    let mut answer = seen(&answer);
    if answer.1.starts_with(b"{\"error_msg\"") {
        // The request's id is in it.
        answer.1.clear();
    }
    let received = target.received();
    (
        received.get(before).map(|received| seen(&received.message)),
        answer,
    )
}

#[tokio::test]
async fn client_and_target_see_the_same_as_through_one_process() {
    let (_etcd, cluster) = Cluster::start(1, 1).await;
    let one = Node::start().await;
    let target = Target::start(script).await;
    cluster.put("routes/1", &route(&target.node())).await;
    one.put("routes/1", &route(&target.node())).await;
    let mut differences = Vec::new();
    for request in requests() {
        let within = ask(&one, &target, &request).await;
        let apart = ask(&cluster.routers[0], &target, &request).await;
        let first = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        if within.0 != apart.0 {
            let show = |seen: &Option<Seen>| seen.as_ref().map_or("nothing".to_owned(), show);
            differences.push(format!(
                "{first}\nthe target saw\n{}\nand apart\n{}",
                show(&within.0),
                show(&apart.0)
            ));
        }
        if within.1 != apart.1 {
            differences.push(format!(
                "{first}\nthe client saw\n{}\nand apart\n{}",
                show(&within.1),
                show(&apart.1)
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n----\n"));
}
