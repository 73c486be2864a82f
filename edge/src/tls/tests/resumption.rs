//! A session is resumed only under the policy that vouched for it.

use std::sync::Arc;

use control::object::Ssl;
use rustls::{ClientConfig, HandshakeKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::pki::{Leaf, root};
use super::{client_json, name, pair, rustls_client, serve, server_tls, ssl};
use crate::tls::{ClientCert, ServerTls, TlsFacts};

/// A handshake and one byte, so that a TLS 1.3 ticket has arrived. `None` if the server refused.
async fn visit(
    tls: &ServerTls,
    ssl: &Arc<Ssl>,
    client: &Arc<ClientConfig>,
) -> Option<(TlsFacts, bool)> {
    let (near, far) = pair().await;
    let server = async {
        let (mut stream, facts) = serve(tls, far, ssl).await.ok()?;
        stream.write_all(b"!").await.ok()?;
        stream.flush().await.ok()?;
        Some((stream, facts))
    };
    let client = async {
        let mut stream = TlsConnector::from(Arc::clone(client))
            .connect(name("a.test"), near)
            .await
            .ok()?;
        stream.read_exact(&mut [0]).await.ok()?;
        Some(stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed))
    };
    let (server, client) = tokio::join!(server, client);
    let facts = server?.1;
    assert_eq!(client, Some(facts.resumed));
    Some((facts, client?))
}

fn clients(identity: Option<&Leaf>) -> [Arc<ClientConfig>; 2] {
    [
        rustls::ProtocolVersion::TLSv1_2,
        rustls::ProtocolVersion::TLSv1_3,
    ]
    .map(|version| {
        let mut client = rustls_client(identity);
        if version == rustls::ProtocolVersion::TLSv1_2 {
            client = with_tls12(identity);
        }
        Arc::new(client)
    })
}

fn with_tls12(identity: Option<&Leaf>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(super::Trusting));
    match identity {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let key = rustls_pki_types::PrivateKeyDer::try_from(leaf.key_der.clone()).unwrap();
            builder
                .with_client_auth_cert(leaf.chain.clone(), key)
                .unwrap()
        }
    }
}

#[tokio::test]
async fn the_same_policy_resumes_and_still_knows_the_client() {
    let tls = server_tls();
    let ca = root("ca");
    let leaf = ca.client("c");
    let ssl = ssl(
        "1",
        &root("server").server("a.test"),
        &client_json(&ca.pem, 1, ""),
    );
    for client in clients(Some(&leaf)) {
        assert!(!visit(&tls, &ssl, &client).await.unwrap().1);
        for _ in 0..3 {
            let (facts, resumed) = visit(&tls, &ssl, &client).await.unwrap();
            assert!(resumed);
            let ClientCert::Verified { chain, .. } = facts.client else {
                panic!("not verified")
            };
            assert_eq!(&*chain, &leaf.chain[..]);
        }
    }
}

#[tokio::test]
async fn a_ticket_from_an_open_policy_opens_no_other() {
    let tls = server_tls();
    let (ca, server) = (root("ca"), root("server").server("a.test"));
    let open = ssl("1", &server, "");
    let closed = ssl("1", &server, &client_json(&ca.pem, 1, ""));
    for client in clients(None) {
        visit(&tls, &open, &client).await.unwrap();
        assert!(
            visit(&tls, &open, &client).await.unwrap().1,
            "it does resume where it may"
        );
        assert!(visit(&tls, &closed, &client).await.is_none());
    }
}

#[tokio::test]
async fn a_change_of_the_policy_ends_its_sessions() {
    let tls = server_tls();
    let (ca, other, server) = (root("ca"), root("other"), root("server").server("a.test"));
    let leaf = ca.client("c");
    let before = ssl("1", &server, &client_json(&ca.pem, 1, ""));
    let both = format!("{}{}", ca.pem, other.pem);
    let changes = [
        (ssl("1", &server, &client_json(&other.pem, 1, "")), false),
        (ssl("1", &server, &client_json(&both, 1, "")), true),
        (ssl("1", &server, &client_json(&ca.pem, 2, "")), true),
        (ssl("2", &server, &client_json(&ca.pem, 1, "")), true),
        (
            ssl(
                "1",
                &root("server").server("a.test"),
                &client_json(&ca.pem, 1, ""),
            ),
            true,
        ),
        (
            ssl(
                "1",
                &server,
                &client_json(&ca.pem, 1, r#","auth_failure":"http_400""#),
            ),
            true,
        ),
    ];
    for (after, lets_in) in &changes {
        for client in clients(Some(&leaf)) {
            visit(&tls, &before, &client).await.unwrap();
            match visit(&tls, after, &client).await {
                None => assert!(!lets_in),
                Some((facts, resumed)) => {
                    assert!(*lets_in && !resumed);
                    assert!(matches!(facts.client, ClientCert::Verified { .. }));
                }
            }
        }
    }
}

#[tokio::test]
async fn an_unverified_client_stays_unverified() {
    let tls = server_tls();
    let (ca, server) = (root("ca"), root("server").server("a.test"));
    let ssl = ssl(
        "1",
        &server,
        &client_json(&ca.pem, 1, r#","auth_failure":"http_400""#),
    );
    let stranger = root("ca").client("c");
    for client in clients(Some(&stranger)) {
        visit(&tls, &ssl, &client).await.unwrap();
        let (facts, resumed) = visit(&tls, &ssl, &client).await.unwrap();
        assert!(resumed);
        assert!(matches!(facts.client, ClientCert::Refused { .. }));
    }
    for client in clients(None) {
        visit(&tls, &ssl, &client).await.unwrap();
        let (facts, resumed) = visit(&tls, &ssl, &client).await.unwrap();
        assert!(resumed);
        assert_eq!(facts.client, ClientCert::Missing);
    }
}
