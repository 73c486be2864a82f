//! Health checks of an upstream: `checks.active` and `checks.passive`, read and validated (reference: APISIX
//! health_checker). The probing and judging is the processor's.

use std::time::Duration;

use serde_json::Value;

use super::wire::{self, Fault, Fields};

/// How a probe is made or an exchange judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CheckType {
    /// An HTTP request.
    Http,
    /// An HTTP request over TLS.
    Https,
    /// A TCP connect.
    Tcp,
}

/// Active probes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActiveCheck {
    /// Kind of probe.
    pub kind: CheckType,
    /// For one probe. Default 1 s.
    pub timeout: Duration,
    /// Probes at once. Default 10.
    pub concurrency: u32,
    /// Host header and SNI; default as traffic's.
    pub host: Option<String>,
    /// Port to probe; default the node's.
    pub port: Option<u16>,
    /// Default GET.
    pub method: String,
    /// Default `/`.
    pub path: String,
    /// Body of the probe.
    pub body: String,
    /// Verify the target's certificate. Default true.
    pub verify: bool,
    /// Extra `Name: value` headers.
    pub headers: Vec<(String, String)>,
    /// Between probes of a healthy node. Default 1 s.
    pub healthy_interval: Duration,
    /// Between probes of an unhealthy node. Default 1 s.
    pub unhealthy_interval: Duration,
    /// Statuses that count as success. Default 200, 302.
    pub healthy_statuses: Vec<u16>,
    /// Statuses that count as failure.
    pub unhealthy_statuses: Vec<u16>,
    /// Successes until healthy. Default 2.
    pub successes: u32,
    /// Until unhealthy. Default 5.
    pub http_failures: u32,
    /// Until unhealthy. Default 2.
    pub tcp_failures: u32,
    /// Until unhealthy. Default 3.
    pub timeouts: u32,
}

/// Judging live traffic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PassiveCheck {
    /// Statuses that count as success.
    pub healthy_statuses: Vec<u16>,
    /// Statuses that count as failure. Default 429, 500, 503.
    pub unhealthy_statuses: Vec<u16>,
    /// Successes until healthy. Default 5; 0 never.
    pub successes: u32,
    /// Until unhealthy. Default 5; 0 never.
    pub http_failures: u32,
    /// Until unhealthy. Default 2; 0 never.
    pub tcp_failures: u32,
    /// Until unhealthy. Default 7; 0 never.
    pub timeouts: u32,
}

/// What an upstream asks for: active, or active and passive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Checks {
    /// Active probes (always present: APISIX refuses passive alone).
    pub active: ActiveCheck,
    /// Passive judgement.
    pub passive: Option<PassiveCheck>,
}

const TYPES: &[(&str, CheckType)] = &[
    ("http", CheckType::Http),
    ("https", CheckType::Https),
    ("tcp", CheckType::Tcp),
];

/// Reads the `checks` member.
pub(super) fn read(value: Value) -> Result<Checks, Fault> {
    let mut fields = Fields::of(value)?;
    let active = fields.with("active", active)?;
    let passive = fields.with("passive", passive)?;
    fields.finish()?;
    Ok(Checks {
        active: active.ok_or_else(|| wire::required("active"))?,
        passive,
    })
}

fn active(value: Value) -> Result<ActiveCheck, Fault> {
    let mut fields = Fields::of(value)?;
    let healthy = fields.with("healthy", |value| Counters::read(value, 1, HEALTHY))?;
    let unhealthy = fields.with("unhealthy", |value| Counters::read(value, 1, UNHEALTHY))?;
    let (healthy, unhealthy) = (healthy.unwrap_or_default(), unhealthy.unwrap_or_default());
    let check = ActiveCheck {
        kind: fields.one_of("type", TYPES)?.unwrap_or(CheckType::Http),
        timeout: fields
            .seconds("timeout", true)?
            .unwrap_or(Duration::from_secs(1)),
        concurrency: fields.count("concurrency", 1)?.unwrap_or(10),
        host: fields.with("host", host)?,
        port: fields
            .counted("port", (1, u32::from(u16::MAX)))?
            .and_then(|port| u16::try_from(port).ok()),
        method: fields
            .with("http_method", method)?
            .unwrap_or_else(|| "GET".to_owned()),
        path: fields
            .with("http_path", path)?
            .unwrap_or_else(|| "/".to_owned()),
        body: fields
            .string("http_req_body", (0, 65_536))?
            .unwrap_or_default(),
        verify: fields.boolean("https_verify_certificate")?.unwrap_or(true),
        headers: fields.with("req_headers", headers)?.unwrap_or_default(),
        healthy_interval: healthy.interval.unwrap_or(Duration::from_secs(1)),
        unhealthy_interval: unhealthy.interval.unwrap_or(Duration::from_secs(1)),
        healthy_statuses: healthy.statuses.unwrap_or_else(|| vec![200, 302]),
        unhealthy_statuses: unhealthy
            .statuses
            .unwrap_or_else(|| vec![429, 404, 500, 501, 502, 503, 504, 505]),
        successes: healthy.successes.unwrap_or(2),
        http_failures: unhealthy.http_failures.unwrap_or(5),
        tcp_failures: unhealthy.tcp_failures.unwrap_or(2),
        timeouts: unhealthy.timeouts.unwrap_or(3),
    };
    fields.finish()?;
    Ok(check)
}

fn passive(value: Value) -> Result<PassiveCheck, Fault> {
    let mut fields = Fields::of(value)?;
    // What is judged is the traffic itself; the kind of probe has nothing to say about it.
    fields.one_of("type", TYPES)?;
    let healthy = fields.with("healthy", |value| Counters::read(value, 0, PASSIVE_HEALTHY))?;
    let unhealthy = fields.with("unhealthy", |value| {
        Counters::read(value, 0, PASSIVE_UNHEALTHY)
    })?;
    fields.finish()?;
    let (healthy, unhealthy) = (healthy.unwrap_or_default(), unhealthy.unwrap_or_default());
    Ok(PassiveCheck {
        healthy_statuses: healthy
            .statuses
            .unwrap_or_else(|| (200..=208).chain([226]).chain(300..=308).collect()),
        unhealthy_statuses: unhealthy.statuses.unwrap_or_else(|| vec![429, 500, 503]),
        successes: healthy.successes.unwrap_or(5),
        http_failures: unhealthy.http_failures.unwrap_or(5),
        tcp_failures: unhealthy.tcp_failures.unwrap_or(2),
        timeouts: unhealthy.timeouts.unwrap_or(7),
    })
}

/// One of the four `healthy` / `unhealthy` objects; which members it may have differs.
#[derive(Default)]
struct Counters {
    interval: Option<Duration>,
    statuses: Option<Vec<u16>>,
    successes: Option<u32>,
    http_failures: Option<u32>,
    tcp_failures: Option<u32>,
    timeouts: Option<u32>,
}

const HEALTHY: &[&str] = &["interval", "http_statuses", "successes"];
const UNHEALTHY: &[&str] = &[
    "interval",
    "http_statuses",
    "http_failures",
    "tcp_failures",
    "timeouts",
];
const PASSIVE_HEALTHY: &[&str] = &["http_statuses", "successes"];
const PASSIVE_UNHEALTHY: &[&str] = &["http_statuses", "http_failures", "tcp_failures", "timeouts"];

impl Counters {
    /// Reads the members of `known`; counts go from `least` to 254.
    fn read(value: Value, least: u32, known: &[&str]) -> Result<Self, Fault> {
        let mut fields = Fields::of(value)?;
        let mut counters = Self::default();
        if known.contains(&"interval") {
            let seconds = fields.count("interval", 1)?;
            counters.interval = seconds.map(|seconds| Duration::from_secs(u64::from(seconds)));
        }
        counters.statuses = fields.with("http_statuses", statuses)?;
        let mut count = |name: &'static str| {
            if known.contains(&name) {
                fields.counted(name, (least, 254))
            } else {
                Ok(None)
            }
        };
        counters.successes = count("successes")?;
        counters.http_failures = count("http_failures")?;
        counters.tcp_failures = count("tcp_failures")?;
        counters.timeouts = count("timeouts")?;
        fields.finish()?;
        Ok(counters)
    }
}

fn statuses(value: Value) -> Result<Vec<u16>, Fault> {
    let mut statuses = Vec::new();
    for (index, status) in wire::array(value, 1)?.iter().enumerate() {
        let status = wire::integer(status, (200, 599)).map_err(|fault| fault.at(index))?;
        statuses.push(u16::try_from(status).unwrap_or_default());
    }
    wire::unique(&statuses)?;
    Ok(statuses)
}

fn host(value: Value) -> Result<String, Fault> {
    let text = wire::string(value, (1, 256))?;
    match super::HostPattern::read(&text) {
        Ok(super::HostPattern::Exact(_)) => Ok(text),
        Ok(_) => Err(Fault::schema(format!(
            "\"{text}\" is a pattern, not a host"
        ))),
        Err(reason) => Err(Fault::schema(reason)),
    }
}

fn method(value: Value) -> Result<String, Fault> {
    let text = wire::string(value, (1, 16))?;
    if super::Methods::NAMES.contains(&text.as_str()) {
        Ok(text)
    } else {
        Err(Fault::schema("matches none of the enum values"))
    }
}

fn path(value: Value) -> Result<String, Fault> {
    let text = wire::string(value, (1, 4096))?;
    if text.starts_with('/') && text.bytes().all(|b| b > b' ' && b != 0x7F) {
        Ok(text)
    } else {
        Err(Fault::schema(format!(
            "{text:?} is not a path: it starts with / and has neither blanks nor control characters"
        )))
    }
}

fn headers(value: Value) -> Result<Vec<(String, String)>, Fault> {
    let mut headers = Vec::new();
    for (index, item) in wire::array(value, 1)?.into_iter().enumerate() {
        headers.push(header(item).map_err(|fault| fault.at(index))?);
    }
    wire::unique(&headers)?;
    Ok(headers)
}

fn header(value: Value) -> Result<(String, String), Fault> {
    let text = wire::string(value, (1, 8192))?;
    let parts = text
        .split_once(':')
        .map(|(name, value)| (name.trim(), value.trim()));
    let valid = parts.filter(|(name, value)| {
        http::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && http::HeaderValue::from_str(value).is_ok()
    });
    match valid {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Fault::schema(
            "a header is written \"Name: value\", without control characters",
        )),
    }
}
