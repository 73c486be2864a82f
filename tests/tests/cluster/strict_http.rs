//! HTTP/1.1 requests that must be refused, and that nothing of them, nor of what is smuggled behind them, gets through.

use cluster_tests::http1;
use cluster_tests::node::Node;
use cluster_tests::objects::route;
use cluster_tests::target::Target;

async fn stage() -> (Node, Target) {
    let node = Node::start().await;
    let target = Target::echo().await;
    node.put("routes/1", &route(&target.node())).await;
    (node, target)
}

const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends each request with another one behind it; each must be refused with one of its statuses and close its connection.
async fn all_refused(cases: impl IntoIterator<Item = (Vec<u8>, &[u16])>) {
    all_refused_before(SMUGGLED, cases).await;
}

/// The same for requests that are well framed: their connection may go on, so nothing is sent behind them.
async fn all_refused_alone(cases: impl IntoIterator<Item = (Vec<u8>, &[u16])>) {
    all_refused_before(b"", cases).await;
}

async fn all_refused_before(behind: &[u8], cases: impl IntoIterator<Item = (Vec<u8>, &[u16])>) {
    let (node, target) = stage().await;
    let mut wrong = Vec::new();
    for (request, allowed) in cases {
        let shown = String::from_utf8_lossy(&request[..request.len().min(160)]).into_owned();
        let mut wire = http1::open(node.http).await;
        // A refusal may come, and the connection end, while the rest is on its way.
        drop(wire.send([request.as_slice(), behind].concat()).await);
        match wire.reply().await {
            Ok(reply) if allowed.contains(&reply.status()) => {}
            Ok(reply) => wrong.push(format!(
                "{shown:?}: {} instead of {allowed:?}",
                reply.status()
            )),
            Err(error) => wrong.push(format!("{shown:?}: {error} instead of {allowed:?}")),
        }
        if !behind.is_empty() {
            let rest = String::from_utf8_lossy(&wire.rest().await).into_owned();
            if rest.contains("HTTP/1.1") {
                wrong.push(format!(
                    "{shown:?}: a second answer on the connection: {rest}"
                ));
            }
        }
        let reached = target.received();
        if let Some(last) = reached
            .last()
            .filter(|last| !last.target().starts_with("/ok"))
        {
            wrong.push(format!("{shown:?}: {} reached the target", last.target()));
        }
        if !wrong.is_empty() && !reached.is_empty() {
            break;
        }
    }
    let reply = http1::get(node.http, "x", "/ok").await.unwrap();
    assert_eq!(reply.status(), 200, "the node is well");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const BAD: &[u16] = &[400];

fn bad<'a>(requests: &'a [&'a str]) -> impl Iterator<Item = (Vec<u8>, &'static [u16])> + 'a {
    requests
        .iter()
        .map(|request| (request.as_bytes().to_vec(), BAD))
}

#[tokio::test]
async fn malformed_request_lines_are_refused() {
    all_refused(bad(&[
        "GET\r\nHost: x\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / http/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1x\r\nHost: x\r\n\r\n",
        "GET / HTTP/11\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.\r\nHost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\u{7f} HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /x\ry HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://u:p@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http:///x HTTP/1.1\r\nHost: x\r\n\r\n",
    ]))
    .await;
}

#[tokio::test]
async fn other_versions_of_http_are_refused() {
    let either: &[u16] = &[400, 505];
    let requests = [
        "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        "GET / HTTP/0.9\r\n\r\n",
        "GET / HTTP/3\r\nHost: x\r\n\r\n",
    ];
    all_refused(requests.map(|request| (request.as_bytes().to_vec(), either))).await;
}

#[tokio::test]
async fn malformed_header_lines_are_refused() {
    let mut cases = bad(&[
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\u{1}c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\u{7f}c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tfolded\r\n\r\n",
        "GET / HTTP/1.1\r\n A: b\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA\0B: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA(B): c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\u{e9}: c\r\n\r\n",
    ])
    .collect::<Vec<_>>();
    cases.push((
        b"GET / HTTP/1.1\r\nHost: x\r\nN\xffme: c\r\n\r\n".to_vec(),
        BAD,
    ));
    all_refused(cases).await;
}

#[tokio::test]
async fn missing_repeated_and_malformed_hosts_are_refused() {
    all_refused_alone(bad(&[
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x/path\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x?q\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x#f\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\\y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: http://x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x:port\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x:99999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ]))
    .await;
}

#[tokio::test]
async fn every_doubtful_content_length_is_refused() {
    let lengths = [
        "+5",
        "-5",
        "5 5",
        "5, 5",
        "5,6",
        "5,",
        ",5",
        "0x5",
        "5.0",
        "5e0",
        "five",
        "",
        "5;",
        "\u{b}5",
        "1_0",
        "18446744073709551616",
        "99999999999999999999999999",
    ];
    let mut requests = lengths
        .iter()
        .map(|length| {
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nhello")
        })
        .collect::<Vec<_>>();
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 6\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: +5",
        "Content-Length: 5\r\nContent_Length: 5",
        "Content_Length: 5",
        "Content-Length : 5",
        "Content-Length\t: 5",
    ] {
        requests.push(format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\nhello"
        ));
    }
    let either: &[u16] = &[400, 413];
    all_refused(requests.into_iter().map(|request| {
        let huge = request.contains("18446744073709551616") || request.contains("9999999999");
        (request.into_bytes(), if huge { either } else { BAD })
    }))
    .await;
}

#[tokio::test]
async fn every_transfer_encoding_but_one_final_chunked_is_refused() {
    let lines = [
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
        "Transfer_Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer_Encoding: chunked",
    ];
    let mut requests = lengths_of(&lines, "1.1");
    requests.extend(lengths_of(
        &[
            "Transfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
        ],
        "1.0",
    ));
    all_refused(
        requests
            .into_iter()
            .map(|request| (request.into_bytes(), BAD)),
    )
    .await;
}

fn lengths_of(lines: &[&str], version: &str) -> Vec<String> {
    lines
        .iter()
        .map(|line| format!("POST / HTTP/{version}\r\nHost: x\r\n{line}\r\n\r\n0\r\n\r\n"))
        .collect()
}

#[tokio::test]
async fn malformed_chunks_are_refused_with_400_and_not_502() {
    let bodies = [
        "x\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5,\r\nhello\r\n0\r\n\r\n",
        "5;\nx\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\u{1}\"\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\nhello\r\n0\r\n\r\n",
        "0\r\nbad trailer\r\n\r\n",
        "0\r\n: x\r\n\r\n",
        "0\r\nA : x\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\0\r\n\r\n",
        "0\r\nA: b\r\n folded\r\n\r\n",
        "0\r\n\n",
        "0\n\r\n",
    ];
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    all_refused(
        bodies
            .iter()
            .map(|body| (format!("{head}{body}").into_bytes(), BAD)),
    )
    .await;
}

#[tokio::test]
async fn long_extensions_and_trailers_of_chunks_are_refused() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = "e".repeat(200 << 10);
    let either: &[u16] = &[400, 413, 431];
    let bodies = [
        format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
        format!("0\r\nA: {long}\r\n\r\n"),
    ];
    all_refused(bodies.map(|body| (format!("{head}{body}").into_bytes(), either))).await;
}

#[tokio::test]
async fn what_is_too_long_or_too_much_is_refused_at_its_bound() {
    let many = (0..101)
        .map(|number| format!("H{number}: v\r\n"))
        .collect::<String>();
    let cases: Vec<(Vec<u8>, &[u16])> = vec![
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(17 << 10)).into_bytes(),
            &[414],
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
                "a".repeat(70 << 10)
            )
            .into_bytes(),
            &[431],
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n").into_bytes(),
            &[431],
        ),
    ];
    all_refused(cases).await;
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    let refused: &[u16] = &[405];
    let either: &[u16] = &[400, 405];
    // A client of CONNECT may already speak to whom it asked for (RFC 9931): what follows is not for us.
    let connect: [(Vec<u8>, &[u16]); 2] = [
        (
            b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n".to_vec(),
            refused,
        ),
        (b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), either),
    ];
    all_refused(connect).await;
    all_refused_alone([(b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), refused)]).await;
}

#[tokio::test]
async fn well_formed_but_unusual_requests_pass() {
    let (node, target) = stage().await;
    let requests = [
        "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nhOsT:x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\t x \t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nEmpty:\r\n\r\n",
        "GET /?a=%zz&b='{}|^` HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "PURGE / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n05;a=\"b\"\r\nhello\r\n000\r\n\r\n",
        "GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for request in requests {
        let before = target.received().len();
        let reply = http1::exchange(node.http, request)
            .await
            .unwrap_or_else(|error| panic!("{request:?}: {error}"));
        let routed =
            reply.status() == 200 || (request.starts_with("OPTIONS *") && reply.status() == 404);
        assert!(routed, "{request:?}: {} {}", reply.status(), reply.text());
        if let Some(received) = target.received().get(before) {
            assert_eq!(received.message.head.all("host").len(), 1, "{request:?}");
            let framings = received.message.head.all("content-length").len()
                + received.message.head.all("transfer-encoding").len();
            assert!(
                framings <= 1,
                "{request:?}: {:?}",
                received.message.head.headers
            );
            assert_eq!(received.message.head.word(2), "HTTP/1.1", "{request:?}");
        }
    }
}
