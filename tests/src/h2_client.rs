//! HTTP/2 frame by frame: header lists go out exactly as given, whatever a library would say of them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::client::TlsStream;

use crate::shape::Shaped;
use crate::tls_client::{Dialer, Refusal, TlsClient};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const HEADER_TABLE_SIZE: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What became of one stream.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Status, if an answer came.
    pub status: Option<u16>,
    /// Body received.
    pub body: Vec<u8>,
    /// Error code of a RST_STREAM.
    pub reset: Option<u32>,
    /// Error code of a GOAWAY or 0 if the connection just ended.
    pub gone: Option<u32>,
}

/// One frame.
#[derive(Debug)]
pub struct Frame {
    /// Type.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Stream.
    pub stream: u32,
    /// Payload.
    pub payload: Vec<u8>,
}

/// An HTTP/2 connection over TLS.
pub struct H2Client {
    stream: TlsStream<Shaped>,
    next_stream: u32,
    /// The server's settings by identifier.
    pub settings: BTreeMap<u16, u32>,
}

impl H2Client {
    /// Connects with ALPN `h2` and waits for the server's settings.
    pub async fn connect(client: &TlsClient, address: SocketAddr) -> Result<Self, Refusal> {
        Self::dial(&client.clone().alpn(&["h2"]).dialer(), address).await
    }

    /// The same with a dialer whose ALPN is already `h2`.
    pub async fn dial(dialer: &Dialer, address: SocketAddr) -> Result<Self, Refusal> {
        let stream = dialer.connect(address).await?.stream;
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(b"h2".as_slice()),
            "ALPN h2 was agreed"
        );
        let mut client = Self {
            stream,
            next_stream: 1,
            settings: BTreeMap::new(),
        };
        client
            .stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await?;
        // No table: every status then comes in a form that `status` reads.
        client
            .send(SETTINGS, 0, 0, &[0, HEADER_TABLE_SIZE, 0, 0, 0, 0])
            .await?;
        while client.settings.is_empty() {
            let frame = client.frame().await?;
            client.housekeeping(&frame).await?;
        }
        Ok(client)
    }

    /// Sends one frame.
    pub async fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> io::Result<()> {
        let length = u32::try_from(payload.len())
            .expect("a small frame")
            .to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// Reads one frame.
    pub async fn frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.stream.read_exact(&mut payload).await?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Ok(Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload,
        })
    }

    async fn housekeeping(&mut self, frame: &Frame) -> io::Result<()> {
        if frame.kind == SETTINGS && frame.flags & 1 == 0 {
            for entry in frame.payload.chunks_exact(6) {
                let id = u16::from_be_bytes([entry[0], entry[1]]);
                self.settings.insert(
                    id,
                    u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]),
                );
            }
            self.send(SETTINGS, 1, 0, &[]).await?;
        } else if frame.kind == PING && frame.flags & 1 == 0 {
            self.send(PING, 1, 0, &frame.payload).await?;
        }
        Ok(())
    }

    /// Sends a header list as a new stream, with or without a body to follow, and gives its number.
    pub async fn begin(&mut self, fields: &[(&str, &[u8])], end: bool) -> io::Result<u32> {
        let stream = self.next_stream;
        self.next_stream += 2;
        let block = fields
            .iter()
            .flat_map(|(name, value)| literal(name.as_bytes(), value))
            .collect::<Vec<_>>();
        let end = if end { END_STREAM } else { 0 };
        // A frame may hold 16 KiB; what is beyond goes into one more.
        let (first, rest) = block.split_at(block.len().min(16 << 10));
        let whole = if rest.is_empty() { END_HEADERS } else { 0 };
        self.send(HEADERS, whole | end, stream, first).await?;
        if !rest.is_empty() {
            self.send(CONTINUATION, END_HEADERS, stream, rest).await?;
        }
        Ok(stream)
    }

    /// Sends a header list whose block is not finished.
    pub async fn begin_unfinished(&mut self, fields: &[(&str, &[u8])]) -> io::Result<u32> {
        let stream = self.next_stream;
        self.next_stream += 2;
        let block = fields
            .iter()
            .flat_map(|(name, value)| literal(name.as_bytes(), value))
            .collect::<Vec<_>>();
        self.send(HEADERS, END_STREAM, stream, &block).await?;
        Ok(stream)
    }

    /// Ends a stream with trailers.
    pub async fn end_with(&mut self, stream: u32, trailers: &[(&str, &[u8])]) -> io::Result<()> {
        let block = trailers
            .iter()
            .flat_map(|(name, value)| literal(name.as_bytes(), value))
            .collect::<Vec<_>>();
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, &block)
            .await
    }

    /// Goes on with an unfinished header list by one field, without ending it.
    pub async fn continue_headers(
        &mut self,
        stream: u32,
        name: &str,
        value: &[u8],
    ) -> io::Result<()> {
        self.send(CONTINUATION, 0, stream, &literal(name.as_bytes(), value))
            .await
    }

    /// Reads until this stream is over; small bodies only (no window updates are sent).
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let Ok(frame) = self.frame().await else {
                outcome.gone.get_or_insert(0);
                return outcome;
            };
            if self.housekeeping(&frame).await.is_err() {
                continue;
            }
            match frame.kind {
                GOAWAY => {
                    let code = frame
                        .payload
                        .get(4..8)
                        .map_or(0, |code| u32::from_be_bytes(code.try_into().expect("4")));
                    outcome.gone = Some(code);
                    if code != 0 {
                        return outcome;
                    }
                }
                HEADERS if frame.stream == stream => {
                    outcome.status = outcome.status.or_else(|| status(&frame.payload))
                }
                DATA if frame.stream == stream => outcome.body.extend_from_slice(&frame.payload),
                RST_STREAM if frame.stream == stream => {
                    let code: Option<[u8; 4]> = frame.payload.as_slice().try_into().ok();
                    outcome.reset = code.map(u32::from_be_bytes);
                    return outcome;
                }
                _ => {}
            }
            let ends = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
            if ends && frame.stream == stream {
                return outcome;
            }
        }
    }

    /// A GET with exactly this authority and path.
    pub async fn get(&mut self, authority: &str, path: &[u8]) -> Outcome {
        let fields: [(&str, &[u8]); 4] = [
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", authority.as_bytes()),
            (":path", path),
        ];
        self.request(&fields).await
    }

    /// A request without a body of exactly these fields.
    pub async fn request(&mut self, fields: &[(&str, &[u8])]) -> Outcome {
        match self.begin(fields, true).await {
            Ok(stream) => self.outcome(stream).await,
            Err(_) => Outcome {
                gone: Some(0),
                ..Outcome::default()
            },
        }
    }
}

/// A literal field without indexing and without Huffman coding.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    for text in [name, value] {
        integer(text.len(), &mut out);
        out.extend_from_slice(text);
    }
    out
}

/// HPACK integer with a 7-bit prefix, flag bit zero.
fn integer(mut value: usize, out: &mut Vec<u8>) {
    if value < 127 {
        return out.push(u8::try_from(value).expect("below 127"));
    }
    out.push(127);
    value -= 127;
    while value >= 128 {
        out.push(u8::try_from(value % 128).expect("below 128") | 128);
        value /= 128;
    }
    out.push(u8::try_from(value).expect("below 128"));
}

/// The status in a header block: its first field, indexed or with a literal value.
fn status(block: &[u8]) -> Option<u16> {
    let block = if block.first().is_some_and(|byte| byte & 0xe0 == 0x20) {
        &block[1..]
    } else {
        block
    };
    match *block.first()? {
        byte @ 0x88..=0x8e => Some([200, 204, 206, 304, 400, 404, 500][usize::from(byte - 0x88)]),
        0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e => {
            let length = usize::from(block.get(1)? & 0x7f);
            let text = block.get(2..2 + length)?;
            let digits = if block[1] & 0x80 == 0 {
                text.to_vec()
            } else {
                huffman_digits(text)
            };
            String::from_utf8(digits).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Decodes a Huffman-coded number: 0 to 2 are five bits (0 to 2), 3 to 9 six (25 to 31).
fn huffman_digits(bytes: &[u8]) -> Vec<u8> {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1))
        .collect::<Vec<_>>();
    let mut digits = Vec::new();
    let mut at = 0;
    while at + 5 <= bits.len() {
        let five = bits[at..at + 5]
            .iter()
            .fold(0, |value, bit| value << 1 | bit);
        if five < 3 {
            digits.push(b'0' + five);
            at += 5;
        } else if at + 6 <= bits.len() && (five << 1 | bits[at + 5]) >= 25 && five < 16 {
            digits.push(b'3' + (five << 1 | bits[at + 5]) - 25);
            at += 6;
        } else {
            break;
        }
    }
    digits
}
