//! What the processors of all threads share: immutable or atomic, made once by the node.

use std::time::Duration;

use tokio::runtime::Handle;

use super::health::Health;
use super::resolve::Resolver;
use crate::limits::Limits;

/// See the module.
pub struct Shared {
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
    pub fn new(limits: &Limits, verify: bool, cold: Handle) -> Self {
        Self {
            resolver: Resolver::new(cold),
            health: Health::default(),
            handshake: limits.handshake,
            trailer_bytes: limits.trailer_bytes,
            verify,
        }
    }
}
