//! Reads one direction of the beginning of a connection: which handshake messages, which plaintext alerts, where encryption
//! begins, or that it is not TLS at all. The bytes may end anywhere.

mod foreign;
#[cfg(test)]
mod tests;

pub use foreign::{Foreign, foreign};

use super::server::certificates_tls12;
use super::{CertificateRequest, ClientHello, ServerHello, TLS13};

/// Messages that are listed.
pub const MOST_MESSAGES: usize = 32;
/// Alerts that are listed.
pub const MOST_ALERTS: usize = 8;
/// Bytes that are read: more than any handshake's plaintext, the longest chains and CA lists among it.
pub const MOST_BYTES: usize = 256 << 10;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

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
    /// ChangeCipherSpec was sent (in TLS 1.3 it means nothing).
    pub change_cipher: bool,
    /// An encrypted record was seen.
    pub encrypted: bool,
    /// Bytes read, at the end of which the rest of a record or message is missing.
    pub truncated: bool,
    /// After TLS records came what is none; it was not read.
    pub broken: bool,
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

/// Reads what one side sent, from its first byte on; at most [`MOST_BYTES`] of it.
pub fn read(bytes: &[u8]) -> Transcript {
    let bytes = bytes.get(..MOST_BYTES).unwrap_or(bytes);
    if let Some(foreign) = foreign(bytes) {
        return Transcript {
            foreign: Some(foreign),
            ..Transcript::default()
        };
    }
    let mut direction = Direction::default();
    let mut records = records(bytes);
    for record in &mut records {
        direction.record(&record);
    }
    let mut seen = direction.seen;
    seen.broken = records.broken();
    seen.truncated |= records.unfinished() || direction.pending.len() > direction.read;
    seen
}

/// One record: its header, and as much of its content as there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// ContentType: 20 ChangeCipherSpec, 21 alert, 22 handshake, 23 application data (which in TLS 1.3 everything encrypted
    /// is).
    pub kind: u8,
    /// The header's version.
    pub version: u16,
    /// Content bytes announced.
    pub length: usize,
    /// Content, shorter than announced where the bytes end.
    pub content: &'a [u8],
}

impl Record<'_> {
    /// All of it is there.
    pub const fn whole(&self) -> bool {
        self.content.len() == self.length
    }
}

/// The records in `bytes`, to the last one that has begun.
pub const fn records(bytes: &[u8]) -> Records<'_> {
    Records {
        rest: bytes,
        cut: false,
    }
}

/// See [`records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    cut: bool,
}

impl Records<'_> {
    /// No record begins where the last one ended.
    pub const fn broken(&self) -> bool {
        !self.rest.is_empty() && !begins_record(self.rest)
    }

    /// The bytes end within a record.
    pub const fn unfinished(&self) -> bool {
        self.cut || !self.rest.is_empty() && !self.broken()
    }
}

/// Content of a record at most: 2^14 and what encryption adds (RFC 5246, 6.2.3).
const MOST_CONTENT: u16 = (1 << 14) + 2048;

/// As far as can be seen; the header may not be complete.
const fn begins_record(bytes: &[u8]) -> bool {
    match bytes {
        [20..=24] | [20..=24, 3] | [20..=24, 3, 0..=4] | [20..=24, 3, 0..=4, _] => true,
        [20..=24, 3, 0..=4, high, low, ..] => u16::from_be_bytes([*high, *low]) <= MOST_CONTENT,
        _ => false,
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if !begins_record(self.rest) {
            return None;
        }
        let ([kind, major, minor, high, low], rest) = self.rest.split_first_chunk::<5>()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (content, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        self.rest = rest;
        self.cut = content.len() < length;
        Some(Record {
            kind: *kind,
            version: u16::from_be_bytes([*major, *minor]),
            length,
            content,
        })
    }
}

/// What was read so far.
#[derive(Default)]
struct Direction {
    seen: Transcript,
    /// Handshake messages, joined across records; never longer than what was read.
    pending: Vec<u8>,
    /// Bytes of `pending` that are done with.
    read: usize,
    /// Handshake messages so far.
    count: u8,
}

impl Direction {
    fn record(&mut self, record: &Record<'_>) {
        self.seen.record_version.get_or_insert(record.version);
        match record.kind {
            CHANGE_CIPHER_SPEC => self.seen.change_cipher = true,
            // Encryption makes two bytes longer, whatever the suite.
            ALERT if record.length == 2 => self.alert(record.content),
            ALERT | APPLICATION_DATA => self.seen.encrypted = true,
            HANDSHAKE if self.seen.change_cipher && !self.clear(record.content) => {
                self.seen.encrypted = true;
            }
            HANDSHAKE => {
                self.pending.extend_from_slice(record.content);
                self.messages();
            }
            _ => {}
        }
    }

    /// Whether a handshake record after ChangeCipherSpec is in the clear: in TLS 1.3 ChangeCipherSpec means nothing, and a
    /// second hello may follow it (RFC 8446, D.4).
    fn clear(&self, content: &[u8]) -> bool {
        if let Some(hello) = &self.seen.server_hello {
            return hello.version == TLS13;
        }
        let offered = self.seen.client_hello.as_ref();
        let second_hello =
            self.pending.len() > self.read || matches!(content, [1, 0, _, _, 3, 1..=3, ..]);
        offered.is_some_and(|hello| hello.offers(TLS13)) && second_hello
    }

    fn alert(&mut self, content: &[u8]) {
        if let [level, number] = *content
            && self.seen.alerts.len() < MOST_ALERTS
        {
            self.seen.alerts.push(PlainAlert {
                level,
                number,
                after: self.count,
            });
        }
    }

    /// Takes the messages that are whole.
    fn messages(&mut self) {
        loop {
            let rest = self.pending.get(self.read..).unwrap_or_default();
            let [kind, high, middle, low, ..] = *rest else {
                return;
            };
            let length = u32::from_be_bytes([0, high, middle, low]) as usize;
            let Some(message) = rest.get(..4 + length) else {
                return;
            };
            self.seen.message(kind, message);
            self.count = self.count.saturating_add(1);
            self.read += message.len();
        }
    }
}

impl Transcript {
    /// Notes a whole message: type, length, body. One that cannot be read is listed all the same.
    fn message(&mut self, kind: u8, message: &[u8]) {
        if self.messages.len() < MOST_MESSAGES {
            self.messages.push(Message {
                kind,
                length: message.len() - 4,
            });
        }
        match kind {
            1 => {
                self.client_hello = ClientHello::parse(message)
                    .ok()
                    .or(self.client_hello.take())
            }
            2 => {
                self.server_hello = ServerHello::parse(message)
                    .ok()
                    .or(self.server_hello.take())
            }
            11 => self.certificates = certificates_tls12(message).ok(),
            13 => self.request = CertificateRequest::parse_tls12(message).ok(),
            22 => self.stapled = true,
            _ => {}
        }
    }
}
