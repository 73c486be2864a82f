//! `plugins` of routes and services. The one plugin there is, `prometheus`, only chooses how metrics are labelled; any
//! other is refused, since leaving out a `key-auth` would open the route it guards.

use serde_json::Value;

use super::wire::{Fault, Fields};

/// Reads the `plugins` member.
pub(super) fn read(value: Value) -> Result<(), Fault> {
    let mut fields = Fields::of(value)?;
    fields.with("prometheus", prometheus)?;
    match fields.into_first() {
        None => Ok(()),
        Some(name) => Err(Fault::plain(format!(
            "the plugin {name} is not implemented by Sallyport"
        ))
        .about(name)),
    }
}

fn prometheus(value: Value) -> Result<(), Fault> {
    let mut fields = Fields::of(value)?;
    fields.boolean("prefer_name")?;
    fields.finish()
}
