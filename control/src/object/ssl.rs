//! SSL objects: certificates for names (type server) or identities to present (type client), and the policy for the
//! clients of those names. Wire form, checks, validated form. `client` is read in `client_auth`, PEM in `material`.

use std::sync::Arc;

use serde_json::Value;

use super::fingerprint::Fingerprint;
use super::pattern::tls_name;
use super::wire::{self, Fault, Fields};
use super::{
    ClientAuth, Material, MaterialError, Protocols, ReadContext, client_auth, secret, suites,
};
use crate::rejection::{Closes, Refusal};

/// What an SSL object is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Served northbound for its names.
    Server,
    /// Presented southbound by upstreams that refer to it.
    Client,
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

    /// The hash of what the object means. The keys need no place in it: each belongs to its certificate.
    fn meaning(&self) -> [u8; 32] {
        let mut hash = Fingerprint::new();
        hash.part(self.id.as_bytes());
        let flags = [
            self.usage == Usage::Server,
            self.enabled,
            self.protocols.tls12,
            self.protocols.tls13,
        ];
        hash.part(&flags.map(u8::from));
        hash.list(self.names.iter().map(|name| name.as_bytes()));
        hash.list(
            self.ciphers
                .iter()
                .map(|suite| u16::from(*suite).to_be_bytes()),
        );
        for material in &self.material {
            hash.list(material.chain().iter());
        }
        if let Some(client) = &self.client {
            hash.part(client.policy());
            hash.list(
                client
                    .skip()
                    .map(regex::RegexSet::patterns)
                    .unwrap_or_default()
                    .iter(),
            );
        }
        hash.finish()
    }
}

/// Reads an SSL object (see [`super::read`]).
pub(super) fn read(id: &str, value: &[u8], context: &ReadContext<'_>) -> Result<Ssl, Refusal> {
    let json = super::parse(value)?;
    build(id, json, context).map_err(|fault| Refusal {
        closes: closes(value),
        ..fault.into_refusal()
    })
}

fn build(id: &str, json: Value, context: &ReadContext<'_>) -> Result<Ssl, Fault> {
    let mut fields = Fields::of(json)?;
    fields.meta(false)?;
    let usage = usage(&mut fields)?;
    let enabled = fields.status()?;
    let names = names(&mut fields, usage)?;
    let protocols = suites::protocols(&mut fields, "ssl_protocols")?;
    let ciphers = suites::ciphers(&mut fields, protocols)?;
    let material = pairs(&mut fields, usage, context)?;
    let client = fields.with("client", |value| client_auth::read(value, context))?;
    fields.finish()?;
    // What a client identity says about clients of its own means nothing, as in APISIX.
    let client = client.filter(|_| usage == Usage::Server);
    let mut ssl = Ssl {
        id: id.into(),
        usage,
        names,
        material,
        client,
        protocols,
        ciphers,
        enabled,
        version: [0; 32],
    };
    ssl.version = ssl.meaning();
    Ok(ssl)
}

fn usage(fields: &mut Fields) -> Result<Usage, Fault> {
    let usage = fields.one_of(
        "type",
        &[("server", Usage::Server), ("client", Usage::Client)],
    )?;
    Ok(usage.unwrap_or(Usage::Server))
}

fn names(fields: &mut Fields, usage: Usage) -> Result<Vec<Box<str>>, Fault> {
    let one = fields.with("sni", name)?;
    let many = fields.list("snis", 1, name)?;
    if usage == Usage::Client {
        return Ok(Vec::new());
    }
    let mut names = match (one, many) {
        (Some(one), None) => vec![one],
        (None, Some(many)) => many,
        (None, None) => return Err(then_clause("sni")),
        (Some(_), Some(_)) => return Err(then_clause("snis")),
    };
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.shrink_to_fit();
    Ok(names)
}

fn name(value: Value) -> Result<Box<str>, Fault> {
    tls_name(&wire::string(value, (0, 256))?).map_err(Fault::schema)
}

/// APISIX's answer to a server object without certificate, key, or exactly one of `sni` and `snis`.
fn then_clause(missing: &'static str) -> Fault {
    Fault::schema("then clause did not match").about(missing)
}

/// `cert` and `key`, then the pairs of `certs` and `keys`.
fn pairs(
    fields: &mut Fields,
    usage: Usage,
    context: &ReadContext<'_>,
) -> Result<Vec<Arc<Material>>, Fault> {
    let cert = fields.with("cert", |value| secret::text(value, secret::CERT, context))?;
    let key = fields.with("key", |value| secret::text(value, secret::KEY, context))?;
    let certs = fields
        .list("certs", 0, |value| {
            secret::text(value, secret::CERT, context)
        })?
        .unwrap_or_default();
    let keys = fields
        .list("keys", 0, |value| secret::text(value, secret::KEY, context))?
        .unwrap_or_default();
    let missing = |name| match usage {
        Usage::Server => then_clause(name),
        Usage::Client => Fault::schema("else clause did not match").about(name),
    };
    let cert = cert.ok_or_else(|| missing("cert"))?;
    let key = key.ok_or_else(|| missing("key"))?;
    let mut material = Vec::with_capacity(1 + certs.len());
    material.push(Arc::new(
        pair(&cert, &key, context).map_err(|(fault, side)| Fault::plain(fault).about(side))?,
    ));
    if certs.len() != keys.len() {
        return Err(Fault::plain("mismatched number of certs and keys").about("keys"));
    }
    for (index, (cert, key)) in certs.iter().zip(&keys).enumerate() {
        let failed = |(fault, side)| {
            let reason = format!("failed to handle cert-key pair[{}]: {fault}", index + 1);
            Fault::plain(reason).about(format!("{side}s[{index}]"))
        };
        material.push(Arc::new(pair(cert, key, context).map_err(failed)?));
    }
    Ok(material)
}

/// One pair; a fault comes with the side (`cert` or `key`) it is on.
pub(super) fn pair(
    cert: &str,
    key: &str,
    context: &ReadContext<'_>,
) -> Result<Material, (String, &'static str)> {
    const SEALED: &str = "failed to decrypt previous encrypted key";
    let key = context.keyring.open(key).map_err(|fault| {
        let known = fault.starts_with(SEALED);
        (
            if known {
                fault
            } else {
                format!("{SEALED}: {fault}")
            },
            "key",
        )
    })?;
    Material::from_pem(cert, &key).map_err(|fault| {
        let side = if matches!(fault, MaterialError::Cert(_)) {
            "cert"
        } else {
            "key"
        };
        (fault.to_string(), side)
    })
}

/// The names of a refused object, as far as they can be read. Only an enabled one of type server would have served.
fn closes(value: &[u8]) -> Closes {
    let Ok(Ok(mut fields)) = super::parse(value).map(Fields::of) else {
        return Closes::Nothing;
    };
    if matches!(usage(&mut fields), Ok(Usage::Client)) || matches!(fields.status(), Ok(false)) {
        return Closes::Nothing;
    }
    let many = match fields.take("snis") {
        Some(Value::Array(many)) => many,
        _ => Vec::new(),
    };
    let mut names: Vec<String> = fields
        .take("sni")
        .into_iter()
        .chain(many)
        .filter_map(|text| name(text).ok())
        .map(String::from)
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        Closes::Nothing
    } else {
        Closes::Names(names)
    }
}

#[cfg(test)]
#[path = "ssl_tests.rs"]
mod tests;
