//! Table tests of routes and services: what is read, what is refused, what a refused route closes.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::tests::context;
use super::{HostPattern, Methods, PathPattern, Route, read};
use crate::rejection::{Closes, Refusal};

fn route(value: &Value) -> Result<Route, Refusal> {
    read("r", &serde_json::to_vec(value).unwrap(), &context())
}

fn with(changes: &Value) -> Value {
    let mut object = json!({"uri": "/a", "upstream_id": 1});
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

#[test]
fn a_minimal_route() {
    let route = route(&with(&json!({}))).unwrap();
    assert_eq!(
        (
            &**route.id(),
            route.priority(),
            route.is_enabled(),
            route.is_closed()
        ),
        ("r", 0, true, false)
    );
    assert!(route.hosts().is_empty() && route.remote_addrs().is_empty() && route.vars().is_none());
    assert_eq!(
        (
            route.methods(),
            route.websocket(),
            route.upstream_id().map(|id| &**id)
        ),
        (Methods::ANY, None, Some("1"))
    );
}

#[test]
fn everything_at_once() {
    let route = route(&json!({
        "id": 7, "name": "n", "desc": "d", "labels": {"a": "b"}, "create_time": 1, "update_time": 2,
        "uris": ["/a", "/b*", "/c/*/d"], "priority": -5, "methods": ["GET", "PURGE"], "hosts": ["A.test", "*.b.test"],
        "remote_addrs": ["10.1.2.3/8", "::1"], "timeout": {"connect": 1, "send": 2, "read": 3.5},
        "vars": [["arg_a", "==", "1"]], "plugins": {"prometheus": {"prefer_name": true}},
        "upstream": {"nodes": {"a.test": 1}}, "service_id": "s", "enable_websocket": true, "status": 0
    }))
    .unwrap();
    assert!(matches!(
        route.paths(),
        [
            PathPattern::Exact(_),
            PathPattern::Prefix(_),
            PathPattern::Glob { .. }
        ]
    ));
    assert_eq!(
        route.hosts(),
        [
            HostPattern::Exact("a.test".into()),
            HostPattern::Suffix(".b.test".into())
        ]
    );
    assert!(route.methods().contains("PURGE") && !route.methods().contains("POST"));
    assert_eq!(route.remote_addrs()[0].to_string(), "10.0.0.0/8");
    assert_eq!(
        route.upstream().map(|upstream| &**upstream.key()),
        Some("routes/r")
    );
    assert_eq!(
        (route.name(), route.is_enabled(), route.websocket()),
        (Some("n"), false, Some(true))
    );
    assert!(route.vars().is_some() && route.timeouts().is_some());
}

#[test]
fn refusals() {
    for (changes, field, says) in [
        (
            json!({"uris": ["/b"]}),
            "uris",
            "exactly one of uri and uris",
        ),
        (json!({"uri": "a"}), "uri", "a path starts with /"),
        (
            json!({"uri": ""}),
            "uri",
            "string too short, expected at least 1, got 0",
        ),
        (
            json!({"host": "a", "hosts": ["b"]}),
            "hosts",
            "only one of host or hosts is allowed",
        ),
        (json!({"hosts": []}), "hosts", "at least 1 items"),
        (
            json!({"hosts": ["a", "a b"]}),
            "hosts[1]",
            "failed to match pattern",
        ),
        (json!({"host": "*."}), "host", "failed to match pattern"),
        (
            json!({"remote_addr": "::1", "remote_addrs": ["::1"]}),
            "remote_addrs",
            "only one of remote_addr or remote_addrs",
        ),
        (
            json!({"remote_addr": "10.0.0.0/33"}),
            "remote_addr",
            "neither an IP address nor a CIDR range",
        ),
        (
            json!({"methods": ["get"]}),
            "methods[0]",
            "none of the enum values",
        ),
        (json!({"methods": ["GET", "GET"]}), "methods", "unique"),
        (
            json!({"vars": [["arg_a", "x", "1"]]}),
            "vars",
            "failed to validate the 'vars' expression: invalid operator 'x'",
        ),
        (json!({"priority": 1.5}), "priority", "expected integer"),
        (json!({"timeout": {}}), "timeout.connect", "is required"),
        (
            json!({"filter_func": "function(vars) return true end"}),
            "filter_func",
            "filter_func is not implemented",
        ),
        (
            json!({"script": "x"}),
            "script",
            "script is not implemented",
        ),
        (
            json!({"script_id": 1}),
            "script_id",
            "script_id is not implemented",
        ),
        (
            json!({"plugin_config_id": 1}),
            "plugin_config_id",
            "plugin_config_id is not implemented",
        ),
        (
            json!({"plugins": {"key-auth": {}}}),
            "plugins.key-auth",
            "the plugin key-auth is not implemented",
        ),
        (
            json!({"plugins": {"prometheus": {"disable": true}}}),
            "plugins.prometheus.disable",
            "found disable",
        ),
        (
            json!({"plugins": {"prometheus": true}}),
            "plugins.prometheus",
            "expected object, got boolean",
        ),
        (
            json!({"plugins": null}),
            "plugins",
            "expected object, got null",
        ),
        (
            json!({"plugins": []}),
            "plugins",
            "expected object, got table",
        ),
        (
            json!({"upstream": {"nodes": [{"host": "a", "port": 0, "weight": 1}]}}),
            "upstream.nodes[0].port",
            "at least 1",
        ),
        (
            json!({"upstream_id": ""}),
            "upstream_id",
            "none of the required",
        ),
        (
            json!({"enable_websocket": 1}),
            "enable_websocket",
            "expected boolean, got number",
        ),
        (json!({"status": true}), "status", "none of the enum values"),
    ] {
        let refusal = route(&with(&changes)).unwrap_err();
        assert_eq!(refusal.field, field, "{}", refusal.reason);
        assert!(refusal.reason.contains(says), "{}", refusal.reason);
    }
    assert_eq!(route(&json!({"upstream_id": 1})).unwrap_err().field, "uri");
    assert!(
        route(&json!({"uri": "/a"}))
            .unwrap_err()
            .reason
            .contains("at least one of plugins, upstream")
    );
    route(&json!({"uri": "/a", "plugins": {}})).unwrap();
}

fn closed(value: &Value) -> Option<Arc<Route>> {
    match route(value).unwrap_err().closes {
        Closes::Route(route) => Some(route),
        Closes::Nothing => None,
        Closes::Names(_) => panic!("a route closes no names"),
    }
}

#[test]
fn a_refused_route_closes_what_it_would_have_matched() {
    let broken = json!({
        "uris": ["/a", "b", "/c*"], "hosts": ["a.test", "a b"], "methods": ["GET", "FETCH"], "priority": 3,
        "service_id": "s", "remote_addrs": ["10.0.0.0/8", 1], "plugins": {"key-auth": {}}
    });
    let route = closed(&broken).unwrap();
    assert!(route.is_closed() && route.is_enabled() && route.upstream_id().is_none());
    assert_eq!(
        (route.paths().len(), route.hosts().len(), route.priority()),
        (2, 1, 3)
    );
    assert!(route.methods().contains("GET") && !route.methods().contains("POST"));
    assert_eq!(
        (
            route.remote_addrs().len(),
            route.service_id().map(|id| &**id)
        ),
        (1, Some("s"))
    );
    let wide =
        closed(&json!({"uri": "/a", "methods": ["FETCH"], "vars": "x", "priority": "x"})).unwrap();
    assert_eq!(
        (wide.methods(), wide.priority(), wide.hosts().len()),
        (Methods::ANY, 0, 0)
    );
    for nothing in [
        json!({"uri": "/a", "status": 0}),
        json!({"uri": "a"}),
        json!({"uri": "/*", "host": "a b"}),
        json!({"uri": "/*", "hosts": []}),
        json!([]),
    ] {
        assert!(closed(&nothing).is_none(), "{nothing}");
    }
    assert!(matches!(
        read("r", b"{", &context()).unwrap_err().closes,
        Closes::Nothing
    ));
}

#[test]
fn services() {
    let read = |value: Value| {
        super::super::service::read("s", &serde_json::to_vec(&value).unwrap(), &context())
    };
    let service = read(json!({
        "id": "s", "name": "n", "hosts": ["*.a.test"], "plugins": {}, "enable_websocket": true,
        "upstream": {"nodes": {"a.test": 1}}
    }))
    .unwrap();
    assert_eq!(service.hosts(), [HostPattern::Suffix(".a.test".into())]);
    assert_eq!(
        service.upstream().map(|upstream| &**upstream.key()),
        Some("services/s")
    );
    assert!(service.websocket());
    assert!(!read(json!({"upstream_id": 1})).unwrap().websocket());
    for (value, field) in [
        (json!({"script": "x"}), "script"),
        (
            json!({"plugins": {"limit-count": {}}}),
            "plugins.limit-count",
        ),
        (json!({"hosts": ["a", "a"]}), "hosts"),
        (json!({"uri": "/a"}), "uri"),
    ] {
        assert_eq!(read(value).unwrap_err().field, field);
    }
}
