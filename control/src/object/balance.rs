//! How an upstream picks among its nodes: `type`, `hash_on` and `key`, read and validated. The picking is the
//! processor's.

use super::vars;
use super::wire::{Fault, Fields};

/// The balancing algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Balance {
    /// Smooth weighted round robin.
    RoundRobin,
    /// Consistent hashing on a request property.
    Chash(HashOn),
    /// Fewest requests in flight per weight.
    LeastConn,
    /// Peak-EWMA latency of two picked at random.
    Ewma,
}

/// What `chash` hashes; an absent value falls back to the client's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HashOn {
    /// A variable: `uri`, `remote_addr`, `arg_x`, ...
    Var(String),
    /// A request header.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A template of `$variables`.
    Vars(String),
}

#[derive(Clone, Copy)]
enum Algorithm {
    RoundRobin,
    Chash,
    LeastConn,
    Ewma,
}

#[derive(Clone, Copy)]
enum Source {
    Vars,
    Header,
    Cookie,
    Consumer,
    Combinations,
}

/// Takes `type`, `hash_on` and `key`. Unlike APISIX's Admin API, which lets any `type` pass and fails the requests.
pub(super) fn read(fields: &mut Fields) -> Result<Balance, Fault> {
    let algorithm = fields.one_of(
        "type",
        &[
            ("roundrobin", Algorithm::RoundRobin),
            ("chash", Algorithm::Chash),
            ("least_conn", Algorithm::LeastConn),
            ("ewma", Algorithm::Ewma),
        ],
    )?;
    let source = fields.one_of(
        "hash_on",
        &[
            ("vars", Source::Vars),
            ("header", Source::Header),
            ("cookie", Source::Cookie),
            ("consumer", Source::Consumer),
            ("vars_combinations", Source::Combinations),
        ],
    )?;
    let key = fields.string("key", (0, 4096))?;
    match algorithm.unwrap_or(Algorithm::RoundRobin) {
        Algorithm::RoundRobin => Ok(Balance::RoundRobin),
        Algorithm::LeastConn => Ok(Balance::LeastConn),
        Algorithm::Ewma => Ok(Balance::Ewma),
        Algorithm::Chash => hash_on(source.unwrap_or(Source::Vars), key).map(Balance::Chash),
    }
}

fn hash_on(source: Source, key: Option<String>) -> Result<HashOn, Fault> {
    if matches!(source, Source::Consumer) {
        return Err(Fault::plain(
            "invalid configuration: hash_on consumer is not implemented by Sallyport",
        )
        .about("hash_on"));
    }
    let key = key.ok_or_else(|| Fault::plain("invalid configuration: missing key").about("key"))?;
    let (fits, pattern) = match source {
        Source::Vars | Source::Consumer => (is_hash_variable(&key), VARIABLES),
        Source::Header | Source::Cookie => (is_word(&key), "^[a-zA-Z0-9-_]+$"),
        Source::Combinations => (is_template(&key), "text with $variables in it"),
    };
    if !fits {
        let reason =
            format!("invalid configuration: failed to match pattern \"{pattern}\" with \"{key}\"");
        return Err(Fault::plain(reason).about("key"));
    }
    Ok(match source {
        Source::Vars | Source::Consumer => HashOn::Var(key),
        Source::Header => HashOn::Header(key.to_ascii_lowercase()),
        Source::Cookie => HashOn::Cookie(key),
        Source::Combinations => HashOn::Vars(key),
    })
}

/// APISIX's pattern without `mqtt_client_id`, which no HTTP request has.
const VARIABLES: &str = "^((uri|server_name|server_addr|request_uri|remote_port|remote_addr|query_string|host|hostname)\
                         |arg_[0-9a-zA-z_-]+)$";

fn is_hash_variable(key: &str) -> bool {
    match key.strip_prefix("arg_") {
        Some(name) => is_word(name),
        None => VARIABLES
            .split(['(', '|', ')'])
            .any(|name| name == key && is_word(name)),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// At least one `$variable`, each of them known.
fn is_template(key: &str) -> bool {
    let end = |text: &str| {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(text.len())
    };
    let mut names = key
        .split('$')
        .skip(1)
        .map(|rest| rest.split_at(end(rest)).0)
        .peekable();
    names.peek().is_some() && names.all(vars::is_known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Balance, Fields, HashOn, read};

    #[test]
    fn algorithms_and_keys() {
        let var = |name: &str| Some(Balance::Chash(HashOn::Var(name.to_owned())));
        for (value, expected) in [
            (json!({}), Some(Balance::RoundRobin)),
            (json!({"type": "ewma"}), Some(Balance::Ewma)),
            (
                json!({"type": "least_conn", "hash_on": "vars"}),
                Some(Balance::LeastConn),
            ),
            (
                json!({"type": "chash", "key": "remote_addr"}),
                var("remote_addr"),
            ),
            (
                json!({"type": "chash", "key": "arg_a-b", "hash_on": "vars"}),
                var("arg_a-b"),
            ),
            (
                json!({"type": "chash", "key": "X-Id", "hash_on": "header"}),
                Some(Balance::Chash(HashOn::Header("x-id".to_owned()))),
            ),
            (
                json!({"type": "chash", "key": "$request_uri-$remote_addr", "hash_on": "vars_combinations"}),
                Some(Balance::Chash(HashOn::Vars(
                    "$request_uri-$remote_addr".to_owned(),
                ))),
            ),
            (json!({"type": "random"}), None),
            (json!({"type": 1}), None),
            (json!({"type": "chash"}), None),
            (json!({"type": "chash", "key": "nothing"}), None),
            (json!({"type": "chash", "key": ""}), None),
            (json!({"type": "chash", "key": "arg_"}), None),
            (json!({"type": "chash", "key": "mqtt_client_id"}), None),
            (
                json!({"type": "chash", "key": "a b", "hash_on": "cookie"}),
                None,
            ),
            (
                json!({"type": "chash", "key": "plain", "hash_on": "vars_combinations"}),
                None,
            ),
            (
                json!({"type": "chash", "key": "$nothing", "hash_on": "vars_combinations"}),
                None,
            ),
            (json!({"type": "chash", "hash_on": "consumer"}), None),
            (json!({"hash_on": "weather"}), None),
        ] {
            let mut fields = Fields::of(value.clone()).unwrap();
            assert_eq!(read(&mut fields).ok(), expected, "{value}");
        }
    }
}
