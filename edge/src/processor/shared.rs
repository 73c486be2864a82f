//! What the processors of all threads share: immutable or atomic, made once by the node.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::health::Health;
use super::resolve::Resolver;
use crate::failures::Failures;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::probe::background::Prober;
use crate::tls::ClientTls;

/// See the module.
pub struct Shared {
    pub(super) tls: Arc<ClientTls>,
    pub(super) metrics: Arc<Metrics>,
    /// Where failed handshakes go.
    pub failures: Arc<Failures>,
    /// Looks into failed handshakes that leave a doubt; `None` with `--tls-probe off`.
    pub(super) prober: Option<Arc<Prober>>,
    pub(super) resolver: Resolver,
    pub(super) health: Health,
    /// A whole handshake.
    pub(super) handshake: Duration,
    /// Most bytes of an answer's trailers.
    pub(super) trailer_bytes: usize,
    /// `--upstream-verify`: whether certificates are verified where the object does not say.
    pub(super) verify: bool,
}

impl Shared {
    /// `cold` is the runtime for names and probes; `verify` is what holds where an upstream does not say, `tls_probe`
    /// whether failed handshakes that leave a doubt are looked into.
    pub fn new(
        tls: Arc<ClientTls>,
        metrics: Arc<Metrics>,
        failures: Arc<Failures>,
        limits: &Limits,
        (verify, tls_probe): (bool, bool),
        cold: Handle,
    ) -> Self {
        let prober = tls_probe.then(|| Prober::new(Arc::clone(&failures), cold.clone()));
        Self {
            prober,
            tls,
            metrics,
            failures,
            resolver: Resolver::new(cold),
            health: Health::default(),
            handshake: limits.handshake,
            trailer_bytes: limits.trailer_bytes,
            verify,
        }
    }
}
