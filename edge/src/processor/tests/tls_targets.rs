//! TLS with targets: trust, names, identity, and refusals at every moment.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}

/// A TLS target that answers every request with 200; counts connections.
async fn start(ca: &Ca, name: &str, clients: Option<&Ca>) -> Target {
    let (cert, key) = ca.issue(name);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots
                .add(CertificateDer::from(clients.0.der().to_vec()))
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder
        .with_single_cert(vec![CertificateDer::from(cert.der().to_vec())], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        port: listener.local_addr().unwrap().port(),
        connections: Rc::default(),
        heads: Rc::default(),
    };
    let seen = target.clone();
    spawn_local(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            seen.connections.set(seen.connections.get() + 1);
            spawn_local(answer(acceptor.clone(), tcp, seen.clone()));
        }
    });
    target
}

async fn answer(acceptor: TlsAcceptor, tcp: TcpStream, seen: Target) {
    let Ok(mut stream) = acceptor.accept(tcp).await else {
        return;
    };
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            let sni = stream
                .get_ref()
                .1
                .server_name()
                .unwrap_or("none")
                .to_owned();
            seen.heads.borrow_mut().push(sni);
            head.clear();
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
            let _ = stream.flush().await;
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn upstream(target: &Target, tls: Value) -> Value {
    json!({
        "type": "roundrobin", "scheme": "https", "pass_host": "rewrite", "upstream_host": "t.example",
        "nodes": {target.node(): 1}, "tls": tls,
    })
}

#[tokio::test]
async fn verified_targets_are_pooled_by_name() {
    on_a_thread(async {
        let ca = Ca::new();
        let target = start(&ca, "t.example", None).await;
        let bench = bench(upstream(&target, json!({"ca_certs": [ca.0.pem()]})));
        for n in 0..3 {
            let answer = bench.send("GET", Body::Empty).await.ok().unwrap();
            let tls = answer.target.tls.unwrap();
            assert_eq!(
                (tls.version, tls.sni.as_deref(), answer.target.reused),
                ("TLSv1.3", Some("t.example"), n > 0)
            );
        }
        assert_eq!(
            (target.connections.get(), &*target.heads.borrow()[0]),
            (1, "t.example")
        );
        let page = bench.processor.shared.metrics.encode();
        assert!(page.contains("sallyport_tls_handshakes_total"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn names_and_trust_are_kept_apart() {
    on_a_thread(async {
        let ca = Ca::new();
        let target = start(&ca, "t.example", None).await;
        let shared = shared();
        let processor = Processor::new(shared);
        let mut bench = Bench {
            processor,
            snapshot: Arc::default(),
        };
        let ways = [
            (json!({"ca_certs": [ca.0.pem()]}), "200 ok"),
            (json!({"verify": false}), "200 ok"),
            (json!({"verify": false, "sni": "off"}), "200 ok"),
            (json!({"verify": false, "sni": "o.example"}), "200 ok"),
            (
                json!({"ca_certs": [ca.0.pem()], "sni": "o.example"}),
                "SslHandshakeFailed server_cert_hostname_mismatch",
            ),
            (json!({}), "SslHandshakeFailed server_cert_untrusted_ca"),
        ];
        for (n, (tls, expected)) in ways.into_iter().enumerate() {
            let route = json!({"uri": "/*", "upstream": upstream(&target, tls)});
            bench.snapshot = Arc::new(snapshot(&[(Kind::Route, "1", route)]));
            assert_eq!(bench.outcome("GET").await.0, expected, "way {n}");
            assert_eq!(
                target.connections.get(),
                n + 1,
                "way {n} shared a connection"
            );
        }
        assert_eq!(
            *target.heads.borrow(),
            ["t.example", "t.example", "none", "o.example"]
        );
    })
    .await;
}

#[tokio::test]
async fn identities_are_shown_and_their_lack_is_a_late_handshake_failure() {
    on_a_thread(async {
        let (ca, clients) = (Ca::new(), Ca::new());
        let target = start(&ca, "t.example", Some(&clients)).await;
        let (cert, key) = clients.issue("client");
        let shown = json!({"ca_certs": [ca.0.pem()], "client_cert": cert.pem(), "client_key": key.serialize_pem()});
        let with = bench(upstream(&target, shown));
        let answer = with.send("POST", bytes("x")).await.ok().unwrap();
        assert!(answer.target.tls.unwrap().client_cert);
        let without = bench(upstream(&target, json!({"ca_certs": [ca.0.pem()]})));
        let failure = without.send("POST", bytes("x")).await.err().unwrap();
        assert_eq!(failure.fault.code.as_str(), "SslHandshakeFailed", "{}", failure.fault);
        assert_eq!(failure.fault.reason.unwrap().as_str(), "client_cert_missing");
        let missing = bench(upstream(&target, json!({"ca_certs": [ca.0.pem()], "client_cert_id": "7"})));
        assert_eq!(missing.outcome("GET").await.0, "ConfigMissingMaterial config_missing_material");
    })
    .await;
}

/// A target that reads a request and then breaks the connection with an alert that is about no certificate.
async fn breaking(ca: &Ca, version: &'static rustls::SupportedProtocolVersion) -> Target {
    let (cert, key) = ca.issue("t.example");
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_protocol_versions(&[version])
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![CertificateDer::from(cert.der().to_vec())], key)
    .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        port: listener.local_addr().unwrap().port(),
        connections: Rc::default(),
        heads: Rc::default(),
    };
    let seen = target.clone();
    spawn_local(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            seen.connections.set(seen.connections.get() + 1);
            let mut stream = acceptor.accept(tcp).await.unwrap();
            stream.read_u8().await.unwrap();
            let (tcp, session) = stream.get_mut();
            // What the session takes for a record that was tampered with.
            session
                .read_tls(&mut [&[23, 3, 3, 0, 40][..], &[0; 40]].concat().as_slice())
                .unwrap();
            session.process_new_packets().unwrap_err();
            let mut alert = Vec::new();
            while session.wants_write() {
                session.write_tls(&mut alert).unwrap();
            }
            tcp.write_all(&alert).await.unwrap();
            tcp.shutdown().await.unwrap();
        }
    });
    target
}

#[tokio::test]
async fn a_request_that_was_read_before_an_alert_is_not_sent_twice() {
    on_a_thread(async {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let ca = Ca::new();
            let targets = [breaking(&ca, version).await, breaking(&ca, version).await];
            let mut upstream = upstream(&targets[0], json!({"ca_certs": [ca.0.pem()]}));
            for target in &targets {
                upstream["nodes"][format!("127.0.0.1:{}", target.port)] = json!(1);
            }
            let bench = bench(upstream);
            assert!(bench.send("POST", bytes("x")).await.is_err());
            let made = targets
                .iter()
                .map(|target| target.connections.get())
                .sum::<usize>();
            assert_eq!(made, 1, "{version:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn silent_and_refusing_targets() {
    on_a_thread(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = Target {
            port: listener.local_addr().unwrap().port(),
            connections: Rc::default(),
            heads: Rc::default(),
        };
        let mut slow = upstream(&silent, json!({}));
        slow["timeout"] = json!({"connect": 0.05, "send": 1, "read": 1});
        assert_eq!(
            bench(slow).outcome("GET").await,
            ("GatewayTimeout handshake_timeout".into(), vec![504])
        );
        let dead = Target {
            port: dead_port().await,
            ..silent
        };
        let refused = bench(upstream(&dead, json!({}))).outcome("GET").await;
        assert_eq!(
            refused,
            ("TargetUnreachable tcp_connect_failed".into(), vec![502])
        );
    })
    .await;
}
