//! Table tests of `vars` expressions.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use std::borrow::Cow;

use serde_json::json;

use super::{Expr, KNOWN, is_known};

fn request(name: &str) -> Option<Cow<'static, str>> {
    let value = match name {
        "uri" => "/a/b",
        "request_method" => "GET",
        "remote_addr" => "10.1.2.3",
        "arg_n" => "10",
        "arg_hex" => "0x1F",
        "arg_word" => "nan",
        "arg_empty" => "",
        "http_x" => "Value",
        _ => return None,
    };
    Some(Cow::Borrowed(value))
}

#[test]
fn expressions_hold_or_not() {
    for (rules, expected) in [
        (json!([]), true),
        (json!([["uri", "==", "/a/b"]]), true),
        (json!([["uri", "==", "/a"]]), false),
        (json!([["uri", "/a/b"]]), true),
        (json!([["uri", "!", "==", "/a"]]), true),
        (json!([["arg_none", "==", "x"]]), false),
        (json!([["arg_none", "~=", "x"]]), true),
        (json!([["arg_none", "==", null]]), true),
        (json!([["arg_n", "~=", null]]), true),
        (json!([["arg_n", "==", 10]]), true),
        (json!([["arg_n", "==", 10.5]]), false),
        (json!([["arg_n", "==", true]]), false),
        (json!([["arg_word", "~=", 10]]), true),
        (json!([["arg_n", ">", 9]]), true),
        (json!([["arg_n", ">", "9"]]), true),
        (json!([["arg_n", ">", "x"]]), false),
        (
            json!([["arg_n", ">=", 10], ["arg_n", "<=", 10], ["arg_n", "<", 11]]),
            true,
        ),
        (json!([["arg_n", ">", 10]]), false),
        (json!([["arg_hex", "==", 31]]), true),
        (json!([["arg_word", "<", 1]]), false),
        (json!([["arg_empty", "<", 1]]), false),
        (json!([["uri", "~~", "^/a"]]), true),
        (json!([["http_x", "~~", "^value"]]), false),
        (json!([["http_x", "~*", "^value"]]), true),
        (json!([["http_x", "!", "~*", "^value"]]), false),
        (json!([["arg_none", "~~", ".*"]]), false),
        (json!([["request_method", "in", ["GET", 1, "HEAD"]]]), true),
        (json!([["request_method", "IN", []]]), false),
        (json!([["request_method", "has", "GET"]]), false),
        (json!([["request_method", "!", "has", "GET"]]), true),
        (
            json!([["remote_addr", "ipmatch", ["10.1.0.0/16", "::1"]]]),
            true,
        ),
        (json!([["remote_addr", "ipmatch", "10.1.2.3"]]), true),
        (
            json!([["remote_addr", "!", "ipmatch", ["10.1.0.0/16"]]]),
            false,
        ),
        (json!([["uri", "ipmatch", ["10.1.0.0/16"]]]), false),
        (
            json!(["OR", ["uri", "==", "x"], ["arg_n", "==", "10"]]),
            true,
        ),
        (
            json!(["!OR", ["uri", "==", "x"], ["arg_n", "==", "10"]]),
            false,
        ),
        (
            json!(["!or", ["uri", "==", "x"], ["arg_n", "==", "11"]]),
            true,
        ),
        (
            json!(["AND", ["uri", "==", "x"], ["arg_n", "==", "10"]]),
            false,
        ),
        (
            json!(["!AND", ["uri", "==", "x"], ["arg_n", "==", "10"]]),
            true,
        ),
        (
            json!([
                "AND",
                ["uri", "==", "/a/b"],
                ["OR", ["arg_n", "==", "1"], ["arg_n", "==", "10"]]
            ]),
            true,
        ),
        (
            json!([
                ["OR", ["arg_n", "==", "1"], ["arg_n", "==", "2"]],
                ["uri", "==", "/a/b"]
            ]),
            false,
        ),
    ] {
        let expr = Expr::parse(&rules).unwrap_or_else(|e| panic!("{rules}: {e}"));
        assert_eq!(expr.holds(&request), expected, "{rules}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    let brackets = "rule should be wrapped inside brackets";
    for (rules, says) in [
        (json!(["uri", "==", "/"]), brackets),
        (json!("uri"), brackets),
        (json!({}), brackets),
        (json!([1]), brackets),
        (json!([[]]), "rule too short"),
        (json!(["OR", ["uri", "==", "/"]]), "rule too short"),
        (json!(["OR", "uri", "=="]), brackets),
        (json!([["uri"]]), "invalid expression"),
        (json!([["uri", "=="]]), "invalid expression"),
        (json!([[1, "==", 1]]), "invalid expression"),
        (json!([["uri", "==", "/", "/", "/"]]), "invalid expression"),
        (json!([["uri", "?", "==", "/"]]), "bad 'not' expression"),
        (json!([["uri", "=", "/"]]), "invalid operator '='"),
        (json!([["uri", "x", "/"]]), "invalid operator 'x'"),
        (
            json!([["uri", "~~", "("]]),
            "the regular expression \"(\" cannot be used: unclosed group",
        ),
        (json!([["uri", "~~", "(?=a)"]]), "look-around"),
        (json!([["uri", "in", "x"]]), "'in' compares with an array"),
        (
            json!([["remote_addr", "ipmatch", ["x"]]]),
            "invalid ip address: x",
        ),
        (
            json!([["graphql_name", "==", "x"]]),
            "the variable 'graphql_name' is not provided",
        ),
        (
            json!([["arg_", "==", "x"]]),
            "the variable 'arg_' is not provided",
        ),
    ] {
        let error = Expr::parse(&rules).unwrap_err();
        assert!(error.contains(says), "{rules}: {error}");
    }
}

#[test]
fn known_variables_are_sorted_for_the_search() {
    assert!(KNOWN.is_sorted());
    assert!(KNOWN.iter().all(|name| is_known(name)));
    assert!(is_known("http_user_agent") && is_known("cookie_a") && is_known("arg_a"));
    assert!(!is_known("post_arg_a") && !is_known("consumer_name"));
}
