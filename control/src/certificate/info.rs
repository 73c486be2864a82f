//! One certificate, read once, with everything that a finding or a listing says of it. Owns the reading and the
//! bounds; says nothing about whether it is any good, nor about other certificates (`chain`).

use std::fmt::Write;
use std::net::IpAddr;

use aws_lc_rs::digest;
use serde::Serialize;
use serde_json::{Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{AccessDescription, GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::prelude::FromDer;

use super::algorithm::{self, KeyType};
use super::distinguished_name::{self, plain_value, printable};
use super::names::address;

/// How many alternative names of each sort are kept. Real ones have a handful, content networks a hundred; a listing
/// that shows more than this is not read.
const MOST_NAMES: usize = 20;
/// How much of a serial number or a key identifier is kept, in bytes: RFC 5280, 4.1.2.2 allows 20, key ids are hashes.
const MOST_OCTETS: usize = 64;

/// Why bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertInfoError {
    /// Not X.509 in DER.
    #[error("not an X.509 certificate in DER")]
    NotX509,
    /// Something follows the certificate.
    #[error("there is data after the certificate")]
    TrailingData,
}

/// What the extended key usage allows (RFC 5280, 4.2.1.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Purposes {
    /// The extension is there. Without it every purpose is allowed, and the other fields are false.
    pub stated: bool,
    /// `serverAuth`.
    pub server_auth: bool,
    /// `clientAuth`.
    pub client_auth: bool,
    /// `anyExtendedKeyUsage`, which OpenSSL and rustls do not take for either of the above.
    pub any: bool,
}

impl Purposes {
    /// Whether OpenSSL and rustls take the certificate from a TLS server.
    pub const fn allow_server(&self) -> bool {
        !self.stated || self.server_auth
    }

    /// Whether OpenSSL and rustls take the certificate from a TLS client.
    pub const fn allow_client(&self) -> bool {
        !self.stated || self.client_auth
    }
}

/// One certificate (RFC 5280, 4.1), bounded: texts have at most 256 characters and no control characters, lists of
/// names at most 20. Serialises as an object with a field of each getter's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertInfo {
    subject: String,
    issuer: String,
    serial: String,
    not_before: i64,
    not_after: i64,
    common_name: Option<String>,
    dns_names: Vec<String>,
    ip_names: Vec<IpAddr>,
    names_left_out: usize,
    basic_constraints: Option<bool>,
    key: KeyType,
    signature_algorithm: String,
    version: u32,
    purposes: Purposes,
    self_signed: bool,
    fingerprint: String,
    subject_key_id: Option<String>,
    authority_key_id: Option<String>,
    issuer_url: Option<String>,
    /// Of the whole name: the text may be cut.
    #[serde(skip)]
    subject_hash: [u8; 32],
    #[serde(skip)]
    issuer_hash: [u8; 32],
}

impl CertInfo {
    /// Reads one certificate, any X.509 version.
    ///
    /// # Errors
    /// [`CertInfoError`] if `der` is anything but exactly one certificate.
    pub fn of_der(der: &[u8]) -> Result<Self, CertInfoError> {
        let (rest, x509) = X509Certificate::from_der(der).map_err(|_| CertInfoError::NotX509)?;
        if !rest.is_empty() {
            return Err(CertInfoError::TrailingData);
        }
        let extensions = Extensions::of(&x509);
        let common_name = x509.subject().iter_common_name().next();
        let (subject_hash, issuer_hash) = (
            sha256(x509.subject().as_raw()),
            sha256(x509.issuer().as_raw()),
        );
        let contradicted = matches!((&extensions.subject_key_id, &extensions.authority_key_id),
            (Some(own), Some(authority)) if own != authority);
        Ok(Self {
            subject: distinguished_name::line(x509.subject()),
            issuer: distinguished_name::line(x509.issuer()),
            serial: serial(x509.raw_serial()),
            not_before: x509.validity().not_before.timestamp(),
            not_after: x509.validity().not_after.timestamp(),
            common_name: common_name
                .and_then(plain_value)
                .map(|name| printable(&name)),
            dns_names: extensions.dns_names,
            ip_names: extensions.ip_names,
            names_left_out: extensions.names_left_out,
            basic_constraints: extensions.basic_constraints,
            key: KeyType::of(x509.public_key()),
            signature_algorithm: algorithm::signature_name(&x509.signature_algorithm),
            version: x509.version().0.saturating_add(1),
            purposes: extensions.purposes,
            self_signed: subject_hash == issuer_hash && !contradicted,
            fingerprint: hex(&sha256(der), ""),
            subject_key_id: extensions.subject_key_id,
            authority_key_id: extensions.authority_key_id,
            issuer_url: extensions.issuer_url,
            subject_hash,
            issuer_hash,
        })
    }

    /// The subject in RFC 4514's form, `CN=leaf,O=Example,C=DE`; empty if the certificate has none.
    pub fn subject(&self) -> &str {
        &self.subject
    }
    /// The issuer, in the same form.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
    /// The serial number, `07:bc:a7:39`.
    pub fn serial(&self) -> &str {
        &self.serial
    }
    /// Start of validity, unix seconds.
    pub const fn not_before(&self) -> i64 {
        self.not_before
    }
    /// Last second of validity, unix seconds.
    pub const fn not_after(&self) -> i64 {
        self.not_after
    }
    /// The subject's first common name.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }
    /// DNS names of the subject alternative name, as they are written, the first 20.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }
    /// Addresses of the subject alternative name, the first 20.
    pub fn ip_names(&self) -> &[IpAddr] {
        &self.ip_names
    }
    /// How many DNS names and addresses the two lists leave out.
    pub const fn names_left_out(&self) -> usize {
        self.names_left_out
    }
    /// No DNS name and no address: verifiers that pass over the common name (Go, rustls, browsers) refuse it for
    /// every host.
    pub fn has_no_names(&self) -> bool {
        self.dns_names.is_empty() && self.ip_names.is_empty()
    }
    /// `cA` of the basic constraints; `None` without the extension.
    pub const fn basic_constraints(&self) -> Option<bool> {
        self.basic_constraints
    }
    /// The basic constraints say that it may issue.
    pub fn is_ca(&self) -> bool {
        self.basic_constraints == Some(true)
    }
    /// The public key.
    pub const fn key(&self) -> &KeyType {
        &self.key
    }
    /// `SHA256withRSA`, `SHA384withECDSA`, `Ed25519`, or the algorithm's number.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }
    /// Signed with SHA-1 or older, and not by itself: nobody verifies a root's own signature.
    pub fn has_weak_signature(&self) -> bool {
        !self.self_signed && algorithm::is_weak_signature(&self.signature_algorithm)
    }
    /// 1, 2 or 3.
    pub const fn version(&self) -> u32 {
        self.version
    }
    /// What its extended key usage allows.
    pub const fn purposes(&self) -> Purposes {
        self.purposes
    }
    /// Its own issuer, as OpenSSL decides it: the names are the same and the key identifiers do not contradict. The
    /// signature is not checked.
    pub const fn is_self_signed(&self) -> bool {
        self.self_signed
    }
    /// SHA-256 of the whole certificate, hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
    /// `1a:2b:…`
    pub fn subject_key_id(&self) -> Option<&str> {
        self.subject_key_id.as_deref()
    }
    /// The issuer's, where stated.
    pub fn authority_key_id(&self) -> Option<&str> {
        self.authority_key_id.as_deref()
    }
    /// Where the issuer's certificate can be had (authority information access), if the certificate says so.
    pub fn issuer_url(&self) -> Option<&str> {
        self.issuer_url.as_deref()
    }

    /// Whether `now` (unix seconds) is within the validity.
    pub const fn is_valid_at(&self, now: i64) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// SHA-256 of the whole subject, which tells names apart that are cut alike.
    pub(super) const fn subject_hash(&self) -> &[u8; 32] {
        &self.subject_hash
    }

    /// SHA-256 of the whole issuer.
    pub(super) const fn issuer_hash(&self) -> &[u8; 32] {
        &self.issuer_hash
    }

    /// Whether `issuer` can have issued this certificate, by name and, where both state one, by key identifier.
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        let contradicted = matches!((&self.authority_key_id, &issuer.subject_key_id),
            (Some(stated), Some(own)) if stated != own);
        self.issuer_hash == issuer.subject_hash && !contradicted
    }

    /// The fields of Apigee's `certInfo`, in its forms: times in milliseconds, `isValid` `Yes` or `No` at `now` (unix
    /// seconds).
    pub fn apigee_json(&self, now: i64) -> Value {
        let addresses = self.ip_names.iter().map(ToString::to_string);
        let names: Vec<String> = self.dns_names.iter().cloned().chain(addresses).collect();
        json!({
            "basicConstraints": if self.is_ca() { "CA:TRUE" } else { "CA:FALSE" },
            "expiryDate": self.not_after.saturating_mul(1000),
            "isValid": if self.is_valid_at(now) { "Yes" } else { "No" },
            "issuer": self.issuer,
            "publicKey": self.key.apigee(),
            "serialNumber": self.serial,
            "sigAlgName": self.signature_algorithm,
            "subject": self.subject,
            "subjectAlternativeNames": names,
            "validFrom": self.not_before.saturating_mul(1000),
            "version": self.version,
        })
    }
}

/// What the extensions say; of two of one sort the first counts.
#[derive(Default)]
struct Extensions {
    dns_names: Vec<String>,
    ip_names: Vec<IpAddr>,
    names_left_out: usize,
    basic_constraints: Option<bool>,
    purposes: Purposes,
    subject_key_id: Option<String>,
    authority_key_id: Option<String>,
    issuer_url: Option<String>,
}

impl Extensions {
    fn of(x509: &X509Certificate<'_>) -> Self {
        let mut found = Self::default();
        for extension in x509.extensions().iter().rev() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(san) => {
                    found.take_names(&san.general_names)
                }
                ParsedExtension::BasicConstraints(basic) => {
                    found.basic_constraints = Some(basic.ca)
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    found.purposes = Purposes {
                        stated: true,
                        server_auth: usage.server_auth,
                        client_auth: usage.client_auth,
                        any: usage.any,
                    };
                }
                ParsedExtension::SubjectKeyIdentifier(id) => {
                    found.subject_key_id = Some(octets(id.0))
                }
                ParsedExtension::AuthorityKeyIdentifier(authority) => {
                    found.authority_key_id =
                        authority.key_identifier.as_ref().map(|id| octets(id.0));
                }
                ParsedExtension::AuthorityInfoAccess(access) => {
                    found.issuer_url = access.iter().find_map(issuer_url);
                }
                _ => {}
            }
        }
        found
    }

    fn take_names(&mut self, names: &[GeneralName<'_>]) {
        (self.dns_names, self.ip_names, self.names_left_out) = (Vec::new(), Vec::new(), 0);
        for name in names {
            match name {
                GeneralName::DNSName(name) if self.dns_names.len() < MOST_NAMES => {
                    self.dns_names.push(printable(name));
                }
                GeneralName::IPAddress(octets) if self.ip_names.len() < MOST_NAMES => {
                    self.ip_names.extend(address(octets));
                }
                GeneralName::DNSName(_) | GeneralName::IPAddress(_) => self.names_left_out += 1,
                _ => {}
            }
        }
    }
}

fn issuer_url(access: &AccessDescription<'_>) -> Option<String> {
    match &access.access_location {
        GeneralName::URI(url) if access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS => {
            Some(printable(url))
        }
        _ => None,
    }
}

/// Without the zero that only says that the number is positive.
fn serial(octets_of_number: &[u8]) -> String {
    match octets_of_number {
        [0, rest @ ..] if !rest.is_empty() => octets(rest),
        all => octets(all),
    }
}

fn octets(bytes: &[u8]) -> String {
    hex(&bytes[..bytes.len().min(MOST_OCTETS)], ":")
}

fn hex(bytes: &[u8], between: &str) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            text.push_str(between);
        }
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests;
