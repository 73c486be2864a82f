//! Identities on disk, and handshakes between them in memory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Error, ServerConfig, ServerConnection,
};
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::issue::{Authority, Issued, Node};
use super::*;
use crate::hop::quic::ALPN;

pub(in crate::hop) fn new_ca() -> Issued {
    issue::ca(OffsetDateTime::now_utc()).unwrap()
}

/// A certificate under `ca` as if made `days` ago.
fn certificate(ca: &Issued, roles: &[Role], days: i64) -> Issued {
    let node = Node {
        name: "n1".to_owned(),
        roles: roles.to_owned(),
        names: Vec::new(),
        addresses: Vec::new(),
    };
    let made = OffsetDateTime::now_utc() - time::Duration::days(days);
    let ca = Authority::read(&ca.certificate, &ca.key).unwrap();
    ca.node(&node, made).unwrap()
}

fn write_key(dir: &Path, key: &str) {
    let path = dir.join("node.key");
    fs::write(&path, key).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn directory(ca: &str, node: &Issued) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ca.crt"), ca).unwrap();
    fs::write(dir.path().join("node.crt"), &node.certificate).unwrap();
    write_key(dir.path(), &node.key);
    dir
}

pub(in crate::hop) fn identity(ca: &Issued, roles: &[Role]) -> HopIdentity {
    let dir = directory(&ca.certificate, &certificate(ca, roles, 0));
    HopIdentity::load(dir.path(), roles).unwrap()
}

/// What shows a certificate, whatever it is worth.
fn shown(node: &Issued) -> Arc<SingleCertAndKey> {
    let chain = vec![CertificateDer::from_pem_slice(node.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(node.key.as_bytes()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(
        CertifiedKey::from_der(chain, key, &provider)
            .unwrap()
            .into(),
    )
}

/// A handshake; the first error of either side, the client's first.
fn meet(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> (Option<Error>, Option<Error>) {
    let name = ServerName::try_from("a-name-in-no-certificate").unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let (mut of_client, mut of_server) = (None, None);
    // Four flights and their alerts.
    for _ in 0..6 {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).unwrap();
        }
        let mut rest = flight.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            of_server = of_server.or(server.process_new_packets().err());
        }
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight).unwrap();
        }
        let mut rest = flight.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            of_client = of_client.or(client.process_new_packets().err());
        }
    }
    if of_client.is_none() && of_server.is_none() {
        assert!(!client.is_handshaking() && !server.is_handshaking());
        assert_eq!(client.alpn_protocol(), Some(ALPN));
        assert_eq!(client.tls13_tickets_received(), 0);
    }
    (of_client, of_server)
}

fn alert(error: Option<Error>) -> Option<AlertDescription> {
    match error {
        Some(Error::AlertReceived(alert)) => Some(alert),
        None => None,
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn a_router_and_a_processor_meet() {
    let ca = new_ca();
    let router = identity(&ca, &[Role::Router]);
    let processor = identity(&ca, &[Role::Processor]);
    let both = identity(&ca, &[Role::Router, Role::Processor]);
    for (client, server) in [(&router, &processor), (&both, &both)] {
        assert_eq!(meet(client.client(), server.server()), (None, None));
    }
    assert_eq!(router.name(), "n1");
    let server = processor.server();
    assert!(quinn::crypto::rustls::QuicServerConfig::try_from(server).is_ok());
    assert!(quinn::crypto::rustls::QuicClientConfig::try_from(router.client()).is_ok());
}

/// Certificates under which nobody gets in, with the alert each earns.
fn refused(ca: &Issued, wrong: Role) -> [(Issued, AlertDescription); 4] {
    let right = match wrong {
        Role::Router => Role::Processor,
        _ => Role::Router,
    };
    [
        (
            certificate(&new_ca(), &[right], 0),
            AlertDescription::UnknownCA,
        ),
        (
            certificate(ca, &[wrong, Role::Control], 0),
            AlertDescription::UnsupportedCertificate,
        ),
        (
            certificate(ca, &[right], 400),
            AlertDescription::CertificateExpired,
        ),
        (
            certificate(ca, &[], 0),
            AlertDescription::UnsupportedCertificate,
        ),
    ]
}

#[test]
fn who_is_no_router_is_refused_by_a_processor() {
    let ca = new_ca();
    let processor = identity(&ca, &[Role::Processor]);
    let router = identity(&ca, &[Role::Router]);
    for (certificate, expected) in refused(&ca, Role::Processor) {
        let mut client = ClientConfig::clone(&router.client());
        client.client_auth_cert_resolver = shown(&certificate);
        let (of_client, of_server) = meet(Arc::new(client), processor.server());
        assert_eq!(alert(of_client), Some(expected));
        assert!(of_server.is_some());
    }
}

#[test]
fn who_is_no_processor_is_refused_by_a_router() {
    let ca = new_ca();
    let processor = identity(&ca, &[Role::Processor]);
    let router = identity(&ca, &[Role::Router]);
    for (certificate, expected) in refused(&ca, Role::Router) {
        let mut server = ServerConfig::clone(&processor.server());
        server.cert_resolver = shown(&certificate);
        let (of_client, of_server) = meet(router.client(), Arc::new(server));
        assert_eq!(alert(of_server), Some(expected));
        assert!(of_client.is_some());
    }
}

/// Shows no certificate.
#[derive(Debug)]
struct Nobody;

impl rustls::client::ResolvesClientCert for Nobody {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[test]
fn who_shows_nothing_is_refused() {
    let ca = new_ca();
    let processor = identity(&ca, &[Role::Processor]);
    let mut client = ClientConfig::clone(&identity(&ca, &[Role::Router]).client());
    client.client_auth_cert_resolver = Arc::new(Nobody);
    let (of_client, of_server) = meet(Arc::new(client), processor.server());
    assert_eq!(
        alert(of_client),
        Some(AlertDescription::CertificateRequired)
    );
    assert_eq!(of_server, Some(Error::NoCertificatesPresented));
}

#[test]
fn a_role_is_read_to_the_last_byte() {
    let ca = new_ca();
    let authority = Authority::read(&ca.certificate, &ca.key).unwrap();
    let node = Node {
        name: "x\u{0}sallyport:role:router".to_owned(),
        roles: vec![],
        names: vec!["sallyport:role:router".to_owned()],
        addresses: Vec::new(),
    };
    let made = authority.node(&node, OffsetDateTime::now_utc()).unwrap();
    let leaf = CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap();
    let processor = identity(&ca, &[Role::Processor]);
    assert!(!processor.still_good(&[leaf], Role::Router));
}

#[test]
fn peers_are_judged_again() {
    let (ca, other) = (new_ca(), new_ca());
    let processor = identity(&ca, &[Role::Processor]);
    let chain = |ca: &Issued, roles: &[Role], days| {
        let made = certificate(ca, roles, days);
        [CertificateDer::from_pem_slice(made.certificate.as_bytes()).unwrap()]
    };
    let good = |chain: &[_], role| processor.still_good(chain, role);
    let router = chain(&ca, &[Role::Router], 0);
    assert!(good(&router, Role::Router));
    assert!(!good(&router, Role::Processor));
    assert!(!good(&router, Role::Control));
    assert!(!good(&chain(&other, &[Role::Router], 0), Role::Router));
    assert!(!good(&chain(&ca, &[Role::Router], 400), Role::Router));
    assert!(!good(&[], Role::Router));
}

#[test]
fn what_is_refused_at_the_start() {
    let ca = new_ca();
    let roles = [Role::Router];
    let good = certificate(&ca, &roles, 0);
    let other = certificate(&ca, &roles, 0);
    let load = |dir: &TempDir| {
        HopIdentity::load(dir.path(), &roles)
            .err()
            .unwrap()
            .to_string()
    };
    let expired = directory(&ca.certificate, &certificate(&ca, &roles, 400));
    assert!(load(&expired).contains("node.crt: certificate expired"));
    let stranger = directory(&new_ca().certificate, &good);
    assert!(load(&stranger).contains("node.crt: no path to a trusted CA"));
    let wrong = directory(&ca.certificate, &certificate(&ca, &[Role::Processor], 0));
    assert!(load(&wrong).contains("node.crt: has not the role router"));
    let no_ca = directory(&good.certificate, &good);
    assert!(load(&no_ca).contains("ca.crt: no CA certificate"));

    let dir = directory(&ca.certificate, &good);
    write_key(dir.path(), &other.key);
    assert!(load(&dir).contains("node.key: does not belong"));
    write_key(dir.path(), "nothing");
    assert!(load(&dir).contains("node.key: no private key"));
    write_key(dir.path(), &good.key);
    assert!(HopIdentity::load(dir.path(), &roles).is_ok());
    for mode in [0o640, 0o604, 0o644, 0o700, 0o660] {
        let key = dir.path().join("node.key");
        fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
        let text = load(&dir);
        assert!(
            text.contains(&format!("node.key: has mode {mode:04o}")),
            "{text}"
        );
    }
    for (file, expected) in [
        ("node.key", "node.key"),
        ("node.crt", "node.crt"),
        ("ca.crt", "ca.crt"),
    ] {
        fs::remove_file(dir.path().join(file)).unwrap();
        assert!(load(&dir).contains(expected));
    }
}

#[test]
fn a_new_set_is_taken_over_whole() {
    let ca = new_ca();
    let roles = [Role::Processor];
    let dir = directory(&ca.certificate, &certificate(&ca, &roles, 100));
    let identity = HopIdentity::load(dir.path(), &roles).unwrap();
    let generation = identity.generation();
    let (before, end) = (identity.server(), identity.not_after());
    assert_eq!(identity.refresh(), Ok(false));

    let renewed = certificate(&ca, &roles, 0);
    fs::write(dir.path().join("node.crt"), &renewed.certificate).unwrap();
    let half = identity.refresh().unwrap_err();
    assert!(half.to_string().contains("does not belong"), "{half}");
    assert!(Arc::ptr_eq(&before, &identity.server()));
    assert_eq!((*generation.borrow(), identity.not_after()), (0, end));

    write_key(dir.path(), &renewed.key);
    assert_eq!(identity.refresh(), Ok(true));
    assert!(!Arc::ptr_eq(&before, &identity.server()));
    assert_eq!(*generation.borrow(), 1);
    assert!(identity.not_after() > end);

    fs::write(dir.path().join("ca.crt"), new_ca().certificate).unwrap();
    assert!(identity.refresh().is_err());
    fs::remove_file(dir.path().join("ca.crt")).unwrap();
    assert!(identity.refresh().is_err());
    assert_eq!(*generation.borrow(), 1);
}

#[test]
fn two_cas_while_one_follows_the_other() {
    let (old, new) = (new_ca(), new_ca());
    let roles = [Role::Router, Role::Processor];
    let both = format!("{}{}", old.certificate, new.certificate);
    let load =
        |ca: &str, node: &Issued| HopIdentity::load(directory(ca, node).path(), &roles).unwrap();
    let behind = load(&both, &certificate(&old, &roles, 0));
    let ahead = load(&both, &certificate(&new, &roles, 0));
    for (client, server) in [(&behind, &ahead), (&ahead, &behind)] {
        assert_eq!(meet(client.client(), server.server()), (None, None));
    }
    let done = load(&new.certificate, &certificate(&new, &roles, 0));
    assert_eq!(meet(ahead.client(), done.server()), (None, None));
    let (_, refused) = meet(done.client(), behind.server());
    assert_eq!(alert(refused), Some(AlertDescription::UnknownCA));
}

#[tokio::test(start_paused = true)]
async fn files_are_followed() {
    let ca = new_ca();
    let roles = [Role::Router];
    let dir = directory(&ca.certificate, &certificate(&ca, &roles, 0));
    let identity = Arc::new(HopIdentity::load(dir.path(), &roles).unwrap());
    let mut generation = identity.generation();
    let following = Arc::clone(&identity);
    let task = tokio::spawn(async move { following.follow().await });
    for round in 1..=2 {
        let renewed = certificate(&ca, &roles, 0);
        write_key(dir.path(), &renewed.key);
        fs::write(dir.path().join("node.crt"), &renewed.certificate).unwrap();
        tokio::time::timeout(LOOK_EVERY * 3, generation.changed())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(*generation.borrow_and_update(), round);
    }
    task.abort();
}

#[test]
fn a_month_before_the_end() {
    let ca = new_ca();
    let roles = [Role::Router];
    let ends_soon = |days| {
        let dir = directory(&ca.certificate, &certificate(&ca, &roles, days));
        let identity = HopIdentity::load(dir.path(), &roles).unwrap();
        identity.ends_soon(UnixTime::now()).is_some()
    };
    assert!(!ends_soon(0) && !ends_soon(334));
    assert!(ends_soon(336));
}
