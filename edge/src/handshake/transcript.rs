//! Reads one direction of the beginning of a connection: which handshake messages, which plaintext alerts, where encryption
//! begins, or that it is not TLS at all. The bytes may end anywhere.

use super::{CertificateRequest, ClientHello, ServerHello};

/// Messages that are listed.
pub const MOST_MESSAGES: usize = 32;
/// Alerts that are listed.
pub const MOST_ALERTS: usize = 8;

/// A plaintext alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainAlert {
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// AlertDescription.
    pub number: u8,
    /// It came after so many of this direction's handshake messages.
    pub after: u8,
}

/// A handshake message seen in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// HandshakeType (RFC 8446, 4).
    pub kind: u8,
    /// Bytes of its body.
    pub length: usize,
}

/// What speaks where TLS was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// An HTTP/1 request, or HTTP/2's preface.
    HttpRequest,
    /// An HTTP answer; its status if it can be read.
    HttpAnswer(Option<u16>),
    /// nginx and others: the answer says that plain HTTP was sent to a port for TLS.
    PlainHttpRefused,
    /// PROXY protocol, version 1 or 2.
    Proxy(u8),
    /// An SSL 2.0 ClientHello.
    Sslv2,
    /// `SSH-`.
    Ssh,
    /// A greeting of three digits: SMTP, FTP.
    Greeting(u16),
    /// MySQL's greeting.
    Mysql,
    /// HTML or XML without a status line.
    Markup,
    /// Anything else: the first bytes, at most 4.
    Other([u8; 4], u8),
}

/// One direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// Not TLS; nothing else is set then.
    pub foreign: Option<Foreign>,
    /// Plaintext handshake messages in order, at most [`MOST_MESSAGES`].
    pub messages: Vec<Message>,
    /// Plaintext alerts in order, at most [`MOST_ALERTS`].
    pub alerts: Vec<PlainAlert>,
    /// Version in the header of the first record.
    pub record_version: Option<u16>,
    /// An encrypted record was seen.
    pub encrypted: bool,
    /// Bytes read, at the end of which the rest of a record or message is missing.
    pub truncated: bool,
    /// The (last) ClientHello.
    pub client_hello: Option<ClientHello>,
    /// The (last) ServerHello.
    pub server_hello: Option<ServerHello>,
    /// The chain of a TLS 1.2 Certificate message, leaf first; empty if the message was.
    pub certificates: Option<Vec<Vec<u8>>>,
    /// A TLS 1.2 CertificateRequest.
    pub request: Option<CertificateRequest>,
    /// OCSP staple present (TLS 1.2 CertificateStatus).
    pub stapled: bool,
}

/// Reads what one side sent, from its first byte on.
pub fn read(bytes: &[u8]) -> Transcript {
    let _ = bytes;
    Transcript::default()
}

/// What `bytes` are if they do not begin a TLS record; `None` if they do, or are too few to say.
pub fn foreign(bytes: &[u8]) -> Option<Foreign> {
    let _ = bytes;
    None
}
