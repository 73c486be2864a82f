//! Routes: which requests go to which upstream. Wire form, checks, validated form, and what a refused one closes.
//! Matching is `snapshot`'s.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use serde_json::Value;

use super::wire::{self, Fault, Fields};
use super::{HostPattern, PathPattern, ReadContext, Upstream, plugins, upstream, vars};
use crate::rejection::{Closes, Refusal};

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
    /// What answers where this one would have: its object is valid, but may not be served.
    pub(crate) fn shut(self) -> Self {
        Self {
            closed: true,
            ..self
        }
    }
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
pub(super) fn read(id: &str, value: &[u8], context: &ReadContext<'_>) -> Result<Route, Refusal> {
    let json = super::parse(value)?;
    build(id, json, context).map_err(|fault| Refusal {
        closes: closes(id, value),
        ..fault.into_refusal()
    })
}

/// What APISIX takes and Sallyport does not implement.
const REFUSED: &[&str] = &["filter_func", "script", "script_id", "plugin_config_id"];

fn build(id: &str, json: Value, context: &ReadContext<'_>) -> Result<Route, Fault> {
    let mut fields = Fields::of(json)?;
    let name = fields.meta(true)?;
    fields.refuse(REFUSED)?;
    let has_target = ["plugins", "upstream", "upstream_id", "service_id"]
        .iter()
        .any(|name| fields.has(name));
    let paths = either(&mut fields, ("uri", "uris"), path)?;
    let paths = paths
        .ok_or_else(|| Fault::plain(format!("invalid configuration: {ONE_URI}")).about("uri"))?;
    let hosts = either(&mut fields, ("host", "hosts"), host)?.unwrap_or_default();
    let remote_addrs =
        either(&mut fields, ("remote_addr", "remote_addrs"), network)?.unwrap_or_default();
    let methods = fields.with("methods", methods)?.unwrap_or(Methods::ANY);
    let vars = fields.with("vars", |value| {
        let failed =
            |fault| Fault::plain(format!("failed to validate the 'vars' expression: {fault}"));
        vars::Expr::parse(&value).map_err(failed)
    })?;
    let priority = fields
        .integer("priority", (i64::MIN, i64::MAX))?
        .unwrap_or(0);
    let timeouts = fields.with("timeout", timeouts)?;
    let enabled = fields.status()?;
    let websocket = fields.boolean("enable_websocket")?;
    fields.with("plugins", plugins::read)?;
    let inline = |value| upstream::build(&format!("routes/{id}"), value, context).map(Arc::new);
    let upstream = fields.with("upstream", inline)?;
    let upstream_id = fields.reference("upstream_id")?;
    let service_id = fields.reference("service_id")?;
    fields.finish()?;
    if !has_target {
        return Err(Fault::plain(NO_TARGET).about("upstream"));
    }
    Ok(Route {
        id: id.into(),
        name,
        hosts,
        paths,
        methods,
        remote_addrs,
        vars,
        priority,
        timeouts,
        enabled,
        websocket,
        upstream,
        upstream_id,
        service_id,
        closed: false,
    })
}

const ONE_URI: &str = "exactly one of uri and uris must be given";
const NO_TARGET: &str = "invalid configuration: at least one of plugins, upstream, upstream_id and service_id must be given";

/// Takes the single form or the list form of a member; both at once are refused.
fn either<T>(
    fields: &mut Fields,
    (one, many): (&'static str, &'static str),
    read: impl Fn(Value) -> Result<T, Fault>,
) -> Result<Option<Vec<T>>, Fault> {
    if fields.has(one) && fields.has(many) {
        return Err(Fault::plain(match one {
            "uri" => format!("invalid configuration: {ONE_URI}"),
            _ => format!("only one of {one} or {many} is allowed"),
        })
        .about(many));
    }
    let single = fields.with(one, &read)?.map(|value| vec![value]);
    let list = fields.with(many, |value| {
        let items = wire::array(value, 1)?;
        wire::unique(&items)?;
        let items = items.into_iter().enumerate();
        items
            .map(|(index, item)| read(item).map_err(|fault| fault.at(index)))
            .collect()
    })?;
    Ok(single.or(list))
}

fn path(value: Value) -> Result<PathPattern, Fault> {
    PathPattern::parse(&wire::string(value, (1, 4096))?).map_err(Fault::schema)
}

/// Reads one host pattern.
pub(super) fn host(value: Value) -> Result<HostPattern, Fault> {
    HostPattern::read(&wire::string(value, (1, 256))?).map_err(Fault::schema)
}

fn network(value: Value) -> Result<IpNet, Fault> {
    let text = wire::string(value, (1, 64))?;
    let net = text.parse::<IpNet>().or_else(|_| {
        text.parse()
            .map(|address: std::net::IpAddr| IpNet::from(address))
    });
    net.map(|net| net.trunc()).map_err(|_| {
        Fault::schema(format!(
            "\"{text}\" is neither an IP address nor a CIDR range"
        ))
    })
}

fn methods(value: Value) -> Result<Methods, Fault> {
    let items = wire::array(value, 0)?;
    wire::unique(&items)?;
    let mut set = 0;
    for (index, item) in items.into_iter().enumerate() {
        set |= method(item).map_err(|fault| fault.at(index))?;
    }
    // An empty list restricts nothing, as in APISIX.
    Ok(if set == 0 { Methods::ANY } else { Methods(set) })
}

/// The bit of one method.
fn method(value: Value) -> Result<u16, Fault> {
    let name = wire::string(value, (0, 16))?;
    let bit = Methods::NAMES.iter().position(|known| *known == name);
    bit.map(|bit| 1 << bit)
        .ok_or_else(|| Fault::schema("matches none of the enum values"))
}

/// Reads a `timeout` member: all three limits, in seconds.
pub(super) fn timeouts(value: Value) -> Result<Timeouts, Fault> {
    let mut fields = Fields::of(value)?;
    let connect = fields.seconds("connect", true)?;
    let send = fields.seconds("send", true)?;
    let read = fields.seconds("read", true)?;
    fields.finish()?;
    Ok(Timeouts {
        connect: connect.ok_or_else(|| wire::required("connect"))?,
        send: send.ok_or_else(|| wire::required("send"))?,
        read: read.ok_or_else(|| wire::required("read"))?,
    })
}

/// A closed route for what a refused one would have matched, as far as that can be read. Parts that cannot be read do
/// not narrow it; hosts or paths of which none can be read close nothing, lest everybody's requests are refused.
fn closes(id: &str, value: &[u8]) -> Closes {
    let Ok(Ok(mut fields)) = super::parse(value).map(Fields::of) else {
        return Closes::Nothing;
    };
    if matches!(fields.status(), Ok(false)) {
        return Closes::Nothing;
    }
    let hosts_given = fields.has("host") || fields.has("hosts");
    let hosts = readable(&mut fields, ("host", "hosts"), host);
    let paths = readable(&mut fields, ("uri", "uris"), path);
    if paths.is_empty() || (hosts_given && hosts.is_empty()) {
        return Closes::Nothing;
    }
    let methods = readable(&mut fields, ("", "methods"), method)
        .into_iter()
        .fold(0, |set, bit| set | bit);
    let vars = fields
        .take("vars")
        .and_then(|value| vars::Expr::parse(&value).ok());
    Closes::Route(Arc::new(Route {
        id: id.into(),
        name: None,
        hosts,
        paths,
        methods: if methods == 0 {
            Methods::ANY
        } else {
            Methods(methods)
        },
        remote_addrs: readable(&mut fields, ("remote_addr", "remote_addrs"), network),
        vars,
        priority: fields
            .integer("priority", (i64::MIN, i64::MAX))
            .ok()
            .flatten()
            .unwrap_or(0),
        timeouts: None,
        enabled: true,
        websocket: None,
        upstream: None,
        upstream_id: None,
        service_id: fields.reference("service_id").ok().flatten(),
        closed: true,
    }))
}

/// What can be read of the single and the list form together.
fn readable<T>(
    fields: &mut Fields,
    (one, many): (&str, &str),
    read: impl Fn(Value) -> Result<T, Fault>,
) -> Vec<T> {
    let list = match fields.take(many) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    fields
        .take(one)
        .into_iter()
        .chain(list)
        .filter_map(|value| read(value).ok())
        .collect()
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
