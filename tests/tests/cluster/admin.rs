//! The Admin API as APISIX's clients know it, and the secrets it must keep.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{mtls, route, ssl};
use cluster_tests::pki::{Authority, Leaf};
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use serde_json::{Value, json};

#[tokio::test]
async fn every_method_answers_in_apisixs_words() {
    let node = Node::start().await;
    let body = json!({"uri": "/x", "upstream": {"nodes": {"127.0.0.1:1": 1}}}).to_string();
    let reply = node.admin("PUT", "routes/1", &body).await;
    assert_eq!(
        (reply.status(), &reply.json()["key"]),
        (201, &json!("/apisix/routes/1"))
    );
    assert_eq!(node.admin("PUT", "routes/1", &body).await.status(), 200);
    let got = node.admin("GET", "routes/1", "").await.json();
    assert_eq!(
        (got["value"]["uri"].as_str(), got["value"]["id"].as_str()),
        (Some("/x"), Some("1"))
    );
    assert!(
        got["modifiedIndex"].as_u64() > got["createdIndex"].as_u64(),
        "{got}"
    );
    let reply = node.admin("POST", "routes", &body).await;
    assert_eq!(reply.status(), 201);
    let id = reply.json()["value"]["id"].as_str().unwrap().to_owned();
    assert!(
        id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_digit()),
        "{id}"
    );
    let list = node.admin("GET", "routes", "").await.json();
    assert_eq!(
        (
            list["total"].as_u64(),
            list["list"].as_array().map(Vec::len)
        ),
        (Some(2), Some(2))
    );
    let reply = node
        .admin(
            "PATCH",
            "routes/1",
            r#"{"desc": "d", "upstream": {"retries": 2}}"#,
        )
        .await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let value = reply.json()["value"].clone();
    assert_eq!(
        (&value["desc"], &value["upstream"]["retries"], &value["uri"]),
        (&json!("d"), &json!(2), &json!("/x"))
    );
    assert_eq!(
        node.admin("PATCH", "routes/1", r#"{"desc": null}"#)
            .await
            .json()["value"]["desc"],
        Value::Null
    );
    let reply = node.admin("PATCH", "routes/1/methods", r#"["GET"]"#).await;
    assert_eq!(
        (reply.status(), &reply.json()["value"]["methods"]),
        (200, &json!(["GET"])),
        "{}",
        reply.text()
    );
    let reply = node.admin("DELETE", "routes/1", "").await;
    assert_eq!(
        (reply.status(), &reply.json()["deleted"]),
        (200, &json!("1"))
    );
    for method in ["GET", "DELETE"] {
        let reply = node.admin(method, "routes/1", "").await;
        assert_eq!(
            (reply.status(), &reply.json()["message"]),
            (404, &json!("Key not found"))
        );
    }
}

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

#[tokio::test]
async fn references_hold_what_they_refer_to_unless_forced() {
    let node = Node::start().await;
    node.put("upstreams/u", &json!({"nodes": {"127.0.0.1:1": 1}}))
        .await;
    node.put("services/s", &json!({"upstream_id": "u"})).await;
    node.put("routes/r", &json!({"uri": "/", "service_id": "s"}))
        .await;
    let reply = node.admin("DELETE", "services/s", "").await;
    assert_eq!(reply.status(), 400);
    assert!(
        reply
            .text()
            .contains("can not delete this service directly, route [r] is still using it now"),
        "{}",
        reply.text()
    );
    let reply = node.admin("DELETE", "upstreams/u", "").await;
    assert!(
        reply
            .text()
            .contains("can not delete this upstream, service [s] is still using it now"),
        "{}",
        reply.text()
    );
    assert_eq!(
        node.admin("DELETE", "upstreams/u?force=true", "")
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let node = Node::start().await;
    for number in 0..12 {
        let route = json!({"uri": format!("/{number}"), "name": format!("n{number}"), "labels": {"odd": "x"},
            "upstream": {"nodes": {"127.0.0.1:1": 1}}});
        assert_eq!(
            node.admin("PUT", &format!("routes/{number}"), &route.to_string())
                .await
                .status(),
            201
        );
    }
    let count = async |query: &str| {
        let list = node
            .admin("GET", &format!("routes?{query}"), "")
            .await
            .json();
        (
            list["list"].as_array().map_or(0, Vec::len),
            list["total"].as_u64().unwrap_or(0),
        )
    };
    assert_eq!(count("page=1&page_size=10").await, (10, 12));
    assert_eq!(count("page=2&page_size=10").await, (2, 12));
    assert_eq!(
        node.admin("GET", "routes?page=1&page_size=5", "")
            .await
            .status(),
        400
    );
    assert_eq!(count("name=^n1").await, (3, 3));
    assert_eq!(count("uri=/11").await, (1, 1));
    assert_eq!(count("label=odd").await.0, 12);
    assert_eq!(count("label=even").await.0, 0);
}

#[tokio::test]
async fn an_object_with_a_ttl_goes_away_by_itself() {
    let node = Node::start().await;
    let target = Target::echo().await;
    let reply = node
        .admin("PUT", "routes/1?ttl=2", &route(&target.node()).to_string())
        .await;
    assert_eq!(reply.status(), 201, "{}", reply.text());
    node.applied("routes/1").await;
    assert_eq!(http1::get(node.http, "x", "/").await.unwrap().status(), 200);
    cluster_tests::wait::eventually("it is gone", cluster_tests::wait::SOON, || async {
        let stored = node.admin("GET", "routes/1", "").await.status();
        let served = http1::get(node.http, "x", "/").await.unwrap().status();
        cluster_tests::wait::same((stored, served), &(404, 404))
    })
    .await;
}

#[tokio::test]
async fn nobody_gets_in_without_the_key_and_a_viewer_only_reads() {
    let launch = Launch::new().without_admin_key();
    let file = launch.dir().join("keys");
    std::fs::write(
        &file,
        "the-admin-key-of-this-test\nviewer the-viewer-key-of-this-test\n",
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let node = launch
        .flag("--admin-key-file", &file.display().to_string())
        .start()
        .await;
    let (admin, viewer) = (
        Some("the-admin-key-of-this-test"),
        Some("the-viewer-key-of-this-test"),
    );
    let body = json!({"uri": "/", "upstream": {"nodes": {"127.0.0.1:1": 1}}}).to_string();
    for (key, description) in [
        (None, "missing apikey"),
        (Some("wrong"), "wrong apikey"),
        (Some(""), "apikey"),
    ] {
        for method in ["GET", "PUT"] {
            let reply = node.admin_as(key, method, "routes/1", &body).await;
            assert_eq!(
                (reply.status(), &reply.json()["error_msg"]),
                (401, &json!("failed to check token"))
            );
            assert!(
                reply.json()["description"]
                    .as_str()
                    .unwrap()
                    .contains(description),
                "{}",
                reply.text()
            );
        }
    }
    assert_eq!(
        node.admin_as(admin, "PUT", "routes/1", &body)
            .await
            .status(),
        201
    );
    assert_eq!(
        node.admin_as(viewer, "GET", "routes/1", "").await.status(),
        200
    );
    for method in ["PUT", "PATCH", "DELETE"] {
        let reply = node.admin_as(viewer, method, "routes/1", &body).await;
        assert_eq!(
            (reply.status(), &reply.json()["description"]),
            (401, &json!("invalid method for role viewer"))
        );
    }
    assert_eq!(
        node.admin_as(None, "GET", "routes?api_key=the-admin-key-of-this-test", "")
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_first_start_makes_a_random_key_that_only_its_owner_may_read() {
    let launch = Launch::new().without_admin_key();
    let (node, other) = (
        launch.start().await,
        Launch::new().without_admin_key().start().await,
    );
    let read = |node: &Node| {
        std::fs::read_to_string(node.launch.data_dir().join("admin.key"))
            .unwrap()
            .trim()
            .to_owned()
    };
    let key = read(&node);
    assert!(key.len() >= 16 && key != read(&other), "random");
    let mode = std::fs::metadata(node.launch.data_dir().join("admin.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        node.admin_as(Some(&key), "GET", "routes", "")
            .await
            .status(),
        200
    );
    assert_eq!(
        node.admin_as(
            Some("edd1c9f034335f136f87ad84b625c8f1"),
            "GET",
            "routes",
            ""
        )
        .await
        .status(),
        401
    );
    let shown = node.process.lines().join("\n");
    assert!(!shown.contains(&key), "the log does not show it");
    let node = node.crash_and_restart().await;
    assert_eq!(read(&node), key, "made once");
}

/// Every file below, with its content.
fn files(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()))
        }
    }
    found
}

#[tokio::test]
async fn no_private_key_is_returned_logged_or_left_in_the_clear_on_disk() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let (server, client) = (ca.server(&["test.com"]), ca.client("CLIENT"));
    node.put("ssls/1", &mtls("test.com", &server, &ca)).await;
    let tls = json!({"client_cert": client.chain, "client_key": client.key});
    node.put(
        "upstreams/1",
        &json!({"scheme": "https", "nodes": {"127.0.0.1:1": 1}, "tls": tls}),
    )
    .await;
    let secrets =
        [&server.key, &client.key].map(|key| key.lines().nth(1).unwrap()[20..].to_owned());
    let mut shown = vec![
        node.status().await.to_string(),
        node.process.lines().join("\n"),
    ];
    for path in ["ssls", "ssls/1", "upstreams", "upstreams/1"] {
        let reply = node.admin("GET", path, "").await;
        assert_eq!(reply.status(), 200);
        shown.push(reply.text());
    }
    shown.push(
        node.admin("PATCH", "ssls/1", r#"{"desc": "d"}"#)
            .await
            .text(),
    );
    for text in &shown {
        for secret in &secrets {
            assert!(!text.contains(secret), "a private key in {text}");
        }
    }
    assert_eq!(
        TlsClient::new("test.com")
            .identity(&client)
            .get(node.https, "/")
            .await
            .unwrap()
            .status(),
        404,
        "kept"
    );
    let found = files(&node.launch.data_dir());
    assert!(!found.is_empty());
    for (path, content) in found {
        for secret in &secrets {
            assert!(
                http1::find(&content, secret.as_bytes()).is_none(),
                "a private key in {}",
                path.display()
            );
        }
        let der = [
            server.key_der().secret_der().to_vec(),
            client.key_der().secret_der().to_vec(),
        ];
        assert!(
            der.iter()
                .all(|der| http1::find(&content, &der[30..62]).is_none()),
            "DER in {}",
            path.display()
        );
    }
    assert_eq!(
        std::fs::metadata(node.launch.data_dir().join("seal.key"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
}

#[tokio::test]
async fn objects_in_the_embedded_store_survive_a_crash() {
    let node = Node::start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    node.put("ssls/1", &mtls("test.com", &ca.server(&["test.com"]), &ca))
        .await;
    node.put("routes/1", &route(&target.node())).await;
    node.put(
        "routes/2",
        &json!({"uri": "/gone", "upstream": {"nodes": {"127.0.0.1:1": 1}}}),
    )
    .await;
    node.delete("routes/2").await;
    let before = node.admin("GET", "routes/1", "").await.json();
    let node = node.crash_and_restart().await;
    assert_eq!(
        node.admin("GET", "routes/1", "").await.json(),
        before,
        "revisions included"
    );
    assert_eq!(node.admin("GET", "routes/2", "").await.status(), 404);
    let client = TlsClient::new("test.com").identity(&ca.client("CLIENT"));
    assert_eq!(client.get(node.https, "/").await.unwrap().status(), 200);
    assert_eq!(
        TlsClient::new("test.com").refused(node.https).await,
        Some(116)
    );
    node.put(
        "routes/3",
        &json!({"uri": "/new", "upstream": {"nodes": {"127.0.0.1:1": 1}}}),
    )
    .await;
    let after = node.admin("GET", "routes/3", "").await.json();
    assert!(
        after["modifiedIndex"].as_u64() > before["modifiedIndex"].as_u64(),
        "revisions go on"
    );
}
