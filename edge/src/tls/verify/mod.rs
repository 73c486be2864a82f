//! Our verifiers, on webpki: [`client`] for clients' certificates with OpenSSL's semantics, [`target`] for targets'. Both
//! keep the presented chain and the exact fault of each connection ([`super::attempt`]), and choose the error they give
//! rustls so that it sends the alert CONTRACT 4 promises. No network, no revocation lists.

pub mod anchors;
pub mod cert;
pub mod client;
pub mod path;
pub mod target;
pub(crate) mod webpki_path;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, Error};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;

pub use crate::alert::CertFault;

/// The most certificates a peer may present.
pub const MAX_CERTIFICATES: usize = 10;
/// The most bytes they may have together.
pub const MAX_CHAIN_BYTES: usize = 64 << 10;

impl CertFault {
    /// What to tell rustls so that it sends [`Self::alert`]. Only the alert counts: the true reason is kept apart.
    pub(crate) fn for_rustls(&self) -> Error {
        let error = match self {
            Self::Expired(_) => CertificateError::Expired,
            Self::UntrustedCa | Self::SelfSigned | Self::TooDeep | Self::NotAnIssuer => {
                CertificateError::UnknownIssuer
            }
            Self::WrongPurpose => CertificateError::InvalidPurpose,
            Self::Revoked => CertificateError::Revoked,
            Self::NotYetValid(_) | Self::WrongName(_) | Self::TooLarge | Self::Malformed(_) => {
                CertificateError::BadEncoding
            }
        };
        Error::InvalidCertificate(error)
    }
}

impl From<webpki::Error> for CertFault {
    fn from(error: webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::CertExpired { not_after, .. } => Self::Expired(seconds(not_after.as_secs())),
            E::CertNotValidYet { not_before, .. } => {
                Self::NotYetValid(seconds(not_before.as_secs()))
            }
            // A name that matches with a signature that does not is another CA of the same name.
            E::UnknownIssuer | E::InvalidSignatureForPublicKey => Self::UntrustedCa,
            E::MaximumPathDepthExceeded => Self::TooDeep,
            E::EndEntityUsedAsCa | E::PathLenConstraintViolated | E::NameConstraintViolation => {
                Self::NotAnIssuer
            }
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Self::WrongPurpose,
            E::CertRevoked => Self::Revoked,
            other => Self::Malformed(other.to_string()),
        }
    }
}

fn seconds(unsigned: u64) -> i64 {
    i64::try_from(unsigned).unwrap_or(i64::MAX)
}

/// Whether what was presented is within our bounds.
pub(crate) fn check_size(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
) -> Result<(), CertFault> {
    let bytes = rest
        .iter()
        .fold(leaf.len(), |sum, c| sum.saturating_add(c.len()));
    if rest.len() >= MAX_CERTIFICATES || bytes > MAX_CHAIN_BYTES {
        Err(CertFault::TooLarge)
    } else {
        Ok(())
    }
}

/// The signature over the transcript in TLS 1.2. rustls' own check reads X.509 v3 only; a v1 certificate's key is taken
/// out of it here.
pub(crate) fn tls12_signature(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let Some(spki) = v1_key(cert) else {
        return rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms);
    };
    let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
    let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| bad())?;
    let (_, candidates) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == dss.scheme)
        .ok_or_else(bad)?;
    if candidates.iter().any(|algorithm| {
        key.verify_signature(*algorithm, message, dss.signature())
            .is_ok()
    }) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(bad())
    }
}

/// The same in TLS 1.3.
pub(crate) fn tls13_signature(
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    match v1_key(cert) {
        Some(spki) => {
            rustls::crypto::verify_tls13_signature_with_raw_key(message, &spki, dss, algorithms)
        }
        None => rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms),
    }
}

/// The public key of an X.509 v1 certificate; `None` for any other.
fn v1_key(cert: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let cert = cert::Cert::parse(cert).ok()?;
    cert.is_v1()
        .then(|| SubjectPublicKeyInfoDer::from(cert.key().to_vec()))
}
