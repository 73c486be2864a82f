//! Upstreams: a named set of nodes and the policy for choosing among and talking to them.

use std::sync::Arc;
use std::time::Duration;

use super::{Balance, Checks, ReadContext, Timeouts, UpstreamTls};
use crate::rejection::Refusal;

/// Protocol towards the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 in the clear.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 in the clear.
    Grpc,
    /// HTTP/2 over TLS.
    Grpcs,
}

impl Scheme {
    /// Whether TLS is originated.
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }
    /// Whether HTTP/2 is spoken.
    pub const fn is_h2(self) -> bool {
        matches!(self, Self::Grpc | Self::Grpcs)
    }
    /// Port of a node that names none.
    pub const fn default_port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }
}

/// The Host the target gets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PassHost {
    /// The client's.
    Pass,
    /// The node's name, with its port unless it is the scheme's own.
    Node,
    /// `upstream_host`.
    Rewrite(Arc<str>),
}

/// One node of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Name or address, no brackets, lower case.
    pub host: Arc<str>,
    /// Port; the scheme's default is already filled in.
    pub port: u16,
    /// 0 is picked only if every weight is 0.
    pub weight: u32,
    /// Higher groups are used first.
    pub priority: i32,
}

/// Idle connections kept to each target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeepalivePool {
    /// At most, per target and thread. Default 320.
    pub size: u32,
    /// Default 60 s; 0 keeps for ever.
    pub idle_timeout: Duration,
    /// Requests on one connection. Default 1000.
    pub requests: u32,
}

impl Default for KeepalivePool {
    fn default() -> Self {
        Self {
            size: 320,
            idle_timeout: Duration::from_secs(60),
            requests: 1000,
        }
    }
}

/// A validated upstream. An inline one has the key of the object it is in.
#[derive(Debug)]
pub struct Upstream {
    /// `upstreams/ID`, or `routes/ID` / `services/ID` for an inline one. Unique; metric label and balancer key.
    pub(super) key: Arc<str>,
    pub(super) nodes: Vec<Node>,
    pub(super) balance: Balance,
    pub(super) scheme: Scheme,
    pub(super) pass_host: PassHost,
    pub(super) retries: Option<u32>,
    pub(super) retry_timeout: Option<Duration>,
    pub(super) timeouts: Timeouts,
    pub(super) keepalive: KeepalivePool,
    pub(super) tls: UpstreamTls,
    pub(super) checks: Option<Checks>,
}

impl Upstream {
    /// `upstreams/ID`, or `routes/ID` / `services/ID` for an inline one.
    pub const fn key(&self) -> &Arc<str> {
        &self.key
    }
    /// Nodes, in the order given; may be empty.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
    /// Algorithm.
    pub const fn balance(&self) -> &Balance {
        &self.balance
    }
    /// Protocol.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }
    /// Host rule.
    pub const fn pass_host(&self) -> &PassHost {
        &self.pass_host
    }
    /// Retries; `None` means nodes − 1.
    pub const fn retries(&self) -> Option<u32> {
        self.retries
    }
    /// No retry starts later than this after the request; `None` is no limit.
    pub const fn retry_timeout(&self) -> Option<Duration> {
        self.retry_timeout
    }
    /// Limits, 60 s each by default.
    pub const fn timeouts(&self) -> Timeouts {
        self.timeouts
    }
    /// Idle pool.
    pub const fn keepalive(&self) -> KeepalivePool {
        self.keepalive
    }
    /// TLS to the target.
    pub const fn tls(&self) -> &UpstreamTls {
        &self.tls
    }
    /// Health checks.
    pub const fn checks(&self) -> Option<&Checks> {
        self.checks.as_ref()
    }
}

/// Reads a named upstream (see [`super::read`]).
pub(super) fn read(
    _id: &str,
    _value: &[u8],
    _context: &ReadContext<'_>,
) -> Result<Upstream, Refusal> {
    Err(Refusal::new("", "not implemented"))
}
