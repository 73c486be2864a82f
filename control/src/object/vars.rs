//! The `vars` expressions of routes (reference: lua-resty-expr 1.3): parsed once, evaluated per request against a
//! source of variables. Pure. A variable the data path does not provide is refused when the expression is read: it
//! would be absent in every request, and the route would match what it was not meant to.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::client_auth::complaint;

/// A parsed expression.
#[derive(Debug)]
pub struct Expr(Node);

#[derive(Debug)]
enum Node {
    /// All of them (`AND`), or with `negated` not all (`!AND`).
    All { nodes: Vec<Self>, negated: bool },
    /// One of them (`OR`), or with `negated` none (`!OR`).
    Any { nodes: Vec<Self>, negated: bool },
    /// One variable against one value; `negated` is the `!` before the operator.
    Test {
        variable: Box<str>,
        test: Test,
        negated: bool,
    },
}

#[derive(Debug)]
enum Test {
    /// Absent (`== null`).
    Absent,
    Equal(Box<str>),
    EqualNumber(f64),
    Greater(f64),
    GreaterOrEqual(f64),
    Less(f64),
    LessOrEqual(f64),
    Matches(regex::Regex),
    In(Box<[Box<str>]>),
    Within(Box<[IpNet]>),
    /// What cannot hold: `has` asks for a list, and no variable is one; a string never equals a boolean.
    Never,
}

impl Expr {
    /// Parses the JSON array of a route's `vars`.
    ///
    /// # Errors
    /// The text APISIX gives, e.g. `invalid operator 'x'`.
    pub fn parse(value: &Value) -> Result<Self, String> {
        const UNWRAPPED: &str = "rule should be wrapped inside brackets";
        let rules = value.as_array().ok_or(UNWRAPPED)?;
        match rules.first() {
            None => {
                return Ok(Self(Node::All {
                    nodes: Vec::new(),
                    negated: false,
                }));
            }
            Some(Value::Array(_)) => {}
            Some(first) if first.as_str().and_then(Logic::of).is_some() => {}
            Some(_) => return Err(UNWRAPPED.to_owned()),
        }
        node(rules).map(Self)
    }

    /// Whether the expression holds; `var` gives a variable's value by its nginx name (`arg_a`, `http_x`, `uri`).
    pub fn holds<'a>(&self, var: &dyn Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        self.0.holds(var)
    }
}

impl Node {
    fn holds<'a>(&self, var: &dyn Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        match self {
            Self::All { nodes, negated } => nodes.iter().all(|node| node.holds(var)) != *negated,
            Self::Any { nodes, negated } => nodes.iter().any(|node| node.holds(var)) != *negated,
            Self::Test {
                variable,
                test,
                negated,
            } => test.passes(var(variable).as_deref()) != *negated,
        }
    }
}

impl Test {
    fn passes(&self, value: Option<&str>) -> bool {
        let compared = |order: fn(f64, f64) -> bool, with: f64| {
            value
                .and_then(number)
                .is_some_and(|value| order(value, with))
        };
        match self {
            Self::Absent => value.is_none(),
            Self::Equal(text) => value == Some(text),
            Self::EqualNumber(with) => compared(|a, b| a == b, *with),
            Self::Greater(with) => compared(|a, b| a > b, *with),
            Self::GreaterOrEqual(with) => compared(|a, b| a >= b, *with),
            Self::Less(with) => compared(|a, b| a < b, *with),
            Self::LessOrEqual(with) => compared(|a, b| a <= b, *with),
            Self::Matches(regex) => value.is_some_and(|value| regex.is_match(value)),
            Self::In(list) => value.is_some_and(|value| list.iter().any(|item| **item == *value)),
            Self::Within(nets) => {
                let address = value.and_then(|value| value.parse::<IpAddr>().ok());
                address.is_some_and(|address| nets.iter().any(|net| net.contains(&address)))
            }
            Self::Never => false,
        }
    }
}

/// A number as Lua reads one out of a string: blanks around it, decimal or hexadecimal.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
        let value = u32::from_str_radix(digits, 16).ok()?;
        return Some(f64::from(value));
    }
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { text.parse().ok() } else { None }
}

/// How the rules of a list combine.
#[derive(Clone, Copy)]
struct Logic {
    all: bool,
    negated: bool,
}

impl Logic {
    fn of(word: &str) -> Option<Self> {
        Some(match word.to_ascii_uppercase().as_str() {
            "AND" => Self {
                all: true,
                negated: false,
            },
            "!AND" => Self {
                all: true,
                negated: true,
            },
            "OR" => Self {
                all: false,
                negated: false,
            },
            "!OR" => Self {
                all: false,
                negated: true,
            },
            _ => return None,
        })
    }

    fn over(self, rules: &[Value]) -> Result<Node, String> {
        let nodes = rules
            .iter()
            .map(|rule| {
                node(
                    rule.as_array()
                        .ok_or("rule should be wrapped inside brackets")?,
                )
            })
            .collect::<Result<_, _>>()?;
        let negated = self.negated;
        Ok(if self.all {
            Node::All { nodes, negated }
        } else {
            Node::Any { nodes, negated }
        })
    }
}

/// A list of rules, or one rule. The nesting is bounded by the JSON reader.
fn node(rules: &[Value]) -> Result<Node, String> {
    const TOO_SHORT: &str = "rule too short";
    let Some((first, rest)) = rules.split_first() else {
        return Err(TOO_SHORT.to_owned());
    };
    if first.is_array() {
        return Logic {
            all: true,
            negated: false,
        }
        .over(rules);
    }
    match first.as_str().and_then(Logic::of) {
        Some(_) if rest.len() < 2 => Err(TOO_SHORT.to_owned()),
        Some(logic) => logic.over(rest),
        None => comparison(rules),
    }
}

fn comparison(rule: &[Value]) -> Result<Node, String> {
    const INVALID: &str = "invalid expression";
    let (variable, operator, value, reverse) = match rule {
        [variable, not, operator, value] => {
            if not != "!" {
                return Err("bad 'not' expression".to_owned());
            }
            (variable, operator, value, true)
        }
        [variable, operator, value] => (variable, operator, value, false),
        // An old short form of `==`.
        [variable, value] if value.as_str().is_none_or(|word| !is_operator(word)) => {
            return comparison(&[variable.clone(), "==".into(), value.clone()]);
        }
        _ => return Err(INVALID.to_owned()),
    };
    let variable = variable.as_str().ok_or(INVALID)?;
    if !is_known(variable) {
        return Err(format!(
            "the variable '{variable}' is not provided by Sallyport"
        ));
    }
    let operator = operator.as_str().ok_or(INVALID)?.to_ascii_lowercase();
    let (test, unequal) = test(&operator, value)?;
    Ok(Node::Test {
        variable: variable.into(),
        test,
        negated: reverse != unequal,
    })
}

fn is_operator(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    [
        "==", "~=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch",
    ]
    .contains(&word.as_str())
}

/// The test, and whether its outcome is turned round (`~=`).
fn test(operator: &str, value: &Value) -> Result<(Test, bool), String> {
    Ok(match operator {
        "==" => (equal(value)?, false),
        "~=" => (equal(value)?, true),
        ">" => (
            ordered(value, operator)?.map_or(Test::Never, Test::Greater),
            false,
        ),
        ">=" => (
            ordered(value, operator)?.map_or(Test::Never, Test::GreaterOrEqual),
            false,
        ),
        "<" => (
            ordered(value, operator)?.map_or(Test::Never, Test::Less),
            false,
        ),
        "<=" => (
            ordered(value, operator)?.map_or(Test::Never, Test::LessOrEqual),
            false,
        ),
        "~~" => (matching(value, false)?, false),
        "~*" => (matching(value, true)?, false),
        "in" => (within_list(value)?, false),
        "has" => (Test::Never, false),
        "ipmatch" => (within_networks(value)?, false),
        unknown => return Err(format!("invalid operator '{unknown}'")),
    })
}

fn equal(value: &Value) -> Result<Test, String> {
    match value {
        Value::Null => Ok(Test::Absent),
        Value::Bool(_) => Ok(Test::Never),
        Value::Number(number) => Ok(number.as_f64().map_or(Test::Never, Test::EqualNumber)),
        Value::String(text) => Ok(Test::Equal(text.as_str().into())),
        Value::Array(_) | Value::Object(_) => {
            Err("'==' and '~=' compare with a string or a number".to_owned())
        }
    }
}

/// The number to compare with; `None` if the text is none, and then nothing compares.
fn ordered(value: &Value, operator: &str) -> Result<Option<f64>, String> {
    match value {
        Value::Number(number) => Ok(number.as_f64()),
        Value::String(text) => Ok(number(text)),
        _ => Err(format!("'{operator}' compares with a number")),
    }
}

/// What one compiled expression may take, in bytes.
const REGEX_SIZE: usize = 1 << 20;

fn matching(value: &Value, any_case: bool) -> Result<Test, String> {
    let text = value
        .as_str()
        .ok_or("'~~' and '~*' compare with a regular expression")?;
    let regex = regex::RegexBuilder::new(text)
        .case_insensitive(any_case)
        .size_limit(REGEX_SIZE)
        .build();
    let failed = |error: regex::Error| {
        format!(
            "the regular expression {text:?} cannot be used: {}",
            complaint(&error)
        )
    };
    regex.map(Test::Matches).map_err(failed)
}

fn within_list(value: &Value) -> Result<Test, String> {
    let items = value.as_array().ok_or("'in' compares with an array")?;
    // Variables are text, so other items are never met.
    Ok(Test::In(
        items
            .iter()
            .filter_map(Value::as_str)
            .map(Box::from)
            .collect(),
    ))
}

fn within_networks(value: &Value) -> Result<Test, String> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let read = |item: &Value| {
        let text = item
            .as_str()
            .ok_or("'ipmatch' compares with addresses or CIDR ranges")?;
        let net = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map_err(|_| format!("invalid ip address: {text}"))
    };
    items
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map(Test::Within)
}

/// Variables the data path provides, besides those of the [`PREFIXES`].
pub const KNOWN: &[&str] = &[
    "args",
    "content_length",
    "content_type",
    "host",
    "hostname",
    "https",
    "is_args",
    "query_string",
    "remote_addr",
    "remote_port",
    "request_method",
    "request_uri",
    "scheme",
    "server_addr",
    "server_name",
    "server_port",
    "server_protocol",
    "ssl_cipher",
    "ssl_client_fingerprint",
    "ssl_client_i_dn",
    "ssl_client_s_dn",
    "ssl_client_serial",
    "ssl_client_verify",
    "ssl_protocol",
    "ssl_server_name",
    "ssl_session_reused",
    "uri",
];

/// Families of variables: what follows names a query argument, a request header or a cookie.
const PREFIXES: &[&str] = &["arg_", "http_", "cookie_"];

/// Whether the data path provides the variable `name`.
pub fn is_known(name: &str) -> bool {
    KNOWN.binary_search(&name).is_ok()
        || PREFIXES.iter().any(|prefix| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| !rest.is_empty())
        })
}

#[cfg(test)]
#[path = "vars_tests.rs"]
mod tests;
