//! Private keys in objects: where they stand, sealing them on the way in, cutting them on the way out.
//! The one place that knows which fields are secret; `seal` knows how to seal.

use serde_json::{Map, Value};

use crate::object::Kind;
use crate::seal::Keyring;

/// Seals every private key that is still clear. Sealed values and references (`$env://`) stay as they are.
pub(super) fn seal(kind: Kind, object: &mut Map<String, Value>, keyring: &Keyring) {
    if keyring.is_empty() {
        return;
    }
    let seal_one = |value: &mut Value| {
        if let Value::String(text) = value {
            *text = keyring.seal(text);
        }
    };
    each(kind, object, &seal_one);
}

/// Cuts every private key, and whatever else holds one by mistake (a bundle pasted as `cert`).
pub(super) fn strip(kind: Kind, value: &mut Value) {
    if let Value::Object(object) = value {
        if kind == Kind::Ssl {
            object.remove("key");
            object.remove("keys");
        }
        for tls in tls_of(object) {
            tls.remove("client_key");
        }
    }
    strip_strays(value);
}

/// A part of an object without any key, whatever the part is.
pub(super) fn without_keys(mut value: Value) -> Value {
    fn cut(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.remove("client_key");
                members.values_mut().for_each(cut);
            }
            Value::Array(items) => items.iter_mut().for_each(cut),
            _ => {}
        }
    }
    cut(&mut value);
    strip_strays(&mut value);
    value
}

/// Whether the field at this path is one of the secret ones.
pub(super) fn is_secret(kind: Kind, path: &str) -> bool {
    let ssl_key =
        kind == Kind::Ssl && (path == "key" || path == "keys" || path.starts_with("keys["));
    ssl_key || path == "tls.client_key" || path == "upstream.tls.client_key"
}

/// Calls `change` on every secret field that is there.
fn each(kind: Kind, object: &mut Map<String, Value>, change: &dyn Fn(&mut Value)) {
    if kind == Kind::Ssl {
        object.get_mut("key").into_iter().for_each(change);
        object
            .get_mut("keys")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .for_each(change);
    }
    for tls in tls_of(object) {
        tls.get_mut("client_key").into_iter().for_each(change);
    }
}

/// `tls` of an upstream, and of the inline upstream of a route or service.
fn tls_of(object: &mut Map<String, Value>) -> Vec<&mut Map<String, Value>> {
    let mut found = Vec::new();
    for (name, value) in object.iter_mut() {
        match (name.as_str(), value) {
            ("tls", Value::Object(tls)) => found.push(tls),
            ("upstream", Value::Object(upstream)) => {
                found.extend(upstream.get_mut("tls").and_then(Value::as_object_mut));
            }
            _ => {}
        }
    }
    found
}

fn strip_strays(value: &mut Value) {
    let holds_key = |v: &Value| {
        v.as_str()
            .is_some_and(|text| text.contains("PRIVATE KEY-----"))
    };
    match value {
        Value::Object(members) => {
            members.retain(|_, v| !holds_key(v));
            members.values_mut().for_each(strip_strays);
        }
        Value::Array(items) => {
            items.retain(|v| !holds_key(v));
            items.iter_mut().for_each(strip_strays);
        }
        other if holds_key(other) => *other = Value::Null,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_place_of_a_key_is_cut() {
        let pem = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----";
        let cases = [
            (
                Kind::Ssl,
                json!({"cert": "c", "key": "sealed", "keys": ["sealed"]}),
                json!({"cert": "c"}),
            ),
            (
                Kind::Ssl,
                json!({"cert": pem, "certs": ["c", pem]}),
                json!({"certs": ["c"]}),
            ),
            (
                Kind::Upstream,
                json!({"tls": {"client_key": "sealed", "verify": true}}),
                json!({"tls": {"verify": true}}),
            ),
            (
                Kind::Route,
                json!({"upstream": {"tls": {"client_key": "s"}}}),
                json!({"upstream": {"tls": {}}}),
            ),
            (
                Kind::Service,
                json!({"upstream": {"tls": {"client_key": "s"}}}),
                json!({"upstream": {"tls": {}}}),
            ),
            (
                Kind::Upstream,
                json!({"key": "remote_addr"}),
                json!({"key": "remote_addr"}),
            ),
        ];
        for (kind, mut value, expected) in cases {
            strip(kind, &mut value);
            assert_eq!(value, expected);
        }
    }

    #[test]
    fn which_paths_are_secret() {
        assert!(is_secret(Kind::Ssl, "key") && is_secret(Kind::Ssl, "keys[1]"));
        assert!(
            is_secret(Kind::Route, "upstream.tls.client_key")
                && is_secret(Kind::Upstream, "tls.client_key")
        );
        assert!(!is_secret(Kind::Upstream, "key") && !is_secret(Kind::Ssl, "keyes"));
    }
}
