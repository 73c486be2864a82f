//! The definitions behind [`Metrics`]: names, help texts, labels, buckets. Called once a node.

use std::collections::HashSet;
use std::sync::Mutex;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::{ConfigSeries, HOPS, Metrics, TlsSeries, TrafficSeries, request};

/// Seconds. Requests: 1 ms to 60 s, about 1-2.5-5, finer where service levels usually lie.
const REQUEST_BUCKETS: [f64; 15] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Seconds. Handshakes: 0.5 ms to 5 s, the default limit.
const HANDSHAKE_BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];
/// Seconds. One changed object takes microseconds, a first load seconds.
const APPLY_BUCKETS: [f64; 11] = [
    0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0,
];

/// All metrics, registered.
pub(super) fn metrics() -> Metrics {
    let d = Definer {
        registry: Registry::new(),
    };
    let build = d.gauges("build_info", "Always 1.", &["version", "commit"]);
    build
        .with_label_values(&[env!("CARGO_PKG_VERSION"), super::COMMIT])
        .set(1);
    Metrics {
        tls: tls(&d),
        requests: requests(&d),
        traffic: traffic(&d),
        config: config(&d),
        certificate_set: Mutex::new(HashSet::new()),
        log_dropped: d.counter(
            "access_log_dropped_lines_total",
            "Access log lines given up.",
        ),
        registry: d.registry,
    }
}

fn tls(d: &Definer) -> TlsSeries {
    let seconds = d.histograms(
        "tls_handshake_duration_seconds",
        "Finished handshakes.",
        &["hop"],
        &HANDSHAKE_BUCKETS,
    );
    TlsSeries {
        handshakes: d.counters(
            "tls_handshakes_total",
            "TLS handshakes; failed ones have version none.",
            &["hop", "result", "version", "resumed", "client_auth"],
        ),
        failures: d.counters(
            "tls_handshake_failures_total",
            "Failed TLS handshakes by cause, alert and who sent it.",
            &["hop", "cause", "alert", "direction"],
        ),
        revised: d.counters(
            "tls_diagnosis_revised_total",
            "Causes that a probe corrected.",
            &["from", "to"],
        ),
        lines_suppressed: d.counter(
            "tls_failure_log_lines_suppressed_total",
            "Log lines about failed handshakes not written.",
        ),
        seconds: HOPS.map(|hop| seconds.with_label_values(&[hop.as_str()])),
        certificate_end: d.gauges(
            "tls_certificate_not_after_seconds",
            "End of validity, unix time.",
            &["kind", "id"],
        ),
    }
}

fn requests(d: &Definer) -> request::Families {
    let help = "From the request's head to the end of its answer.";
    request::Families::new(
        d.counters(
            "http_requests_total",
            "Answered requests by status.",
            &["hop", "route", "code"],
        ),
        d.histograms(
            "http_request_duration_seconds",
            help,
            &["hop", "route"],
            &REQUEST_BUCKETS,
        ),
    )
}

fn traffic(d: &Definer) -> TrafficSeries {
    let flight = d.gauges("hop_requests_in_flight", "Requests in flight.", &["hop"]);
    let bytes = d.counters(
        "bytes_total",
        "Body bytes: in from the peer, out to it.",
        &["hop", "direction"],
    );
    TrafficSeries {
        in_flight: HOPS.map(|hop| flight.with_label_values(&[hop.as_str()])),
        connections: d.gauges("connections", "Open connections.", &["hop", "protocol"]),
        connections_total: d.counters(
            "connections_total",
            "Connections opened.",
            &["hop", "protocol"],
        ),
        bytes: HOPS.map(|hop| {
            ["in", "out"].map(|direction| bytes.with_label_values(&[hop.as_str(), direction]))
        }),
        retries: d.counters(
            "upstream_retries_total",
            "Further attempts.",
            &["upstream", "reason"],
        ),
        hop_retries: d.counters(
            "hop_retries_total",
            "Requests offered to another processor.",
            &["reason"],
        ),
        target_healthy: d.gauges(
            "target_healthy",
            "1 if health checks let it serve.",
            &["upstream", "target"],
        ),
    }
}

fn config(d: &Definer) -> ConfigSeries {
    let revision = d.gauges(
        "config_revision",
        "Store revision: newest seen, and served.",
        &["state"],
    );
    ConfigSeries {
        seen: revision.with_label_values(&["seen"]),
        applied: revision.with_label_values(&["applied"]),
        objects: d.gauges("config_objects", "Valid objects.", &["kind"]),
        rejected: d.gauges("config_rejected_objects", "Refused objects.", &["kind"]),
        apply_seconds: d.histogram(
            "config_apply_duration_seconds",
            "Making changes live.",
            &APPLY_BUCKETS,
        ),
        store_connected: d.gauge("store_connected", "1 if the store answers."),
    }
}

/// Removes the members of a family whose label `name` is `value`; `labels` are the family's, in order of definition.
pub(super) fn remove_where<B: MetricVecBuilder>(
    family: &MetricVec<B>,
    name: &str,
    value: &str,
    labels: &[&str],
) {
    for metric in family
        .collect()
        .iter()
        .flat_map(prometheus::proto::MetricFamily::get_metric)
    {
        let label = |wanted: &str| {
            metric
                .get_label()
                .iter()
                .find(|l| l.name() == wanted)
                .map_or("", |l| l.value())
        };
        if label(name) == value {
            let values: Vec<&str> = labels.iter().map(|l| label(l)).collect();
            let _ = family.remove_label_values(&values);
        }
    }
}

struct Definer {
    registry: Registry,
}

impl Definer {
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.registered(IntCounterVec::new(Opts::new(full(name), help), labels))
    }
    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.registered(IntCounter::new(full(name), help))
    }
    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.registered(IntGaugeVec::new(Opts::new(full(name), help), labels))
    }
    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.registered(IntGauge::new(full(name), help))
    }
    fn histograms(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.registered(HistogramVec::new(
            HistogramOpts::new(full(name), help).buckets(buckets.to_vec()),
            labels,
        ))
    }
    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.registered(Histogram::with_opts(
            HistogramOpts::new(full(name), help).buckets(buckets.to_vec()),
        ))
    }

    /// Names and labels are constants above: a wrong or doubled one fails every test that makes a [`Metrics`].
    fn registered<C: Collector + Clone + 'static>(&self, made: prometheus::Result<C>) -> C {
        match made.and_then(|c| self.registry.register(Box::new(c.clone())).map(|()| c)) {
            Ok(collector) => collector,
            Err(error) => unreachable!("metric definition: {error}"),
        }
    }
}

fn full(name: &str) -> String {
    format!("sallyport_{name}")
}
