//! TLS alert numbers and names (IANA TLS Alerts registry), and which alert rustls sends for which error: rustls does not
//! say, so it is derived here. What an alert means is not decided here but in [`super::cause`]. A leaf.

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

/// A TLS alert description (RFC 8446, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

impl Alert {
    /// `close_notify`
    pub const CLOSE_NOTIFY: Self = Self(0);
    /// `unexpected_message`
    pub const UNEXPECTED_MESSAGE: Self = Self(10);
    /// `bad_record_mac`
    pub const BAD_RECORD_MAC: Self = Self(20);
    /// `record_overflow`
    pub const RECORD_OVERFLOW: Self = Self(22);
    /// `handshake_failure`
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// `bad_certificate`
    pub const BAD_CERTIFICATE: Self = Self(42);
    /// `unsupported_certificate`
    pub const UNSUPPORTED_CERTIFICATE: Self = Self(43);
    /// `certificate_revoked`
    pub const CERTIFICATE_REVOKED: Self = Self(44);
    /// `certificate_expired`
    pub const CERTIFICATE_EXPIRED: Self = Self(45);
    /// `certificate_unknown`
    pub const CERTIFICATE_UNKNOWN: Self = Self(46);
    /// `illegal_parameter`
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    /// `unknown_ca`
    pub const UNKNOWN_CA: Self = Self(48);
    /// `access_denied`
    pub const ACCESS_DENIED: Self = Self(49);
    /// `decode_error`
    pub const DECODE_ERROR: Self = Self(50);
    /// `decrypt_error`
    pub const DECRYPT_ERROR: Self = Self(51);
    /// `protocol_version`
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// `insufficient_security`
    pub const INSUFFICIENT_SECURITY: Self = Self(71);
    /// `internal_error`
    pub const INTERNAL_ERROR: Self = Self(80);
    /// `inappropriate_fallback` (RFC 7507)
    pub const INAPPROPRIATE_FALLBACK: Self = Self(86);
    /// `user_canceled`
    pub const USER_CANCELED: Self = Self(90);
    /// `missing_extension`
    pub const MISSING_EXTENSION: Self = Self(109);
    /// `unsupported_extension`
    pub const UNSUPPORTED_EXTENSION: Self = Self(110);
    /// `unrecognized_name` (RFC 6066)
    pub const UNRECOGNIZED_NAME: Self = Self(112);
    /// `certificate_required`
    pub const CERTIFICATE_REQUIRED: Self = Self(116);
    /// `no_application_protocol` (RFC 7301)
    pub const NO_APPLICATION_PROTOCOL: Self = Self(120);
    /// `ech_required` (RFC 9849)
    pub const ECH_REQUIRED: Self = Self(121);

    /// The registered name; `unassigned` for a number without one.
    pub const fn name(self) -> &'static str {
        match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            52 => "too_many_cids_requested",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            117 => "general_error",
            120 => "no_application_protocol",
            121 => "ech_required",
            _ => "unassigned",
        }
    }

    /// The alert as one fatal plaintext record (RFC 8446, 5.1): what is sent before any keys exist.
    pub const fn fatal_record(self) -> [u8; 7] {
        [21, 3, 3, 0, 2, 2, self.0]
    }
}

impl From<AlertDescription> for Alert {
    fn from(alert: AlertDescription) -> Self {
        Self(u8::from(alert))
    }
}

/// The alert rustls sends when it fails with `error`; `None` where it sends none (a received alert, an error of
/// configuration, or one that arises before anything is written).
pub fn sent_for(error: &Error) -> Option<Alert> {
    match error {
        Error::InvalidCertificate(e) => Some(AlertDescription::from(e.clone()).into()),
        Error::NoCertificatesPresented => Some(Alert::CERTIFICATE_REQUIRED),
        Error::NoApplicationProtocol => Some(Alert::NO_APPLICATION_PROTOCOL),
        Error::PeerIncompatible(e) => Some(incompatible(e)),
        Error::InvalidMessage(e) => Some(invalid_message(*e)),
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            Some(Alert::UNEXPECTED_MESSAGE)
        }
        Error::DecryptError => Some(Alert::BAD_RECORD_MAC),
        Error::PeerSentOversizedRecord => Some(Alert::RECORD_OVERFLOW),
        Error::PeerMisbehaved(e) => Some(misbehaved(e)),
        // "no server certificate chain resolved" and the like.
        Error::General(_) => Some(Alert::ACCESS_DENIED),
        _ => None,
    }
}

fn incompatible(error: &PeerIncompatible) -> Alert {
    match error {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls13RequiredForQuic
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Alert::PROTOCOL_VERSION,
        PeerIncompatible::NullCompressionRequired
        | PeerIncompatible::UncompressedEcPointsRequired => Alert::ILLEGAL_PARAMETER,
        PeerIncompatible::ServerRejectedEncryptedClientHello(_) => Alert::ECH_REQUIRED,
        _ => Alert::HANDSHAKE_FAILURE,
    }
}

const fn invalid_message(error: InvalidMessage) -> Alert {
    match error {
        InvalidMessage::PreSharedKeyIsNotFinalExtension | InvalidMessage::DuplicateExtension(_) => {
            Alert::ILLEGAL_PARAMETER
        }
        InvalidMessage::UnknownHelloRetryRequestExtension => Alert::UNSUPPORTED_EXTENSION,
        _ => Alert::DECODE_ERROR,
    }
}

const fn misbehaved(error: &PeerMisbehaved) -> Alert {
    match error {
        PeerMisbehaved::MissingKeyShare | PeerMisbehaved::MissingPskModesExtension => {
            Alert::MISSING_EXTENSION
        }
        PeerMisbehaved::UnsolicitedCertExtension
        | PeerMisbehaved::UnsolicitedEncryptedExtension
        | PeerMisbehaved::UnsolicitedServerHelloExtension => Alert::UNSUPPORTED_EXTENSION,
        PeerMisbehaved::IncorrectBinder => Alert::DECRYPT_ERROR,
        PeerMisbehaved::IllegalMiddleboxChangeCipherSpec => Alert::UNEXPECTED_MESSAGE,
        _ => Alert::ILLEGAL_PARAMETER,
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn names_follow_the_registry() {
        assert_eq!(Alert::CERTIFICATE_REQUIRED.name(), "certificate_required");
        assert_eq!(Alert(112).name(), "unrecognized_name");
        assert_eq!(Alert(255).name(), "unassigned");
    }

    #[test]
    fn certificate_errors_become_openssls_alerts() {
        for (error, alert) in [
            (CertificateError::UnknownIssuer, 48),
            (CertificateError::Expired, 45),
            (CertificateError::BadEncoding, 42),
            (CertificateError::InvalidPurpose, 43),
            (CertificateError::Revoked, 44),
        ] {
            assert_eq!(
                sent_for(&Error::InvalidCertificate(error)),
                Some(Alert(alert))
            );
        }
    }

    #[test]
    fn a_received_alert_was_not_sent() {
        assert_eq!(
            sent_for(&Error::AlertReceived(AlertDescription::UnknownCA)),
            None
        );
    }
}
