//! What a scripted target does with a request.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::http1::Message;

/// One request as a target saw it.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which connection of this target, from 0.
    pub connection: usize,
    /// Head and body.
    pub message: Message,
    /// Common name in the client certificate of the connection, if it showed one.
    pub client: Option<String>,
    /// Name the client asked for in its hello.
    pub sni: Option<String>,
}

impl Received {
    /// Request target as received.
    pub fn target(&self) -> &str {
        self.message.head.word(1)
    }

    /// Everything about it, as the echo answer carries it.
    pub fn to_json(&self) -> Value {
        json!({
            "connection": self.connection,
            "method": self.message.head.word(0),
            "target": self.target(),
            "headers": self.message.head.headers,
            "head": STANDARD.encode(&self.message.head.raw),
            "body": String::from_utf8_lossy(&self.message.body),
            "length": self.message.length,
            "trailers": self.message.trailers,
            "client": self.client,
            "sni": self.sni,
        })
    }
}

/// What to do.
#[derive(Clone)]
pub enum Answer {
    /// Send these bytes and go on with the connection.
    Send(Vec<u8>),
    /// Send these bytes and close.
    SendAndClose(Vec<u8>),
    /// Say nothing, hold the connection.
    Hang,
    /// Wait until the test lets go, then do this.
    Hold(Arc<Notify>, Box<Self>),
    /// Wait, then do this.
    After(Duration, Box<Self>),
    /// 200 with a body of so many bytes.
    Stream(u64),
    /// 101, then send back whatever comes.
    Tunnel,
    /// 101, then send back whatever comes; once the other side has ended its half, send these bytes and close.
    TunnelToTheEnd(Vec<u8>),
}

impl Answer {
    /// 200 with this body.
    pub fn ok(body: &str) -> Self {
        Self::status("200 OK", body)
    }

    /// Any status with this body.
    pub fn status(status: &str, body: &str) -> Self {
        Self::Send(
            format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes(),
        )
    }

    /// Exactly these bytes.
    pub fn raw(bytes: &str) -> Self {
        Self::Send(bytes.as_bytes().to_vec())
    }

    /// 200 with the request as JSON.
    pub fn echo(received: &Received) -> Self {
        let body = received.to_json().to_string();
        Self::Send(
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .into_bytes(),
        )
    }
}
