//! What the Admin API refuses, in APISIX's words or with the field named.

use cluster_tests::node::Node;
use cluster_tests::objects::{mtls, ssl};
use cluster_tests::pki::{Authority, Leaf};
use serde_json::{Value, json};

#[tokio::test]
async fn mistakes_are_answered_with_apisixs_messages() {
    let node = Node::start().await;
    let identity = Authority::root("ca").server(&["test.com"]);
    let with = |change: Value| {
        let mut object = ssl("test.com", &identity);
        object
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        object.to_string()
    };
    let route = |change: Value| {
        let mut object = json!({"uri": "/x", "upstream": {"nodes": {"127.0.0.1:1": 1}}});
        object
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        object.to_string()
    };
    let label = r#"property "labels" validation failed: failed to validate env (matching ".*"): wrong type: expected string, got table"#;
    let clause = "invalid configuration: then clause did not match";
    let enums = r#"property "ssl_protocols" validation failed: failed to validate item 1: matches none of the enum values"#;
    let cases: Vec<(&str, &str, String, u16, &str)> = vec![
        (
            "PUT",
            "ssls/1",
            with(json!({"snis": ["a.com"]})),
            400,
            clause,
        ),
        (
            "PUT",
            "ssls/1",
            json!({"sni": "a.com"}).to_string(),
            400,
            clause,
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"client": {}})),
            400,
            r#"property "client" validation failed: property "ca" is required"#,
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"labels": {"env": {}}})),
            400,
            label,
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"ssl_protocols": ["TLSv1.0"]})),
            400,
            enums,
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"validity_end": 1})),
            400,
            "additional properties forbidden, found validity_end",
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"certs": [identity.cert]})),
            400,
            "mismatched number of certs and keys",
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"cert": "x".repeat(200)})),
            400,
            "failed to parse cert",
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"key": "x".repeat(200)})),
            400,
            "key",
        ),
        (
            "PUT",
            "ssls/1",
            with(json!({"create_time": 1})),
            400,
            "the property is forbidden:  create_time",
        ),
        (
            "PUT",
            "ssls/2",
            with(json!({"id": "1"})),
            400,
            "wrong ssl id",
        ),
        ("PUT", "ssls", with(json!({})), 400, "missing ssl id"),
        (
            "PUT",
            "ssls/1",
            String::new(),
            400,
            "missing configurations",
        ),
        (
            "PUT",
            "ssls/1",
            "{".to_owned(),
            400,
            "invalid request body: ",
        ),
        (
            "POST",
            "ssls/1",
            with(json!({})),
            400,
            "wrong ssl id, do not need it",
        ),
        ("DELETE", "ssls", String::new(), 400, "missing ssl id"),
        (
            "PATCH",
            "ssls/1",
            String::new(),
            400,
            "missing new configuration",
        ),
        (
            "PUT",
            "nonsense/1",
            "{}".to_owned(),
            404,
            "Unsupported resource type: nonsense",
        ),
        (
            "PUT",
            "routes/1",
            route(json!({"upstream_id": "9"})),
            400,
            "failed to fetch upstream info by upstream id [9], response code: 404",
        ),
        (
            "PUT",
            "routes/1",
            route(json!({"host": "a", "hosts": ["b"]})),
            400,
            "only one of host or hosts is allowed",
        ),
        (
            "PUT",
            "routes/1",
            route(json!({"plugins": {"key-auth": {}}})),
            400,
            "key-auth",
        ),
        (
            "PUT",
            "routes/1",
            route(json!({"filter_func": "function(vars) return true end"})),
            400,
            "filter_func",
        ),
        (
            "PUT",
            "routes/1",
            route(json!({"script": "local x = 1"})),
            400,
            "script",
        ),
        (
            "PUT",
            "routes/1",
            route(json!({"vars": [["a", "??", "b"]]})),
            400,
            "vars",
        ),
        (
            "PUT",
            "routes/1",
            route(json!({"uris": ["/a"]})),
            400,
            "uri",
        ),
        (
            "PUT",
            "routes/1?ttl=x",
            route(json!({})),
            400,
            "invalid argument ttl: should be a number",
        ),
    ];
    let mut wrong = Vec::new();
    for (method, path, body, status, message) in cases {
        let reply = node.admin(method, path, &body).await;
        let text = reply.json()["error_msg"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if reply.status() != status || !text.contains(message) {
            wrong.push(format!(
                "{method} {path} {message:?}: {} {}",
                reply.status(),
                reply.text()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        node.admin("GET", "ssls", "").await.json(),
        json!({"list": [], "total": 0})
    );
}

#[tokio::test]
async fn what_apisix_lets_through_but_would_fail_later_is_refused_with_the_field() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let identity = ca.server(&["test.com"]);
    let mut other_key = ssl("test.com", &identity);
    other_key["key"] = json!(ca.server(&["test.com"]).key);
    let mut old = ssl("test.com", &identity);
    old["ssl_protocols"] = json!(["TLSv1.1", "TLSv1.2"]);
    let mut regex = mtls("test.com", &identity, &ca);
    regex["client"]["skip_mtls_uri_regex"] = json!(["^/(a"]);
    let mut behind = mtls("test.com", &identity, &ca);
    behind["client"]["skip_mtls_uri_regex"] = json!(["^/(?!admin)"]);
    let mut garbage = ssl("test.com", &identity);
    garbage["client"] = json!({"ca": identity.cert.replace("MI", "XX")});
    let mut cut = ssl("test.com", &identity);
    cut["cert"] = json!(identity.cert.replace("-----END CERTIFICATE-----", ""));
    let cases = [
        (other_key, "key"),
        (old, "ssl_protocols"),
        (regex, "skip_mtls_uri_regex"),
        (behind, "skip_mtls_uri_regex"),
        (garbage, "client"),
        (cut, "cert"),
    ];
    for (object, field) in cases {
        let reply = node.admin("PUT", "ssls/1", &object.to_string()).await;
        assert_eq!(reply.status(), 400, "{field}: {}", reply.text());
        assert!(reply.text().contains(field), "{field}: {}", reply.text());
    }
    let expired = ca
        .leaf("test.com")
        .names(&["test.com"])
        .for_servers()
        .expired()
        .issue();
    let misnamed = Leaf::self_signed("other.com", true).issue();
    for identity in [expired, misnamed] {
        let reply = node
            .admin("PUT", "ssls/1", &ssl("test.com", &identity).to_string())
            .await;
        assert!(
            matches!(reply.status(), 200 | 201),
            "accepted as APISIX accepts it: {}",
            reply.text()
        );
    }
}
