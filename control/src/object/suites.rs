//! TLS versions and cipher suites as objects name them, checked against what rustls has. Used by `ssl` and
//! `upstream_tls`.

use rustls::CipherSuite;
use rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;
use serde_json::Value;

use super::Protocols;
use super::wire::{self, Fault, Fields};

/// Takes the array of versions under `name`. Absent or empty is all.
pub(super) fn protocols(fields: &mut Fields, name: &'static str) -> Result<Protocols, Fault> {
    let Some(versions) = fields.list(name, 0, version)? else {
        return Ok(Protocols::ALL);
    };
    let within = |fault: Fault| fault.within(name);
    if versions.len() > 3 {
        return Err(within(Fault::schema(
            "expect array to have at most 3 items",
        )));
    }
    wire::unique(&versions).map_err(within)?;
    if versions.is_empty() {
        return Ok(Protocols::ALL);
    }
    Ok(Protocols {
        tls12: versions.contains(&Version::Tls12),
        tls13: versions.contains(&Version::Tls13),
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Version {
    Tls12,
    Tls13,
}

fn version(value: Value) -> Result<Version, Fault> {
    match wire::string(value, (0, 64))?.as_str() {
        "TLSv1.2" => Ok(Version::Tls12),
        "TLSv1.3" => Ok(Version::Tls13),
        old @ ("TLSv1" | "TLSv1.0" | "TLSv1.1") => Err(Fault::schema(format!(
            "matches none of the enum values: Sallyport does not speak {old} (its TLS library has only TLSv1.2 and TLSv1.3)"
        ))),
        _ => Err(Fault::schema("matches none of the enum values")),
    }
}

/// Takes the array of IANA names under `ciphers`. Absent or empty is all; else one of them has to fit `protocols`.
pub(super) fn ciphers(
    fields: &mut Fields,
    protocols: Protocols,
) -> Result<Vec<CipherSuite>, Fault> {
    let Some(suites) = fields.list("ciphers", 0, suite)? else {
        return Ok(Vec::new());
    };
    let within = |fault: Fault| fault.within("ciphers");
    wire::unique(
        &suites
            .iter()
            .map(|suite| u16::from(*suite))
            .collect::<Vec<_>>(),
    )
    .map_err(within)?;
    let usable = |suite: &CipherSuite| {
        if is_tls13(*suite) {
            protocols.tls13
        } else {
            protocols.tls12
        }
    };
    if !suites.is_empty() && !suites.iter().any(usable) {
        return Err(within(Fault::plain(
            "none of the ciphers can be used with the TLS versions asked for",
        )));
    }
    Ok(suites)
}

fn suite(value: Value) -> Result<CipherSuite, Fault> {
    let name = wire::string(value, (1, 64))?;
    let known = ALL_CIPHER_SUITES
        .iter()
        .map(|known| known.suite())
        .find(|known| iana_name(*known) == name);
    known.ok_or_else(|| Fault::plain(format!("the cipher {name} is not one that Sallyport has")))
}

/// rustls says `TLS13_AES_128_GCM_SHA256` where IANA says `TLS_AES_128_GCM_SHA256`.
fn iana_name(suite: CipherSuite) -> String {
    suite
        .as_str()
        .map_or_else(String::new, |name| name.replacen("TLS13_", "TLS_", 1))
}

/// TLS 1.3's suites are numbered 0x13xx, and nothing else is.
fn is_tls13(suite: CipherSuite) -> bool {
    u16::from(suite) >> 8 == 0x13
}
