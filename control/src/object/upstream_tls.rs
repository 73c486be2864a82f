//! TLS towards targets: `upstream.tls`, read and validated. `verify`'s default is the node's, not the object's.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use serde_json::Value;

use super::fingerprint::Fingerprint;
use super::wire::{self, Fault, Fields};
use super::{Material, ReadContext, client_auth, material, secret, ssl, suites};

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

/// Reads the `tls` member.
pub(super) fn read(value: Value, context: &ReadContext<'_>) -> Result<UpstreamTls, Fault> {
    let mut fields = Fields::of(value)?;
    let identity = identity(&mut fields, context)?;
    let verify = fields.boolean("verify")?;
    let ca_certs = fields
        .list("ca_certs", 1, |value| anchors(value, context))?
        .unwrap_or_default();
    let sni = fields.with("sni", sni)?.unwrap_or(SniChoice::Host);
    let protocols = suites::protocols(&mut fields, "protocols")?;
    let ciphers = suites::ciphers(&mut fields, protocols)?;
    fields.finish()?;
    let ca_certs = ca_certs.into_iter().flatten().collect();
    let mut tls = UpstreamTls {
        identity,
        verify,
        ca_certs,
        sni,
        protocols,
        ciphers,
        policy: [0; 32],
    };
    tls.policy = policy(&tls);
    Ok(tls)
}

fn identity(fields: &mut Fields, context: &ReadContext<'_>) -> Result<ClientIdentity, Fault> {
    let id = fields.reference("client_cert_id")?;
    let cert = fields.with("client_cert", |value| {
        secret::text(value, secret::CERT, context)
    })?;
    let key = fields.with("client_key", |value| {
        secret::text(value, secret::KEY, context)
    })?;
    let depends = |on: &str, fault: &str| {
        Fault::schema(format!(
            "failed to validate dependent schema for \"{on}\": {fault}"
        ))
    };
    match (id, cert, key) {
        (None, None, None) => Ok(ClientIdentity::None),
        (Some(id), None, None) => Ok(ClientIdentity::Ssl(id)),
        (Some(_), ..) => Err(
            depends("client_cert_id", "value wasn't supposed to match schema")
                .about("client_cert_id"),
        ),
        (None, Some(_), None) => {
            Err(depends("client_cert", "property \"client_key\" is required").about("client_key"))
        }
        (None, None, Some(_)) => {
            Err(depends("client_key", "property \"client_cert\" is required").about("client_cert"))
        }
        (None, Some(cert), Some(key)) => match ssl::pair(&cert, &key, context) {
            Ok(material) => Ok(ClientIdentity::Inline(Arc::new(material))),
            Err((reason, side)) => Err(Fault::plain(reason).about(format!("client_{side}"))),
        },
    }
}

fn anchors(value: Value, context: &ReadContext<'_>) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let text = secret::text(value, secret::CERT, context)?;
    let failed = |fault: String| Fault::plain(format!("failed to parse cert: {fault}"));
    let certificates = material::certificates(&text).map_err(failed)?;
    match client_auth::unusable_anchor(&certificates) {
        None => Ok(certificates),
        Some(number) => Err(failed(format!(
            "certificate {number} cannot be used as a trust anchor"
        ))),
    }
}

fn sni(value: Value) -> Result<SniChoice, Fault> {
    let text = wire::string(value, (1, 253))?.to_ascii_lowercase();
    if text == "off" {
        return Ok(SniChoice::Off);
    }
    match rustls_pki_types::DnsName::try_from(text.as_str()) {
        Ok(_) => Ok(SniChoice::Name(text.into())),
        Err(_) => Err(Fault::plain(format!(
            "invalid configuration: \"{text}\" is neither a DNS name nor \"off\""
        ))),
    }
}

fn policy(tls: &UpstreamTls) -> [u8; 32] {
    let mut hash = Fingerprint::new();
    match &tls.identity {
        ClientIdentity::None => hash.part(b"none"),
        ClientIdentity::Inline(material) => hash.list(material.chain().iter()),
        ClientIdentity::Ssl(id) => hash.list([b"ssl", id.as_bytes()].into_iter()),
    }
    let mut anchors: Vec<&[u8]> = tls.ca_certs.iter().map(AsRef::as_ref).collect();
    anchors.sort_unstable();
    anchors.dedup();
    hash.list(anchors.into_iter());
    match &tls.sni {
        SniChoice::Host => hash.part(b"host"),
        SniChoice::Off => hash.part(b"off"),
        SniChoice::Name(name) => hash.list([name.as_bytes()].into_iter()),
    }
    let verify = tls.verify.map_or(2, u8::from);
    hash.part(&[
        verify,
        u8::from(tls.protocols.tls12),
        u8::from(tls.protocols.tls13),
    ]);
    hash.list(
        tls.ciphers
            .iter()
            .map(|suite| u16::from(*suite).to_be_bytes()),
    );
    hash.finish()
}
