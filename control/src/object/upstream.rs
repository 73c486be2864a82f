//! Upstreams: a named set of nodes and the policy for choosing among and talking to them. Wire form, checks, validated
//! form; `nodes`, `balance`, `check` and `upstream_tls` read their members.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::wire::{self, Fault, Fields};
use super::{Balance, Checks, HostPattern, Node, ReadContext, Timeouts, UpstreamTls};
use super::{balance, check, nodes, route, upstream_tls};
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
pub(super) fn read(id: &str, value: &[u8], context: &ReadContext<'_>) -> Result<Upstream, Refusal> {
    let json = super::parse(value)?;
    build(&format!("upstreams/{id}"), json, context).map_err(Fault::into_refusal)
}

/// What APISIX takes and Sallyport does not implement.
const REFUSED: &[&str] = &["service_name", "discovery_type", "discovery_args"];

/// Reads an upstream, named or inline, under its `key`.
pub(super) fn build(key: &str, json: Value, context: &ReadContext<'_>) -> Result<Upstream, Fault> {
    let mut fields = Fields::of(json)?;
    fields.meta(true)?;
    fields.refuse(REFUSED)?;
    let scheme = fields.with("scheme", scheme)?.unwrap_or(Scheme::Http);
    let nodes = fields.with("nodes", |value| nodes::read(value, scheme))?;
    let balance = balance::read(&mut fields)?;
    let pass_host = pass_host(&mut fields)?;
    let retries = fields.count("retries", 0)?;
    let retry_timeout = fields
        .seconds("retry_timeout", false)?
        .filter(|limit| !limit.is_zero());
    let timeouts = fields.with("timeout", route::timeouts)?.unwrap_or_default();
    let keepalive = fields
        .with("keepalive_pool", keepalive)?
        .unwrap_or_default();
    let tls = fields
        .with("tls", |value| upstream_tls::read(value, context))?
        .unwrap_or_default();
    let checks = fields.with("checks", check::read)?;
    fields.finish()?;
    let nodes = nodes.ok_or_else(|| wire::required("nodes"))?;
    Ok(Upstream {
        key: key.into(),
        nodes,
        balance,
        scheme,
        pass_host,
        retries,
        retry_timeout,
        timeouts,
        keepalive,
        tls,
        checks,
    })
}

fn scheme(value: Value) -> Result<Scheme, Fault> {
    match wire::string(value, (0, 16))?.as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        "grpc" => Ok(Scheme::Grpc),
        "grpcs" => Ok(Scheme::Grpcs),
        other @ ("tcp" | "tls" | "udp" | "kafka") => Err(Fault::plain(format!(
            "invalid configuration: scheme {other} is not implemented by Sallyport"
        ))),
        _ => Err(Fault::schema("matches none of the enum values")),
    }
}

fn pass_host(fields: &mut Fields) -> Result<PassHost, Fault> {
    let rule = fields.one_of(
        "pass_host",
        &[
            ("pass", PassRule::Pass),
            ("node", PassRule::Node),
            ("rewrite", PassRule::Rewrite),
        ],
    )?;
    let host = fields.with("upstream_host", |value| {
        let text = wire::string(value, (0, 256))?;
        // A pattern with a wildcard is no Host to send.
        match HostPattern::read(&text) {
            Ok(HostPattern::Exact(_)) => Ok(text),
            _ if text.is_empty() => Ok(text),
            Ok(_) => Err(Fault::schema(format!(
                "\"{text}\" is a pattern, not a host"
            ))),
            Err(reason) => Err(Fault::schema(reason)),
        }
    })?;
    match rule.unwrap_or(PassRule::Pass) {
        PassRule::Pass => Ok(PassHost::Pass),
        PassRule::Node => Ok(PassHost::Node),
        PassRule::Rewrite => match host.filter(|host| !host.is_empty()) {
            Some(host) => Ok(PassHost::Rewrite(host.into())),
            None => Err(Fault::plain(
                "invalid configuration: `upstream_host` can't be empty when `pass_host` is `rewrite`",
            )
            .about("upstream_host")),
        },
    }
}

#[derive(Clone, Copy)]
enum PassRule {
    Pass,
    Node,
    Rewrite,
}

fn keepalive(value: Value) -> Result<KeepalivePool, Fault> {
    let mut fields = Fields::of(value)?;
    let size = fields.count("size", 1)?;
    let idle_timeout = fields.seconds("idle_timeout", false)?;
    let requests = fields.count("requests", 1)?;
    fields.finish()?;
    let default = KeepalivePool::default();
    Ok(KeepalivePool {
        size: size.unwrap_or(default.size),
        idle_timeout: idle_timeout.unwrap_or(default.idle_timeout),
        requests: requests.unwrap_or(default.requests),
    })
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
