//! Handshakes of clients: what is agreed on, and which alert a refusal sends.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::{AlertDescription, ClientConfig, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::pki::{self, Leaf, expired, future, root};
use super::{client_json, name, pair, rustls_client, serve, server_tls, ssl};
use crate::alert::{Alert, Cause, Direction, Failure};
use crate::tls::failure::find_tls;
use crate::tls::verify::CertFault;
use crate::tls::{ClientCert, ServerTls, TlsFacts};

type Outcome = (Result<TlsFacts, Failure>, Result<(), Option<Error>>);

/// One handshake of `client` with `a.test`; the client waits for a byte, which is where TLS 1.3 shows refusals.
async fn handshake(
    tls: &ServerTls,
    ssl: &Arc<control::object::Ssl>,
    client: ClientConfig,
) -> Outcome {
    let (near, far) = pair().await;
    let server = async {
        let (mut stream, facts) = serve(tls, far, ssl).await?;
        // The peer may be gone already; only the handshake is asked about.
        let _ = stream.write_all(b"!").await;
        let _ = stream.flush().await;
        Ok::<_, Failure>((stream, facts))
    };
    let client = async {
        let connected = TlsConnector::from(Arc::new(client))
            .connect(name("a.test"), near)
            .await;
        let mut stream = connected.map_err(|e| find_tls(&e).cloned())?;
        stream
            .read_exact(&mut [0])
            .await
            .map_err(|e| find_tls(&e).cloned())?;
        Ok(())
    };
    let (server, client) = tokio::join!(server, client);
    (server.map(|(_, facts)| facts), client)
}

fn only(
    client: ClientConfig,
    version: &'static rustls::SupportedProtocolVersion,
    identity: Option<&Leaf>,
) -> ClientConfig {
    drop(client);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
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

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn facts_say_what_was_agreed_on() {
    let tls = server_tls();
    let ssl = ssl("1", &root("server").server("a.test"), "");
    for (version, text) in VERSIONS.into_iter().zip(["TLSv1.2", "TLSv1.3"]) {
        let mut client = only(rustls_client(None), version, None);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let (server, client) = handshake(&tls, &ssl, client).await;
        client.unwrap();
        let facts = server.unwrap();
        assert_eq!(facts.version, text);
        assert!(facts.cipher.starts_with("TLS_"), "{}", facts.cipher);
        assert_eq!(facts.sni.as_deref(), Some("a.test"));
        assert!(facts.alpn_h2 && !facts.resumed);
        assert_eq!(facts.client, ClientCert::NotAsked);
    }
}

#[tokio::test]
async fn a_good_client_certificate_is_verified() {
    let tls = server_tls();
    let ca = root("ca");
    let sub = ca.sub("sub");
    let ssl = ssl(
        "1",
        &root("server").server("a.test"),
        &client_json(&ca.pem, 1, ""),
    );
    for version in VERSIONS {
        let leaf = sub.client("c").with(&[&sub]);
        let (server, client) =
            handshake(&tls, &ssl, only(rustls_client(None), version, Some(&leaf))).await;
        client.unwrap();
        let ClientCert::Verified { chain, .. } = server.unwrap().client else {
            panic!("not verified")
        };
        assert_eq!(&*chain, &leaf.chain[..]);
    }
}

#[tokio::test]
async fn refused_client_certificates_get_openssls_alerts() {
    let tls = server_tls();
    let ca = root("ca");
    let ssl = ssl(
        "1",
        &root("server").server("a.test"),
        &client_json(&ca.pem, 0, ""),
    );
    let sub = ca.sub("sub");
    let purpose = |p: &mut rcgen::CertificateParams| {
        p.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    };
    let cases = [
        (
            Some(root("ca").client("c")),
            48,
            Cause::ClientCertUntrustedCa,
        ),
        (
            Some(sub.client("c").with(&[&sub])),
            48,
            Cause::ClientCertUntrustedCa,
        ),
        (Some(ca.leaf("c", expired)), 45, Cause::ClientCertExpired),
        (Some(ca.leaf("c", future)), 42, Cause::ClientCertNotYetValid),
        (
            Some(ca.leaf("c", purpose)),
            43,
            Cause::ClientCertWrongPurpose,
        ),
        (None, 116, Cause::ClientCertMissing),
    ];
    for version in VERSIONS {
        for (leaf, alert, cause) in &cases {
            let (server, client) = handshake(
                &tls,
                &ssl,
                only(rustls_client(None), version, leaf.as_ref()),
            )
            .await;
            let failure = server.unwrap_err();
            assert_eq!(
                failure.alert(),
                Some((Alert(*alert), Direction::Sent)),
                "{failure:?}"
            );
            assert_eq!(failure.cause(), *cause);
            assert_eq!(
                client,
                Err(Some(Error::AlertReceived(AlertDescription::from(*alert))))
            );
        }
    }
}

#[tokio::test]
async fn with_http_400_the_request_is_judged_instead() {
    let tls = server_tls();
    let ca = root("ca");
    let server = root("server").server("a.test");
    for more in [
        r#","auth_failure":"http_400""#,
        r#","skip_mtls_uri_regex":["^/open"]"#,
    ] {
        let ssl = ssl("1", &server, &client_json(&ca.pem, 1, more));
        for version in VERSIONS {
            let (facts, client) =
                handshake(&tls, &ssl, only(rustls_client(None), version, None)).await;
            client.unwrap();
            assert_eq!(facts.unwrap().client, ClientCert::Missing);
            let leaf = ca.leaf("c", expired);
            let (facts, client) =
                handshake(&tls, &ssl, only(rustls_client(None), version, Some(&leaf))).await;
            client.unwrap();
            let ClientCert::Refused { chain, reason } = facts.unwrap().client else {
                panic!("not refused")
            };
            assert_eq!(&*chain, &leaf.chain[..]);
            assert!(matches!(reason, CertFault::Expired(_)));
            let leaf = ca.client("c");
            let (facts, _) =
                handshake(&tls, &ssl, only(rustls_client(None), version, Some(&leaf))).await;
            assert!(matches!(facts.unwrap().client, ClientCert::Verified { .. }));
        }
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_in_every_mode() {
    let tls = server_tls();
    let ca = root("ca");
    let server = root("server").server("a.test");
    for more in ["", r#","auth_failure":"http_400""#] {
        let ssl = ssl("1", &server, &client_json(&ca.pem, 1, more));
        for version in VERSIONS {
            let mut thief = ca.client("c");
            thief.key_der = ca.client("other").key_der;
            // rustls checks its own pair; a resolver does not.
            let key = rustls_pki_types::PrivateKeyDer::try_from(thief.key_der.clone()).unwrap();
            let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
            let mut client = only(rustls_client(None), version, None);
            let pair = rustls::sign::CertifiedKey::new(thief.chain.clone(), signer);
            client.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(pair));
            let (server, _) = handshake(&tls, &ssl, client).await;
            let failure = server.unwrap_err();
            assert_eq!(
                failure.alert(),
                Some((Alert(51), Direction::Sent)),
                "{failure:?}"
            );
            assert_eq!(failure.cause(), Cause::KeyCertMismatch);
        }
    }
}

#[tokio::test]
async fn alpn_without_overlap_is_120() {
    let tls = server_tls();
    let ssl = ssl("1", &root("server").server("a.test"), "");
    let mut client = rustls_client(None);
    client.alpn_protocols = vec![b"spdy/1".to_vec()];
    let (server, client) = handshake(&tls, &ssl, client).await;
    let failure = server.unwrap_err();
    assert_eq!(
        failure.alert(),
        Some((Alert::NO_APPLICATION_PROTOCOL, Direction::Sent))
    );
    assert_eq!(failure.cause(), Cause::NoSharedAlpn);
    assert_eq!(
        client,
        Err(Some(Error::AlertReceived(
            AlertDescription::NoApplicationProtocol
        )))
    );
}

#[tokio::test]
async fn suites_without_overlap_are_40() {
    let tls = server_tls();
    let ssl = ssl(
        "1",
        &root("server").server("a.test"),
        r#""ssl_protocols":["TLSv1.3"],"ciphers":["TLS_AES_128_GCM_SHA256"]"#,
    );
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .retain(|s| s.suite() == rustls::CipherSuite::TLS13_AES_256_GCM_SHA384);
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(super::Trusting))
        .with_no_client_auth();
    let (server, client) = handshake(&tls, &ssl, client).await;
    let failure = server.unwrap_err();
    assert_eq!(
        failure.alert(),
        Some((Alert::HANDSHAKE_FAILURE, Direction::Sent))
    );
    assert_eq!(failure.cause(), Cause::NoSharedCipher);
    assert_eq!(
        client,
        Err(Some(Error::AlertReceived(
            AlertDescription::HandshakeFailure
        )))
    );
}

#[tokio::test]
async fn the_certificate_fits_the_clients_signature_schemes() {
    let dir = tempfile::tempdir().unwrap();
    pki::openssl(
        dir.path(),
        "req -x509 -newkey rsa:2048 -nodes -keyout r.key -out r.crt -subj /CN=a.test -addext subjectAltName=DNS:a.test",
    );
    let rsa = pki::read(dir.path(), "r.crt", "r.key");
    let ecdsa = root("server").server("a.test");
    let more = serde_json::json!({"certs": [rsa.pem], "keys": [rsa.key]}).to_string();
    let ssl = ssl(
        "1",
        &ecdsa,
        more.trim_start_matches('{').trim_end_matches('}'),
    );
    let tls = Arc::new(server_tls());
    for (schemes, expected) in [("RSA-PSS+SHA256", "rsa"), ("ECDSA+SHA256", "ecdsa")] {
        let (_, out) = openssl_client(&tls, &ssl, &["-sigalgs", schemes, "-brief"]).await;
        assert_eq!(out.contains("RSA-PSS"), expected == "rsa", "{out}");
        assert!(out.contains("CONNECTION ESTABLISHED"), "{out}");
    }
    let (failure, out) = openssl_client(&tls, &ssl, &["-sigalgs", "ed25519"]).await;
    let failure = failure.unwrap_err();
    assert_eq!(
        failure.alert(),
        Some((Alert::HANDSHAKE_FAILURE, Direction::Sent))
    );
    assert_eq!(failure.cause(), Cause::NoSharedSignatureScheme);
    assert!(
        out.contains("alert number 40") || out.contains("SSL alert number 40"),
        "{out}"
    );
}

/// Runs `openssl s_client` against one accept; what it printed.
async fn openssl_client(
    tls: &Arc<ServerTls>,
    ssl: &Arc<control::object::Ssl>,
    arguments: &[&str],
) -> (Result<TlsFacts, Failure>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    arguments.extend([
        "-servername".to_owned(),
        "a.test".to_owned(),
        "-connect".to_owned(),
        address,
    ]);
    let child = tokio::task::spawn_blocking(move || {
        let mut child = Command::new("openssl")
            .arg("s_client")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Something to send, but no end of input before the server's: at its end openssl may leave without having read
        // the alert, which in TLS 1.3 comes after its own side of the handshake.
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"x\n").unwrap();
        let out = child.wait_with_output().unwrap();
        drop(input);
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    });
    let (io, _) = listener.accept().await.unwrap();
    let served = match serve(tls, io, ssl).await {
        Ok((mut stream, facts)) => {
            let _ = stream.shutdown().await;
            let mut waste = Vec::new();
            let _ = stream.read_to_end(&mut waste).await;
            Ok(facts)
        }
        Err(failure) => Err(failure),
    };
    (served, child.await.unwrap())
}

#[tokio::test]
async fn openssl_sees_the_alerts_of_contract_4() {
    let tls = Arc::new(server_tls());
    let ca = root("ca");
    let ssl12 = ssl(
        "1",
        &root("server").server("a.test"),
        r#""ssl_protocols":["TLSv1.2"]"#,
    );
    let ssl13 = ssl(
        "2",
        &root("server").server("a.test"),
        r#""ssl_protocols":["TLSv1.3"]"#,
    );
    let mtls = ssl(
        "3",
        &root("server").server("a.test"),
        &client_json(&ca.pem, 1, ""),
    );
    let cases = [
        (&ssl13, &["-tls1_2"][..], 70, Cause::ProtocolVersionMismatch),
        (&ssl12, &["-tls1_3"][..], 70, Cause::ProtocolVersionMismatch),
        (
            &ssl12,
            &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"][..],
            70,
            Cause::ProtocolVersionMismatch,
        ),
        (
            &mtls,
            &["-tls1_2", "-fallback_scsv"][..],
            86,
            Cause::FallbackRejected,
        ),
        (&mtls, &["-tls1_2"][..], 116, Cause::ClientCertMissing),
        (&mtls, &["-tls1_3"][..], 116, Cause::ClientCertMissing),
    ];
    for (ssl, arguments, alert, cause) in cases {
        let (served, out) = openssl_client(&tls, ssl, arguments).await;
        let failure = served.unwrap_err();
        assert_eq!(
            (failure.alert(), failure.cause()),
            (Some((Alert(alert), Direction::Sent)), cause),
            "{arguments:?}"
        );
        assert!(
            out.contains(&format!("SSL alert number {alert}")),
            "{arguments:?}: {out}"
        );
    }
}

#[tokio::test]
async fn a_v1_client_certificate_is_taken_from_openssl() {
    let dir = tempfile::tempdir().unwrap();
    for line in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=ca",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout c.key -out c.csr -subj /CN=client",
        "x509 -req -in c.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out c.crt -days 30",
        "req -newkey rsa:2048 -nodes -keyout r.key -out r.csr -subj /CN=client",
        "x509 -req -in r.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out r.crt -days 30",
    ] {
        pki::openssl(dir.path(), line);
    }
    let ca = std::fs::read_to_string(dir.path().join("ca.crt")).unwrap();
    let ssl = ssl(
        "1",
        &root("server").server("a.test"),
        &client_json(&ca, 1, ""),
    );
    let tls = Arc::new(server_tls());
    let path = |file: &str| dir.path().join(file).to_str().unwrap().to_owned();
    for version in ["-tls1_2", "-tls1_3"] {
        for pair in ["c", "r"] {
            let (cert, key) = (path(&format!("{pair}.crt")), path(&format!("{pair}.key")));
            let (facts, out) =
                openssl_client(&tls, &ssl, &[version, "-cert", &cert, "-key", &key]).await;
            let facts = facts.unwrap_or_else(|e| panic!("{version} {pair}: {e:?} {out}"));
            assert!(matches!(facts.client, ClientCert::Verified { .. }));
        }
    }
}

#[tokio::test]
async fn a_refusal_is_read_before_the_end() {
    let (mut near, far) = pair().await;
    // Unread bytes on our side would turn a close into a reset.
    near.write_all(&[7; 4000]).await.unwrap();
    let refusal = tokio::spawn(super::super::refuse(far, Alert::UNRECOGNIZED_NAME));
    let mut wire = Vec::new();
    near.read_to_end(&mut wire).await.unwrap();
    assert_eq!(wire, [21, 3, 3, 0, 2, 2, 112]);
    drop(near);
    refusal.await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_from_one_that_resets() {
    let tls = server_tls();
    let ssl = ssl("1", &root("server").server("a.test"), "");
    let hello = || {
        let mut session =
            rustls::ClientConnection::new(Arc::new(rustls_client(None)), name("a.test")).unwrap();
        let mut wire = Vec::new();
        session.write_tls(&mut wire).unwrap();
        wire
    };
    let (mut near, far) = pair().await;
    near.write_all(&hello()).await.unwrap();
    near.shutdown().await.unwrap();
    let Err(failure) = serve(&tls, far, &ssl).await else {
        panic!("served")
    };
    assert_eq!(
        (failure.cause(), failure.alert()),
        (Cause::PeerClosedDuringHandshake, None)
    );

    let (mut near, far) = pair().await;
    near.write_all(&hello()).await.unwrap();
    near.write_all(&[21, 3, 3, 0, 2, 2, 80]).await.unwrap();
    let Err(failure) = serve(&tls, far, &ssl).await else {
        panic!("served")
    };
    assert_eq!(
        failure.alert(),
        Some((Alert::INTERNAL_ERROR, Direction::Received))
    );
}
