//! Wire forms: the reader all kinds share. It takes the members of a JSON object one by one, checks type and bounds as
//! APISIX's schema does, and in the end refuses what nobody took. Private to `object`.
//!
//! Hand-written rather than derived, because every refusal has to name the field's path and speak APISIX's words, and
//! because a refused object must still be readable in part: what it would have served is closed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

pub(super) use super::fault::Fault;

/// The type's name as APISIX's validator (Lua) has it.
const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

fn wrong_type(expected: &str, value: &Value) -> Fault {
    Fault::schema(format!(
        "wrong type: expected {expected}, got {}",
        type_name(value)
    ))
}

/// A value that must be a string of `bounds` characters.
pub(super) fn string(value: Value, (least, most): (usize, usize)) -> Result<String, Fault> {
    let text = match value {
        Value::String(text) => text,
        other => return Err(wrong_type("string", &other)),
    };
    let length = if text.is_ascii() {
        text.len()
    } else {
        text.chars().count()
    };
    if length < least {
        return Err(Fault::schema(format!(
            "string too short, expected at least {least}, got {length}"
        )));
    }
    if length > most {
        return Err(Fault::schema(format!(
            "string too long, expected at most {most}, got {length}"
        )));
    }
    Ok(text)
}

/// A value that must be a whole number within `bounds`; `1.0` is one.
pub(super) fn integer(value: &Value, (least, most): (i64, i64)) -> Result<i64, Fault> {
    let number = whole(value).ok_or_else(|| wrong_type("integer", value))?;
    if number < least {
        return Err(Fault::schema(format!(
            "expected {number} to be at least {least}"
        )));
    }
    if number > most {
        return Err(Fault::schema(format!(
            "expected {number} to be at most {most}"
        )));
    }
    Ok(number)
}

fn whole(value: &Value) -> Option<i64> {
    /// Up to here every whole number is a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let number = value
        .as_f64()
        .filter(|n| n.fract() == 0.0 && n.abs() <= EXACT)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
    Some(number as i64)
}

/// The members of one JSON object not yet taken.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// The members of `value`, which must be an object.
    pub(super) fn of(value: Value) -> Result<Self, Fault> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            other => Err(wrong_type("object", &other)),
        }
    }

    /// Takes a member as it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Whether a member is there and not taken.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes a member through `read`; a fault gets the member's name.
    pub(super) fn with<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.take(name)
            .map(|value| read(value).map_err(|fault| fault.within(name)))
            .transpose()
    }

    /// A string of `bounds` characters.
    pub(super) fn string(
        &mut self,
        name: &'static str,
        bounds: (usize, usize),
    ) -> Result<Option<String>, Fault> {
        self.with(name, |value| string(value, bounds))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, Fault> {
        self.with(name, |value| {
            value.as_bool().ok_or_else(|| wrong_type("boolean", &value))
        })
    }

    /// A whole number within `bounds`.
    pub(super) fn integer(
        &mut self,
        name: &'static str,
        bounds: (i64, i64),
    ) -> Result<Option<i64>, Fault> {
        self.with(name, |value| integer(&value, bounds))
    }

    /// A whole number from `least` to `u32::MAX`.
    pub(super) fn count(&mut self, name: &'static str, least: u32) -> Result<Option<u32>, Fault> {
        self.counted(name, (least, u32::MAX))
    }

    /// A whole number within `bounds`.
    pub(super) fn counted(
        &mut self,
        name: &'static str,
        (least, most): (u32, u32),
    ) -> Result<Option<u32>, Fault> {
        let number = self.integer(name, (i64::from(least), i64::from(most)))?;
        Ok(number.map(|n| u32::try_from(n).unwrap_or(most)))
    }

    /// Seconds, with fractions. `positive` refuses 0.
    pub(super) fn seconds(
        &mut self,
        name: &'static str,
        positive: bool,
    ) -> Result<Option<Duration>, Fault> {
        self.with(name, |value| {
            let number = value.as_f64().ok_or_else(|| wrong_type("number", &value))?;
            if positive && number <= 0.0 {
                return Err(Fault::schema(format!(
                    "expected {value} to be greater than 0"
                )));
            }
            if number < 0.0 {
                return Err(Fault::schema(format!("expected {value} to be at least 0")));
            }
            Duration::try_from_secs_f64(number)
                .map_err(|_| Fault::schema(format!("{value} seconds are more than can be counted")))
        })
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Fault> {
        self.with(name, |value| {
            let word = value.as_str().ok_or_else(|| wrong_type("string", &value))?;
            let found = words.iter().find(|(known, _)| *known == word);
            found
                .map(|(_, meaning)| *meaning)
                .ok_or_else(|| Fault::schema("matches none of the enum values"))
        })
    }

    /// An array whose items are read one by one.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        least: usize,
        mut read: impl FnMut(Value) -> Result<T, Fault>,
    ) -> Result<Option<Vec<T>>, Fault> {
        self.with(name, |value| {
            let items = array(value, least)?.into_iter().enumerate();
            items
                .map(|(index, item)| read(item).map_err(|fault| fault.at(index)))
                .collect()
        })
    }

    /// `status`: enabled unless 0.
    pub(super) fn status(&mut self) -> Result<bool, Fault> {
        self.with("status", |value| match whole(&value) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(Fault::schema("matches none of the enum values")),
        })
        .map(|status| status.unwrap_or(true))
    }

    /// Takes what every kind may carry and nobody acts on; `named` kinds have a `name`, which is returned.
    pub(super) fn meta(&mut self, named: bool) -> Result<Option<String>, Fault> {
        self.with("id", |value| id(&value).map(drop))?;
        self.string("desc", (0, 256))?;
        self.integer("create_time", (i64::MIN, i64::MAX))?;
        self.integer("update_time", (i64::MIN, i64::MAX))?;
        self.with("labels", labels)?;
        if named {
            self.string("name", (1, 256))
        } else {
            Ok(None)
        }
    }

    /// A reference to another object.
    pub(super) fn reference(&mut self, name: &'static str) -> Result<Option<Arc<str>>, Fault> {
        self.with(name, |value| id(&value).map(Into::into))
    }

    /// Refuses members Sallyport knows of and does not implement.
    pub(super) fn refuse(&self, names: &[&'static str]) -> Result<(), Fault> {
        match names.iter().find(|name| self.has(name)) {
            None => Ok(()),
            Some(name) => Err(Fault::plain(format!(
                "invalid configuration: {name} is not implemented by Sallyport"
            ))
            .about(*name)),
        }
    }

    /// The end of the object: whatever nobody took is refused.
    pub(super) fn finish(self) -> Result<(), Fault> {
        match self.into_first() {
            None => Ok(()),
            Some(name) => Err(Fault::schema(format!(
                "additional properties forbidden, found {name}"
            ))
            .about(name)),
        }
    }

    /// The name of the first member that nobody took.
    pub(super) fn into_first(self) -> Option<String> {
        self.0.into_iter().next().map(|(name, _)| name)
    }
}

/// The fault of a member that has to be there.
pub(super) fn required(name: &'static str) -> Fault {
    Fault::schema(format!("property \"{name}\" is required")).about(name)
}

/// A value that must be an array of at least `least` items.
pub(super) fn array(value: Value, least: usize) -> Result<Vec<Value>, Fault> {
    match value {
        Value::Array(items) if items.len() >= least => Ok(items),
        Value::Array(_) => Err(Fault::schema(format!(
            "expect array to have at least {least} items"
        ))),
        other => Err(wrong_type("array", &other)),
    }
}

/// Refuses an array in which two items are equal.
pub(super) fn unique<T: Eq + std::hash::Hash>(items: &[T]) -> Result<(), Fault> {
    let mut seen = HashMap::with_capacity(items.len());
    for (later, item) in items.iter().enumerate() {
        if let Some(earlier) = seen.insert(item, later) {
            let (earlier, later) = (earlier + 1, later + 1);
            return Err(Fault::schema(format!(
                "expected unique items but items {earlier} and {later} are equal"
            )));
        }
    }
    Ok(())
}

/// An id: a string of APISIX's alphabet, or a positive whole number.
fn id(value: &Value) -> Result<String, Fault> {
    let found = match value {
        Value::String(text) => Some(text.clone()).filter(|text| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        }),
        number => whole(number).filter(|n| *n >= 1).map(|n| n.to_string()),
    };
    found.ok_or_else(|| Fault::schema("object matches none of the required"))
}

fn labels(value: Value) -> Result<(), Fault> {
    for (name, value) in Fields::of(value)?.0 {
        let nested = |fault: Fault| {
            Fault::schema(format!(
                "failed to validate {name} (matching \".*\"): {}",
                fault.reason()
            ))
            .about(name.clone())
        };
        let text = string(value, (1, 256)).map_err(nested)?;
        if text.chars().any(char::is_whitespace) {
            return Err(nested(Fault::schema(format!(
                "failed to match pattern \"^\\S+$\" with \"{text}\""
            ))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Fields, integer};

    #[test]
    fn whole_numbers_may_be_written_as_fractions() {
        assert_eq!(integer(&json!(1.0), (0, 9)).unwrap(), 1);
        assert_eq!(integer(&json!(1e2), (0, 100)).unwrap(), 100);
        for bad in [
            json!(1.5),
            json!("1"),
            json!(null),
            json!(1e300),
            json!(u64::MAX),
            json!(10),
            json!(-1),
        ] {
            assert!(integer(&bad, (0, 9)).is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_carry_path_and_nested_reason() {
        let mut fields = Fields::of(json!({"a": [1, "x"]})).unwrap();
        let fault = fields
            .list("a", 0, |v| integer(&v, (0, 9)))
            .unwrap_err()
            .within("outer");
        let refusal = fault.into_refusal();
        assert_eq!(refusal.field, "outer.a[1]");
        assert_eq!(
            refusal.reason,
            "invalid configuration: property \"outer\" validation failed: property \"a\" validation failed: failed to \
             validate item 2: wrong type: expected integer, got string"
        );
    }

    #[test]
    fn what_every_kind_may_carry() {
        let good = json!({"id": 1, "desc": "d", "labels": {"env": "prod"}, "create_time": 1, "update_time": 2.0});
        let mut fields = Fields::of(good).unwrap();
        fields.meta(false).unwrap();
        fields.finish().unwrap();
        for (bad, field) in [
            (json!({"id": 0}), "id"),
            (json!({"id": "a b"}), "id"),
            (json!({"id": null}), "id"),
            (json!({"labels": {"env": {}}}), "labels.env"),
            (json!({"labels": {"env": "a b"}}), "labels.env"),
            (json!({"labels": []}), "labels"),
            (json!({"desc": "x".repeat(257)}), "desc"),
            (json!({"create_time": "1"}), "create_time"),
            (json!({"name": ""}), "name"),
        ] {
            assert_eq!(
                Fields::of(bad)
                    .unwrap()
                    .meta(true)
                    .unwrap_err()
                    .into_refusal()
                    .field,
                field
            );
        }
    }
}
