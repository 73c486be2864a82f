//! A target's malformed answers are 502 and end its connection; hop-by-hop headers and trailers of good ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cluster_tests::answer::Answer;
use cluster_tests::http1::{self, Wire};
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::route;
use cluster_tests::target::Target;
use cluster_tests::wait::{SOON, eventually, same};

/// A node in front of a target that sends these raw answers in turn (by the number in the path).
async fn stage(answers: Vec<Vec<u8>>) -> (Node, Target) {
    // One thread: one pool, so that a connection that may be used again would be.
    let node = Launch::new().flag("--threads", "1").start().await;
    let target = Target::start(move |received| {
        let index = received.target().trim_start_matches('/').parse::<usize>();
        index.map_or_else(
            |_| Answer::ok("fine"),
            |index| Answer::Send(answers[index].clone()),
        )
    })
    .await;
    node.put("routes/1", &route(&target.node())).await;
    (node, target)
}

#[tokio::test]
async fn malformed_answers_are_502_and_their_connections_are_not_used_again() {
    let answers = [
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTPS/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "hello there\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5,6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\0c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA B: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA : c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ];
    let (node, target) = stage(
        answers
            .iter()
            .map(|answer| answer.as_bytes().to_vec())
            .collect(),
    )
    .await;
    let mut wrong = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        let reply = http1::get(node.http, "x", &format!("/{index}"))
            .await
            .unwrap();
        if (reply.status(), reply.fault_code().as_str()) != (502, "BadTargetAnswer") {
            wrong.push(format!("{answer:?}: {} {}", reply.status(), reply.text()));
        }
        if reply.header("x-fault-source") != Some("target") {
            wrong.push(format!(
                "{answer:?}: X-Fault-Source {:?}",
                reply.header("x-fault-source")
            ));
        }
        eventually("the connection is closed", SOON, || async {
            same(target.open_connections(), &0)
        })
        .await;
        assert_eq!(
            http1::get(node.http, "x", "/fine").await.unwrap().text(),
            "fine"
        );
        let received = target.received();
        let connections =
            [received.len() - 2, received.len() - 1].map(|place| received[place].connection);
        if connections[0] == connections[1] {
            wrong.push(format!("{answer:?}: its connection was used again"));
        }
        // The connection of the good answer may serve the next malformed one, but must then be closed too.
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn an_answer_with_too_large_a_head_is_502() {
    let line = format!("A: {}\r\n", "a".repeat(1000));
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n",
        line.repeat(400)
    );
    let (node, _target) = stage(vec![head.into_bytes()]).await;
    assert_eq!(
        http1::get(node.http, "x", "/0").await.unwrap().status(),
        502
    );
}

#[tokio::test]
async fn an_answer_whose_chunks_break_off_reaches_the_client_as_broken_and_never_as_whole() {
    let (node, target) = stage(vec![
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n".to_vec(),
    ])
    .await;
    for path in ["/0", "/1"] {
        let reply = http1::get(node.http, "x", path).await;
        let whole = reply.as_ref().is_ok_and(|reply| reply.status() == 200);
        assert!(!whole, "{path}: {:?}", reply.map(|reply| reply.text()));
        eventually("the connection is closed", SOON, || async {
            same(target.open_connections(), &0)
        })
        .await;
    }
}

#[tokio::test]
async fn a_target_that_closes_before_or_within_its_answer_is_an_unexpected_end() {
    let node = Node::start().await;
    let target = Target::start(|received| match received.target() {
        "/none" => Answer::SendAndClose(Vec::new()),
        "/head" => Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-".to_vec()),
        _ => Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello".to_vec()),
    })
    .await;
    node.put("routes/1", &route(&target.node())).await;
    for path in ["/none", "/head"] {
        let reply = http1::get(node.http, "x", path).await.unwrap();
        assert_eq!(
            (reply.status(), reply.fault_code()),
            (502, "UnexpectedEOFAtTarget".to_owned()),
            "{path}"
        );
    }
    let reply = http1::get(node.http, "x", "/body").await;
    assert!(
        reply.is_err(),
        "cut short as it came: {:?}",
        reply.map(|reply| reply.text())
    );
}

#[tokio::test]
async fn hop_by_hop_headers_of_an_answer_stay_on_their_hop() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Secret, Content-Length, keep-alive\r\nX-Secret: 1\r\n\
                Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Kept: 1\r\n\r\nok";
    let (node, _target) = stage(vec![head.as_bytes().to_vec()]).await;
    let reply = http1::get(node.http, "x", "/0").await.unwrap();
    assert_eq!((reply.status(), reply.text()), (200, "ok".to_owned()));
    for gone in ["x-secret", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(reply.header(gone), None, "{gone}: {:?}", reply.head.headers);
    }
    assert_eq!(reply.header("x-kept"), Some("1"));
    assert_eq!(
        reply.header("content-length"),
        Some("2"),
        "named by Connection, still ours to say"
    );
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n";
    let (node, target) = stage(vec![answer.to_vec()]).await;
    let request = "POST /0 HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-In: 8\r\n\r\n";
    let reply = http1::exchange(node.http, request).await.unwrap();
    let trailers = reply
        .trailers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .collect::<Vec<_>>();
    assert_eq!(trailers, [("x-sum".to_owned(), "7".to_owned())]);
    let seen = target.received().pop().unwrap().message.trailers;
    assert_eq!(
        seen.iter()
            .map(|(name, value)| (name.to_lowercase(), value.clone()))
            .collect::<Vec<_>>(),
        [("x-in".to_owned(), "8".to_owned())]
    );
}

#[tokio::test]
async fn framing_fields_in_request_trailers_never_reach_the_target() {
    let (node, target) = stage(Vec::new()).await;
    let trailers = "X-In: 8\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\nHost: y\r\n";
    let request = format!(
        "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{trailers}\r\n"
    );
    let reply = http1::exchange(node.http, request).await.unwrap();
    assert!(matches!(reply.status(), 200 | 400), "{}", reply.status());
    for received in target.received() {
        let names = received
            .message
            .trailers
            .iter()
            .map(|(name, _)| name.to_lowercase())
            .collect::<Vec<_>>();
        assert_eq!(names, ["x-in"]);
    }
}

#[tokio::test]
async fn bytes_a_target_sends_unasked_never_become_somebodys_answer() {
    let count = Arc::new(AtomicUsize::new(0));
    let node = Node::start().await;
    let target = Target::start(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        Answer::raw(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
        ))
    })
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let mut wire: Wire<_> = http1::open(node.http).await;
    for number in 0..5 {
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(wire.reply().await.unwrap().text(), number.to_string());
    }
}
