//! What a verifier of ours found wrong with a peer's certificate, the alert that says so, and the cause it is. How it is found is
//! for [`crate::tls::verify`].

use std::fmt;

use super::{Alert, Cause};

/// Why a certificate is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertFault {
    /// A certificate of the path is past its notAfter (unix seconds).
    Expired(i64),
    /// A certificate of the path is before its notBefore (unix seconds).
    NotYetValid(i64),
    /// No path to an anchor.
    UntrustedCa,
    /// No path, and the leaf is its own issuer.
    SelfSigned,
    /// The path has more intermediates than the depth allows.
    TooDeep,
    /// An issuer in the path may not issue certificates, or not so long a path.
    NotAnIssuer,
    /// The certificate is not meant for this side of TLS.
    WrongPurpose,
    /// Revoked.
    Revoked,
    /// The certificate has other names; those it has.
    WrongName(Vec<String>),
    /// More certificates or bytes than we look at.
    TooLarge,
    /// Not a certificate, or one with parts that we cannot judge.
    Malformed(String),
}

impl CertFault {
    /// The alert OpenSSL would send, and so do we.
    pub const fn alert(&self) -> Alert {
        match self {
            Self::Expired(_) => Alert::CERTIFICATE_EXPIRED,
            Self::NotYetValid(_) | Self::WrongName(_) | Self::TooLarge | Self::Malformed(_) => {
                Alert::BAD_CERTIFICATE
            }
            Self::UntrustedCa | Self::SelfSigned | Self::TooDeep | Self::NotAnIssuer => {
                Alert::UNKNOWN_CA
            }
            Self::WrongPurpose => Alert::UNSUPPORTED_CERTIFICATE,
            Self::Revoked => Alert::CERTIFICATE_REVOKED,
        }
    }

    /// The cause if it is a client's certificate.
    pub const fn client_cause(&self) -> Cause {
        match self {
            Self::Expired(_) => Cause::ClientCertExpired,
            Self::NotYetValid(_) => Cause::ClientCertNotYetValid,
            Self::UntrustedCa | Self::SelfSigned | Self::TooDeep | Self::NotAnIssuer => {
                Cause::ClientCertUntrustedCa
            }
            Self::WrongPurpose => Cause::ClientCertWrongPurpose,
            Self::Revoked => Cause::ClientCertRevoked,
            Self::WrongName(_) | Self::TooLarge | Self::Malformed(_) => Cause::Unknown,
        }
    }

    /// The cause if it is a target's certificate.
    pub const fn server_cause(&self) -> Cause {
        match self {
            Self::Expired(_) => Cause::ServerCertExpired,
            Self::NotYetValid(_) => Cause::ServerCertNotYetValid,
            Self::SelfSigned => Cause::ServerCertSelfSigned,
            Self::UntrustedCa | Self::TooDeep | Self::NotAnIssuer => Cause::ServerCertUntrustedCa,
            Self::WrongPurpose => Cause::ServerCertWrongPurpose,
            Self::Revoked => Cause::ServerCertRevoked,
            Self::WrongName(_) => Cause::ServerCertHostnameMismatch,
            Self::TooLarge | Self::Malformed(_) => Cause::Unknown,
        }
    }
}

impl fmt::Display for CertFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(at) => write!(f, "certificate expired at {at} (unix)"),
            Self::NotYetValid(at) => write!(f, "certificate not valid before {at} (unix)"),
            Self::UntrustedCa => f.write_str("no path to a trusted CA"),
            Self::SelfSigned => f.write_str("self-signed certificate that is not trusted"),
            Self::TooDeep => f.write_str("certificate chain longer than the depth allows"),
            Self::NotAnIssuer => {
                f.write_str("an issuer in the chain may not issue this certificate")
            }
            Self::WrongPurpose => f.write_str("certificate is not meant for this purpose"),
            Self::Revoked => f.write_str("certificate revoked"),
            Self::WrongName(names) => {
                write!(f, "certificate is for other names: {}", names.join(", "))
            }
            Self::TooLarge => f.write_str("certificate chain too large"),
            Self::Malformed(why) => write!(f, "certificate cannot be judged: {why}"),
        }
    }
}
