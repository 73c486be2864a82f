//! What a server's messages say: ServerHello (RFC 8446, 4.1.3; RFC 5246, 7.4.1.3), CertificateRequest of both versions and the
//! Certificate message of TLS 1.2 (that of TLS 1.3 is encrypted).

use super::ParseError;
use super::reader::{Reader, list16};

/// Distinguished names of a CertificateRequest that are kept.
pub const MOST_AUTHORITIES: usize = 50;
/// Certificates of a chain that are kept.
pub const MOST_CERTIFICATES: usize = 10;

const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;

/// The random value that makes a ServerHello a HelloRetryRequest (RFC 8446, 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

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
        let mut body = body(message, SERVER_HELLO, "not a ServerHello")?;
        let mut hello = Self {
            version: body.u16("legacy_version")?,
            ..Self::default()
        };
        hello.retry = body.take(32, "random")? == RETRY;
        let session_id = body.vec8("session id")?.len();
        hello.session_id = u8::try_from(session_id)
            .ok()
            .filter(|length| *length <= 32)
            .ok_or(ParseError::Field("session id"))?;
        hello.cipher_suite = body.u16("cipher suite")?;
        body.u8("compression method")?;
        // RFC 5246 allows a hello without extensions.
        if !body.0.is_empty() {
            hello.extensions(body.vec16("extensions")?)?;
        }
        body.done("data after the extensions")?;
        Ok(hello)
    }

    fn extensions(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        let mut reader = Reader(bytes);
        while !reader.0.is_empty() {
            let kind = reader.u16("extension type")?;
            let mut body = Reader(reader.vec16("extension length")?);
            match kind {
                0 => self.sni_acknowledged = true,
                16 => {
                    let mut list = Reader(body.vec16("alpn")?);
                    self.alpn = Some(list.vec8("alpn")?.into());
                    list.done("alpn")?;
                }
                35 => self.ticket = true,
                43 => self.version = body.u16("supported_versions")?,
                51 => self.group = Some(body.u16("key_share")?),
                0xff01 => self.secure_renegotiation = true,
                _ => {}
            }
        }
        Ok(())
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
        let mut body = body(message, CERTIFICATE_REQUEST, "not a CertificateRequest")?;
        body.vec8("certificate types")?;
        // Before TLS 1.2 the schemes are missing. No message can be read both ways: what follows the types would have to
        // be one list, and two.
        Self::schemes_and_authorities(Reader(body.0)).or_else(|_| {
            let mut request = Self::default();
            request.take_authorities(body.vec16("certificate authorities")?)?;
            body.done("data after the CertificateRequest")?;
            Ok(request)
        })
    }

    fn schemes_and_authorities(mut body: Reader<'_>) -> Result<Self, ParseError> {
        let mut request = Self {
            schemes: list16(body.vec16("signature_algorithms")?, "signature_algorithms")?,
            ..Self::default()
        };
        request.take_authorities(body.vec16("certificate authorities")?)?;
        body.done("data after the CertificateRequest")?;
        Ok(request)
    }

    /// Reads a TLS 1.3 handshake message, as it is after decryption.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse_tls13(message: &[u8]) -> Result<Self, ParseError> {
        let mut body = body(message, CERTIFICATE_REQUEST, "not a CertificateRequest")?;
        body.vec8("request context")?;
        let mut extensions = Reader(body.vec16("extensions")?);
        body.done("data after the CertificateRequest")?;
        let mut request = Self::default();
        while !extensions.0.is_empty() {
            let kind = extensions.u16("extension type")?;
            let mut body = Reader(extensions.vec16("extension length")?);
            match kind {
                13 => {
                    let list = body.vec16("signature_algorithms")?;
                    request.schemes = list16(list, "signature_algorithms")?;
                }
                47 => request.take_authorities(body.vec16("certificate_authorities")?)?,
                _ => {}
            }
        }
        Ok(request)
    }

    fn take_authorities(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        let mut reader = Reader(bytes);
        while !reader.0.is_empty() {
            let name = reader.vec16("certificate authority")?;
            self.total_authorities += 1;
            if self.authorities.len() < MOST_AUTHORITIES {
                self.authorities.push(name.into());
            }
        }
        Ok(())
    }
}

/// The chain in a TLS 1.2 Certificate message, leaf first, at most [`MOST_CERTIFICATES`]; empty if none was sent.
///
/// # Errors
/// [`ParseError`].
pub fn certificates_tls12(message: &[u8]) -> Result<Vec<Vec<u8>>, ParseError> {
    let mut body = body(message, CERTIFICATE, "not a Certificate message")?;
    let mut list = Reader(body.vec24("certificate list")?);
    body.done("data after the certificates")?;
    let mut chain = Vec::new();
    while !list.0.is_empty() {
        let certificate = list.vec24("certificate")?;
        if chain.len() < MOST_CERTIFICATES {
            chain.push(certificate.to_vec());
        }
    }
    Ok(chain)
}

/// The body of a message of this type, which must be all there is.
fn body<'a>(
    message: &'a [u8],
    kind: u8,
    otherwise: &'static str,
) -> Result<Reader<'a>, ParseError> {
    let mut reader = Reader(message);
    if reader.u8("message type")? != kind {
        return Err(ParseError::Field(otherwise));
    }
    let body = Reader(reader.vec24("message length")?);
    reader.done("data after the message")?;
    Ok(body)
}
