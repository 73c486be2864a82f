//! Headers a target may believe: who the client is comes from us, never from the client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster_tests::answer::Received;
use cluster_tests::h2_client::H2Client;
use cluster_tests::http1;
use cluster_tests::node::Node;
use cluster_tests::objects::{mtls, route, ssl};
use cluster_tests::pki::{Authority, Identity};
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use serde_json::json;

fn sf_binary(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

async fn seen_with(node: &Node, target: &Target, identity: &Identity) -> Received {
    let reply = TlsClient::new("test.com")
        .identity(identity)
        .get(node.https, "/")
        .await
        .unwrap();
    assert_eq!(reply.status(), 200);
    target.received().pop().unwrap()
}

#[tokio::test]
async fn a_verified_clients_certificate_and_chain_are_shown_to_the_target_as_rfc_9440_says() {
    let node = Node::start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    node.put("ssls/1", &mtls("test.com", &ca.server(&["test.com"]), &ca))
        .await;
    node.put("routes/1", &route(&target.node())).await;
    let direct = ca.client("DIRECT");
    let seen = seen_with(&node, &target, &direct).await;
    assert_eq!(
        seen.message.head.all("client-cert"),
        [sf_binary(&direct.chain_der()[0])]
    );
    let under = ca.intermediate("intermediate").client("UNDER");
    let seen = seen_with(&node, &target, &under).await;
    assert_eq!(
        seen.message.head.all("client-cert"),
        [sf_binary(&under.chain_der()[0])]
    );
    let chain = seen.message.head.all("client-cert-chain").join(", ");
    assert!(
        chain.starts_with(&sf_binary(&under.chain_der()[1])),
        "the intermediate comes first: {chain}"
    );
    assert!(
        !chain.contains(&sf_binary(&under.chain_der()[0])),
        "the leaf is not in it"
    );
}

const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil.com\r\n\
    X-Forwarded-Port: 666\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nClient-Cert: :ZXZpbA==:\r\n\
    Client-Cert-Chain: :ZXZpbA==:\r\nclient-cert: :ZXZpbA==:\r\n";

fn nothing_claimed_is_left(received: &Received, scheme: &str, port: u16) {
    let head = &received.message.head;
    for (name, value) in &head.headers {
        let lie = ["6.6.6.6", "gopher", "evil.com", "ZXZpbA"]
            .iter()
            .any(|lie| value.contains(lie));
        assert!(!lie, "{name}: {value}");
    }
    assert_eq!(head.header("client-cert"), None);
    assert_eq!(head.header("client-cert-chain"), None);
    assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(head.all("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(head.all("x-forwarded-proto"), [scheme]);
    assert_ne!(head.header("x-forwarded-port"), Some("666"));
    assert!(
        head.header("x-forwarded-port")
            .is_none_or(|value| value == port.to_string()),
        "{:?}",
        head.headers
    );
}

#[tokio::test]
async fn what_a_client_claims_of_itself_is_replaced_on_every_listener() {
    let node = Node::start().await;
    let target = Target::echo().await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let request = format!("GET / HTTP/1.1\r\nHost: test.com\r\n{CLAIMS}\r\n");
    assert_eq!(
        http1::exchange(node.http, &request).await.unwrap().status(),
        200
    );
    nothing_claimed_is_left(&target.received()[0], "http", node.http.port());
    let mut wire = TlsClient::new("test.com")
        .connect(node.https)
        .await
        .unwrap();
    wire.send(&request).await.unwrap();
    assert_eq!(wire.reply().await.unwrap().status(), 200);
    nothing_claimed_is_left(&target.received()[1], "https", node.https.port());
    let mut client = H2Client::connect(&TlsClient::new("test.com"), node.https)
        .await
        .unwrap();
    let lines = CLAIMS
        .trim_end()
        .split("\r\n")
        .map(|line| line.trim().split_once(": ").unwrap());
    let claims = lines
        .map(|(name, value)| (name.to_lowercase(), value.as_bytes()))
        .collect::<Vec<_>>();
    let mut fields: Vec<(&str, &[u8])> = vec![
        (":method", b"GET"),
        (":scheme", b"https"),
        (":authority", b"test.com"),
        (":path", b"/"),
    ];
    fields.extend(claims.iter().map(|(name, value)| (name.as_str(), *value)));
    assert_eq!(client.request(&fields).await.status, Some(200));
    nothing_claimed_is_left(&target.received()[2], "https", node.https.port());
}

#[tokio::test]
async fn a_client_certificate_nobody_asked_for_or_verified_is_not_shown_to_the_target() {
    let node = Node::start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    let mut object = mtls("test.com", &ca.server(&["test.com"]), &ca);
    object["client"]["skip_mtls_uri_regex"] = json!(["^/$"]);
    node.put("ssls/1", &object).await;
    node.put("routes/1", &route(&target.node())).await;
    let seen = seen_with(
        &node,
        &target,
        &Authority::root("stranger").client("STRANGER"),
    )
    .await;
    assert_eq!(seen.message.header("client-cert"), None);
    let known = ca.client("KNOWN");
    let seen = seen_with(&node, &target, &known).await;
    assert_eq!(
        seen.message.head.all("client-cert"),
        [sf_binary(&known.chain_der()[0])],
        "verified, even where exempt"
    );
}

#[tokio::test]
async fn hop_by_hop_headers_of_a_request_stay_on_their_hop_and_connection_cannot_remove_ours() {
    let node = Node::start().await;
    let target = Target::echo().await;
    node.put("routes/1", &route(&target.node())).await;
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\
        Connection: keep-alive, X-Drop, Host, Content-Length, X-Forwarded-For, X-Real-IP, Client-Cert\r\nConnection: X-Drop-2\r\n\
        X-Drop: 1\r\nX-Drop-2: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\n\
        TE: trailers, deflate\r\nUpgrade: h2c\r\nX-Keep: 1\r\n\r\nhi";
    let reply = http1::exchange(node.http, request).await.unwrap();
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let received = target.received().pop().unwrap();
    let head = &received.message.head;
    for gone in [
        "x-drop",
        "x-drop-2",
        "keep-alive",
        "proxy-connection",
        "upgrade",
    ] {
        assert_eq!(head.header(gone), None, "{gone}: {:?}", head.headers);
    }
    assert_eq!(head.header("x-keep"), Some("1"));
    assert_eq!(head.all("host"), ["x"]);
    assert_eq!(received.message.text(), "hi");
    assert_eq!(head.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(head.all("x-real-ip"), ["127.0.0.1"]);
    assert!(
        head.all("connection")
            .iter()
            .all(|value| !value.to_lowercase().contains("x-drop"))
    );
    assert!(
        head.header("te").is_none_or(|value| value == "trailers"),
        "{:?}",
        head.header("te")
    );
}

#[tokio::test]
async fn the_host_goes_to_the_target_as_pass_host_says() {
    let node = Node::start().await;
    let target = Target::echo().await;
    let node_name = format!("localhost:{}", target.port());
    let cases = [
        (json!({}), "client.example:99".to_owned()),
        (json!({"pass_host": "pass"}), "client.example:99".to_owned()),
        (json!({"pass_host": "node"}), node_name.clone()),
        (
            json!({"pass_host": "rewrite", "upstream_host": "rewritten.example"}),
            "rewritten.example".to_owned(),
        ),
    ];
    for (settings, wanted) in cases {
        let mut upstream = json!({"nodes": {&node_name: 1}});
        upstream
            .as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        node.put("routes/1", &json!({"uri": "/*", "upstream": upstream}))
            .await;
        let reply = http1::get(node.http, "client.example:99", "/")
            .await
            .unwrap();
        assert_eq!(reply.status(), 200, "{}", reply.text());
        assert_eq!(
            target.received().pop().unwrap().message.head.all("host"),
            [wanted],
            "{settings}"
        );
    }
}

#[tokio::test]
async fn a_client_cannot_claim_in_its_trailers_what_it_must_not_in_its_head() {
    let node = Node::start().await;
    let target = Target::echo().await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let claims = [
        ("x-forwarded-for", "6.6.6.6"),
        ("client_cert", ":ZXZpbA==:"),
        ("client-cert-chain", ":ZXZpbA==:"),
        ("x-real-ip", "6.6.6.6"),
        ("x-checksum", "1"),
    ];
    let lines = claims
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect::<String>();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: test.com\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n{lines}\r\n"
    );
    let reply = http1::exchange(node.http, &request).await.unwrap();
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let mut client = H2Client::connect(&TlsClient::new("test.com"), node.https)
        .await
        .unwrap();
    let head: [(&str, &[u8]); 4] = [
        (":method", b"POST"),
        (":scheme", b"https"),
        (":authority", b"test.com"),
        (":path", b"/"),
    ];
    let stream = client.begin(&head, false).await.unwrap();
    client.send(0, 0, stream, b"hi").await.unwrap();
    let trailers = claims.map(|(name, value)| (name, value.as_bytes()));
    client.end_with(stream, &trailers).await.unwrap();
    assert_eq!(client.outcome(stream).await.status, Some(200));
    for received in target.received() {
        assert_eq!(
            received.message.trailers,
            [("x-checksum".to_owned(), "1".to_owned())]
        );
    }
}

#[tokio::test]
async fn trailers_that_would_change_framing_or_routing_are_refused_in_http_2_too() {
    let node = Node::start().await;
    let target = Target::echo().await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let head: [(&str, &[u8]); 4] = [
        (":method", b"POST"),
        (":scheme", b"https"),
        (":authority", b"test.com"),
        (":path", b"/"),
    ];
    for trailer in ["host", "content-length", "content_length"] {
        let mut client = H2Client::connect(&TlsClient::new("test.com"), node.https)
            .await
            .unwrap();
        let stream = client.begin(&head, false).await.unwrap();
        client.send(0, 0, stream, b"hi").await.unwrap();
        client.end_with(stream, &[(trailer, b"2")]).await.unwrap();
        let outcome = client.outcome(stream).await;
        assert_ne!(outcome.status, Some(200), "{trailer}: {outcome:?}");
    }
    assert!(target.received().is_empty());
}
