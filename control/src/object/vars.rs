//! The `vars` expressions of routes (reference: lua-resty-expr 1.3): parsed once, evaluated per request against a
//! source of variables. Pure.

use std::borrow::Cow;

/// A parsed expression.
#[derive(Debug)]
pub struct Expr {}

impl Expr {
    /// Parses the JSON array of a route's `vars`.
    ///
    /// # Errors
    /// The text APISIX gives, e.g. `invalid operator 'x'`.
    pub fn parse(_value: &serde_json::Value) -> Result<Self, String> {
        Err("not implemented".to_owned())
    }

    /// Whether the expression holds; `var` gives a variable's value by its nginx name (`arg_a`, `http_x`, `uri`).
    pub fn holds<'a>(&self, _var: &dyn Fn(&str) -> Option<Cow<'a, str>>) -> bool {
        false
    }
}

/// Whether the data path provides the variable `name`.
pub fn is_known(_name: &str) -> bool {
    true
}
