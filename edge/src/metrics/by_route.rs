//! One thread's way to the request counters of routes: looked up by label once, by id afterwards.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::{Metrics, RequestMetrics};
use crate::alert::Hop;

/// See the module.
pub struct ByRoute {
    metrics: Arc<Metrics>,
    hop: Hop,
    known: RefCell<HashMap<Arc<str>, RequestMetrics>>,
    none: RequestMetrics,
}

impl ByRoute {
    /// Counters of `hop`.
    pub fn new(metrics: Arc<Metrics>, hop: Hop) -> Self {
        Self {
            none: metrics.requests(hop, "none"),
            metrics,
            hop,
            known: RefCell::default(),
        }
    }

    /// The counters of a route; of `none` for requests without one.
    pub fn of(&self, route: Option<&Arc<str>>) -> RequestMetrics {
        let Some(id) = route else {
            return self.none.clone();
        };
        let mut known = self.known.borrow_mut();
        if let Some(found) = known.get(id)
            && !found.is_forgotten()
        {
            return found.clone();
        }
        let made = self.metrics.requests(self.hop, id);
        // What was forgotten must not pile up while routes come and go.
        known.retain(|_, metrics| !metrics.is_forgotten());
        known.insert(Arc::clone(id), made.clone());
        made
    }
}
