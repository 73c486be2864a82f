//! Which certificate a name gets, and what becomes of every kind of broken, strange or slow hello.

use std::time::Duration;

use cluster_tests::hello;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{route, ssl};
use cluster_tests::pki::{Authority, Identity};
use cluster_tests::process::run;
use cluster_tests::shape::Shape;
use cluster_tests::target::Target;
use cluster_tests::tls_client::{TlsClient, server_chain};
use rustls::SignatureScheme;
use serde_json::json;

/// The common name in the certificate shown for a name, or the alert.
async fn shown(node: &Node, name: &str) -> Result<String, Option<u8>> {
    let wire = TlsClient::new(name)
        .connect(node.https)
        .await
        .map_err(|refusal| refusal.alert)?;
    Ok(cluster_tests::tls_client::common_name(&server_chain(&wire)[0]).unwrap())
}

async fn with_ssl(launch: Launch, name: &str) -> (Node, Target, Identity) {
    let node = launch.start().await;
    let target = Target::echo().await;
    let identity = Authority::root("ca").server(&[name]);
    node.put("ssls/1", &ssl(name, &identity)).await;
    node.put("routes/1", &route(&target.node())).await;
    (node, target, identity)
}

#[tokio::test]
async fn a_name_gets_the_exact_object_then_the_wildcard_of_one_label_then_the_star() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    node.put("ssls/1", &ssl("*.test.com", &ca.server(&["*.test.com"])))
        .await;
    node.put("ssls/2", &ssl("a.test.com", &ca.server(&["a.test.com"])))
        .await;
    assert_eq!(shown(&node, "a.test.com").await.unwrap(), "a.test.com");
    assert_eq!(shown(&node, "b.test.com").await.unwrap(), "*.test.com");
    for unknown in ["a.b.test.com", "test.com", "other.com"] {
        assert_eq!(shown(&node, unknown).await, Err(Some(112)), "{unknown}");
    }
    node.put(
        "ssls/3",
        &ssl(
            "*",
            &ca.leaf("star")
                .names(&["star.example"])
                .for_servers()
                .issue(),
        ),
    )
    .await;
    assert_eq!(shown(&node, "b.test.com").await.unwrap(), "*.test.com");
    for other in ["a.b.test.com", "test.com", "other.com"] {
        assert_eq!(shown(&node, other).await.unwrap(), "star", "{other}");
    }
    let reply = node.admin("PATCH", "ssls/2", "{\"status\": 0}").await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    node.applied("ssls/2").await;
    assert_eq!(
        shown(&node, "a.test.com").await.unwrap(),
        "*.test.com",
        "a disabled object does not count"
    );
}

#[tokio::test]
async fn case_and_a_trailing_dot_make_no_difference_to_a_name() {
    let (node, _target, _) = with_ssl(Launch::new(), "test.com").await;
    for name in ["TEST.com", "test.com.", "Test.Com."] {
        let address = node.https.to_string();
        let said = run(
            "openssl",
            [
                "s_client",
                "-connect",
                &address,
                "-servername",
                name,
                "-brief",
            ],
        )
        .await;
        assert!(
            said.text().contains("CONNECTION ESTABLISHED"),
            "{name}: {}",
            said.text()
        );
    }
    let server = Authority::root("ca").server(&["upper.com"]);
    node.put("ssls/2", &ssl("UPPER.com", &server)).await;
    assert_eq!(shown(&node, "upper.com").await.unwrap(), "upper.com");
}

#[tokio::test]
async fn no_name_is_refused_without_a_fallback_and_served_with_one() {
    let (node, _target, _) = with_ssl(Launch::new(), "test.com").await;
    assert_eq!(TlsClient::nameless().refused(node.https).await, Some(112));
    let (node, _target, _) =
        with_ssl(Launch::new().flag("--fallback-sni", "test.com"), "test.com").await;
    assert_eq!(
        TlsClient::nameless()
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        shown(&node, "unknown.com").await,
        Err(Some(112)),
        "the fallback is for no name, not for an unknown one"
    );
}

#[tokio::test]
async fn of_two_objects_with_one_name_the_lowest_id_wins_whatever_came_first() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let named = |name: &str| ca.leaf(name).names(&["test.com"]).for_servers().issue();
    node.put("ssls/5", &ssl("test.com", &named("five"))).await;
    assert_eq!(shown(&node, "test.com").await.unwrap(), "five");
    node.put("ssls/2", &ssl("test.com", &named("two"))).await;
    assert_eq!(shown(&node, "test.com").await.unwrap(), "two");
    assert!(
        node.status().await.to_string().contains("ssls/5"),
        "the other is reported"
    );
    node.delete("ssls/2").await;
    cluster_tests::wait::eventually(
        "the other takes over",
        cluster_tests::wait::SOON,
        || async {
            cluster_tests::wait::same(shown(&node, "test.com").await, &Ok("five".to_owned()))
        },
    )
    .await
    .ok();
}

#[tokio::test]
async fn of_an_rsa_and_an_ecdsa_certificate_the_client_gets_the_one_it_can_verify() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let ecdsa = ca.server(&["test.com"]);
    let rsa = ca
        .leaf("test.com")
        .names(&["test.com"])
        .for_servers()
        .rsa()
        .issue();
    let mut object = ssl("test.com", &ecdsa);
    object["certs"] = json!([rsa.cert]);
    object["keys"] = json!([rsa.key]);
    node.put("ssls/1", &object).await;
    let all_rsa = [
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PKCS1_SHA256,
    ];
    let all_ecdsa = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
    ];
    let cases: [(&[SignatureScheme], &Identity); 2] = [(&all_rsa, &rsa), (&all_ecdsa, &ecdsa)];
    for (schemes, identity) in cases {
        let client = TlsClient::new("test.com").schemes(schemes);
        for client in [client.clone().tls12(), client.tls13()] {
            let wire = client.connect(node.https).await.unwrap();
            assert_eq!(
                server_chain(&wire)[0],
                identity.chain_der()[0],
                "{schemes:?}"
            );
        }
    }
    node.put("ssls/1", &ssl("test.com", &ecdsa)).await;
    let client = TlsClient::new("test.com").schemes(&all_rsa);
    assert_eq!(
        client.refused(node.https).await,
        Some(40),
        "no shared signature scheme"
    );
}

#[tokio::test]
async fn versions_outside_an_objects_protocols_get_protocol_version() {
    let (node, _target, identity) = with_ssl(Launch::new(), "test.com").await;
    for version in [0x0300, 0x0301, 0x0302] {
        let mut wire = http1::open(node.https).await;
        wire.send(hello::old_version(version, "test.com"))
            .await
            .unwrap();
        assert_eq!(
            hello::alert(&wire.rest().await),
            Some((2, 70)),
            "{version:x}"
        );
    }
    let mut only_13 = ssl("test.com", &identity);
    only_13["ssl_protocols"] = json!(["TLSv1.3"]);
    node.put("ssls/1", &only_13).await;
    assert_eq!(
        TlsClient::new("test.com").tls12().refused(node.https).await,
        Some(70)
    );
    assert_eq!(
        TlsClient::new("test.com")
            .tls13()
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
    let mut only_12 = ssl("test.com", &identity);
    only_12["ssl_protocols"] = json!(["TLSv1.2"]);
    node.put("ssls/1", &only_12).await;
    assert_eq!(
        TlsClient::new("test.com").tls13().refused(node.https).await,
        Some(70)
    );
    assert_eq!(
        TlsClient::new("test.com")
            .tls12()
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn a_fallback_hello_below_our_best_version_gets_inappropriate_fallback() {
    let (node, _target, _) = with_ssl(Launch::new(), "test.com").await;
    let mut wire = http1::open(node.https).await;
    wire.send(hello::fallback("test.com")).await.unwrap();
    assert_eq!(hello::alert(&wire.rest().await), Some((2, 86)));
}

#[tokio::test]
async fn a_hello_cut_into_bytes_or_records_is_read_like_any_other() {
    let (node, _target, _) = with_ssl(Launch::new(), "test.com").await;
    for shape in [
        Shape::Segments(1),
        Shape::Segments(7),
        Shape::Records(40),
        Shape::Records(200),
    ] {
        let reply = TlsClient::new("test.com")
            .shape(shape)
            .get(node.https, "/")
            .await;
        assert_eq!(
            reply
                .unwrap_or_else(|refusal| panic!("{shape:?}: {refusal}"))
                .status(),
            200,
            "{shape:?}"
        );
        assert_eq!(
            TlsClient::new("unknown.com")
                .shape(shape)
                .refused(node.https)
                .await,
            Some(112),
            "{shape:?}"
        );
    }
    // A record for each byte is beyond the bound of 64 records: refused, and nobody else is harmed.
    assert!(
        TlsClient::new("test.com")
            .shape(Shape::Records(1))
            .get(node.https, "/")
            .await
            .is_err()
    );
    assert_eq!(
        TlsClient::new("test.com")
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn an_oversized_hello_is_cut_off_and_harms_nobody() {
    let (node, _target, _) = with_ssl(Launch::new(), "test.com").await;
    let mut wire = http1::open(node.https).await;
    // The end may come while this is being written.
    drop(wire.send(hello::oversized(1 << 20, 12)).await);
    wire.rest().await;
    assert_eq!(
        TlsClient::new("test.com")
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn garbage_and_plaintext_on_the_tls_port_end_the_connection_and_nothing_else() {
    let (node, target, _) = with_ssl(Launch::new(), "test.com").await;
    let mut broken = hello::genuine("test.com");
    broken[9] ^= 0xff;
    let mut cut = hello::genuine("test.com");
    cut.truncate(60);
    let inputs: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nHost: test.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        &[0x80, 0x2e, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0],
        &[22, 3, 1, 0, 0],
        &[22, 3, 1, 0xff, 0xff, 1],
        &[21, 3, 1, 0, 2, 2, 40],
        &broken,
    ];
    for input in inputs {
        let mut wire = http1::open(node.https).await;
        wire.send(input).await.unwrap();
        let answer = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 2"), "{input:?}: {answer}");
    }
    assert!(target.received().is_empty());
    assert_eq!(
        TlsClient::new("test.com")
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn a_hello_that_drips_is_cut_at_the_handshakes_deadline() {
    let (node, _target, _) =
        with_ssl(Launch::new().flag("--handshake-timeout", "1s"), "test.com").await;
    let mut wire = http1::open(node.https).await;
    let bytes = hello::genuine("test.com");
    let dripped = tokio::time::timeout(Duration::from_secs(15), async {
        for byte in &bytes {
            if wire.send([*byte]).await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    });
    assert!(
        dripped.await.unwrap_or(false),
        "{} bytes at 20 a second were read to the end",
        bytes.len()
    );
    assert_eq!(
        TlsClient::new("test.com")
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        200
    );
}
