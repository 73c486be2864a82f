//! HTTP/1.1 as bytes: a buffered connection that sends exactly what it is given and reads messages with their exact
//! heads. Both the clients and the scripted targets stand on it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// How much of a body is kept; the rest is only counted.
const KEPT: usize = 8 << 20;

/// Longest wait for the next bytes of a peer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message head.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Exactly the bytes received, the empty line included.
    pub raw: Vec<u8>,
    /// Request or status line.
    pub start: String,
    /// Header lines in order, values trimmed.
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&raw).into_owned();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once(':').unwrap_or((line, "")))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self {
            raw,
            start,
            headers,
        }
    }

    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The n-th word of the first line.
    pub fn word(&self, index: usize) -> &str {
        self.start.split(' ').nth(index).unwrap_or_default()
    }

    /// Status code, 0 if there is none.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }
}

/// A whole message.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Its head.
    pub head: Head,
    /// The body, cut after eight mebibytes.
    pub body: Vec<u8>,
    /// The body's true length.
    pub length: u64,
    /// Trailer lines of a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Message {
    /// Status code.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Fault code of a gateway fault's body.
    pub fn fault_code(&self) -> String {
        self.json()["fault"]["detail"]["errorcode"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Public reason of a gateway fault's body.
    pub fn reason(&self) -> String {
        self.json()["fault"]["detail"]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A connection with what was read ahead of need.
pub struct Wire<S> {
    /// The connection itself.
    pub stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Wraps a connection.
    pub const fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends exactly these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Reads more bytes; 0 at the end of the stream.
    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(16 << 10);
        tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
            .await
            .map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "no bytes came for half a minute")
            })?
    }

    async fn need(&mut self) -> io::Result<()> {
        if self.fill().await? == 0 {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }

    /// Reads a head; `None` if the stream ends before its first byte.
    pub async fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                return Ok(Some(Head::parse(std::mem::replace(&mut self.buffer, rest))));
            }
            if self.buffer.is_empty() {
                if self.fill().await? == 0 {
                    return Ok(None);
                }
            } else {
                self.need().await?;
            }
        }
    }

    /// Reads the body that `head` announces.
    pub async fn read_body(&mut self, head: Head, framing: Framing) -> io::Result<Message> {
        let mut message = Message {
            head,
            ..Message::default()
        };
        match framing {
            Framing::None => {}
            Framing::Length(length) => self.take(&mut message, length).await?,
            Framing::Chunked => self.read_chunks(&mut message).await?,
            Framing::ToTheEnd => loop {
                let held = self.buffer.len() as u64;
                self.take(&mut message, held).await?;
                if self.fill().await? == 0 {
                    break;
                }
            },
        }
        Ok(message)
    }

    async fn take(&mut self, message: &mut Message, mut wanted: u64) -> io::Result<()> {
        message.length += wanted;
        while wanted > 0 {
            if self.buffer.is_empty() {
                self.need().await?;
            }
            let count = usize::try_from(wanted)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len());
            let room = KEPT.saturating_sub(message.body.len()).min(count);
            message.body.extend_from_slice(&self.buffer[..room]);
            self.buffer.drain(..count);
            wanted -= count as u64;
        }
        Ok(())
    }

    async fn read_chunks(&mut self, message: &mut Message) -> io::Result<()> {
        loop {
            let line = self.read_line().await?;
            let digits = line.split(';').next().unwrap_or_default();
            let size = u64::from_str_radix(digits.trim(), 16).map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidData, format!("chunk size {line:?}"))
            })?;
            if size == 0 {
                break;
            }
            self.take(message, size).await?;
            self.read_line().await?;
        }
        loop {
            let line = self.read_line().await?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok(());
            };
            message
                .trailers
                .push((name.to_owned(), value.trim().to_owned()));
        }
    }

    async fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.need().await?;
        }
    }

    /// Reads an answer to a request of this method, 1xx answers passed over.
    pub async fn reply_to(&mut self, method: &str) -> io::Result<Message> {
        loop {
            let head = self
                .read_head()
                .await?
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            let status = head.status();
            if status != 101 && (100..200).contains(&status) {
                continue;
            }
            let framing = if method == "HEAD" || status == 204 || status == 304 || status == 101 {
                Framing::None
            } else {
                Framing::of(&head, Framing::ToTheEnd)
            };
            return self.read_body(head, framing).await;
        }
    }

    /// Reads an answer to a GET.
    pub async fn reply(&mut self) -> io::Result<Message> {
        self.reply_to("GET").await
    }

    /// Everything until the end of the stream; a reset counts as the end.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await.is_ok_and(|count| count > 0) {}
        std::mem::take(&mut self.buffer)
    }

    /// At least `count` bytes, as they come.
    pub async fn at_least(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.need().await?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug)]
pub enum Framing {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With a last chunk.
    Chunked,
    /// With the connection.
    ToTheEnd,
}

impl Framing {
    /// What the head says, else `otherwise`.
    pub fn of(head: &Head, otherwise: Self) -> Self {
        if head.header("transfer-encoding").is_some() {
            return Self::Chunked;
        }
        head.header("content-length")
            .and_then(|value| value.parse().ok())
            .map_or(otherwise, Self::Length)
    }
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

/// Opens a plain connection.
pub async fn open(address: SocketAddr) -> Wire<TcpStream> {
    let stream = TcpStream::connect(address)
        .await
        .unwrap_or_else(|error| panic!("connect {address}: {error}"));
    stream.set_nodelay(true).expect("a TCP socket");
    Wire::new(stream)
}

/// Sends raw bytes on a new connection and reads one answer.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> io::Result<Message> {
    let mut wire = open(address).await;
    wire.send(bytes).await?;
    wire.reply().await
}

/// GET with this Host on a new connection.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<Message> {
    exchange(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    )
    .await
}
