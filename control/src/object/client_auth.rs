//! `ssl.client`: which client certificates an SSL object's names ask for, and what happens without one.
//! Wire form, checks, validated form; the verifying itself is the router's.

use rustls_pki_types::CertificateDer;

use super::fingerprint::Fingerprint;
use super::wire::{self, Fault, Fields};
use super::{ReadContext, material, secret};

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
    ca: Vec<CertificateDer<'static>>,
    depth: u32,
    skip: Option<regex::RegexSet>,
    failure: AuthFailure,
    policy: [u8; 32],
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

/// Reads the `client` member.
pub(super) fn read(
    value: serde_json::Value,
    context: &ReadContext<'_>,
) -> Result<ClientAuth, Fault> {
    let mut fields = Fields::of(value)?;
    let ca = fields.with("ca", |value| {
        anchors(&secret::text(value, secret::CERT, context)?)
    })?;
    let depth = fields.count("depth", 0)?.unwrap_or(1);
    let skip = fields.with("skip_mtls_uri_regex", skip_list)?;
    let failure = fields.one_of(
        "auth_failure",
        &[
            ("alert", AuthFailure::Alert),
            ("http_400", AuthFailure::Http400),
        ],
    )?;
    fields.finish()?;
    let ca = ca.ok_or_else(|| wire::required("ca"))?;
    let failure = if skip.is_some() {
        AuthFailure::Http400
    } else {
        failure.unwrap_or(AuthFailure::Alert)
    };
    let policy = policy(&ca, depth, failure);
    Ok(ClientAuth {
        ca,
        depth,
        skip,
        failure,
        policy,
    })
}

/// Certificates that can serve as trust anchors, X.509 v1 and pinned leaves among them.
fn anchors(text: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let failed = |fault: String| {
        Fault::plain(format!(
            "failed to validate client_cert: failed to parse cert: {fault}"
        ))
    };
    let ca = material::certificates(text).map_err(failed)?;
    match unusable_anchor(&ca) {
        None => Ok(ca),
        Some(number) => Err(failed(format!(
            "certificate {number} cannot be used as a trust anchor"
        ))),
    }
}

/// The first certificate (from 1) that webpki does not take as an anchor.
pub(super) fn unusable_anchor(ca: &[CertificateDer<'_>]) -> Option<usize> {
    ca.iter()
        .position(|anchor| webpki::anchor_from_trusted_cert(anchor).is_err())
        .map(|index| index + 1)
}

/// What one compiled expression may take, in bytes; there is one set per object.
const REGEX_SIZE: usize = 1 << 20;

fn skip_list(value: serde_json::Value) -> Result<regex::RegexSet, Fault> {
    let patterns = wire::array(value, 1)?;
    let mut texts = Vec::with_capacity(patterns.len());
    for (index, pattern) in patterns.into_iter().enumerate() {
        texts.push(skip_pattern(pattern).map_err(|fault| fault.at(index))?);
    }
    wire::unique(&texts)?;
    let set = regex::RegexSetBuilder::new(&texts)
        .size_limit(REGEX_SIZE)
        .build();
    set.map_err(|_| Fault::plain("the regular expressions are too large together"))
}

fn skip_pattern(value: serde_json::Value) -> Result<String, Fault> {
    let text = wire::string(value, (0, 4096))?;
    match regex::RegexBuilder::new(&text)
        .size_limit(REGEX_SIZE)
        .build()
    {
        Ok(_) => Ok(text),
        Err(error) => Err(Fault::plain(format!(
            "the regular expression {text:?} cannot be used: {}",
            complaint(&error)
        ))),
    }
}

/// The sentence at the end of the regex crate's picture of an error.
pub(super) fn complaint(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn policy(ca: &[CertificateDer<'_>], depth: u32, failure: AuthFailure) -> [u8; 32] {
    let mut sorted: Vec<&[u8]> = ca.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut hash = Fingerprint::new();
    hash.list(sorted.into_iter());
    hash.part(&depth.to_be_bytes());
    hash.part(&[u8::from(failure == AuthFailure::Http400)]);
    hash.finish()
}
