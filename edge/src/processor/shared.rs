//! What the processors of all threads share: immutable or atomic, made once by the node.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::health::Health;
use super::resolve::Resolver;
use crate::failures::Failures;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tls::ClientTls;

/// See the module.
pub struct Shared {
    pub(super) tls: Arc<ClientTls>,
    pub(super) metrics: Arc<Metrics>,
    /// Where failed handshakes go.
    pub failures: Arc<Failures>,
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
    /// `cold` is the runtime for names and probes; `verify` is what holds where an upstream does not say.
    pub fn new(
        tls: Arc<ClientTls>,
        metrics: Arc<Metrics>,
        failures: Arc<Failures>,
        limits: &Limits,
        verify: bool,
        cold: Handle,
    ) -> Self {
        Self {
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
