//! From a body to the bytes that are stored: id, times, sealed keys, size, validation. The store call is `resource`'s.
//! Validation is `object::read` on those very bytes, so what is accepted here is what the data plane will read.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::references::{self, id_text};
use super::{AdminState, secrets};
use crate::object::{self, Kind, ReadContext};
use crate::rejection::Refusal;

/// etcd's default bound for a request is 1.5 MiB; below it, with room for the key.
const MOST_VALUE: usize = 1_048_576;

/// The body as an object, or APISIX's answer to one that is missing or something else.
pub(super) fn object_of(body: Option<Value>, missing: &str) -> Result<Map<String, Value>, Answer> {
    match body {
        None => Err(Answer::bad(missing)),
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(Answer::bad(format!(
            "invalid configuration: wrong type: expected object, got {}",
            type_name(&other)
        ))),
    }
}

/// The id of the object at hand: the URL's, else the body's; they must agree. The body gets the URL's.
pub(super) fn settle_id(
    kind: Kind,
    url: Option<&str>,
    object: &mut Map<String, Value>,
) -> Result<String, Answer> {
    let inside = object
        .get("id")
        .map(|v| id_text(v).ok_or_else(bad_id))
        .transpose()?;
    let id = match (url, inside) {
        (None, None) => return Err(Answer::bad(format!("missing {} id", kind.name()))),
        (Some(url), Some(inside)) if inside != url => {
            return Err(Answer::bad(format!("wrong {} id", kind.name())));
        }
        (Some(url), _) => {
            object.insert("id".to_owned(), url.into());
            url.to_owned()
        }
        (None, Some(inside)) => inside,
    };
    if is_id(&id) { Ok(id) } else { Err(bad_id()) }
}

/// Whether `id` may be one: 1 to 64 of `a-zA-Z0-9-_.`, and nothing a path would read otherwise.
pub(super) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && id != "."
        && id != ".."
}

/// Refuses times in a body that replaces: they are ours to set.
pub(super) fn forbid_times(object: &Map<String, Value>) -> Result<(), Answer> {
    match ["create_time", "update_time"]
        .into_iter()
        .find(|name| object.contains_key(*name))
    {
        Some(name) => Err(Answer::bad(format!("the property is forbidden:  {name}"))),
        None => Ok(()),
    }
}

/// Unix seconds.
pub(super) fn now() -> Value {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
        .into()
}

/// Seals, bounds and validates `object`; returns what to store.
pub(super) async fn prepare(
    state: &AdminState,
    kind: Kind,
    id: &str,
    object: &mut Map<String, Value>,
) -> Result<Bytes, Answer> {
    secrets::seal(kind, object, &state.keyring);
    let bytes = to_bytes(object)?;
    validate(state, kind, id, &bytes)?;
    references::check_targets(&state.store, object).await?;
    Ok(bytes)
}

/// Re-serialises: raw control characters become escapes, `/` stays as it is.
pub(super) fn to_bytes(object: &Map<String, Value>) -> Result<Bytes, Answer> {
    let bytes = serde_json::to_vec(object)
        .map_err(|e| Answer::bad(format!("invalid configuration: {e}")))?;
    if bytes.len() > MOST_VALUE {
        return Err(Answer::bad(format!(
            "invalid configuration: the object takes {} bytes, at most {MOST_VALUE} are stored",
            bytes.len()
        )));
    }
    Ok(bytes.into())
}

/// The data plane's own rules for a single object.
pub(super) fn validate(
    state: &AdminState,
    kind: Kind,
    id: &str,
    bytes: &[u8],
) -> Result<(), Answer> {
    let env = |name: &str| std::env::var(name).ok();
    let context = ReadContext {
        keyring: &state.keyring,
        env: &env,
    };
    object::read(kind, id, bytes, &context)
        .map(drop)
        .map_err(|refusal| Answer::bad(sentence(&refusal)))
}

/// The refusal's reason, with the field where the reason does not name it already.
fn sentence(refusal: &Refusal) -> String {
    let named = |part: &str| {
        let name = part.split('[').next().unwrap_or(part);
        refusal.reason.contains(name)
    };
    if refusal.field.split('.').all(named) {
        refusal.reason.clone()
    } else {
        format!("{} (at {})", refusal.reason, refusal.field)
    }
}

fn bad_id() -> Answer {
    Answer::bad(
        "invalid configuration: property \"id\" validation failed: object matches none of the required",
    )
}

const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        // Lua's word: APISIX's users know it from its messages.
        Value::Array(_) | Value::Object(_) => "table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for good in ["1", "a-b_c.d", "00000000000000000123", &"x".repeat(64)] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "a/b", "a b", "é", ".", "..", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn a_field_is_added_only_where_the_reason_lacks_it() {
        let said = |field: &str, reason: &str| sentence(&Refusal::new(field, reason));
        assert_eq!(said("", "no"), "no");
        assert_eq!(
            said(
                "client.ca",
                "property \"client\": property \"ca\" is required"
            ),
            "property \"client\": property \"ca\" is required"
        );
        assert_eq!(
            said("nodes[0].port", "out of range"),
            "out of range (at nodes[0].port)"
        );
    }
}
