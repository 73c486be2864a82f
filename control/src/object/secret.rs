//! Values that may be references: `$env://NAME` and `$env://NAME/jsonkey` are resolved while an object is read,
//! `$secret://` is refused. Private to `object`; what a value is good for is its reader's business.

use serde_json::Value;

use super::ReadContext;
use super::wire::{self, Fault};

/// Length bounds of certificate texts, APISIX's.
pub(super) const CERT: (usize, usize) = (128, 65_536);
/// Length bounds of key texts, APISIX's.
pub(super) const KEY: (usize, usize) = (64, 65_536);

/// A string within `bounds`, or what the reference in it stands for (any length).
pub(super) fn text(
    value: Value,
    bounds: (usize, usize),
    context: &ReadContext<'_>,
) -> Result<String, Fault> {
    let Some(reference) = value.as_str().filter(|text| text.starts_with('$')) else {
        return wire::string(value, bounds);
    };
    if reference.starts_with("$secret://") {
        return Err(Fault::plain(
            "$secret:// references are not implemented by Sallyport; use $env:// or the PEM itself",
        ));
    }
    match reference.split_at_checked(SCHEME.len()) {
        Some((scheme, name)) if scheme.eq_ignore_ascii_case(SCHEME) => resolve(name, context),
        _ => wire::string(value, bounds),
    }
}

const SCHEME: &str = "$env://";

fn resolve(reference: &str, context: &ReadContext<'_>) -> Result<String, Fault> {
    let (name, member) = match reference.split_once('/') {
        Some((name, member)) => (name, Some(member)),
        None => (reference, None),
    };
    let value = (context.env)(name).ok_or_else(|| {
        Fault::plain(format!(
            "the environment variable {name} is not set on this node"
        ))
    })?;
    let Some(member) = member else {
        return Ok(value);
    };
    let object = crate::json::parse(value.as_bytes()).map_err(|_| {
        Fault::plain(format!(
            "the environment variable {name} does not hold JSON"
        ))
    })?;
    let text = object.get(member).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| {
        Fault::plain(format!(
            "the environment variable {name} has no text under {member}"
        ))
    })
}
