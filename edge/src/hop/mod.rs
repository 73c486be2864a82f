//! The leg between router and processor. In one process it is a function call ([`local`]); apart, [`remote`] picks a
//! processor and [`quic`] carries the same [`Request`] and [`Response`] in the form that [`wire`] defines, over
//! connections on which both ends prove their role ([`identity`]). The two roles meet here and nowhere else.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use control::object::Route;
use control::snapshot::Snapshot;
use http::Method;
use tokio_util::either::Either;

use crate::body::Body;
use crate::fault::Fault;
use crate::tls::Stream;

pub mod identity;
pub mod local;
pub mod quic;
pub mod remote;
pub mod wire;

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

impl Request {
    /// Whether serving it twice is as good as once (RFC 9110, 9.2.2).
    pub fn is_repeatable(&self) -> bool {
        self.upgrade.is_none()
            && matches!(
                self.head.method,
                Method::GET
                    | Method::HEAD
                    | Method::PUT
                    | Method::DELETE
                    | Method::OPTIONS
                    | Method::TRACE
            )
    }
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

/// How a router reaches processors.
pub enum Carrier {
    /// One in the same process.
    Local(local::Local),
    /// Those of the cluster.
    Remote(Rc<remote::Remote>),
}

impl Carrier {
    /// Whether [`Unserved::Rematch`] is possible.
    pub const fn may_ask_again(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// Hands over a request.
    ///
    /// # Errors
    /// [`Unserved`].
    pub async fn call(&self, request: Request) -> Result<Response, Unserved> {
        match self {
            Self::Local(local) => local.call(request).await.map_err(Unserved::Failed),
            Self::Remote(remote) => remote.call(request).await,
        }
    }
}

/// Why a request got no answer from behind the hop.
pub enum Unserved {
    /// For good.
    Failed(Box<Failure>),
    /// The processor has a newer version of the route, or none, and has not had the router's for some time or not at all:
    /// the request must be matched again when the router has got it too. Nothing of it was processed.
    Rematch(Box<Request>),
}

/// An upgraded connection to the target.
pub struct Tunnel {
    /// The connection.
    pub stream: TunnelStream,
    /// Bytes read beyond the 101.
    pub early: Bytes,
}

/// The bytes of an upgraded connection: the target's own, or a stream of the hop to the processor that holds it.
pub type TunnelStream = Either<Stream, Box<quic::Pipe>>;

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
