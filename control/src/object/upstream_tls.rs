//! TLS towards targets: the validated `upstream.tls`.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::Material;

/// TLS versions, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocols {
    /// TLS 1.2.
    pub tls12: bool,
    /// TLS 1.3.
    pub tls13: bool,
}

impl Protocols {
    /// Both.
    pub const ALL: Self = Self {
        tls12: true,
        tls13: true,
    };
}

/// The certificate shown to the target.
#[derive(Clone, Debug)]
pub enum ClientIdentity {
    /// None.
    None,
    /// `client_cert` and `client_key`.
    Inline(Arc<Material>),
    /// `client_cert_id`: an SSL object of type client, looked up in the Snapshot.
    Ssl(Arc<str>),
}

/// The name sent to and verified at the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SniChoice {
    /// The Host the target gets.
    Host,
    /// `tls.sni`.
    Name(Arc<str>),
    /// `"off"`: none sent; the Host is the name verified.
    Off,
}

/// Validated `upstream.tls`; `Default` is an upstream without one.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// Identity to present.
    pub identity: ClientIdentity,
    /// `verify`; `None` leaves it to `--upstream-verify`.
    pub verify: Option<bool>,
    /// Anchors; empty means the platform's roots.
    pub ca_certs: Arc<[CertificateDer<'static>]>,
    /// Name to send.
    pub sni: SniChoice,
    /// Versions to offer.
    pub protocols: Protocols,
    /// Suites to offer; empty means all.
    pub ciphers: Vec<rustls::CipherSuite>,
    /// SHA-256 over all of the above: equal exactly when connections may be shared.
    pub policy: [u8; 32],
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self {
            identity: ClientIdentity::None,
            verify: None,
            ca_certs: Arc::from([]),
            sni: SniChoice::Host,
            protocols: Protocols::ALL,
            ciphers: Vec::new(),
            policy: [0; 32],
        }
    }
}
