//! Services: what several routes share. A route overrides what its service says; merging them is `snapshot`'s.

use std::sync::Arc;

use serde_json::Value;

use super::wire::{self, Fault, Fields};
use super::{HostPattern, ReadContext, Upstream, plugins, route, upstream};
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
pub(super) fn read(id: &str, value: &[u8], context: &ReadContext<'_>) -> Result<Service, Refusal> {
    build(id, super::parse(value)?, context).map_err(Fault::into_refusal)
}

fn build(id: &str, json: Value, context: &ReadContext<'_>) -> Result<Service, Fault> {
    let mut fields = Fields::of(json)?;
    fields.meta(true)?;
    fields.refuse(&["script"])?;
    let hosts = fields.with("hosts", |value| {
        let hosts = wire::array(value, 1)?;
        wire::unique(&hosts)?;
        let hosts = hosts.into_iter().enumerate();
        hosts
            .map(|(index, text)| route::host(text).map_err(|fault| fault.at(index)))
            .collect()
    })?;
    fields.with("plugins", plugins::read)?;
    let websocket = fields.boolean("enable_websocket")?;
    let inline = |value| upstream::build(&format!("services/{id}"), value, context).map(Arc::new);
    let upstream = fields.with("upstream", inline)?;
    let upstream_id = fields.reference("upstream_id")?;
    fields.finish()?;
    Ok(Service {
        id: id.into(),
        hosts: hosts.unwrap_or_default(),
        websocket: websocket.unwrap_or(false),
        upstream,
        upstream_id,
    })
}
