//! Table tests of upstreams with their members: timeouts, hosts, keepalive, TLS, checks.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use std::time::Duration;

use serde_json::{Value, json};

use super::super::tests::{context, pair};
use super::{PassHost, Scheme, Upstream, read};
use crate::object::{CheckType, ClientIdentity, SniChoice};

fn upstream(value: &Value) -> Result<Upstream, (String, String)> {
    read("1", &serde_json::to_vec(value).unwrap(), &context())
        .map_err(|refusal| (refusal.field, refusal.reason))
}

fn with(name: &str, value: Value) -> Value {
    let mut object = json!({"nodes": {"a.test": 1}});
    object[name] = value;
    object
}

#[test]
fn a_minimal_upstream_has_the_defaults() {
    let upstream = upstream(&json!({"nodes": []})).unwrap();
    assert_eq!(
        (&**upstream.key(), upstream.scheme()),
        ("upstreams/1", Scheme::Http)
    );
    assert!(
        upstream.nodes().is_empty() && upstream.checks().is_none() && upstream.retries().is_none()
    );
    assert_eq!(upstream.timeouts().connect, Duration::from_secs(60));
    assert_eq!(
        (upstream.keepalive().size, upstream.keepalive().requests),
        (320, 1000)
    );
    assert_eq!(upstream.pass_host(), &PassHost::Pass);
    assert_eq!(
        (upstream.tls().verify, upstream.tls().policy),
        (None, [0; 32])
    );
}

#[test]
fn everything_at_once() {
    let (cert, key) = pair();
    let upstream = upstream(&json!({
        "id": "1", "name": "n", "desc": "", "labels": {}, "create_time": 1, "update_time": 1,
        "nodes": [{"host": "A.test", "weight": 1}], "scheme": "grpcs", "retries": 0, "retry_timeout": 0.5,
        "timeout": {"connect": 0.5, "send": 1, "read": 2}, "pass_host": "rewrite", "upstream_host": "b.test:8443",
        "keepalive_pool": {"size": 1, "idle_timeout": 0, "requests": 2},
        "tls": {"client_cert": cert, "client_key": key, "verify": true, "ca_certs": [cert], "sni": "B.test",
                "protocols": ["TLSv1.3"], "ciphers": ["TLS_AES_128_GCM_SHA256"]},
        "checks": {
            "active": {"type": "https", "timeout": 0.5, "concurrency": 2, "host": "c.test", "port": 8080,
                       "http_method": "HEAD", "http_path": "/status?x=1", "http_req_body": "b",
                       "https_verify_certificate": false, "req_headers": ["X-A: b", "X-C:d"],
                       "healthy": {"interval": 5, "http_statuses": [204], "successes": 1},
                       "unhealthy": {"interval": 6, "http_statuses": [500], "http_failures": 1, "tcp_failures": 2,
                                     "timeouts": 4}},
            "passive": {"type": "https", "healthy": {"http_statuses": [200], "successes": 0},
                        "unhealthy": {"http_statuses": [500], "http_failures": 0, "tcp_failures": 1, "timeouts": 2}}}
    }))
    .unwrap();
    assert_eq!(upstream.nodes()[0].port, 443);
    assert_eq!(upstream.retry_timeout(), Some(Duration::from_millis(500)));
    assert_eq!(
        upstream.pass_host(),
        &PassHost::Rewrite("b.test:8443".into())
    );
    let tls = upstream.tls();
    assert!(matches!(tls.identity, ClientIdentity::Inline(_)) && !tls.protocols.tls12);
    assert_eq!(
        (tls.verify, &tls.sni, tls.ca_certs.len()),
        (Some(true), &SniChoice::Name("b.test".into()), 1)
    );
    let checks = upstream.checks().unwrap();
    assert_eq!(
        (
            checks.active.kind,
            checks.active.port,
            checks.active.timeouts
        ),
        (CheckType::Https, Some(8080), 4)
    );
    assert_eq!(checks.active.headers[1], ("X-C".to_owned(), "d".to_owned()));
    assert_eq!(checks.active.unhealthy_interval, Duration::from_secs(6));
    let passive = checks.passive.as_ref().unwrap();
    assert_eq!(
        (passive.successes, passive.http_failures, passive.timeouts),
        (0, 0, 2)
    );
}

#[test]
fn check_defaults() {
    let upstream = upstream(&with("checks", json!({"active": {}, "passive": {}}))).unwrap();
    let checks = upstream.checks().unwrap();
    let active = &checks.active;
    assert_eq!(
        (active.kind, active.timeout, active.concurrency),
        (CheckType::Http, Duration::from_secs(1), 10)
    );
    assert_eq!(
        (&*active.method, &*active.path, active.verify),
        ("GET", "/", true)
    );
    assert_eq!(
        (
            active.successes,
            active.http_failures,
            active.tcp_failures,
            active.timeouts
        ),
        (2, 5, 2, 3)
    );
    assert_eq!(active.healthy_statuses, [200, 302]);
    assert_eq!(active.unhealthy_statuses.len(), 8);
    let passive = checks.passive.as_ref().unwrap();
    assert_eq!(passive.healthy_statuses.len(), 19);
    assert_eq!(
        (
            passive.successes,
            passive.http_failures,
            passive.tcp_failures,
            passive.timeouts
        ),
        (5, 5, 2, 7)
    );
}

#[test]
fn refusals() {
    let (cert, key) = pair();
    let dependent = "invalid configuration: property \"tls\" validation failed: failed to validate dependent schema for";
    for (name, value, field, says) in [
        (
            "scheme",
            json!("kafka"),
            "scheme",
            "scheme kafka is not implemented",
        ),
        ("scheme", json!("ftp"), "scheme", "none of the enum values"),
        (
            "service_name",
            json!("x"),
            "service_name",
            "service_name is not implemented",
        ),
        (
            "discovery_type",
            json!("dns"),
            "discovery_type",
            "discovery_type is not implemented",
        ),
        (
            "discovery_args",
            json!({}),
            "discovery_args",
            "discovery_args is not implemented",
        ),
        ("type", json!("random"), "type", "none of the enum values"),
        (
            "retries",
            json!(-1),
            "retries",
            "expected -1 to be at least 0",
        ),
        (
            "retries",
            Value::Null,
            "retries",
            "expected integer, got null",
        ),
        ("retry_timeout", json!(-0.5), "retry_timeout", "at least 0"),
        (
            "timeout",
            json!({"connect": 1, "send": 1}),
            "timeout.read",
            "property \"read\" is required",
        ),
        (
            "timeout",
            json!({"connect": 0, "send": 1, "read": 1}),
            "timeout.connect",
            "greater than 0",
        ),
        (
            "timeout",
            json!({"connect": 1e300, "send": 1, "read": 1}),
            "timeout.connect",
            "more than can be counted",
        ),
        (
            "keepalive_pool",
            json!({"size": 0}),
            "keepalive_pool.size",
            "at least 1",
        ),
        (
            "pass_host",
            json!("rewrite"),
            "upstream_host",
            "`upstream_host` can't be empty when `pass_host` is `rewrite`",
        ),
        (
            "upstream_host",
            json!("*.a.test"),
            "upstream_host",
            "is a pattern, not a host",
        ),
        (
            "upstream_host",
            json!("a\r\nb"),
            "upstream_host",
            "failed to match pattern",
        ),
        (
            "tls",
            json!({"client_cert": cert}),
            "tls.client_key",
            dependent,
        ),
        (
            "tls",
            json!({"client_key": key}),
            "tls.client_cert",
            dependent,
        ),
        (
            "tls",
            json!({"client_cert": cert, "client_key": key, "client_cert_id": 1}),
            "tls.client_cert_id",
            dependent,
        ),
        (
            "tls",
            json!({"client_cert": cert, "client_key": "x".repeat(64)}),
            "tls.client_key",
            "failed to decrypt previous encrypted key",
        ),
        (
            "tls",
            json!({"verify": "yes"}),
            "tls.verify",
            "expected boolean, got string",
        ),
        (
            "tls",
            json!({"protocols": ["TLSv1.1"]}),
            "tls.protocols[0]",
            "does not speak TLSv1.1",
        ),
        (
            "tls",
            json!({"sni": "10.0.0.1"}),
            "tls.sni",
            "neither a DNS name nor",
        ),
        (
            "tls",
            json!({"ca_certs": []}),
            "tls.ca_certs",
            "at least 1 items",
        ),
        (
            "tls",
            json!({"ca_certs": ["x".repeat(128)]}),
            "tls.ca_certs[0]",
            "failed to parse cert",
        ),
        (
            "tls",
            json!({"ciphers": ["x"]}),
            "tls.ciphers[0]",
            "the cipher x is not one",
        ),
        (
            "checks",
            json!({"passive": {}}),
            "checks.active",
            "property \"active\" is required",
        ),
        (
            "checks",
            json!({"active": {"http_path": "x"}}),
            "checks.active.http_path",
            "is not a path",
        ),
        (
            "checks",
            json!({"active": {"http_path": "/a b"}}),
            "checks.active.http_path",
            "is not a path",
        ),
        (
            "checks",
            json!({"active": {"req_headers": ["x"]}}),
            "checks.active.req_headers[0]",
            "Name: value",
        ),
        (
            "checks",
            json!({"active": {"req_headers": ["a: b\nc: d"]}}),
            "checks.active.req_headers[0]",
            "Name: value",
        ),
        (
            "checks",
            json!({"active": {"timeout": 0}}),
            "checks.active.timeout",
            "greater than 0",
        ),
        (
            "checks",
            json!({"active": {"type": "udp"}}),
            "checks.active.type",
            "none of the enum values",
        ),
        (
            "checks",
            json!({"active": {"healthy": {"successes": 0}}}),
            "checks.active.healthy.successes",
            "at least 1",
        ),
        (
            "checks",
            json!({"active": {"healthy": {"successes": 255}}}),
            "checks.active.healthy.successes",
            "at most 254",
        ),
        (
            "checks",
            json!({"active": {"unhealthy": {"http_statuses": [99]}}}),
            "checks.active.unhealthy.http_statuses[0]",
            "at least 200",
        ),
    ] {
        let (found_field, found) = upstream(&with(name, value)).unwrap_err();
        assert_eq!(found_field, field, "{found}");
        assert!(found.contains(says), "{found}");
    }
    assert_eq!(upstream(&json!({})).unwrap_err().0, "nodes");
}

#[test]
fn the_tls_policy_tells_connections_apart() {
    let (cert, key) = pair();
    let policy = |tls: Value| upstream(&with("tls", tls)).unwrap().tls().policy;
    let all = [
        json!({}),
        json!({"verify": true}),
        json!({"verify": false}),
        json!({"sni": "off"}),
        json!({"sni": "a.test"}),
        json!({"client_cert_id": "1"}),
        json!({"client_cert_id": 2}),
        json!({"client_cert": cert, "client_key": key}),
        json!({"ca_certs": [cert]}),
        json!({"protocols": ["TLSv1.2"]}),
        json!({"ciphers": ["TLS_AES_128_GCM_SHA256"]}),
    ];
    let distinct: std::collections::HashSet<_> =
        all.iter().map(|tls| policy(tls.clone())).collect();
    assert_eq!(distinct.len(), all.len());
    assert_eq!(
        policy(json!({"ca_certs": [cert]})),
        policy(json!({"ca_certs": [cert, cert]}))
    );
}
