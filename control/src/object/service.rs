//! Services: what several routes share. A route overrides what its service says.

use std::sync::Arc;

use super::pattern::HostPattern;
use super::{ReadContext, Upstream};
use crate::rejection::Refusal;

/// A validated service.
#[derive(Debug)]
pub struct Service {
    pub(super) id: Arc<str>,
    pub(super) hosts: Vec<HostPattern>,
    pub(super) websocket: bool,
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) upstream_id: Option<Arc<str>>,
}

impl Service {
    /// The id.
    pub const fn id(&self) -> &Arc<str> {
        &self.id
    }
    /// Hosts for routes that name none.
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }
    /// `enable_websocket` for routes that do not say.
    pub const fn websocket(&self) -> bool {
        self.websocket
    }
    /// The inline upstream.
    pub const fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.upstream.as_ref()
    }
    /// Reference to a named upstream.
    pub const fn upstream_id(&self) -> Option<&Arc<str>> {
        self.upstream_id.as_ref()
    }
}

/// Reads a service (see [`super::read`]).
pub(super) fn read(
    _id: &str,
    _value: &[u8],
    _context: &ReadContext<'_>,
) -> Result<Service, Refusal> {
    Err(Refusal::new("", "not implemented"))
}
