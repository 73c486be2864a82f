//! The trials below TLS: the name looked up, the connection made, what a server says unasked and what it answers to a request
//! in the clear.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::asked::Asked;
use super::outcome::{Clear, Outcome};
use crate::handshake::Foreign;
use crate::handshake::transcript;

/// How long a server may take to greet unasked. Those that do greet at once; a TLS server waits for us.
pub(super) const GREETING: Duration = Duration::from_millis(300);
/// Bytes of a greeting or a plaintext answer that are read.
const MOST_READ: usize = 4096;
/// Addresses of a name that are probed.
pub(super) const MOST_ADDRESSES: usize = 4;

/// Addresses of the host, at most [`MOST_ADDRESSES`], IPv4 first.
pub(super) async fn resolve(asked: &Asked) -> Outcome {
    if let Ok(address) = asked.host.parse() {
        return Outcome::Resolved(vec![SocketAddr::new(address, asked.port)]);
    }
    let lookup = tokio::net::lookup_host((asked.host.as_str(), asked.port));
    match timeout(asked.timeout, lookup).await {
        Err(_) => Outcome::NotResolved(format!("no answer in {:?}", asked.timeout)),
        Ok(Err(error)) => Outcome::NotResolved(error.to_string()),
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            addresses.sort_by_key(SocketAddr::is_ipv6);
            addresses.truncate(MOST_ADDRESSES);
            if addresses.is_empty() {
                return Outcome::NotResolved("no addresses".to_owned());
            }
            Outcome::Resolved(addresses)
        }
    }
}

/// Connects within the time for one connection.
pub(super) async fn tcp(asked: &Asked, address: SocketAddr) -> io::Result<TcpStream> {
    let connected = timeout(asked.timeout, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| {
        let text = format!("no connection in {:?}", asked.timeout);
        io::Error::new(io::ErrorKind::TimedOut, text)
    })??;
    // Small messages must not wait for acknowledgements; a socket that refuses still works.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Connects and listens for a greeting.
pub(super) async fn greeting(asked: &Asked, address: SocketAddr) -> Outcome {
    let mut stream = match tcp(asked, address).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::NotConnected(error.to_string()),
    };
    let mut bytes = Vec::with_capacity(MOST_READ);
    // Nothing, a close or a reset is for the handshakes to find out more about.
    let _ = timeout(GREETING, stream.read_buf(&mut bytes)).await;
    Outcome::Connected(transcript::foreign(&bytes))
}

/// Sends an HTTP request in the clear.
pub(super) async fn plaintext(asked: &Asked, address: SocketAddr) -> Outcome {
    let mut stream = match tcp(asked, address).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::NotConnected(error.to_string()),
    };
    let deadline = Instant::now() + asked.timeout;
    if stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.is_err() {
        return Outcome::Clear(Clear::Refused);
    }
    let mut bytes = Vec::with_capacity(MOST_READ);
    let ended = loop {
        match timeout_at(deadline, stream.read_buf(&mut bytes)).await {
            Err(_) => break false,
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(_)) if bytes.len() >= MOST_READ || is_plain(&bytes) => break true,
            Ok(Ok(_)) => {}
        }
    };
    Outcome::Clear(match transcript::foreign(&bytes) {
        Some(foreign) => Clear::Answered(foreign),
        None if bytes.is_empty() && !ended => Clear::Silent,
        None => Clear::Refused,
    })
}

/// An answer in the clear that needs no more reading: a refusal with status 400 says further on what it refuses.
fn is_plain(bytes: &[u8]) -> bool {
    !matches!(
        transcript::foreign(bytes),
        None | Some(Foreign::HttpAnswer(None | Some(400)) | Foreign::Other(..))
    )
}

/// What a foreign protocol is called.
pub(super) fn protocol(foreign: &Foreign) -> String {
    match foreign {
        Foreign::HttpRequest => "an HTTP request".to_owned(),
        Foreign::HttpAnswer(Some(status)) => format!("HTTP in the clear (status {status})"),
        Foreign::HttpAnswer(None) => "HTTP in the clear".to_owned(),
        Foreign::PlainHttpRefused => "a refusal of plain HTTP".to_owned(),
        Foreign::Proxy(version) => format!("a PROXY protocol header, version {version}"),
        Foreign::Sslv2 => "an SSL 2.0 hello".to_owned(),
        Foreign::Ssh => "SSH".to_owned(),
        Foreign::Greeting(code) => format!("a greeting with code {code}, as SMTP and FTP send it"),
        Foreign::Mysql => "MySQL's greeting".to_owned(),
        Foreign::Markup => "HTML or XML".to_owned(),
        Foreign::Other(bytes, length) => {
            let shown = &bytes[..usize::from(*length).min(bytes.len())];
            let hex: Vec<String> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("something that begins with {}", hex.join(" "))
        }
    }
}
