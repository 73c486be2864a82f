//! Health checks of an upstream: validated `checks.active` and `checks.passive` (reference: APISIX health_checker).

use std::time::Duration;

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
