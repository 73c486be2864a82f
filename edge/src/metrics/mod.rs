//! Every number the data path exposes, in a registry of its own; names and labels are README's table. Owns the series
//! and their end: those of deleted routes, upstreams and certificates are removed. Does not serve them (`status` does).
//! A leaf. Labels are enums or object ids, never anything a client chooses.
//!
//! What is counted for every request goes through handles resolved beforehand ([`RequestMetrics`]) or per-hop
//! arrays: no label look-up on the request path. Connections and handshakes look their labels up, at some 0.2 µs.

mod by_route;
mod define;
mod request;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{
    Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};

pub use by_route::ByRoute;
pub use request::RequestMetrics;

use crate::alert::{Alert, Cause, Direction, Hop};

/// The commit this was built from (`SALLYPORT_COMMIT` at build time), or `unknown`.
pub const COMMIT: &str = match option_env!("SALLYPORT_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

const HOPS: [Hop; 3] = [Hop::Northbound, Hop::Internal, Hop::Southbound];

/// All metrics of one node.
pub struct Metrics {
    registry: Registry,
    tls: TlsSeries,
    requests: request::Families,
    traffic: TrafficSeries,
    config: ConfigSeries,
    certificate_set: Mutex<HashSet<(String, String)>>,
    log_dropped: IntCounter,
}

struct TlsSeries {
    handshakes: IntCounterVec,
    failures: IntCounterVec,
    revised: IntCounterVec,
    lines_suppressed: IntCounter,
    seconds: [Histogram; 3],
    certificate_end: IntGaugeVec,
}

struct TrafficSeries {
    in_flight: [IntGauge; 3],
    connections: IntGaugeVec,
    connections_total: IntCounterVec,
    bytes: [[IntCounter; 2]; 3],
    retries: IntCounterVec,
    hop_retries: IntCounterVec,
    target_healthy: IntGaugeVec,
}

struct ConfigSeries {
    seen: IntGauge,
    applied: IntGauge,
    objects: IntGaugeVec,
    rejected: IntGaugeVec,
    apply_seconds: Histogram,
    store_connected: IntGauge,
}

impl Metrics {
    /// A fresh set with a registry of its own, so that two nodes in one process stay apart.
    pub fn new() -> Arc<Self> {
        Arc::new(define::metrics())
    }

    /// The whole page in Prometheus' text format.
    pub fn encode(&self) -> String {
        let mut page = String::with_capacity(64 << 10);
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut page) {
            tracing::error!(%error, "metrics could not be written out");
        }
        page
    }

    /// A handshake that ended well. `version` is `TLSv1.2` or `TLSv1.3`; `client_auth` says that a client certificate
    /// was asked for.
    pub fn handshake_ok(
        &self,
        hop: Hop,
        version: &'static str,
        resumed: bool,
        client_auth: bool,
        took: Duration,
    ) {
        self.tls
            .handshakes
            .with_label_values(&[
                hop.as_str(),
                "ok",
                version,
                truth(resumed),
                truth(client_auth),
            ])
            .inc();
        self.tls.seconds[hop as usize].observe(took.as_secs_f64());
    }

    /// A handshake that failed. A connection that ended without a byte (`probe_no_data`: port scans, load balancers'
    /// checks) shows among the causes only, so that the failure rate is one of real handshakes.
    pub fn handshake_failed(&self, hop: Hop, cause: Cause, alert: Option<(Alert, Direction)>) {
        let (alert, direction) = alert.map_or(("none", "none"), |(alert, direction)| {
            (alert.name(), direction.as_str())
        });
        self.tls
            .failures
            .with_label_values(&[hop.as_str(), cause.as_str(), alert, direction])
            .inc();
        if cause != Cause::ProbeNoData {
            self.tls
                .handshakes
                .with_label_values(&[hop.as_str(), "failed", "none", "false", "false"])
                .inc();
        }
    }

    /// A probe corrected the cause of a failure that is counted already.
    pub fn diagnosis_revised(&self, from: Cause, to: Cause) {
        self.tls
            .revised
            .with_label_values(&[from.as_str(), to.as_str()])
            .inc();
    }

    /// A line about a failed handshake that was not written: the same one goes on, or there are too many.
    pub fn failure_line_suppressed(&self) {
        self.tls.lines_suppressed.inc();
    }

    /// Handle for the requests of `route` (an object id, or a fixed word for requests without one); the same handle is
    /// returned until [`Self::forget_route`]. Callers keep it beside the route: this call takes a lock.
    pub fn requests(&self, hop: Hop, route: &str) -> RequestMetrics {
        self.requests.handle(hop, route)
    }

    /// Removes the series of a deleted route. Requests of it that are still running are no longer counted.
    pub fn forget_route(&self, route: &str) {
        self.requests.forget(route);
    }

    /// One request in flight at `hop` until the guard is dropped.
    pub fn in_flight(&self, hop: Hop) -> InFlight {
        let gauge = self.traffic.in_flight[hop as usize].clone();
        gauge.inc();
        InFlight(gauge)
    }

    /// One open connection until the guard is dropped. `protocol`: `http`, `https`, `http/1.1`, `h2`, `tcp`, ...
    pub fn connection(&self, hop: Hop, protocol: &'static str) -> ConnectionGuard {
        let labels = [hop.as_str(), protocol];
        self.traffic
            .connections_total
            .with_label_values(&labels)
            .inc();
        let gauge = self.traffic.connections.with_label_values(&labels);
        gauge.inc();
        ConnectionGuard(gauge)
    }

    /// Body bytes that passed `hop`: `out` is away from us.
    pub fn bytes(&self, hop: Hop, out: bool, n: u64) {
        self.traffic.bytes[hop as usize][usize::from(out)].inc_by(n);
    }

    /// A further attempt for a request to `upstream` (its key), and why.
    pub fn retry(&self, upstream: &str, reason: &'static str) {
        self.traffic
            .retries
            .with_label_values(&[upstream, reason])
            .inc();
    }

    /// A request that a processor did not take or lost is offered to another one, and why.
    pub fn hop_retry(&self, reason: &'static str) {
        self.traffic.hop_retries.with_label_values(&[reason]).inc();
    }

    /// What health checks think of `target` (`host:port`) of `upstream`.
    pub fn target_health(&self, upstream: &str, target: &str, healthy: bool) {
        self.traffic
            .target_healthy
            .with_label_values(&[upstream, target])
            .set(i64::from(healthy));
    }

    /// `target` is no longer in `upstream`, or no longer checked.
    pub fn target_gone(&self, upstream: &str, target: &str) {
        // An error means that it was never there.
        let _ = self
            .traffic
            .target_healthy
            .remove_label_values(&[upstream, target]);
    }

    /// Removes every series of a deleted upstream. Walks all of them: for configuration changes only.
    pub fn forget_upstream(&self, upstream: &str) {
        define::remove_where(
            &self.traffic.retries,
            "upstream",
            upstream,
            &["upstream", "reason"],
        );
        define::remove_where(
            &self.traffic.target_healthy,
            "upstream",
            upstream,
            &["upstream", "target"],
        );
    }

    /// Sets the end of validity (unix seconds) of one certificate. `kind`: `ssl`, `client_ca`, `upstream`, ...
    pub fn certificate(&self, kind: &str, id: &str, not_after: i64) {
        self.tls
            .certificate_end
            .with_label_values(&[kind, id])
            .set(not_after);
        self.certificate_set
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((kind.to_owned(), id.to_owned()));
    }

    /// Replaces the whole set of certificates; those that are not in it any more lose their series.
    pub fn certificates<'a>(&self, all: impl IntoIterator<Item = (&'a str, &'a str, i64)>) {
        let mut fresh = HashSet::new();
        for (kind, id, not_after) in all {
            self.tls
                .certificate_end
                .with_label_values(&[kind, id])
                .set(not_after);
            fresh.insert((kind.to_owned(), id.to_owned()));
        }
        let mut known = self
            .certificate_set
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (kind, id) in known.difference(&fresh) {
            let _ = self
                .tls
                .certificate_end
                .remove_label_values(&[kind.as_str(), id.as_str()]);
        }
        *known = fresh;
    }

    /// The newest revision heard of and the one that is served.
    pub fn config_revision(&self, seen: u64, applied: u64) {
        self.config
            .seen
            .set(i64::try_from(seen).unwrap_or(i64::MAX));
        self.config
            .applied
            .set(i64::try_from(applied).unwrap_or(i64::MAX));
    }

    /// How many valid objects of a kind are served.
    pub fn config_objects(&self, kind: &str, n: usize) {
        self.config
            .objects
            .with_label_values(&[kind])
            .set(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// How many objects of a kind are refused.
    pub fn config_rejected(&self, kind: &str, n: usize) {
        self.config
            .rejected
            .with_label_values(&[kind])
            .set(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// A batch of changes was made into a Snapshot and published, which took this long.
    pub fn config_applied(&self, took: Duration) {
        self.config.apply_seconds.observe(took.as_secs_f64());
    }

    /// Whether the store answers.
    pub fn store_connected(&self, connected: bool) {
        self.config.store_connected.set(i64::from(connected));
    }

    /// Lines of the access log that were given up because its destination is slow or broken.
    pub fn access_log_dropped(&self, lines: u64) {
        self.log_dropped.inc_by(lines);
    }
}

/// One request in flight; see [`Metrics::in_flight`].
#[derive(Debug)]
#[must_use = "the request counts as finished when this is dropped"]
pub struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// One open connection; see [`Metrics::connection`].
#[derive(Debug)]
#[must_use = "the connection counts as closed when this is dropped"]
pub struct ConnectionGuard(IntGauge);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

const fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(metrics: &Metrics) -> Vec<String> {
        metrics
            .encode()
            .lines()
            .filter(|l| !l.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }

    fn has(metrics: &Metrics, line: &str) -> bool {
        page(metrics).iter().any(|l| l == line)
    }

    #[test]
    fn handshakes_and_their_failures() {
        let m = Metrics::new();
        m.handshake_ok(
            Hop::Northbound,
            "TLSv1.3",
            true,
            false,
            Duration::from_millis(2),
        );
        let sent = Some((Alert(45), Direction::Sent));
        m.handshake_failed(Hop::Southbound, Cause::ServerCertExpired, sent);
        m.handshake_failed(Hop::Northbound, Cause::ProbeNoData, None);
        let ok = r#"sallyport_tls_handshakes_total{client_auth="false",hop="northbound",result="ok",resumed="true",version="TLSv1.3"} 1"#;
        assert!(has(&m, ok), "{:#?}", page(&m));
        assert!(has(
            &m,
            r#"sallyport_tls_handshakes_total{client_auth="false",hop="southbound",result="failed",resumed="false",version="none"} 1"#
        ));
        let cause = r#"sallyport_tls_handshake_failures_total{alert="none",cause="probe_no_data",direction="none",hop="northbound"} 1"#;
        assert!(has(&m, cause));
        assert!(!m.encode().contains(r#"hop="northbound",result="failed""#));
        assert!(m.encode().contains(r#"direction="sent",hop="southbound""#));
        assert!(has(
            &m,
            r#"sallyport_tls_handshake_duration_seconds_count{hop="northbound"} 1"#
        ));
    }

    #[test]
    fn guards_undo_themselves() {
        let m = Metrics::new();
        let open = m.connection(Hop::Northbound, "https");
        let flight = m.in_flight(Hop::Northbound);
        assert!(has(
            &m,
            r#"sallyport_connections{hop="northbound",protocol="https"} 1"#
        ));
        assert!(has(
            &m,
            r#"sallyport_hop_requests_in_flight{hop="northbound"} 1"#
        ));
        drop((open, flight));
        assert!(has(
            &m,
            r#"sallyport_connections{hop="northbound",protocol="https"} 0"#
        ));
        assert!(has(
            &m,
            r#"sallyport_connections_total{hop="northbound",protocol="https"} 1"#
        ));
        assert!(has(
            &m,
            r#"sallyport_hop_requests_in_flight{hop="northbound"} 0"#
        ));
    }

    #[test]
    fn vanished_certificates_targets_and_upstreams_lose_their_series() {
        let m = Metrics::new();
        m.certificates([("ssl", "1", 10), ("ssl", "2", 20)]);
        m.certificate("upstream", "u", 30);
        m.certificates([("ssl", "2", 21)]);
        let ends: Vec<_> = page(&m)
            .into_iter()
            .filter(|l| l.contains("not_after"))
            .collect();
        assert_eq!(
            ends,
            [r#"sallyport_tls_certificate_not_after_seconds{id="2",kind="ssl"} 21"#]
        );

        m.target_health("upstreams/1", "a:1", true);
        m.target_health("upstreams/1", "b:1", false);
        m.target_health("upstreams/2", "c:1", true);
        m.retry("upstreams/1", "connect");
        m.target_gone("upstreams/1", "a:1");
        assert!(has(
            &m,
            r#"sallyport_target_healthy{target="b:1",upstream="upstreams/1"} 0"#
        ));
        m.forget_upstream("upstreams/1");
        let left = m.encode();
        assert!(
            !left.contains("upstreams/1") && left.contains("upstreams/2"),
            "{left}"
        );
    }

    #[test]
    fn every_promised_name_is_there() {
        let m = Metrics::new();
        m.requests(Hop::Northbound, "r")
            .observe(200, Duration::from_millis(1));
        m.handshake_failed(Hop::Northbound, Cause::Unknown, None);
        m.diagnosis_revised(Cause::Unknown, Cause::SniMissing);
        m.certificate("ssl", "1", 1);
        let _open = m.connection(Hop::Northbound, "http");
        m.retry("u", "connect");
        m.hop_retry("unsent");
        m.target_health("u", "t", true);
        m.config_objects("routes", 1);
        m.config_rejected("routes", 0);
        let page = m.encode();
        for name in [
            "tls_handshakes_total",
            "tls_handshake_failures_total",
            "tls_diagnosis_revised_total",
            "tls_failure_log_lines_suppressed_total",
            "tls_handshake_duration_seconds",
            "tls_certificate_not_after_seconds",
            "http_requests_total",
            "http_request_duration_seconds",
            "hop_requests_in_flight",
            "connections",
            "connections_total",
            "bytes_total",
            "upstream_retries_total",
            "hop_retries_total",
            "target_healthy",
            "config_revision",
            "config_objects",
            "config_rejected_objects",
            "config_apply_duration_seconds",
            "store_connected",
            "build_info",
            "access_log_dropped_lines_total",
        ] {
            assert!(
                page.contains(&format!("# TYPE sallyport_{name} ")),
                "{name} is missing"
            );
        }
    }
}
