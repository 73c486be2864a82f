//! `upstream.nodes`: the map form (`"host[:port]": weight`) and the array form of APISIX, read into [`Node`]s.

use std::net::Ipv6Addr;
use std::sync::Arc;

use serde_json::Value;

use super::Scheme;
use super::wire::{self, Fault, Fields};

/// One node of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Name or address, no brackets, lower case.
    pub host: Arc<str>,
    /// Port; the scheme's default is already filled in.
    pub port: u16,
    /// 0 is picked only if every weight is 0.
    pub weight: u32,
    /// Higher groups are used first.
    pub priority: i32,
}

/// Reads either form. Array nodes keep their order, map nodes have that of their keys.
pub(super) fn read(value: Value, scheme: Scheme) -> Result<Vec<Node>, Fault> {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            let read = |(name, weight): (String, Value)| {
                from_entry(&name, &weight, scheme).map_err(|fault| fault.within(name))
            };
            entries.into_iter().map(read).collect()
        }
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            items
                .map(|(index, item)| from_item(item, scheme).map_err(|fault| fault.at(index)))
                .collect()
        }
        _ => Err(Fault::schema("object matches none of the required")),
    }
}

const WEIGHT: (i64, i64) = (0, u32::MAX as i64);

fn from_entry(name: &str, weight: &Value, scheme: Scheme) -> Result<Node, Fault> {
    let bracket_end = name.rfind(']').map_or(0, |end| end + 1);
    let colon = name
        .get(bracket_end..)
        .and_then(|rest| rest.find(':'))
        .map(|at| bracket_end + at);
    let (text, port) = match colon.and_then(|at| name.split_at_checked(at)) {
        None => (name, scheme.default_port()),
        Some((_, port)) if port.matches(':').count() > 1 => return Err(unbracketed()),
        Some((text, port)) => (text, self::port(port.trim_start_matches(':'))?),
    };
    let weight = wire::integer(weight, WEIGHT)?;
    Ok(Node {
        host: host(text)?,
        port,
        weight: u32::try_from(weight).unwrap_or(u32::MAX),
        priority: 0,
    })
}

fn port(text: &str) -> Result<u16, Fault> {
    let port = Some(text)
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    port.filter(|port| *port != 0)
        .ok_or_else(|| Fault::plain(format!("invalid configuration: invalid port {text}")))
}

fn from_item(value: Value, scheme: Scheme) -> Result<Node, Fault> {
    let mut fields = Fields::of(value)?;
    let host = fields.with("host", |value| host(&wire::string(value, (1, 256))?))?;
    let port = fields.counted("port", (1, u32::from(u16::MAX)))?;
    let weight = fields.count("weight", 0)?;
    let priority = fields.integer("priority", (i64::from(i32::MIN), i64::from(i32::MAX)))?;
    fields.with("metadata", |value| Fields::of(value).map(drop))?;
    fields.finish()?;
    Ok(Node {
        host: host.ok_or_else(|| wire::required("host"))?,
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or_else(|| scheme.default_port()),
        weight: weight.ok_or_else(|| wire::required("weight"))?,
        priority: priority
            .and_then(|priority| i32::try_from(priority).ok())
            .unwrap_or_default(),
    })
}

fn unbracketed() -> Fault {
    Fault::plain("invalid configuration: IPv6 address must be enclosed with '[' and ']'")
}

/// A name or address without its brackets, lower-cased.
fn host(text: &str) -> Result<Arc<str>, Fault> {
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner
            .strip_suffix(']')
            .and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        let address =
            address.ok_or_else(|| Fault::schema(format!("\"{text}\" is not an IPv6 address")))?;
        return Ok(address.to_string().into());
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(unbracketed());
    }
    if text.is_empty()
        || !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
    {
        return Err(Fault::schema(format!(
            "\"{text}\" is not a host name or address"
        )));
    }
    Ok(text.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Scheme, read};

    fn shown(value: serde_json::Value, scheme: Scheme) -> Result<Vec<String>, String> {
        let nodes = read(value, scheme).map_err(|fault| {
            let refusal = fault.within("nodes").into_refusal();
            format!("{} | {}", refusal.field, refusal.reason)
        })?;
        Ok(nodes
            .iter()
            .map(|n| format!("{} {} {} {}", n.host, n.port, n.weight, n.priority))
            .collect())
    }

    #[test]
    fn both_forms() {
        let map =
            json!({"B.test": 1, "a.test:8080": 0, "[::1]:9": 2, "[::2]": 3, "127.0.0.1": 1.0});
        let nodes = [
            "127.0.0.1 443 1 0",
            "b.test 443 1 0",
            "::1 9 2 0",
            "::2 443 3 0",
            "a.test 8080 0 0",
        ];
        assert_eq!(shown(map, Scheme::Https).unwrap(), nodes);
        let array = json!([
            {"host": "z.test", "port": 1, "weight": 1, "priority": -1, "metadata": {"any": ["thing"]}},
            {"host": "[2001:db8::1]", "weight": 0}
        ]);
        assert_eq!(
            shown(array, Scheme::Http).unwrap(),
            ["z.test 1 1 -1", "2001:db8::1 80 0 0"]
        );
        assert!(shown(json!({}), Scheme::Http).unwrap().is_empty());
        assert!(shown(json!([]), Scheme::Http).unwrap().is_empty());
    }

    #[test]
    fn refusals() {
        let ipv6 = "invalid configuration: IPv6 address must be enclosed with '[' and ']'";
        for (value, says) in [
            (
                json!({"a:0": 1}),
                "nodes.a:0 | invalid configuration: invalid port 0",
            ),
            (json!({"a:65536": 1}), "invalid port 65536"),
            (json!({"a:": 1}), "invalid port "),
            (json!({"a:+1": 1}), "invalid port +1"),
            (json!({"::1": 1}), ipv6),
            (json!({"": 1}), "is not a host name"),
            (json!({"a": -1}), "expected -1 to be at least 0"),
            (
                json!({"a": "1"}),
                "wrong type: expected integer, got string",
            ),
            (json!({"a b": 1}), "is not a host name"),
            (json!([{"host": "::1", "port": 1, "weight": 1}]), ipv6),
            (
                json!([{"host": "[x]", "port": 1, "weight": 1}]),
                "is not an IPv6 address",
            ),
            (
                json!([{"host": "a", "port": 0, "weight": 1}]),
                "nodes[0].port | ",
            ),
            (json!([{"host": "a", "port": 1}]), "nodes[0].weight | "),
            (
                json!([{"port": 1, "weight": 1}]),
                "property \"host\" is required",
            ),
            (
                json!([{"host": "a", "weight": 1, "x": 1}]),
                "additional properties forbidden, found x",
            ),
            (json!("a"), "object matches none of the required"),
        ] {
            let error = shown(value, Scheme::Http).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
