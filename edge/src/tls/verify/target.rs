//! Verifies targets' certificates: chain and name by webpki, a certificate of the CA list byte for byte, or, where an
//! object says `verify: false`, nothing but that the peer holds the key it shows. The common name is never a host name.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::anchors::Anchors;
use super::cert::{Cert, Side};
use super::webpki_path::Search;
use super::{CertFault, check_size, tls12_signature, tls13_signature};
use crate::tls::attempt::Attempt;

/// See the module.
pub struct TargetVerifier {
    anchors: Option<Arc<Anchors>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl TargetVerifier {
    /// Verifies against `anchors`; `None` lets every certificate pass.
    pub const fn new(anchors: Option<Arc<Anchors>>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            anchors,
            algorithms,
        }
    }

    /// Judges a chain for `name` at `now`; returns until when the verdict holds, unix seconds.
    ///
    /// # Errors
    /// [`CertFault`].
    pub fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<i64, CertFault> {
        let Some(anchors) = &self.anchors else {
            return Ok(i64::MAX);
        };
        check_size(leaf, rest)?;
        let cert = Cert::parse(leaf)?;
        let until = if anchors.pinned.iter().any(|p| p == leaf) {
            cert.check_dates(super::seconds(now.as_secs()))?;
            cert.not_after()
        } else {
            cert.check_reversed_dates(super::seconds(now.as_secs()))?;
            self.check_path(anchors, leaf, rest, now)?
        };
        cert.check_purpose(Side::Server)?;
        let parsed = EndEntityCert::try_from(leaf)?;
        if parsed.verify_is_valid_for_subject_name(name).is_err() {
            return Err(CertFault::WrongName(names(leaf)));
        }
        Ok(until)
    }

    fn check_path(
        &self,
        anchors: &Anchors,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<i64, CertFault> {
        let search = Search {
            anchors,
            depth: usize::MAX,
            usage: KeyUsage::server_auth(),
            algorithms: self.algorithms.all,
        };
        search.run(leaf, rest, now)
    }
}

/// Characters of one of a certificate's names that are kept: a DNS name has at most 253.
const MOST_NAME: usize = 256;

/// The names a certificate is for, for the log: at most 20.
fn names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, cert)) = X509Certificate::from_der(leaf) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for extension in cert.extensions() {
        let ParsedExtension::SubjectAlternativeName(san) = extension.parsed_extension() else {
            continue;
        };
        for name in san.general_names.iter().take(20) {
            match name {
                GeneralName::DNSName(dns) => names.push(dns.chars().take(MOST_NAME).collect()),
                GeneralName::IPAddress([a, b, c, d]) => names.push(format!("{a}.{b}.{c}.{d}")),
                GeneralName::IPAddress(bytes) => {
                    if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                        names.push(std::net::Ipv6Addr::from(v6).to_string());
                    }
                }
                _ => {}
            }
        }
    }
    names
}

impl ServerCertVerifier for TargetVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let attempt = Attempt::current();
        let name = attempt
            .as_deref()
            .and_then(|a| a.name.as_ref())
            .unwrap_or(server_name);
        let result = self.check(leaf, rest, name, now);
        if let Some(attempt) = &attempt {
            let chain: Arc<[_]> = match &result {
                Err(CertFault::TooLarge) => Arc::from([]),
                _ => std::iter::once(leaf)
                    .chain(rest)
                    .map(|c| c.clone().into_owned())
                    .collect(),
            };
            attempt.judge(chain, &result);
        }
        match result {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(fault) => Err(fault.for_rustls()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for TargetVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetVerifier")
            .field("verifies", &self.anchors.is_some())
            .finish()
    }
}
