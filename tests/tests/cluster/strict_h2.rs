//! HTTP/2 header lists that must be refused, and floods that must not hurt.

use cluster_tests::answer::Answer;
use cluster_tests::h2_client::H2Client;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::{Dialer, TlsClient};

async fn stage() -> (Node, Target, Dialer) {
    let node = Node::start().await;
    let target = Target::echo().await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    (
        node,
        target,
        TlsClient::new("test.com").alpn(&["h2"]).dialer(),
    )
}

type Fields<'a> = Vec<(&'a str, &'a [u8])>;

/// A proper GET with `extra` after its pseudo-header fields.
fn get_with<'a>(extra: &[(&'a str, &'a [u8])]) -> Fields<'a> {
    let mut fields: Fields<'_> = vec![
        (":method", b"GET"),
        (":scheme", b"https"),
        (":authority", b"test.com"),
        (":path", b"/"),
    ];
    fields.extend_from_slice(extra);
    fields
}

#[tokio::test]
async fn malformed_header_lists_are_refused() {
    let (node, target, dialer) = stage().await;
    let cases: Vec<Fields<'_>> = vec![
        get_with(&[("Upper", b"1")]),
        get_with(&[("connection", b"close")]),
        get_with(&[("transfer-encoding", b"chunked")]),
        get_with(&[("upgrade", b"websocket")]),
        get_with(&[("keep-alive", b"1")]),
        get_with(&[("proxy-connection", b"1")]),
        get_with(&[("te", b"gzip")]),
        get_with(&[("a", b"b\r\nc: d")]),
        get_with(&[("a", b"b\nc")]),
        get_with(&[("a", b"b\0c")]),
        get_with(&[("a\r\nb", b"c")]),
        get_with(&[("a b", b"c")]),
        get_with(&[("a:b", b"c")]),
        get_with(&[("", b"c")]),
        get_with(&[(":path", b"/two")]),
        get_with(&[(":status", b"200")]),
        get_with(&[(":unknown", b"1")]),
        get_with(&[("host", b"other.com")]),
        get_with(&[("host", b"test.com"), ("host", b"test.com")]),
        get_with(&[("content-length", b"5")]),
        get_with(&[("content-length", b"x")]),
        get_with(&[("content_length", b"0")]),
        get_with(&[("content-length", b"0"), ("content-length", b"5")]),
        get_with(&[("transfer_encoding", b"chunked")]),
        vec![
            ("a", b"b"),
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"/"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
        ],
        vec![
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"/"),
        ],
        vec![
            (":method", b"GET"),
            (":authority", b"test.com"),
            (":path", b"/"),
        ],
        vec![(":method", b"GET"), (":scheme", b"https"), (":path", b"/")],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b""),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"x"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"/a\x7fb"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", "/\u{85}".as_bytes()),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com.."),
            (":path", b"/"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"/ x"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"/ HTTP/1.1\r\nA: b"),
        ],
        vec![
            (":method", b"G T"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"/"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"u@test.com"),
            (":path", b"/"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"test.com/x"),
            (":path", b"/"),
        ],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b""),
            (":path", b"/"),
        ],
        vec![(":method", b"CONNECT"), (":authority", b"test.com:443")],
        vec![
            (":method", b"TRACE"),
            (":scheme", b"https"),
            (":authority", b"test.com"),
            (":path", b"/"),
        ],
    ];
    let mut wrong = Vec::new();
    for fields in &cases {
        let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
        let outcome = client.request(fields).await;
        let refused = outcome
            .status
            .is_some_and(|status| (400..500).contains(&status));
        if !(refused
            || outcome.status.is_none() && (outcome.reset.is_some() || outcome.gone.is_some()))
        {
            wrong.push(format!("{:?}: {outcome:?}", fields.last()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let reached = target
        .received()
        .iter()
        .map(|received| received.message.head.start.clone())
        .collect::<Vec<_>>();
    assert!(reached.is_empty(), "{reached:?}");
}

#[tokio::test]
async fn a_body_longer_or_shorter_than_its_content_length_is_refused() {
    let (node, target, dialer) = stage().await;
    for body in [b"four".as_slice(), b"sixsix"] {
        let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
        let mut fields = get_with(&[("content-length", b"5")]);
        fields[0].1 = b"POST";
        let stream = client.begin(&fields, false).await.unwrap();
        client.send(0, 1, stream, body).await.unwrap();
        let outcome = client.outcome(stream).await;
        assert!(outcome.status != Some(200), "{body:?}: {outcome:?}");
    }
    assert!(target.received().is_empty());
}

#[tokio::test]
async fn more_streams_than_announced_are_refused_and_the_node_stays_well() {
    let (node, _target, dialer) = stage().await;
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    assert_eq!(
        client.settings.get(&3),
        Some(&128),
        "MAX_CONCURRENT_STREAMS"
    );
    let mut post = get_with(&[]);
    post[0].1 = b"POST";
    let mut last = 0;
    for _ in 0..200 {
        let Ok(stream) = client.begin(&post, false).await else {
            break;
        };
        last = stream;
    }
    let outcome = client.outcome(last).await;
    assert!(
        outcome.reset.is_some() || outcome.gone.is_some(),
        "{outcome:?}"
    );
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    assert_eq!(client.get("test.com", b"/").await.status, Some(200));
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection_and_the_node_stays_well() {
    let (node, _target, dialer) = stage().await;
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    let fields = get_with(&[]);
    let mut ended = false;
    for _ in 0..20_000 {
        let Ok(stream) = client.begin(&fields, true).await else {
            ended = true;
            break;
        };
        if client
            .send(3, 0, stream, &8u32.to_be_bytes())
            .await
            .is_err()
        {
            ended = true;
            break;
        }
    }
    if !ended {
        ended = client.outcome(u32::MAX).await.gone.is_some();
    }
    assert!(ended, "20,000 resets and the connection is still there");
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    assert_eq!(client.get("test.com", b"/").await.status, Some(200));
}

#[tokio::test]
async fn too_large_a_header_list_is_refused() {
    let (node, target, dialer) = stage().await;
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    let long = vec![b'a'; 12 << 10];
    // One HEADERS frame may hold 16 KiB; what is beyond comes in CONTINUATION frames.
    let fields = get_with(&[("a", &long)]);
    let outcome = client.request(&fields).await;
    assert_eq!(outcome.status, Some(200), "below the bound: {outcome:?}");
    let stream = client.begin_unfinished(&get_with(&[])).await.unwrap();
    for _ in 0..100 {
        if client.continue_headers(stream, "b", &long).await.is_err() {
            break;
        }
    }
    let outcome = client.outcome(stream).await;
    let refused = outcome.status == Some(431) || outcome.reset.is_some() || outcome.gone.is_some();
    assert!(refused, "{outcome:?}");
    assert_eq!(target.received().len(), 1);
}

#[tokio::test]
async fn the_bounds_of_http_1_1_hold_for_http_2() {
    let node = Launch::new().flag("--max-body-bytes", "1KiB").start().await;
    let target = Target::echo().await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let dialer = TlsClient::new("test.com").alpn(&["h2"]).dialer();
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    let names = (0..150).map(|n| format!("a-{n}")).collect::<Vec<_>>();
    let many = names
        .iter()
        .map(|name| (name.as_str(), b"b".as_slice()))
        .collect::<Vec<_>>();
    let outcome = client.request(&get_with(&many)).await;
    assert_eq!(outcome.status, Some(431), "150 header lines: {outcome:?}");
    let long = format!("/{}", "a".repeat(17_000));
    let outcome = client.get("test.com", long.as_bytes()).await;
    assert_eq!(outcome.status, Some(414), "{outcome:?}");
    for announced in [true, false] {
        let mut post = get_with(&[]);
        if announced {
            post.push(("content-length", b"2000"));
        }
        post[0].1 = b"POST";
        let stream = client.begin(&post, false).await.unwrap();
        client.send(0, 1, stream, &[b'x'; 2000]).await.unwrap();
        let outcome = client.outcome(stream).await;
        assert_eq!(outcome.status, Some(413), "{announced}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_even_if_it_is_ours() {
    let (node, _target, dialer) = stage().await;
    node.delete("routes/1").await;
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    let mut head = get_with(&[]);
    head[0].1 = b"HEAD";
    let outcome = client.request(&head).await;
    assert_eq!((outcome.status, outcome.body.len()), (Some(404), 0));
}

#[tokio::test]
async fn a_connection_that_agreed_on_http_2_and_says_nothing_is_closed() {
    use tokio::io::AsyncReadExt;
    let node = Launch::new()
        .flag("--idle-timeout", "500ms")
        .flag("--header-timeout", "500ms")
        .start()
        .await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    let dialer = TlsClient::new("test.com").alpn(&["h2"]).dialer();
    let mut silent = dialer.connect(node.https).await.unwrap().stream;
    let mut waste = Vec::new();
    let ended = tokio::time::timeout(
        std::time::Duration::from_secs(10),
        silent.read_to_end(&mut waste),
    );
    assert!(
        ended.await.is_ok(),
        "still open after twenty times the idle time"
    );
}

#[tokio::test]
#[ignore = "takes the body-idle time, which is a minute"]
async fn a_client_that_never_takes_its_answer_loses_the_stream_and_the_target_is_let_go() {
    let (node, _, dialer) = stage().await;
    let target = Target::start(|_| Answer::ok(&"x".repeat(4 << 20))).await;
    node.put("routes/1", &route(&target.node())).await;
    let mut client = H2Client::dial(&dialer, node.https).await.unwrap();
    let stream = client.begin(&get_with(&[]), true).await.unwrap();
    let outcome = tokio::time::timeout(std::time::Duration::from_secs(75), client.outcome(stream))
        .await
        .expect("the stream is reset");
    assert!(outcome.reset.is_some(), "{:?}", outcome.reset);
    assert_eq!(target.open_connections(), 0);
}
