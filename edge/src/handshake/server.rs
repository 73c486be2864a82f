//! What a server's messages say: ServerHello (RFC 8446, 4.1.3; RFC 5246, 7.4.1.3), CertificateRequest of both versions and the
//! Certificate message of TLS 1.2 (that of TLS 1.3 is encrypted).

use super::ParseError;

/// Distinguished names of a CertificateRequest that are kept.
pub const MOST_AUTHORITIES: usize = 50;
/// Certificates of a chain that are kept.
pub const MOST_CERTIFICATES: usize = 10;

/// The parts of a ServerHello that say what was agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The version in force: `supported_versions` if there, else `legacy_version`.
    pub version: u16,
    /// The cipher suite.
    pub cipher_suite: u16,
    /// Group of `key_share` (TLS 1.3).
    pub group: Option<u16>,
    /// It is a HelloRetryRequest.
    pub retry: bool,
    /// ALPN protocol (TLS 1.2; in TLS 1.3 it is encrypted).
    pub alpn: Option<Box<[u8]>>,
    /// `server_name` was acknowledged (TLS 1.2).
    pub sni_acknowledged: bool,
    /// A session ticket will follow (TLS 1.2).
    pub ticket: bool,
    /// Secure renegotiation is supported (RFC 5746).
    pub secure_renegotiation: bool,
    /// Length of the session id, which in TLS 1.2 offers resumption.
    pub session_id: u8,
}

impl ServerHello {
    /// Reads one handshake message: type, length, body.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(message: &[u8]) -> Result<Self, ParseError> {
        let _ = message;
        Err(ParseError::Field("not read yet"))
    }
}

/// What a server wants a client's certificate to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateRequest {
    /// DER of the acceptable CAs' names, at most [`MOST_AUTHORITIES`]; empty: any.
    pub authorities: Vec<Box<[u8]>>,
    /// How many names there were.
    pub total_authorities: usize,
    /// Signature schemes taken.
    pub schemes: Vec<u16>,
}

impl CertificateRequest {
    /// Reads a TLS 1.2 (or older) handshake message.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse_tls12(message: &[u8]) -> Result<Self, ParseError> {
        let _ = message;
        Err(ParseError::Field("not read yet"))
    }
}

/// The chain in a TLS 1.2 Certificate message, leaf first, at most [`MOST_CERTIFICATES`]; empty if none was sent.
///
/// # Errors
/// [`ParseError`].
pub fn certificates_tls12(message: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    let _ = message;
    Err(ParseError::Field("not read yet"))
}
