//! The leg between router and processor. In one process it is a function call ([`local`]); the QUIC transport of the
//! cluster issue carries the same [`Request`] and [`Response`]. The two roles meet here and nowhere else.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use control::object::Route;
use control::snapshot::Snapshot;

use crate::body::Body;
use crate::fault::Fault;
use crate::tls::Stream;

pub mod local;

/// A matched request on its way to a processor.
pub struct Request {
    /// The Snapshot the route was matched in; the processor resolves references in the same one.
    pub snapshot: Arc<Snapshot>,
    /// The matched route.
    pub route: Arc<Route>,
    /// Method, target (origin form, as the client sent it) and end-to-end headers: hop-by-hop ones are already gone,
    /// Forwarded-type ones and Client-Cert already set. `host` is the client's Host. Version is the client's.
    pub head: http::request::Parts,
    /// The body.
    pub body: Body,
    /// The client's address, for chash and vars.
    pub client: SocketAddr,
    /// Decoded, normalised path, for chash on `uri`.
    pub path: String,
    /// Set for an `Upgrade` request that the route lets through: the token asked for, e.g. `websocket`.
    pub upgrade: Option<http::HeaderValue>,
    /// `Expect: 100-continue` was asked; the body starts to flow (and the client is told to go on) when first polled.
    pub expects_continue: bool,
    /// When the request's head was complete.
    pub started: Instant,
}

/// An answer on its way back.
pub struct Response {
    /// Status and end-to-end headers.
    pub head: http::response::Parts,
    /// The body.
    pub body: Body,
    /// After a 101: the target's connection, with bytes already read from it.
    pub tunnel: Option<Tunnel>,
    /// For access log and metrics.
    pub target: TargetFacts,
}

/// An upgraded connection to the target.
pub struct Tunnel {
    /// The connection.
    pub stream: Stream,
    /// Bytes read beyond the 101.
    pub early: Bytes,
}

/// What is known of the target side of one exchange; also kept for failed ones.
#[derive(Clone, Debug, Default)]
pub struct TargetFacts {
    /// Key of the upstream (`upstreams/1`).
    pub upstream: Option<Arc<str>>,
    /// Node as configured: `host:port`.
    pub target: Option<Arc<str>>,
    /// Address used.
    pub address: Option<IpAddr>,
    /// TLS to the target.
    pub tls: Option<Arc<TargetTls>>,
    /// Status of each attempt, 0 if none came, for `X-APISIX-Upstream-Status`.
    pub statuses: Vec<u16>,
    /// Attempts after the first.
    pub retries: u32,
    /// The connection came from the pool.
    pub reused: bool,
}

/// TLS facts of a southbound connection.
#[derive(Clone, Debug)]
pub struct TargetTls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// IANA name.
    pub cipher: &'static str,
    /// Name sent, if any.
    pub sni: Option<String>,
    /// Session resumed.
    pub resumed: bool,
    /// Whether we showed a certificate.
    pub client_cert: bool,
}

/// A failed exchange with what is known of the target.
pub struct Failure {
    /// The fault.
    pub fault: Fault,
    /// Facts for the log.
    pub target: TargetFacts,
}
