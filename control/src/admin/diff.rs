//! What a write would change, field by field. Pure. Done on the server because only it sees the stored private keys:
//! it opens both sides, compares, and says that a key changed without showing either.

use serde::Serialize;
use serde_json::{Map, Value};

use super::secrets;
use crate::object::Kind;
use crate::seal::Keyring;

/// One field that would change.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    path: String,
    /// A private key: that it changes is all that is said.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    secret: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Value>,
}

/// Fields that the Admin API sets itself.
const OURS: [&str; 3] = ["id", "create_time", "update_time"];

/// The differences from `old` to `new`, by path, in name order.
pub(super) fn between(
    kind: Kind,
    keyring: &Keyring,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let without_ours = |object: &Map<String, Value>| {
        Value::Object(
            object
                .iter()
                .filter(|(n, _)| !OURS.contains(&n.as_str()))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect(),
        )
    };
    let comparison = Comparison { kind, keyring };
    comparison.walk(
        "",
        Some(&without_ours(old)),
        Some(&without_ours(new)),
        &mut found,
    );
    found
}

struct Comparison<'a> {
    kind: Kind,
    keyring: &'a Keyring,
}

impl Comparison<'_> {
    fn walk(
        &self,
        path: &str,
        old: Option<&Value>,
        new: Option<&Value>,
        found: &mut Vec<Difference>,
    ) {
        if secrets::is_secret(self.kind, path) {
            if !self.same_secret(old, new) {
                found.push(Difference {
                    path: path.to_owned(),
                    secret: true,
                    old: None,
                    new: None,
                });
            }
            return;
        }
        let nothing = Value::Object(Map::new());
        match (old.unwrap_or(&nothing), new.unwrap_or(&nothing)) {
            // A whole object that comes or goes is told field by field, so that its keys are recognised.
            (Value::Object(a), Value::Object(b)) if !(a.is_empty() && b.is_empty()) => {
                let added = b.keys().filter(|name| !a.contains_key(*name));
                for name in a.keys().chain(added) {
                    let below = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    self.walk(&below, a.get(name), b.get(name), found);
                }
            }
            (a, b) if old.is_some() && new.is_some() && same(a, b) => {}
            _ => {
                let shown = |value: Option<&Value>| value.cloned().map(secrets::without_keys);
                found.push(Difference {
                    path: path.to_owned(),
                    secret: false,
                    old: shown(old),
                    new: shown(new),
                });
            }
        }
    }

    fn same_secret(&self, old: Option<&Value>, new: Option<&Value>) -> bool {
        match (old, new) {
            (None, None) => true,
            (Some(Value::String(a)), Some(Value::String(b))) => {
                self.opened(a).trim() == self.opened(b).trim()
            }
            (Some(Value::Array(a)), Some(Value::Array(b))) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|(a, b)| self.same_secret(Some(a), Some(b)))
            }
            (a, b) => a == b,
        }
    }

    fn opened(&self, text: &str) -> String {
        self.keyring.open(text).unwrap_or_else(|_| text.to_owned())
    }
}

/// `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, v)| b.get(name).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn diff(kind: Kind, old: &Value, new: &Value) -> Value {
        let found = between(
            kind,
            &Keyring::default(),
            old.as_object().unwrap(),
            new.as_object().unwrap(),
        );
        serde_json::to_value(found).unwrap()
    }

    #[test]
    fn fields_by_path_and_never_a_key() {
        let old = json!({"id": "1", "create_time": 1, "name": "a", "timeout": {"read": 1}, "labels": {}, "retries": 1});
        let new = json!({"name": "b", "timeout": {"read": 1.0, "send": 2}, "retries": 1,
            "tls": {"client_cert": "c", "client_key": "SECRET"}});
        assert_eq!(
            diff(Kind::Upstream, &old, &new),
            json!([
                {"path": "labels", "old": {}},
                {"path": "name", "old": "a", "new": "b"},
                {"path": "timeout.send", "new": 2},
                {"path": "tls.client_cert", "new": "c"},
                {"path": "tls.client_key", "secret": true},
            ])
        );
    }

    #[test]
    fn a_key_that_did_not_change_is_no_difference() {
        let old = json!({"cert": "c", "key": "K\n", "keys": ["1", "2"]});
        assert_eq!(
            diff(
                Kind::Ssl,
                &old,
                &json!({"cert": "c", "key": "K", "keys": ["1", "2"]})
            ),
            json!([])
        );
        let changed = diff(
            Kind::Ssl,
            &old,
            &json!({"cert": "c", "key": "L", "keys": ["1", "3"]}),
        );
        assert_eq!(
            changed,
            json!([{"path": "key", "secret": true}, {"path": "keys", "secret": true}])
        );
    }

    #[test]
    fn an_object_that_turns_into_something_else_does_not_show_its_key() {
        let old = json!({"upstream": {"tls": {"client_key": "SECRET"}}});
        let shown = diff(Kind::Route, &old, &json!({"upstream": "x"}));
        assert_eq!(
            shown,
            json!([{"path": "upstream", "old": {"tls": {}}, "new": "x"}])
        );
    }
}
