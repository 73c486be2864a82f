//! Per-route request counters, resolved once: what every request pays for is a scan of a few slots, two atomic
//! increments and the histogram's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::HOPS;
use crate::alert::Hop;

/// Distinct status codes counted for one route and hop; further ones count as `other`, so that a target that makes up
/// statuses cannot fill our memory. No service needs this many.
const CODES: usize = 24;

/// Counts the requests of one route at one hop. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct RequestMetrics {
    series: Arc<Series>,
}

struct Series {
    hop: Hop,
    route: Box<str>,
    family: IntCounterVec,
    codes: [OnceLock<(u16, IntCounter)>; CODES],
    other: OnceLock<IntCounter>,
    seconds: Histogram,
    forgotten: AtomicBool,
}

impl RequestMetrics {
    /// One answered request: its status, and the time from its head to the end of its answer.
    pub fn observe(&self, code: u16, took: Duration) {
        self.series.seconds.observe(took.as_secs_f64());
        self.series.count(code);
    }

    /// The route's series were removed: what is counted here is no longer seen. A caller that caches handles asks
    /// [`super::Metrics::requests`] again if the route is back.
    pub fn is_forgotten(&self) -> bool {
        self.series.forgotten.load(Ordering::Relaxed)
    }
}

impl Series {
    fn count(&self, code: u16) {
        for slot in &self.codes {
            let (known, counter) = match slot.get() {
                Some(filled) => filled,
                // A forgotten route must not come back to life in the family.
                None if self.is_forgotten() => return,
                None => slot.get_or_init(|| (code, self.resolve(&code.to_string()))),
            };
            if *known == code {
                return counter.inc();
            }
        }
        if !self.is_forgotten() {
            self.other.get_or_init(|| self.resolve("other")).inc();
        }
    }

    fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }

    fn resolve(&self, code: &str) -> IntCounter {
        self.family
            .with_label_values(&[self.hop.as_str(), &*self.route, code])
    }
}

/// The two families of requests and the handles given out.
pub(super) struct Families {
    counters: IntCounterVec,
    seconds: HistogramVec,
    handles: Mutex<HashMap<Box<str>, [Option<RequestMetrics>; 3]>>,
}

impl Families {
    pub(super) fn new(counters: IntCounterVec, seconds: HistogramVec) -> Self {
        Self {
            counters,
            seconds,
            handles: Mutex::new(HashMap::new()),
        }
    }

    pub(super) fn handle(&self, hop: Hop, route: &str) -> RequestMetrics {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles
            .get(route)
            .and_then(|of_route| of_route[hop as usize].as_ref())
        {
            return handle.clone();
        }
        let series = Series {
            hop,
            route: route.into(),
            family: self.counters.clone(),
            codes: [const { OnceLock::new() }; CODES],
            other: OnceLock::new(),
            seconds: self.seconds.with_label_values(&[hop.as_str(), route]),
            forgotten: AtomicBool::new(false),
        };
        let handle = RequestMetrics {
            series: Arc::new(series),
        };
        handles.entry(route.into()).or_default()[hop as usize] = Some(handle.clone());
        handle
    }

    pub(super) fn forget(&self, route: &str) {
        let Some(of_route) = self
            .handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(route)
        else {
            return;
        };
        for (hop, handle) in HOPS.into_iter().zip(of_route) {
            let Some(RequestMetrics { series }) = handle else {
                continue;
            };
            series.forgotten.store(true, Ordering::Relaxed);
            let _ = self.seconds.remove_label_values(&[hop.as_str(), route]);
            for (code, _) in series.codes.iter().filter_map(OnceLock::get) {
                let _ =
                    self.counters
                        .remove_label_values(&[hop.as_str(), route, &code.to_string()]);
            }
            let _ = self
                .counters
                .remove_label_values(&[hop.as_str(), route, "other"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn counts_by_code_and_the_same_handle_for_all() {
        let m = Metrics::new();
        let one = m.requests(Hop::Northbound, "r1");
        m.requests(Hop::Northbound, "r1")
            .observe(200, Duration::from_millis(3));
        one.observe(200, Duration::from_millis(3));
        one.observe(503, Duration::from_secs(1));
        let page = m.encode();
        assert!(
            page.contains(
                r#"sallyport_http_requests_total{code="200",hop="northbound",route="r1"} 2"#
            ),
            "{page}"
        );
        assert!(page.contains(
            r#"sallyport_http_requests_total{code="503",hop="northbound",route="r1"} 1"#
        ));
        assert!(
            page.contains(r#"http_request_duration_seconds_count{hop="northbound",route="r1"} 3"#)
        );
        assert!(page.contains(r#"_bucket{hop="northbound",route="r1",le="0.005"} 2"#));
    }

    #[test]
    fn a_target_that_makes_up_statuses_is_bounded() {
        let m = Metrics::new();
        let handle = m.requests(Hop::Southbound, "r");
        (200..300).for_each(|code| handle.observe(code, Duration::ZERO));
        let page = m.encode();
        assert_eq!(
            page.lines()
                .filter(|l| l.starts_with("sallyport_http_requests_total"))
                .count(),
            CODES + 1
        );
        assert!(
            page.contains(r#"{code="other",hop="southbound",route="r"} 76"#),
            "{page}"
        );
    }

    #[test]
    fn a_deleted_route_leaves_nothing_behind_and_can_return() {
        let m = Metrics::new();
        let old = m.requests(Hop::Northbound, "gone");
        (200..300).for_each(|code| old.observe(code, Duration::ZERO));
        m.requests(Hop::Southbound, "gone")
            .observe(502, Duration::ZERO);
        m.forget_route("gone");
        assert!(old.is_forgotten());
        old.observe(404, Duration::ZERO);
        assert!(!m.encode().contains("gone"), "{}", m.encode());
        m.requests(Hop::Northbound, "gone")
            .observe(200, Duration::ZERO);
        assert!(
            m.encode()
                .contains(r#"{code="200",hop="northbound",route="gone"} 1"#)
        );
    }
}
