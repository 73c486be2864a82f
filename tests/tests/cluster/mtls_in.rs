//! Client certificates: who is let in, which alert the others get, and that a Host cannot borrow another name's policy.

use cluster_tests::h2_client::H2Client;
use cluster_tests::node::Node;
use cluster_tests::objects::{mtls, route, ssl};
use cluster_tests::pki::{Authority, Identity, Leaf, version_1_client};
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use serde_json::json;

struct Stage {
    node: Node,
    target: Target,
    ca: Authority,
}

/// A node whose `test.com` demands certificates of `ca`, with every path routed to an echo target.
async fn stage() -> Stage {
    let node = Node::start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    node.put("ssls/1", &mtls("test.com", &ca.server(&["test.com"]), &ca))
        .await;
    node.put("routes/1", &route(&target.node())).await;
    Stage { node, target, ca }
}

impl Stage {
    async fn accepts(&self, what: &str, identity: &Identity) {
        let client = TlsClient::new("test.com").identity(identity);
        for client in [client.clone().tls12(), client.tls13()] {
            match client.get(self.node.https, "/").await {
                Ok(reply) => assert_eq!(reply.status(), 200, "{what}: {}", reply.text()),
                Err(refusal) => panic!("{what} refused: {refusal}"),
            }
        }
    }

    async fn refuses(&self, what: &str, identity: &Identity, alert: u8) {
        let client = TlsClient::new("test.com").identity(identity);
        let seen = self.target.received().len();
        for (version, client) in [("1.2", client.clone().tls12()), ("1.3", client.tls13())] {
            assert_eq!(
                client.refused(self.node.https).await,
                Some(alert),
                "{what} over TLS {version}"
            );
        }
        assert_eq!(
            self.target.received().len(),
            seen,
            "{what} reached the target"
        );
    }
}

#[tokio::test]
async fn without_a_certificate_the_handshake_ends_in_the_alert_of_its_version() {
    let Stage { node, target, .. } = stage().await;
    assert_eq!(
        TlsClient::new("test.com").tls13().refused(node.https).await,
        Some(116)
    );
    let alert = TlsClient::new("test.com").tls12().refused(node.https).await;
    assert!(matches!(alert, Some(40 | 116)), "{alert:?}");
    assert!(target.received().is_empty());
}

#[tokio::test]
async fn each_fault_of_a_client_certificate_gets_openssls_alert() {
    let stage = stage().await;
    let stranger = Authority::root("stranger");
    let impostor = Authority::root("ca");
    let ca = &stage.ca;
    stage.accepts("a good one", &ca.client("CLIENT")).await;
    stage
        .accepts("one without extended key usage", &ca.leaf("CLIENT").issue())
        .await;
    stage
        .accepts("an RSA one", &ca.leaf("CLIENT").for_clients().rsa().issue())
        .await;
    stage
        .refuses("unknown CA", &stranger.client("CLIENT"), 48)
        .await;
    stage
        .refuses(
            "unknown CA of the same name",
            &impostor.client("CLIENT"),
            48,
        )
        .await;
    stage
        .refuses(
            "self-signed",
            &Leaf::self_signed("CLIENT", false).issue(),
            48,
        )
        .await;
    stage
        .refuses(
            "self-signed with CA:TRUE",
            &Leaf::self_signed("CLIENT", true).issue(),
            48,
        )
        .await;
    stage
        .refuses(
            "expired",
            &ca.leaf("CLIENT").for_clients().expired().issue(),
            45,
        )
        .await;
    stage
        .refuses(
            "not yet valid",
            &ca.leaf("CLIENT").for_clients().future().issue(),
            42,
        )
        .await;
    stage
        .refuses(
            "wrong purpose",
            &ca.leaf("CLIENT").for_servers().issue(),
            43,
        )
        .await;
}

#[tokio::test]
async fn unusual_but_good_certificates_are_accepted_as_openssl_accepts_them() {
    let stage = stage().await;
    let ca = &stage.ca;
    stage
        .accepts("version 1", &version_1_client(ca, "CLIENT").await)
        .await;
    stage
        .accepts(
            "a leaf with CA:TRUE",
            &ca.leaf("CLIENT").for_clients().claiming_authority().issue(),
        )
        .await;
}

#[tokio::test]
async fn a_leaf_in_the_ca_field_is_trusted_itself_and_nobody_else() {
    let stage = stage().await;
    let server = stage.ca.server(&["test.com"]);
    for authority in [false, true] {
        let pinned = Leaf::self_signed("PINNED", authority).issue();
        let mut object = ssl("test.com", &server);
        object["client"] = json!({"ca": pinned.cert});
        stage.node.put("ssls/1", &object).await;
        stage.accepts("the pinned leaf", &pinned).await;
        stage
            .refuses(
                "its namesake",
                &Leaf::self_signed("PINNED", authority).issue(),
                48,
            )
            .await;
    }
}

#[tokio::test]
async fn depth_counts_intermediates_as_openssl_does() {
    let stage = stage().await;
    let one = stage.ca.intermediate("one");
    let two = one.intermediate("two");
    let leaves = [stage.ca.client("D0"), one.client("D1"), two.client("D2")];
    for depth in [0, 1, 2] {
        let mut object = mtls("test.com", &stage.ca.server(&["test.com"]), &stage.ca);
        object["client"]["depth"] = json!(depth);
        stage.node.put("ssls/1", &object).await;
        for (needed, leaf) in leaves.iter().enumerate() {
            let what = format!("{needed} intermediates at depth {depth}");
            if needed <= depth {
                stage.accepts(&what, leaf).await;
            } else {
                stage.refuses(&what, leaf, 48).await;
            }
        }
    }
    stage
        .node
        .put(
            "ssls/1",
            &mtls("test.com", &stage.ca.server(&["test.com"]), &stage.ca),
        )
        .await;
    stage
        .accepts("one intermediate at the default depth", &leaves[1])
        .await;
    stage
        .refuses("two intermediates at the default depth", &leaves[2], 48)
        .await;
    let mut incomplete = leaves[1].clone();
    incomplete.chain.clone_from(&incomplete.cert);
    stage
        .refuses("a chain without its intermediate", &incomplete, 48)
        .await;
}

#[tokio::test]
async fn several_authorities_in_the_ca_field_all_count() {
    let stage = stage().await;
    let second = Authority::root("second");
    let mut object = ssl("test.com", &stage.ca.server(&["test.com"]));
    object["client"] = json!({"ca": format!("{}{}", stage.ca.cert, second.cert)});
    stage.node.put("ssls/1", &object).await;
    stage.accepts("of the first", &stage.ca.client("A")).await;
    stage.accepts("of the second", &second.client("B")).await;
}

async fn status_for_host(client: &TlsClient, node: &Node, host: &str) -> u16 {
    let mut wire = client.connect(node.https).await.unwrap();
    wire.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .await
        .unwrap();
    wire.reply().await.unwrap().status()
}

#[tokio::test]
async fn a_host_under_another_mtls_policy_than_the_connections_is_misdirected() {
    let stage = stage().await;
    let node = &stage.node;
    let other = Authority::root("other");
    node.put(
        "ssls/2",
        &mtls("two.com", &other.server(&["two.com"]), &other),
    )
    .await;
    node.put("ssls/3", &ssl("plain.com", &other.server(&["plain.com"])))
        .await;
    let anonymous = TlsClient::new("plain.com");
    let port = node.https.port();
    for host in [
        "test.com",
        "TEST.com",
        "test.com.",
        &format!("test.com:{port}"),
        "two.com",
    ] {
        assert_eq!(
            status_for_host(&anonymous, node, host).await,
            421,
            "{host} over plain.com"
        );
    }
    let known = TlsClient::new("test.com").identity(&stage.ca.client("CLIENT"));
    assert_eq!(status_for_host(&known, node, "two.com").await, 421);
    assert!(stage.target.received().is_empty());
    for host in [
        "test.com",
        "TEST.COM",
        "test.com.",
        &format!("test.com:{port}"),
        "no-ssl-object.com",
        "plain.com",
    ] {
        assert_eq!(
            status_for_host(&known, node, host).await,
            200,
            "{host} over test.com"
        );
    }
    assert_eq!(
        status_for_host(&anonymous, node, "no-ssl-object.com").await,
        200
    );
}

#[tokio::test]
async fn an_authority_or_absolute_target_under_another_mtls_policy_is_misdirected_too() {
    let stage = stage().await;
    let node = &stage.node;
    node.put(
        "ssls/3",
        &ssl("plain.com", &stage.ca.server(&["plain.com"])),
    )
    .await;
    let anonymous = TlsClient::new("plain.com");
    let mut client = H2Client::connect(&anonymous, node.https).await.unwrap();
    assert_eq!(client.get("plain.com", b"/").await.status, Some(200));
    assert_eq!(client.get("test.com", b"/").await.status, Some(421));
    assert_eq!(client.get("TEST.com.:443", b"/").await.status, Some(421));
    let fields: [(&str, &[u8]); 4] = [
        (":method", b"GET"),
        (":scheme", b"https"),
        (":path", b"/"),
        ("host", b"test.com"),
    ];
    let outcome = client.request(&fields).await;
    assert_eq!(
        outcome.status,
        Some(421),
        "a host field in place of :authority: {outcome:?}"
    );
    let mut wire = anonymous.connect(node.https).await.unwrap();
    wire.send("GET https://test.com/ HTTP/1.1\r\nHost: plain.com\r\n\r\n")
        .await
        .unwrap();
    let status = wire.reply().await.unwrap().status();
    assert!(matches!(status, 400 | 421), "{status}");
    assert_eq!(stage.target.received().len(), 1);
}

#[tokio::test]
async fn client_certificates_demanded_while_a_connection_is_open_hold_for_its_next_request() {
    let stage = stage().await;
    let node = &stage.node;
    let server = stage.ca.server(&["live.com"]);
    node.put("ssls/2", &ssl("live.com", &server)).await;
    let client = TlsClient::new("live.com");
    let mut wire = client.connect(node.https).await.unwrap();
    let mut h2 = H2Client::connect(&client, node.https).await.unwrap();
    wire.send("GET / HTTP/1.1\r\nHost: live.com\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(wire.reply().await.unwrap().status(), 200);
    assert_eq!(h2.get("live.com", b"/").await.status, Some(200));
    node.put("ssls/2", &mtls("live.com", &server, &stage.ca))
        .await;
    wire.send("GET / HTTP/1.1\r\nHost: live.com\r\n\r\n")
        .await
        .ok();
    if let Ok(reply) = wire.reply().await {
        assert!(
            matches!(reply.status(), 400 | 421),
            "{} {}",
            reply.status(),
            reply.text()
        );
    }
    let outcome = h2.get("live.com", b"/").await;
    assert_ne!(outcome.status, Some(200), "{outcome:?}");
    assert_eq!(
        stage.target.received().len(),
        2,
        "only the two requests before the change"
    );
}

#[tokio::test]
async fn a_changed_client_ca_holds_for_the_next_request_of_an_open_connection() {
    let stage = stage().await;
    let client = TlsClient::new("test.com").identity(&stage.ca.client("CLIENT"));
    let mut wire = client.connect(stage.node.https).await.unwrap();
    wire.send("GET / HTTP/1.1\r\nHost: test.com\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(wire.reply().await.unwrap().status(), 200);
    let other = Authority::root("other");
    stage
        .node
        .put(
            "ssls/1",
            &mtls("test.com", &stage.ca.server(&["test.com"]), &other),
        )
        .await;
    wire.send("GET / HTTP/1.1\r\nHost: test.com\r\n\r\n")
        .await
        .ok();
    if let Ok(reply) = wire.reply().await {
        assert!(
            matches!(reply.status(), 400 | 421),
            "{} {}",
            reply.status(),
            reply.text()
        );
    }
    assert_eq!(stage.target.received().len(), 1);
}
