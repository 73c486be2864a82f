//! One certificate read with x509-parser, for the questions webpki does not answer: version, key usage, whether it may
//! issue, whether it is its own issuer, its signature's parts. Answers, decides nothing about trust.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::SignatureVerificationAlgorithm;
use webpki::RawPublicKeyEntity;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Version;

use super::CertFault;

/// A parsed certificate (RFC 5280, 4.1).
pub(crate) struct Cert<'a> {
    x509: X509Certificate<'a>,
    algorithm: &'a [u8],
}

/// Which side of TLS a certificate is shown by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl<'a> Cert<'a> {
    pub(crate) fn parse(der: &'a CertificateDer<'_>) -> Result<Self, CertFault> {
        let malformed = |what: &str| CertFault::Malformed(what.to_owned());
        let (rest, x509) = X509Certificate::from_der(der).map_err(|_| malformed("not X.509"))?;
        if !rest.is_empty() {
            return Err(malformed("data after the certificate"));
        }
        if x509.signature_algorithm != x509.tbs_certificate.signature {
            return Err(malformed("signature algorithms differ"));
        }
        let algorithm = outer_algorithm(der).ok_or_else(|| malformed("signature algorithm"))?;
        let mut seen: Vec<&[u8]> = x509.extensions().iter().map(|e| e.oid.as_bytes()).collect();
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(malformed("duplicate extension"));
        }
        Ok(Self { x509, algorithm })
    }

    pub(crate) fn is_v1(&self) -> bool {
        self.x509.version() == X509Version::V1 && self.x509.extensions().is_empty()
    }

    pub(crate) fn is_v3(&self) -> bool {
        self.x509.version() == X509Version::V3
    }

    /// SubjectPublicKeyInfo, DER.
    pub(crate) fn key(&self) -> &[u8] {
        self.x509.public_key().raw
    }

    pub(crate) fn subject(&self) -> &[u8] {
        self.x509.subject().as_raw()
    }

    pub(crate) fn issuer(&self) -> &[u8] {
        self.x509.issuer().as_raw()
    }

    /// Unix seconds.
    pub(crate) fn not_before(&self) -> i64 {
        self.x509.validity().not_before.timestamp()
    }

    /// Unix seconds.
    pub(crate) fn not_after(&self) -> i64 {
        self.x509.validity().not_after.timestamp()
    }

    /// Whether `now` (unix seconds) is within the validity.
    pub(crate) fn check_dates(&self, now: i64) -> Result<(), CertFault> {
        let validity = self.x509.validity();
        if now < validity.not_before.timestamp() {
            return Err(CertFault::NotYetValid(validity.not_before.timestamp()));
        }
        if now > validity.not_after.timestamp() {
            return Err(CertFault::Expired(validity.not_after.timestamp()));
        }
        Ok(())
    }

    /// Like [`Self::check_dates`], for a validity that ends before it begins, as `openssl x509 -days -1` writes it: webpki
    /// calls that no validity at all, OpenSSL expired.
    pub(crate) fn check_reversed_dates(&self, now: i64) -> Result<(), CertFault> {
        if self.not_after() < self.not_before() {
            self.check_dates(now)?;
        }
        Ok(())
    }

    /// `cA` of the basic constraints; `None` without the extension.
    pub(crate) fn ca(&self) -> Option<bool> {
        self.find(|e| match e {
            ParsedExtension::BasicConstraints(b) => Some(b.ca),
            _ => None,
        })
    }

    /// `pathLenConstraint`, if any.
    pub(crate) fn path_len(&self) -> Option<usize> {
        self.find(|e| match e {
            ParsedExtension::BasicConstraints(b) => b.path_len_constraint,
            _ => None,
        })
        .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
    }

    /// Whether the key usage lets it sign certificates; `None` without the extension.
    fn signs_certificates(&self) -> Option<bool> {
        self.find(|e| match e {
            ParsedExtension::KeyUsage(u) => Some(u.key_cert_sign()),
            _ => None,
        })
    }

    /// Whether it may stand between leaf and anchor: v3, CA:TRUE, and key usage, if present, allows it.
    pub(crate) fn may_issue(&self) -> bool {
        self.is_v3() && self.ca() == Some(true) && self.signs_certificates() != Some(false)
    }

    /// Whether it may be an anchor that issues, as OpenSSL's `check_ca`: as above, or a v1 root, or one without basic
    /// constraints whose key usage says so.
    pub(crate) fn may_anchor(&self) -> bool {
        self.may_issue()
            || self.is_v1()
            || (self.ca().is_none() && self.signs_certificates() == Some(true))
    }

    /// Its own issuer, as OpenSSL's `EXFLAG_SS`: same names, and the key identifiers do not contradict.
    pub(crate) fn is_self_signed(&self) -> bool {
        let authority = self.find(|e| match e {
            ParsedExtension::AuthorityKeyIdentifier(a) => a.key_identifier.as_ref().map(|k| k.0),
            _ => None,
        });
        let own = self.find(|e| match e {
            ParsedExtension::SubjectKeyIdentifier(k) => Some(k.0),
            _ => None,
        });
        self.subject() == self.issuer()
            && (authority.is_none() || own.is_none() || authority == own)
    }

    /// Extended key usage, where present; asked of a leaf and of every issuer between it and the anchor.
    pub(crate) fn check_extended_purpose(&self, side: Side) -> Result<(), CertFault> {
        let named = self.find(|e| match e {
            ParsedExtension::ExtendedKeyUsage(u) => Some(match side {
                Side::Client => u.client_auth,
                Side::Server => u.server_auth,
            }),
            _ => None,
        });
        if named == Some(false) {
            Err(CertFault::WrongPurpose)
        } else {
            Ok(())
        }
    }

    /// Extended key usage and key usage of a leaf, where present, as OpenSSL's `check_purpose_ssl_client` and `_server`.
    pub(crate) fn check_purpose(&self, side: Side) -> Result<(), CertFault> {
        self.check_extended_purpose(side)?;
        let usage = self.find(|e| match e {
            ParsedExtension::KeyUsage(u) => Some(
                u.digital_signature()
                    || u.key_agreement()
                    || (side == Side::Server && u.key_encipherment()),
            ),
            _ => None,
        });
        if usage == Some(false) {
            Err(CertFault::WrongPurpose)
        } else {
            Ok(())
        }
    }

    pub(crate) fn has_name_constraints(&self) -> bool {
        self.find(|e| matches!(e, ParsedExtension::NameConstraints(_)).then_some(()))
            .is_some()
    }

    /// Every extension is one that our own path check understands, or not critical, and none failed to parse.
    pub(crate) fn check_extensions(&self) -> Result<(), CertFault> {
        let understood = |e: &X509Extension<'_>| match e.parsed_extension() {
            ParsedExtension::BasicConstraints(_)
            | ParsedExtension::KeyUsage(_)
            | ParsedExtension::ExtendedKeyUsage(_)
            | ParsedExtension::SubjectAlternativeName(_) => true,
            ParsedExtension::ParseError { .. } => false,
            _ => !e.critical,
        };
        if self.x509.extensions().iter().all(understood) {
            Ok(())
        } else {
            Err(CertFault::Malformed(
                "critical extension not understood".to_owned(),
            ))
        }
    }

    /// Whether `issuer_key` (SubjectPublicKeyInfo) made this certificate's signature.
    pub(crate) fn is_signed_by(
        &self,
        issuer_key: &[u8],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let spki = issuer_key.to_vec().into();
        let Ok(key) = RawPublicKeyEntity::try_from(&spki) else {
            return false;
        };
        let message = self.x509.tbs_certificate.as_ref();
        let signature = self.x509.signature_value.data.as_ref();
        algorithms
            .iter()
            .filter(|a| a.signature_alg_id().as_ref() == self.algorithm)
            .any(|a| key.verify_signature(*a, message, signature).is_ok())
    }

    fn find<T>(&self, pick: impl Fn(&ParsedExtension<'a>) -> Option<T>) -> Option<T> {
        self.x509
            .extensions()
            .iter()
            .find_map(|e| pick(e.parsed_extension()))
    }
}

/// The content of `signatureAlgorithm`, the second part of the certificate, as webpki's algorithms name themselves.
fn outer_algorithm(der: &[u8]) -> Option<&[u8]> {
    let (whole, _) = sequence(der)?;
    let (_, after_tbs) = sequence(whole)?;
    Some(sequence(after_tbs)?.0)
}

/// A DER SEQUENCE: content and what follows.
fn sequence(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[0x30, first], rest) = der.split_first_chunk::<2>()? else {
        return None;
    };
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        0x83 => {
            let (&[a, b, c], rest) = rest.split_first_chunk::<3>()?;
            (
                usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
                rest,
            )
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
