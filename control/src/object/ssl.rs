//! SSL objects: certificates for names (type server) or identities to present (type client), and the policy for the
//! clients of those names. Wire form, checks, validated form.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::{Material, Protocols, ReadContext};
use crate::rejection::Refusal;

/// What an SSL object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Served northbound for its names.
    Server,
    /// Presented southbound by upstreams that refer to it.
    Client,
}

/// What a client without an acceptable certificate gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// The handshake ends in an alert (default).
    Alert,
    /// The handshake goes on and the request gets 400.
    Http400,
}

/// Client authentication for the names of an SSL object.
#[derive(Debug)]
pub struct ClientAuth {
    pub(super) ca: Vec<CertificateDer<'static>>,
    pub(super) depth: u32,
    pub(super) skip: Option<regex::RegexSet>,
    pub(super) failure: AuthFailure,
    pub(super) policy: [u8; 32],
}

impl ClientAuth {
    /// Trust anchors, and the names in the CertificateRequest. At least one.
    pub fn ca(&self) -> &[CertificateDer<'static>] {
        &self.ca
    }
    /// How many intermediates may stand between leaf and anchor, as OpenSSL counts. Default 1.
    pub const fn depth(&self) -> u32 {
        self.depth
    }
    /// `skip_mtls_uri_regex`: unanchored searches on a canonical path.
    pub const fn skip(&self) -> Option<&regex::RegexSet> {
        self.skip.as_ref()
    }
    /// Alert or 400. A skip list implies 400, whatever `auth_failure` says.
    pub const fn failure(&self) -> AuthFailure {
        self.failure
    }
    /// SHA-256 over CA set, depth and mode: equal exactly when two policies let in the same clients.
    pub const fn policy(&self) -> &[u8; 32] {
        &self.policy
    }
}

/// A validated SSL object.
#[derive(Debug)]
pub struct Ssl {
    pub(super) id: Arc<str>,
    pub(super) usage: Usage,
    pub(super) names: Vec<Box<str>>,
    pub(super) material: Vec<Arc<Material>>,
    pub(super) client: Option<ClientAuth>,
    pub(super) protocols: Protocols,
    pub(super) ciphers: Vec<rustls::CipherSuite>,
    pub(super) enabled: bool,
    pub(super) version: [u8; 32],
}

impl Ssl {
    /// The id.
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }
    /// Server or client.
    pub const fn usage(&self) -> Usage {
        self.usage
    }
    /// Lower-case names: exact, `*.one-label`, or `*`. Empty for type client.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }
    /// Certificate and key pairs, at least one; several differ in key type.
    pub fn material(&self) -> &[Arc<Material>] {
        &self.material
    }
    /// Client authentication, if asked for.
    pub const fn client(&self) -> Option<&ClientAuth> {
        self.client.as_ref()
    }
    /// TLS versions served.
    pub const fn protocols(&self) -> Protocols {
        self.protocols
    }
    /// Cipher suites served, in order; empty means all that we have.
    pub fn ciphers(&self) -> &[rustls::CipherSuite] {
        &self.ciphers
    }
    /// `status` is not 0.
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }
    /// SHA-256 over everything above: changes when and only when the object's meaning does. Scopes session tickets.
    pub const fn version(&self) -> &[u8; 32] {
        &self.version
    }
}

/// Reads an SSL object (see [`super::read`]).
pub(super) fn read(_id: &str, _value: &[u8], _context: &ReadContext<'_>) -> Result<Ssl, Refusal> {
    Err(Refusal::new("", "not implemented"))
}
