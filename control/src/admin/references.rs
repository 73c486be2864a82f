//! References between objects: on a write their targets must exist, on a delete nothing may still refer to it.
//! Asks the store itself, never a view in memory that may be a moment behind.

use serde_json::{Map, Value};

use super::answer::Answer;
use crate::json;
use crate::object::Kind;
use crate::store::Store;

/// What `object` refers to by id: upstreams, services, SSL objects of type client.
pub fn references(object: &Map<String, Value>) -> Vec<(Kind, String)> {
    let mut found = Vec::new();
    let mut add =
        |kind, value: Option<&Value>| found.extend(value.and_then(id_text).map(|id| (kind, id)));
    add(Kind::Service, object.get("service_id"));
    add(Kind::Upstream, object.get("upstream_id"));
    for upstream in [
        Some(object),
        object.get("upstream").and_then(Value::as_object),
    ]
    .into_iter()
    .flatten()
    {
        add(
            Kind::Ssl,
            upstream
                .get("tls")
                .and_then(|tls| tls.get("client_cert_id")),
        );
    }
    found
}

/// Refuses an object that refers to something that is not there or is of the wrong type.
pub(super) async fn check_targets(
    store: &Store,
    object: &Map<String, Value>,
) -> Result<(), Answer> {
    for (kind, id) in references(object) {
        let name = kind.name();
        let Some(entry) = store.get(&format!("{}/{id}", kind.dir())).await? else {
            return Err(Answer::bad(format!(
                "failed to fetch {name} info by {name} id [{id}], response code: 404"
            )));
        };
        if kind == Kind::Ssl && !is_client_ssl(&entry.value) {
            return Err(Answer::bad(format!(
                "failed to fetch ssl info by ssl id [{id}], wrong ssl type"
            )));
        }
    }
    Ok(())
}

/// Refuses the deletion of an upstream or service that is in use. SSL objects may always go, as in APISIX.
pub(super) async fn check_unused(store: &Store, kind: Kind, id: &str) -> Result<(), Answer> {
    let (field, users, how): (_, &[Kind], _) = match kind {
        Kind::Upstream => ("upstream_id", &[Kind::Route, Kind::Service], ""),
        Kind::Service => ("service_id", &[Kind::Route], " directly"),
        Kind::Ssl | Kind::Route => return Ok(()),
    };
    let entries = store.list().await?.entries;
    for user in users {
        for entry in &entries {
            let Some(user_id) = id_below(*user, &entry.key) else {
                continue;
            };
            let Ok(value) = json::parse(&entry.value) else {
                continue;
            };
            if value
                .get(field)
                .and_then(id_text)
                .is_some_and(|used| used == id)
            {
                return Err(Answer::bad(format!(
                    "can not delete this {}{how}, {} [{user_id}] is still using it now",
                    kind.name(),
                    user.name()
                )));
            }
        }
    }
    Ok(())
}

/// The id in a store key, if the key is an object of `kind` (not a placeholder, not a sub-resource).
pub(super) fn id_below(kind: Kind, key: &str) -> Option<&str> {
    key.strip_prefix(kind.dir())?
        .strip_prefix('/')
        .filter(|id| !id.is_empty() && !id.contains('/'))
}

/// An id as text: `1` and `"1"` are the same.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(match number.as_f64() {
            // 1.0 is the integer 1 to APISIX; larger than this a double is not exact anyway.
            Some(n)
                if !number.is_i64() && !number.is_u64() && n.fract() == 0.0 && n.abs() < 9e15 =>
            {
                format!("{n:.0}")
            }
            _ => number.to_string(),
        }),
        _ => None,
    }
}

fn is_client_ssl(value: &[u8]) -> bool {
    json::parse(value).is_ok_and(|ssl| ssl.get("type").and_then(Value::as_str) == Some("client"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_compared_as_text() {
        assert_eq!(id_text(&json!(1)).unwrap(), "1");
        assert_eq!(id_text(&json!(1.0)).unwrap(), "1");
        assert_eq!(id_text(&json!("1")).unwrap(), "1");
        assert_eq!(id_text(&json!(null)), None);
    }

    #[test]
    fn only_objects_of_the_kind_have_an_id() {
        assert_eq!(id_below(Kind::Route, "routes/1"), Some("1"));
        for key in [
            "routes/",
            "routes",
            "routesx/1",
            "services/1/graphql/2",
            "services/1",
        ] {
            assert_eq!(id_below(Kind::Route, key), None, "{key}");
        }
    }

    #[test]
    fn references_of_inline_upstreams_count() {
        let route = json!({"service_id": 1, "upstream_id": "u", "upstream": {"tls": {"client_cert_id": "c"}}});
        let found = references(route.as_object().unwrap());
        assert_eq!(
            found,
            [
                (Kind::Service, "1".into()),
                (Kind::Upstream, "u".into()),
                (Kind::Ssl, "c".into())
            ]
        );
    }
}
