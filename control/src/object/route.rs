//! Routes: which requests go to which upstream. Wire form, checks, validated form.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::pattern::{HostPattern, PathPattern};
use super::{ReadContext, Upstream, vars};
use crate::rejection::Refusal;

/// Connect, send and read limits, each > 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connect and TLS handshake, each.
    pub connect: Duration,
    /// Between two successful writes.
    pub send: Duration,
    /// Between two successful reads.
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            connect: minute,
            send: minute,
            read: minute,
        }
    }
}

/// The methods a route takes: a bit set over APISIX's ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(pub(crate) u16);

impl Methods {
    /// Bit order of the set.
    pub const NAMES: [&'static str; 10] = [
        "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE",
    ];

    /// Every method, also ones not in the list: a route without `methods`.
    pub const ANY: Self = Self(u16::MAX);

    /// Whether `method` is in the set.
    pub fn contains(self, method: &str) -> bool {
        self == Self::ANY
            || Self::NAMES
                .iter()
                .position(|n| *n == method)
                .is_some_and(|bit| self.0 & (1 << bit) != 0)
    }
}

/// A validated route.
#[derive(Debug)]
pub struct Route {
    pub(super) id: Arc<str>,
    pub(super) name: Option<String>,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) paths: Vec<PathPattern>,
    pub(super) methods: Methods,
    pub(super) remote_addrs: Vec<IpNet>,
    pub(super) vars: Option<vars::Expr>,
    pub(super) priority: i64,
    pub(super) timeouts: Option<Timeouts>,
    pub(super) enabled: bool,
    pub(super) websocket: Option<bool>,
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) upstream_id: Option<Arc<str>>,
    pub(super) service_id: Option<Arc<str>>,
    pub(super) closed: bool,
}

impl Route {
    /// The id, the store key's last segment.
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }
    /// The optional display name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
    /// Hosts; empty means the service's hosts, or any.
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }
    /// Paths, at least one.
    pub fn paths(&self) -> &[PathPattern] {
        &self.paths
    }
    /// Methods.
    pub const fn methods(&self) -> Methods {
        self.methods
    }
    /// Client networks; empty means any.
    pub fn remote_addrs(&self) -> &[IpNet] {
        &self.remote_addrs
    }
    /// The `vars` expression.
    pub const fn vars(&self) -> Option<&vars::Expr> {
        self.vars.as_ref()
    }
    /// Orders routes with the same path pattern, highest first.
    pub const fn priority(&self) -> i64 {
        self.priority
    }
    /// Overrides the upstream's.
    pub const fn timeouts(&self) -> Option<Timeouts> {
        self.timeouts
    }
    /// `status` is not 0.
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }
    /// `enable_websocket`; `None` leaves it to the service.
    pub const fn websocket(&self) -> Option<bool> {
        self.websocket
    }
    /// The inline upstream.
    pub const fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.upstream.as_ref()
    }
    /// Reference to a named upstream.
    pub const fn upstream_id(&self) -> Option<&Arc<str>> {
        self.upstream_id.as_ref()
    }
    /// Reference to a service.
    pub const fn service_id(&self) -> Option<&Arc<str>> {
        self.service_id.as_ref()
    }
    /// A refused route without a last good version: matches, and answers 503 `RouteRejected`.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Reads a route (see [`super::read`]).
pub(super) fn read(_id: &str, _value: &[u8], _context: &ReadContext<'_>) -> Result<Route, Refusal> {
    Err(Refusal::new("", "not implemented"))
}
