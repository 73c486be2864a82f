//! Handshakes with targets: names, anchors, identities, and what a target's refusal looks like.

use std::sync::Arc;

use control::object::{Material, Protocols, SniChoice, UpstreamTls};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::pki::{self, Leaf, expired, expired_before_it_began, future, root};
use super::{pair, soon};
use crate::alert::evidence::End;
use crate::alert::{Alert, Cause, Direction, Failure};
use crate::tls::client::{Connected, TargetSession};
use crate::tls::{ClientTls, Stream};

/// A policy; `mark` stands for the hash that the object reader makes.
fn policy(mark: u8, ca: &[CertificateDer<'static>]) -> UpstreamTls {
    UpstreamTls {
        ca_certs: ca.into(),
        policy: [mark; 32],
        ..UpstreamTls::default()
    }
}

fn target(leaf: &Leaf, client_ca: Option<&CertificateDer<'static>>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions();
    let builder = match client_ca {
        None => builder.unwrap().with_no_client_auth(),
        Some(ca) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(ca.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
            builder.unwrap().with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(leaf.key_der.clone()).unwrap();
    Arc::new(builder.with_single_cert(leaf.chain.clone(), key).unwrap())
}

/// One connection to `target`; the name it was sent comes back too.
struct Dial<'a> {
    tls: &'a ClientTls,
    policy: &'a UpstreamTls,
    identity: Option<&'a Arc<Material>>,
    verify: bool,
    name: &'a str,
    sni: Option<&'a str>,
    port: u16,
}

type Dialled = (Result<(Stream, TargetSession), Failure>, Option<String>);

impl Dial<'_> {
    async fn run(&self, target: &Arc<ServerConfig>) -> Dialled {
        let (near, far) = pair().await;
        let config = self
            .tls
            .config(
                self.policy,
                (&Arc::from("target"), self.port),
                self.identity,
                self.verify,
                false,
            )
            .unwrap();
        let server = async {
            let mut stream = TlsAcceptor::from(Arc::clone(target))
                .accept(far)
                .await
                .ok()?;
            let name = stream.get_ref().1.server_name().map(str::to_owned);
            stream.write_all(b"!").await.ok()?;
            stream.flush().await.ok()?;
            name
        };
        let client = async {
            let connected = self.tls.connect(near, config, self.name, self.sni, soon());
            let Connected {
                mut stream,
                session,
                unproven,
            } = connected.await?;
            match stream.read_exact(&mut [0]).await {
                Ok(_) => Ok((stream, session)),
                Err(e) => Err(unproven.late(&e).unwrap_or_else(|| panic!("{e}")).evidence),
            }
        };
        let (server, client) = tokio::join!(server, client);
        (client.map_err(|e| Failure::of(*e)), server)
    }
}

async fn dial(
    policy: &UpstreamTls,
    verify: bool,
    name: &str,
    target: &Arc<ServerConfig>,
) -> Result<TargetSession, Failure> {
    let tls = ClientTls::new();
    let dial = Dial {
        tls: &tls,
        policy,
        identity: None,
        verify,
        name,
        sni: Some(name),
        port: 443,
    };
    dial.run(target).await.0.map(|(_, facts)| facts)
}

#[tokio::test]
async fn a_good_certificate_passes() {
    let ca = root("ca");
    let good = target(&ca.server("a.test"), None);
    let facts = dial(
        &policy(1, std::slice::from_ref(&ca.der)),
        true,
        "A.test",
        &good,
    )
    .await
    .unwrap();
    assert_eq!(
        (facts.version, facts.sni.as_deref()),
        ("TLSv1.3", Some("a.test"))
    );
    assert!(!facts.client_cert && !facts.resumed);
}

/// Certificates that `a.test` may not show where `ca` is trusted: cause and alert.
fn unfit(ca: &pki::Ca) -> [(Leaf, Cause, u8); 9] {
    let san = |p: &mut rcgen::CertificateParams| {
        p.subject_alt_names = vec![rcgen::SanType::DnsName("a.test".try_into().unwrap())]
    };
    [
        (ca.server("b.test"), Cause::ServerCertHostnameMismatch, 42),
        // The common name is no host name.
        (
            ca.leaf("a.test", |_| {}),
            Cause::ServerCertHostnameMismatch,
            42,
        ),
        (
            root("ca").server("a.test"),
            Cause::ServerCertUntrustedCa,
            48,
        ),
        (
            pki::self_signed("a.test", san),
            Cause::ServerCertSelfSigned,
            48,
        ),
        (
            pki::self_signed("a.test", |p| {
                san(p);
                p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            }),
            Cause::ServerCertSelfSigned,
            48,
        ),
        (
            ca.leaf("x", |p| {
                san(p);
                expired(p);
            }),
            Cause::ServerCertExpired,
            45,
        ),
        (
            ca.leaf("x", |p| {
                san(p);
                expired_before_it_began(p);
            }),
            Cause::ServerCertExpired,
            45,
        ),
        (
            ca.leaf("x", |p| {
                san(p);
                future(p);
            }),
            Cause::ServerCertNotYetValid,
            42,
        ),
        (
            ca.leaf("x", |p| {
                san(p);
                p.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
            Cause::ServerCertWrongPurpose,
            43,
        ),
    ]
}

#[tokio::test]
async fn chain_and_name_are_verified() {
    let ca = root("ca");
    for (leaf, cause, alert) in &unfit(&ca) {
        let target = target(leaf, None);
        let failure = dial(
            &policy(1, std::slice::from_ref(&ca.der)),
            true,
            "a.test",
            &target,
        )
        .await
        .unwrap_err();
        assert_eq!(
            (failure.cause(), failure.alert()),
            (*cause, Some((Alert(*alert), Direction::Sent))),
            "{}",
            failure.detail()
        );
        // Unverified, every one of them passes.
        dial(
            &policy(1, std::slice::from_ref(&ca.der)),
            false,
            "a.test",
            &target,
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn a_certificate_in_the_list_is_trusted_for_its_name_and_time() {
    let san = |p: &mut rcgen::CertificateParams| {
        p.subject_alt_names = vec![rcgen::SanType::DnsName("a.test".try_into().unwrap())];
        p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    let own = pki::self_signed("x", san);
    let list = policy(1, &[own.der().clone()]);
    dial(&list, true, "a.test", &target(&own, None))
        .await
        .unwrap();
    let failure = dial(&list, true, "b.test", &target(&own, None))
        .await
        .unwrap_err();
    assert_eq!(failure.cause(), Cause::ServerCertHostnameMismatch);
    let twin = pki::self_signed("x", san);
    let failure = dial(&list, true, "a.test", &target(&twin, None))
        .await
        .unwrap_err();
    assert_eq!(failure.cause(), Cause::ServerCertSelfSigned);
    let old = pki::self_signed("x", |p| {
        san(p);
        expired(p);
    });
    let failure = dial(
        &policy(2, &[old.der().clone()]),
        true,
        "a.test",
        &target(&old, None),
    )
    .await
    .unwrap_err();
    assert_eq!(failure.cause(), Cause::ServerCertExpired);
}

#[tokio::test]
async fn names_are_sent_and_verified_as_asked() {
    let ca = root("ca");
    let tls = ClientTls::new();
    let on = policy(1, std::slice::from_ref(&ca.der));
    let off = UpstreamTls {
        sni: SniChoice::Off,
        policy: [2; 32],
        ..on.clone()
    };
    let address = target(&ca.server("192.0.2.1"), None);
    let host = target(&ca.server("a.test"), None);
    let with = |policy, name, sni| Dial {
        tls: &tls,
        policy,
        identity: None,
        verify: true,
        name,
        sni,
        port: 443,
    };
    for _ in 0..2 {
        let (client, sent) = with(&off, "a.test", None).run(&host).await;
        assert_eq!((client.unwrap().1.sni, sent), (None, None));
        let (client, sent) = with(&on, "192.0.2.1", Some("192.0.2.1"))
            .run(&address)
            .await;
        assert_eq!((client.unwrap().1.sni, sent), (None, None));
        let (client, sent) = with(&on, "a.test", Some("other.test")).run(&host).await;
        assert!(!client.unwrap().1.resumed);
        assert_eq!(sent.as_deref(), Some("other.test"));
    }
    for (policy, name, sni) in [
        (&off, "b.test", None),
        (&on, "b.test", Some("a.test")),
        (&on, "192.0.2.2", None),
    ] {
        let (client, _) = with(policy, name, sni).run(&host).await;
        let Err(failure) = client else {
            panic!("{name} passed")
        };
        assert_eq!(failure.cause(), Cause::ServerCertHostnameMismatch);
    }
}

#[tokio::test]
async fn our_certificate_is_shown_and_its_refusal_understood() {
    let ca = root("ca");
    let tls = ClientTls::new();
    let target = target(&ca.server("a.test"), Some(&ca.der));
    let material = |leaf: &Leaf| Arc::new(Material::from_pem(&leaf.pem, &leaf.key).unwrap());
    let (good, foreign) = (
        material(&ca.client("c")),
        material(&root("other").client("c")),
    );
    for (mark, protocols) in [
        (
            1,
            Protocols {
                tls12: true,
                tls13: false,
            },
        ),
        (2, Protocols::ALL),
    ] {
        let policy = UpstreamTls {
            protocols,
            ..policy(mark, std::slice::from_ref(&ca.der))
        };
        let with = |identity| Dial {
            tls: &tls,
            policy: &policy,
            identity,
            verify: true,
            name: "a.test",
            sni: Some("a.test"),
            port: 443,
        };
        let (client, _) = with(Some(&good)).run(&target).await;
        assert!(client.unwrap().1.client_cert);
        let Err(failure) = with(Some(&foreign)).run(&target).await.0 else {
            panic!("let in")
        };
        assert_eq!(
            failure.alert(),
            Some((Alert::UNKNOWN_CA, Direction::Received))
        );
        let Err(failure) = with(None).run(&target).await.0 else {
            panic!("let in")
        };
        assert_eq!(
            failure.alert(),
            Some((Alert::CERTIFICATE_REQUIRED, Direction::Received))
        );
        assert_eq!(failure.cause(), Cause::ClientCertMissing);
    }
}

#[tokio::test]
async fn sessions_stay_with_target_policy_identity_and_verification() {
    let ca = root("ca");
    let tls = ClientTls::new();
    let target = target(&ca.server("a.test"), None);
    let trusting = policy(1, std::slice::from_ref(&ca.der));
    let strict = policy(2, &[root("other").der]);
    let with = |policy, verify| Dial {
        tls: &tls,
        policy,
        identity: None,
        verify,
        name: "a.test",
        sni: Some("a.test"),
        port: 443,
    };
    assert!(
        !with(&trusting, true)
            .run(&target)
            .await
            .0
            .unwrap()
            .1
            .resumed
    );
    assert!(
        with(&trusting, true)
            .run(&target)
            .await
            .0
            .unwrap()
            .1
            .resumed
    );
    let another = Dial {
        port: 8443,
        ..with(&trusting, true)
    };
    assert!(
        !another.run(&target).await.0.unwrap().1.resumed,
        "another target of the same name"
    );
    assert!(!with(&strict, false).run(&target).await.0.unwrap().1.resumed);
    assert!(with(&strict, false).run(&target).await.0.unwrap().1.resumed);
    assert!(with(&strict, true).run(&target).await.0.is_err());
}

/// What a peer that answers with `bytes` and closes looks like.
async fn answered(bytes: &[u8]) -> Failure {
    let (near, mut far) = pair().await;
    let tls = ClientTls::new();
    let config = tls
        .config(
            &policy(1, &[root("ca").der]),
            (&Arc::from("target"), 443),
            None,
            true,
            false,
        )
        .unwrap();
    let peer = async {
        far.read_exact(&mut [0; 64]).await.unwrap();
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        let _ = far.read_to_end(&mut Vec::new()).await;
    };
    let (_, outcome) = tokio::join!(peer, async {
        tls.connect(near, config, "a.test", Some("a.test"), soon())
            .await
            .map(|_| ())
    });
    Failure::of(*outcome.unwrap_err())
}

#[tokio::test]
async fn what_a_peer_says_instead_of_a_handshake() {
    let received = |number| Some((Alert(number), Direction::Received));
    assert_eq!(
        answered(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.cause(),
        Cause::PeerNotTls
    );
    assert_eq!(answered(b"SSH").await.cause(), Cause::PeerNotTls);
    let failure = answered(b"").await;
    assert_eq!(
        (failure.cause(), failure.alert()),
        (Cause::PeerClosedDuringHandshake, None)
    );
    for (number, cause) in [
        (70, Cause::ProtocolVersionMismatch),
        (112, Cause::SniUnknown),
        (120, Cause::NoSharedAlpn),
        (40, Cause::NoSharedCipher),
    ] {
        let failure = answered(&[21, 3, 3, 0, 2, 2, number]).await;
        assert_eq!(
            (failure.cause(), failure.alert()),
            (cause, received(number))
        );
    }
    // A warning, which rustls would swallow, then the end.
    let failure = answered(&[21, 3, 3, 0, 2, 1, 112]).await;
    assert_eq!(
        (failure.cause(), failure.alert()),
        (Cause::SniUnknown, received(112))
    );
    assert_eq!(failure.evidence.alerts[0].level, 1);
    assert_eq!(failure.evidence.end, End::Closed);
}

#[tokio::test]
async fn a_reset_is_told_from_a_close() {
    let (near, mut far) = pair().await;
    let tls = ClientTls::new();
    let config = tls
        .config(
            &policy(1, &[root("ca").der]),
            (&Arc::from("target"), 443),
            None,
            true,
            false,
        )
        .unwrap();
    let peer = async {
        far.read_exact(&mut [0; 64]).await.unwrap();
        socket2::SockRef::from(&far)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
        drop(far);
    };
    let connect = tls.connect(near, config, "a.test", Some("a.test"), soon());
    let (_, outcome) = tokio::join!(peer, connect);
    let Err(evidence) = outcome else {
        panic!("connected")
    };
    let failure = Failure::of(*evidence);
    assert_eq!(failure.cause(), Cause::PeerResetDuringHandshake);
}

#[tokio::test]
async fn other_errors_are_no_late_failures() {
    let ca = root("ca");
    let tls = ClientTls::new();
    let list = policy(1, std::slice::from_ref(&ca.der));
    let config = tls
        .config(&list, (&Arc::from("target"), 443), None, true, false)
        .unwrap();
    let (near, far) = pair().await;
    let accept = TlsAcceptor::from(target(&ca.server("a.test"), None)).accept(far);
    let connect = tls.connect(near, config, "a.test", Some("a.test"), soon());
    let (connected, _accepted) = tokio::join!(connect, accept);
    let unproven = connected.unwrap().unproven;
    let alert = |alert| std::io::Error::other(rustls::Error::AlertReceived(alert));
    for error in [
        std::io::ErrorKind::ConnectionReset.into(),
        alert(rustls::AlertDescription::CloseNotify),
        alert(rustls::AlertDescription::UserCanceled),
    ] {
        assert!(unproven.late(&error).is_none(), "{error}");
    }
    let required = alert(rustls::AlertDescription::CertificateRequired);
    let late = unproven.late(&required).unwrap();
    assert!(late.unread, "{:?}", late.evidence);
    let failure = Failure::of(*late.evidence);
    assert_eq!(failure.cause(), Cause::ClientCertMissing);
    assert_eq!(
        failure.alert(),
        Some((Alert::CERTIFICATE_REQUIRED, Direction::Received))
    );
    let hello = failure.evidence.hello.unwrap();
    assert_eq!(hello.sni.as_deref(), Some("a.test"));
    assert!(failure.evidence.server_hello.is_some());
}
