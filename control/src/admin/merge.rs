//! PATCH: how the body changes the stored object. Pure; what comes out is validated whole by `write`.

use serde_json::{Map, Value};

/// Merges `patch` into `object`: objects member by member, arrays replaced, `null` deletes (RFC 7386).
pub(super) fn merge(object: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                object.remove(&name);
            }
            Value::Object(inner) => {
                let slot = object
                    .entry(name)
                    .or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(old) = slot {
                    merge(old, inner);
                }
            }
            other => {
                object.insert(name, other);
            }
        }
    }
}

/// Puts `value` at `path` below `object`, making parents that are missing; `null` deletes what is there.
///
/// # Errors
/// APISIX's sentence if the path leads through something that is not an object.
pub(super) fn replace(
    object: &mut Map<String, Value>,
    path: &[String],
    value: Value,
) -> Result<(), String> {
    let Some((name, parents)) = path.split_last() else {
        return Err("invalid sub-path: /".to_owned());
    };
    let mut at = object;
    for (depth, parent) in parents.iter().enumerate() {
        let next = at
            .entry(parent.as_str())
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(next) = next else {
            return Err(format!(
                "invalid sub-path: /{}",
                path.get(..=depth).unwrap_or(path).join("/")
            ));
        };
        at = next;
    }
    if value.is_null() {
        at.remove(name);
    } else {
        at.insert(name.clone(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn merging() {
        let cases = [
            (json!({"a": 1}), json!({"b": 2}), json!({"a": 1, "b": 2})),
            (
                json!({"a": {"x": 1, "y": 2}}),
                json!({"a": {"x": null, "z": 3}}),
                json!({"a": {"y": 2, "z": 3}}),
            ),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (
                json!({"a": [1, 2]}),
                json!({"a": {"b": 1, "c": null}}),
                json!({"a": {"b": 1}}),
            ),
            (json!({"a": {"b": 1}}), json!({"a": "s"}), json!({"a": "s"})),
        ];
        for (old, patch, new) in cases {
            let mut got = object(&old);
            merge(&mut got, object(&patch));
            assert_eq!(Value::Object(got), new);
        }
    }

    #[test]
    fn replacing_below() {
        let path = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
        let mut got = object(&json!({"nodes": {"a:1": 1}, "name": "n", "list": [1]}));
        replace(&mut got, &path("nodes"), json!({"b:2": 1})).unwrap();
        replace(&mut got, &path("timeout/read"), json!(3)).unwrap();
        replace(&mut got, &path("list"), Value::Null).unwrap();
        assert_eq!(
            Value::Object(got.clone()),
            json!({"nodes": {"b:2": 1}, "name": "n", "timeout": {"read": 3}})
        );
        assert_eq!(
            replace(&mut got, &path("name/a/b"), json!(1)).unwrap_err(),
            "invalid sub-path: /name"
        );
        assert_eq!(
            replace(&mut got, &path("timeout/read/b/c"), json!(1)).unwrap_err(),
            "invalid sub-path: /timeout/read"
        );
    }
}
