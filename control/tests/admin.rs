//! The Admin API over a real socket against the embedded store: APISIX's statuses, bodies and texts (reference 6).

#![allow(
    clippy::too_many_lines,
    reason = "a table of cases reads best in one piece"
)]
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test stops at the first surprise.

mod admin_server;

use admin_server::{Server, certificate};
use serde_json::{Value, json};

const UPSTREAM: &str = r#"{"nodes":{"127.0.0.1:1980":1}}"#;

fn route(uri: &str) -> Value {
    json!({"uri": uri, "upstream": {"nodes": {"127.0.0.1:1980": 1}}})
}

#[tokio::test]
async fn who_may_ask() {
    let server = Server::start().await;
    let (admin, viewer) = (
        "X-API-KEY: admin-key-of-the-test",
        "X-API-KEY: viewer-key-of-the-test",
    );
    let body = |why: &str| {
        format!("{{\"error_msg\":\"failed to check token\",\"description\":\"{why}\"}}\n")
    };
    let cases = [
        ("GET", "/apisix/admin/routes", "", "missing apikey"),
        (
            "GET",
            "/apisix/admin/routes",
            "X-API-KEY: nonsense",
            "wrong apikey",
        ),
        (
            "GET",
            "/apisix/admin/routes?api_key=nonsense",
            admin,
            "wrong apikey",
        ),
        (
            "DELETE",
            "/apisix/admin/routes/1",
            viewer,
            "invalid method for role viewer",
        ),
        (
            "PUT",
            "/apisix/admin/routes/1",
            viewer,
            "invalid method for role viewer",
        ),
        (
            "POST",
            "/v1/diff/routes/1",
            viewer,
            "invalid method for role viewer",
        ),
        ("GET", "/v1/config", "", "missing apikey"),
        ("GET", "/v1/nodes", "", "missing apikey"),
        ("GET", "/v1/rejections", "X-API-KEY: x", "wrong apikey"),
    ];
    for (method, path, header, why) in cases {
        let reply = server.raw(method, path, &[header], b"").await;
        assert_eq!(
            (reply.status, reply.text()),
            (401, body(why)),
            "{method} {path} {header}"
        );
    }
    for (path, header) in [
        ("/apisix/admin/routes", viewer),
        ("/apisix/admin/routes?api_key=admin-key-of-the-test", ""),
        (
            "/apisix/admin/routes",
            "Cookie: a=b; x_api_key=admin-key-of-the-test",
        ),
        ("/v1/config", viewer),
        ("/v1/nodes", viewer),
    ] {
        assert_eq!(
            server.raw("GET", path, &[header], b"").await.status,
            200,
            "{path} {header}"
        );
    }
}

#[tokio::test]
async fn headers_and_other_paths() {
    let server = Server::start().await;
    let listed = server.send("GET", "/apisix/admin/routes", None).await;
    assert_eq!(
        (listed.status, listed.text().as_str()),
        (200, "{\"list\":[],\"total\":0}\n")
    );
    for line in [
        "content-type: application/json",
        "x-api-version: v3",
        "access-control-allow-origin: *",
        "access-control-allow-credentials: true",
        "access-control-expose-headers: *",
        "access-control-max-age: 3600",
    ] {
        assert!(listed.head.contains(line), "{line} in {}", listed.head);
    }
    let preflight = server
        .raw("OPTIONS", "/apisix/admin/routes/1", &[], b"")
        .await;
    assert_eq!((preflight.status, preflight.text().as_str()), (200, ""));
    assert!(
        preflight
            .head
            .contains("access-control-allow-methods: post, get, put, options, delete, patch")
    );
    assert_eq!(
        server.raw("HEAD", "/apisix/admin", &[], b"").await.status,
        200
    );
    let cases = [
        (
            "GET",
            "/apisix/admin/foo",
            404,
            "{\"error_msg\":\"Unsupported resource type: foo\"}\n",
        ),
        (
            "TRACE",
            "/apisix/admin/routes",
            404,
            "{\"error_msg\":\"not found\"}\n",
        ),
        ("GET", "/nowhere", 404, "{\"error_msg\":\"not found\"}\n"),
        (
            "GET",
            "/apisix/admin/plugins/list",
            200,
            "[\"prometheus\"]\n",
        ),
    ];
    for (method, path, status, body) in cases {
        let reply = server.send(method, path, None).await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (status, body),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn put_get_list_and_delete() {
    let server = Server::start().await;
    let created = server
        .put(
            "upstreams/1",
            &json!({"nodes": {"127.0.0.1:1980": 1}, "desc": "a/b"}),
        )
        .await;
    assert_eq!(created.status, 201);
    assert!(
        created.text().contains("\"desc\":\"a/b\"") && created.text().ends_with("}\n"),
        "{}",
        created.text()
    );
    let mut value = created.json()["value"].clone();
    assert_eq!(
        created.json(),
        json!({"key": "/apisix/upstreams/1", "value": value})
    );
    let time = value["create_time"].as_u64().unwrap();
    assert_eq!(value["update_time"], time);
    value
        .as_object_mut()
        .unwrap()
        .retain(|name, _| !name.ends_with("_time"));
    assert_eq!(
        value,
        json!({"id": "1", "nodes": {"127.0.0.1:1980": 1}, "desc": "a/b"})
    );

    server.backdate("upstreams/1").await;
    let replaced = server
        .put(
            "upstreams/1",
            &json!({"id": 1, "nodes": {"127.0.0.1:1981": 1}}),
        )
        .await;
    assert_eq!(
        (replaced.status, &replaced.json()["value"]["create_time"]),
        (200, &json!(5))
    );
    assert!(replaced.json()["value"]["update_time"].as_u64().unwrap() >= time);
    assert_eq!(replaced.json()["value"]["id"], "1");

    let got = server.send("GET", "/apisix/admin/upstreams/1", None).await;
    let (json, entry) = (
        got.json(),
        server.store.get("upstreams/1").await.unwrap().unwrap(),
    );
    assert_eq!(json["createdIndex"], entry.create_revision);
    assert_eq!(json["modifiedIndex"], entry.mod_revision);
    assert_eq!(json["value"], replaced.json()["value"]);
    let list = server.send("GET", "/apisix/admin/upstreams", None).await;
    assert_eq!(list.json(), json!({"list": [json], "total": 1}));

    let deleted = server
        .send("DELETE", "/apisix/admin/upstreams/1", None)
        .await;
    assert_eq!(
        (deleted.status, deleted.json()),
        (200, json!({"deleted": "1", "key": "/apisix/upstreams/1"}))
    );
    for method in ["GET", "DELETE"] {
        let reply = server.send(method, "/apisix/admin/upstreams/1", None).await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (404, "{\"message\":\"Key not found\"}\n")
        );
    }
}

#[tokio::test]
async fn an_id_in_the_body_keeps_its_type() {
    let server = Server::start().await;
    let body = r#"{"id":7,"nodes":{"127.0.0.1:80":1}}"#;
    let created = server
        .send("PUT", "/apisix/admin/upstreams", Some(body))
        .await;
    assert_eq!(
        (created.status, &created.json()["key"]),
        (201, &json!("/apisix/upstreams/7"))
    );
    assert_eq!(created.json()["value"]["id"], json!(7));
}

#[tokio::test]
async fn post_draws_an_id_from_the_store() {
    let server = Server::start().await;
    let refused = server
        .send("POST", "/apisix/admin/upstreams", Some("{}"))
        .await;
    assert_eq!(refused.status, 400);
    assert_eq!(
        server.store.get("gen_id").await.unwrap(),
        None,
        "a refused body draws no id"
    );
    let created = server
        .send("POST", "/apisix/admin/upstreams", Some(UPSTREAM))
        .await;
    let drawn = server.store.get("gen_id").await.unwrap().unwrap();
    assert_eq!(&drawn.value[..], b"1");
    let id = format!("{:020}", drawn.mod_revision);
    assert_eq!(
        (created.status, &created.json()["value"]["id"]),
        (201, &json!(id))
    );
    assert_eq!(created.json()["key"], format!("/apisix/upstreams/{id}"));
    assert_eq!(
        server
            .send("GET", &format!("/apisix/admin/upstreams/{id}"), None)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn refusals_in_apisix_words() {
    let server = Server::start().await;
    assert_eq!(server.put("routes/1", &route("/a")).await.status, 201);
    let bad_id = "invalid configuration: property \"id\" validation failed: object matches none of the required";
    let cases = [
        ("PUT", "routes/1", "", "missing configurations"),
        ("PUT", "routes", r#"{"uri":"/"}"#, "missing route id"),
        (
            "PUT",
            "routes/1",
            r#"{"id":"2","uri":"/"}"#,
            "wrong route id",
        ),
        ("PUT", "routes/a%20b", UPSTREAM, bad_id),
        ("PUT", "routes/a%2Fb", UPSTREAM, bad_id),
        ("PUT", "routes/1", r#"{"id":{},"uri":"/"}"#, bad_id),
        (
            "PUT",
            "routes/1",
            r#"{"create_time":1}"#,
            "the property is forbidden:  create_time",
        ),
        (
            "POST",
            "routes",
            r#"{"update_time":1}"#,
            "the property is forbidden:  update_time",
        ),
        (
            "PUT",
            "routes/1",
            "[]",
            "invalid configuration: wrong type: expected object, got table",
        ),
        (
            "POST",
            "routes/1",
            r#"{"uri":"/"}"#,
            "wrong route id, do not need it",
        ),
        (
            "POST",
            "routes",
            r#"{"id":1,"uri":"/"}"#,
            "wrong route id, do not need it",
        ),
        ("POST", "routes", "", "missing configurations"),
        ("PATCH", "routes", "{}", "missing route id"),
        ("PATCH", "routes/1", "", "missing new configuration"),
        ("PATCH", "routes/1", "[]", "invalid configuration"),
        ("PATCH", "routes/1", r#"{"id":"2"}"#, "wrong route id"),
        ("PATCH", "routes/1/uri/a/b", "1", "invalid sub-path: /uri"),
        ("DELETE", "routes", "", "missing route id"),
        (
            "PUT",
            "routes/1?ttl=x",
            r#"{"uri":"/"}"#,
            "invalid argument ttl: should be a number",
        ),
    ];
    for (method, path, body, message) in cases {
        let reply = server
            .send(method, &format!("/apisix/admin/{path}"), Some(body))
            .await;
        assert_eq!(
            (reply.status, reply.json()),
            (400, json!({"error_msg": message})),
            "{method} {path} {body}"
        );
    }
    let reply = server
        .send("PATCH", "/apisix/admin/routes/9", Some("{}"))
        .await;
    assert_eq!(
        (reply.status, reply.json()),
        (404, json!({"message": "Key not found"}))
    );
    assert_eq!(
        server
            .send("GET", "/apisix/admin/routes/1", None)
            .await
            .json()["value"]["uri"],
        "/a"
    );
}

#[tokio::test]
async fn a_refused_object_is_not_stored() {
    let server = Server::start().await;
    let reply = server
        .put(
            "upstreams/1",
            &json!({"nodes": {"127.0.0.1:80": 1}, "nosuch": 1}),
        )
        .await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.json()["error_msg"]
            .as_str()
            .unwrap()
            .contains("nosuch"),
        "{}",
        reply.text()
    );
    for (kind, body, status) in [
        ("upstreams", UPSTREAM, 200),
        ("upstream", UPSTREAM, 200),
        ("upstreams", r#"{"nosuch":1}"#, 400),
        ("consumers", "{}", 404),
    ] {
        let reply = server
            .send(
                "POST",
                &format!("/apisix/admin/schema/validate/{kind}"),
                Some(body),
            )
            .await;
        assert_eq!(reply.status, status, "{kind} {body}");
        assert_eq!(reply.text().is_empty(), status == 200);
    }
    assert_eq!(server.store.list().await.unwrap().entries, []);
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_large() {
    let server = Server::start().await;
    let torn = r#"{"key":"-----BEGIN PRIVATE KEY-----secret"#;
    let reply = server.send("PUT", "/apisix/admin/ssls/1", Some(torn)).await;
    assert_eq!(reply.status, 400);
    let message = reply.json()["error_msg"].as_str().unwrap().to_owned();
    assert!(message.starts_with("invalid request body: "), "{message}");
    assert!(
        !reply.text().contains("secret") && reply.json().get("req_body").is_none(),
        "{}",
        reply.text()
    );

    let large = format!("{{\"desc\":\"{}\"}}", "x".repeat(1_678_025 - 11));
    let reply = server
        .send("PUT", "/apisix/admin/routes/1", Some(&large))
        .await;
    let message = "invalid request body: request size 1678025 is greater than the maximum size 1572864 allowed";
    assert_eq!(
        (reply.status, reply.json()),
        (400, json!({"error_msg": message}))
    );

    let labels = json!({"a": "x".repeat(1_100_000)});
    let reply = server
        .put(
            "upstreams/1",
            &json!({"nodes": {"127.0.0.1:1": 1}, "labels": labels}),
        )
        .await;
    assert_eq!(reply.status, 400);
    assert!(
        reply.text().contains("at most 1048576 are stored"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn patches() {
    let server = Server::start().await;
    let first = json!({"nodes": {"127.0.0.1:1980": 1}, "labels": {"a": "1", "b": "2"}});
    assert_eq!(server.put("upstreams/1", &first).await.status, 201);
    server.backdate("upstreams/1").await;
    let cases = [
        (
            "",
            json!({"labels": {"a": null, "c": "3"}}),
            "/labels",
            json!({"b": "2", "c": "3"}),
        ),
        ("/", json!({"desc": "d"}), "/desc", json!("d")),
        (
            "/nodes",
            json!({"127.0.0.1:1981": 2}),
            "/nodes",
            json!({"127.0.0.1:1981": 2}),
        ),
        ("/labels/x", json!("new"), "/labels/x", json!("new")),
        (
            "/timeout",
            json!({"connect": 1, "send": 1, "read": 1}),
            "/timeout/read",
            json!(1),
        ),
        ("/timeout/read", json!(2.5), "/timeout/read", json!(2.5)),
        (
            "/nodes",
            json!([{"host": "127.0.0.1", "port": 1980, "weight": 1}]),
            "/nodes/0/port",
            json!(1980),
        ),
        (
            "",
            json!({"create_time": 7, "update_time": 8}),
            "/update_time",
            json!(8),
        ),
        ("", json!({"desc": null}), "/create_time", json!(7)),
    ];
    for (path, patch, pointer, expected) in cases {
        let reply = server
            .send(
                "PATCH",
                &format!("/apisix/admin/upstreams/1{path}"),
                Some(&patch.to_string()),
            )
            .await;
        assert_eq!(reply.status, 200, "{path} {patch} {}", reply.text());
        assert_eq!(reply.json()["key"], "/apisix/upstreams/1");
        assert_eq!(
            reply.json()["value"].pointer(pointer),
            Some(&expected),
            "{path} {patch}"
        );
    }
    let stored = server
        .send("GET", "/apisix/admin/upstreams/1", None)
        .await
        .json();
    assert!(
        stored["value"].get("desc").is_none()
            && stored["value"]["update_time"].as_u64().unwrap() > 8
    );
    let refused = server
        .send(
            "PATCH",
            "/apisix/admin/upstreams/1",
            Some(r#"{"nodes":null}"#),
        )
        .await;
    assert_eq!(
        refused.status,
        400,
        "the whole object is validated: {}",
        refused.text()
    );
}

#[tokio::test]
async fn concurrent_patches_lose_nothing() {
    let server = Server::start().await;
    server
        .put("upstreams/1", &json!({"nodes": {"127.0.0.1:1980": 1}}))
        .await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let server = server.clone();
        tasks.spawn(async move {
            let body = json!({"labels": {format!("l{n}"): "x"}}).to_string();
            (
                n,
                server
                    .send("PATCH", "/apisix/admin/upstreams/1", Some(&body))
                    .await,
            )
        });
    }
    let mut done = Vec::new();
    while let Some(result) = tasks.join_next().await {
        let (n, reply) = result.unwrap();
        match reply.status {
            200 => done.push(format!("l{n}")),
            503 => assert_eq!(
                reply.json(),
                json!({"error_msg": "value changed before overwritten"})
            ),
            other => panic!("{other}: {}", reply.text()),
        }
    }
    done.sort();
    let labels = server
        .send("GET", "/apisix/admin/upstreams/1", None)
        .await
        .json()["value"]["labels"]
        .clone();
    assert_eq!(
        labels
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>(),
        done
    );
}

#[tokio::test]
async fn references_must_exist_and_hold() {
    let server = Server::start().await;
    let (cert, key) = certificate("a.test");
    let serving = json!({"sni": "a.test", "cert": cert, "key": key});
    let client = json!({"type": "client", "cert": cert, "key": key});
    for (id, ssl) in [("ssls/s", serving), ("ssls/c", client)] {
        let reply = server.put(id, &ssl).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    let with_tls = |id: &str| json!({"scheme": "https", "nodes": {"127.0.0.1:443": 1}, "tls": {"client_cert_id": id}});
    let missing =
        |kind: &str| format!("failed to fetch {kind} info by {kind} id [9], response code: 404");
    let wrong = "failed to fetch ssl info by ssl id [s], wrong ssl type".to_owned();
    let cases = [
        (
            "routes/1",
            json!({"uri": "/", "upstream_id": "9"}),
            missing("upstream"),
        ),
        (
            "routes/1",
            json!({"uri": "/", "service_id": 9}),
            missing("service"),
        ),
        ("services/1", json!({"upstream_id": 9}), missing("upstream")),
        ("upstreams/1", with_tls("9"), missing("ssl")),
        ("upstreams/1", with_tls("s"), wrong.clone()),
        (
            "routes/1",
            json!({"uri": "/", "upstream": with_tls("s")}),
            wrong,
        ),
    ];
    for (key, object, message) in cases {
        let reply = server.put(key, &object).await;
        assert_eq!(
            (reply.status, reply.json()),
            (400, json!({"error_msg": message})),
            "{key} {object}"
        );
    }
    for (key, object) in [
        ("upstreams/1", with_tls("c")),
        ("services/1", json!({"upstream_id": "1"})),
        ("routes/1", json!({"uri": "/", "service_id": 1})),
    ] {
        let reply = server.put(key, &object).await;
        assert_eq!(reply.status, 201, "{key}: {}", reply.text());
    }
    for (path, message) in [
        (
            "upstreams/1",
            "can not delete this upstream, service [1] is still using it now",
        ),
        (
            "upstreams/1?force=1",
            "can not delete this upstream, service [1] is still using it now",
        ),
        (
            "services/1",
            "can not delete this service directly, route [1] is still using it now",
        ),
    ] {
        let reply = server
            .send("DELETE", &format!("/apisix/admin/{path}"), None)
            .await;
        assert_eq!(
            (reply.status, reply.json()),
            (400, json!({"error_msg": message})),
            "{path}"
        );
    }
    for path in ["upstreams/1?force=true", "routes/1", "services/1", "ssls/c"] {
        assert_eq!(
            server
                .send("DELETE", &format!("/apisix/admin/{path}"), None)
                .await
                .status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let server = Server::start().await;
    assert_eq!(
        server.put("services/1", &json!({"name": "s"})).await.status,
        201
    );
    for n in 0..12 {
        let mut object = route(&format!("/r{n}"));
        object["name"] = json!(format!("name-{n}"));
        if n == 3 {
            object["labels"] = json!({"team": "a"});
            object["service_id"] = json!(1);
        }
        let reply = server.put(&format!("routes/{}", 20 - n), &object).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    let cases = [
        ("name=%5Ename-1", 3, 3),
        ("name=(", 0, 0),
        ("label=team", 1, 1),
        ("label=none", 0, 0),
        ("uri=r1%24", 1, 1),
        ("filter=service_id%3D1", 1, 1),
        ("filter=service_id%3D1%26upstream_id%3D2", 0, 0),
        ("page=1&page_size=10", 12, 10),
        ("page=2&page_size=10", 12, 2),
        ("page=0&page_size=10", 12, 10),
        ("page=99&page_size=10", 12, 0),
        ("page=1", 12, 12),
        ("page=x&page_size=10", 12, 12),
    ];
    for (query, total, shown) in cases {
        let reply = server
            .send("GET", &format!("/apisix/admin/routes?{query}"), None)
            .await
            .json();
        let length = reply["list"].as_array().unwrap().len();
        assert_eq!((&reply["total"], length), (&json!(total), shown), "{query}");
    }
    let page = server
        .send("GET", "/apisix/admin/routes?page=1&page_size=10", None)
        .await
        .json();
    assert_eq!(
        page["list"][0]["value"]["uri"], "/r0",
        "pages are in the order of creation"
    );
    for size in [9, 501] {
        let reply = server
            .send(
                "GET",
                &format!("/apisix/admin/routes?page=1&page_size={size}"),
                None,
            )
            .await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (400, "page_size must be between 10 and 500")
        );
    }
}

#[tokio::test]
async fn private_keys_go_in_and_never_come_out() {
    for keyring in ["qeddd145sfvddff3", ""] {
        let server = Server::with_keyring(keyring).await;
        let ((cert, key), (cert2, key2)) = (certificate("a.test"), certificate("a.test"));
        let secrets: Vec<&str> = [&key, &key2]
            .iter()
            .map(|k| k.lines().nth(1).unwrap())
            .collect();
        let ssl =
            json!({"snis": ["a.test"], "cert": cert, "key": key, "certs": [cert2], "keys": [key2]});
        let tls = json!({"client_cert": cert, "client_key": key});
        let upstream = json!({"scheme": "https", "nodes": {"127.0.0.1:443": 1}, "tls": tls});
        let requests = [
            ("PUT", "ssls/1", ssl.clone()),
            ("PUT", "ssls/1", ssl.clone()),
            ("POST", "ssls", ssl.clone()),
            ("PATCH", "ssls/1", json!({"key": key2, "cert": cert2})),
            ("PATCH", "ssls/1", json!({"labels": {"a": "b"}})),
            ("PATCH", "ssls/1/key", json!(key2)),
            ("PATCH", "ssls/1/keys", json!([key2])),
            ("PUT", "upstreams/1", upstream.clone()),
            (
                "PATCH",
                "upstreams/1",
                json!({"tls": {"client_cert": cert2, "client_key": key2}}),
            ),
            ("PUT", "services/1", json!({"upstream": upstream})),
            ("PUT", "routes/1", json!({"uri": "/", "upstream": upstream})),
            ("PATCH", "routes/1/upstream", upstream.clone()),
            ("GET", "ssls/1", Value::Null),
            ("GET", "ssls", Value::Null),
            ("GET", "upstreams/1", Value::Null),
            ("GET", "upstreams", Value::Null),
            ("GET", "services", Value::Null),
            ("GET", "routes", Value::Null),
        ];
        for (method, path, body) in requests {
            let text = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            let reply = server
                .send(method, &format!("/apisix/admin/{path}"), Some(&text))
                .await;
            let shown = reply.text();
            assert!(reply.status < 300, "{method} {path}: {shown}");
            assert!(
                !shown.contains("\"keys\"") && !shown.contains("client_key"),
                "{method} {path}: {shown}"
            );
            assert!(
                !shown.contains("sallyport:1:") && !shown.contains("PRIVATE"),
                "{method} {path}: {shown}"
            );
            assert!(
                !secrets.iter().any(|s| shown.contains(s)),
                "{method} {path}: {shown}"
            );
        }
        for (path, body) in [
            ("ssls/1", &ssl),
            ("upstreams/1", &upstream),
            ("upstreams/2", &upstream),
        ] {
            let diff = server
                .send("POST", &format!("/v1/diff/{path}"), Some(&body.to_string()))
                .await;
            assert_eq!(diff.status, 200);
            assert!(
                !secrets.iter().any(|s| diff.text().contains(s)),
                "{}",
                diff.text()
            );
        }
        assert_eq!(server.put("ssls/2", &ssl).await.status, 201);
        let diff = server
            .send("POST", "/v1/diff/ssls/2", Some(&ssl.to_string()))
            .await
            .json();
        assert_eq!(
            diff,
            json!({"key": "/apisix/ssls/2", "change": "same", "fields": []})
        );
        for entry in server.store.list().await.unwrap().entries {
            let stored = String::from_utf8_lossy(&entry.value).into_owned();
            let clear = keyring.is_empty() && entry.key != "gen_id";
            assert_eq!(
                stored.contains("PRIVATE KEY"),
                clear,
                "{}: {stored}",
                entry.key
            );
        }
    }
}

#[tokio::test]
async fn a_patch_keeps_the_stored_key() {
    let server = Server::with_keyring("qeddd145sfvddff3").await;
    let (cert, key) = certificate("a.test");
    let reply = server
        .put(
            "ssls/1",
            &json!({"sni": "a.test", "cert": cert, "key": key}),
        )
        .await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let key_of = |entry: control::store::Entry| {
        serde_json::from_slice::<Value>(&entry.value).unwrap()["key"].clone()
    };
    let before = key_of(server.store.get("ssls/1").await.unwrap().unwrap());
    let reply = server
        .send("PATCH", "/apisix/admin/ssls/1/snis", Some(r#"["b.test"]"#))
        .await;
    assert_eq!(reply.status, 400, "sni and snis");
    let reply = server
        .send("PATCH", "/apisix/admin/ssls/1", Some(r#"{"sni":"b.test"}"#))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        key_of(server.store.get("ssls/1").await.unwrap().unwrap()),
        before
    );
}

/// The body as a shell makes it of the guide's `"cert" : "'"$(cat t/certs/apisix.crt)"'"`: raw newlines in strings,
/// comment lines between members, form-urlencoded as curl says.
#[tokio::test]
async fn a_guides_command_as_pasted() {
    let server = Server::start().await;
    let (cert, key) = certificate("test.com");
    let (cert, key) = (cert.trim_end(), key.trim_end());
    let body = format!(
        r#"{{
    // the certificate
    "cert" : "{cert}",
    "key": "{key}", // and its key
    "snis": [
        "*.test.com"
    ],
    "client": {{
        "ca": "{cert}",
        "depth": 10
    }}
}}"#
    );
    let headers = [
        "X-API-KEY: admin-key-of-the-test",
        "Content-Type: application/x-www-form-urlencoded",
    ];
    let reply = server
        .raw("PUT", "/apisix/admin/ssls/1", &headers, body.as_bytes())
        .await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let stored = server.store.get("ssls/1").await.unwrap().unwrap().value;
    let value: Value = serde_json::from_slice(&stored).expect("stored as strict JSON");
    assert_eq!(value["cert"], cert);
    assert!(!stored.contains(&b'\n'));
}

#[tokio::test]
async fn a_ttl_ends_an_object() {
    let server = Server::start().await;
    let reply = server
        .send("PUT", "/apisix/admin/upstreams/1?ttl=1", Some(UPSTREAM))
        .await;
    assert_eq!(reply.status, 201);
    let from = server
        .store
        .get("upstreams/1")
        .await
        .unwrap()
        .unwrap()
        .mod_revision
        + 1;
    let mut watch = server.store.watch(from).await.unwrap();
    let gone = loop {
        if let Some(event) = watch.next().await.unwrap().events.into_iter().next() {
            break event;
        }
    };
    assert_eq!((gone.key.as_str(), gone.value), ("upstreams/1", None));
}

#[tokio::test]
async fn own_views() {
    let server = Server::start().await;
    let config = server.send("GET", "/v1/config", None).await;
    let objects = json!({"ssls": 0, "routes": 0, "upstreams": 0, "services": 0});
    assert_eq!(
        config.json(),
        json!({"revision": 0, "seen_revision": 3, "store_connected": true, "objects": objects, "rejected": 0})
    );
    let rejections = server.send("GET", "/v1/rejections", None).await;
    assert_eq!(rejections.json(), json!({"total": 0, "list": []}));
    let diff = server
        .send("POST", "/v1/diff/upstreams/1", Some(UPSTREAM))
        .await;
    let fields = json!([{"path": "nodes.127.0.0.1:1980", "new": 1}]);
    assert_eq!(
        diff.json(),
        json!({"key": "/apisix/upstreams/1", "change": "added", "fields": fields})
    );
}

#[tokio::test]
async fn nodes_with_their_lag_and_state() {
    let server = Server::start().await;
    let view = server.send("GET", "/v1/nodes", None).await.json();
    assert_eq!((&view["revision"], &view["total"]), (&json!(3), &json!(2)));
    assert_eq!(view["list"][0]["lag"], 0, "never negative");
    assert_eq!(view["list"][0]["state"], "alive");
    let expected = json!({"id": "b", "roles": ["processor"], "version": "1.2", "addresses": {"hop": "b:9444"},
        "started": "2030-01-01T00:00:00Z", "applied_revision": 1, "lag": 2, "state": "leaving", "rejected_total": 7,
        "rejected": [{"key": "ssls/1", "revision": 1, "field": "cert", "reason": "no"}]});
    assert_eq!(view["list"][1], expected);
}

#[tokio::test]
async fn certificates_in_use_and_what_is_wrong_with_them() {
    let server = Server::start().await;
    let (cert, key) = certificate("a.test");
    server.serve(
        "1",
        &json!({"snis": ["a.test", "b.test"], "cert": cert, "key": key}),
    );
    let view = server.send("GET", "/v1/certs", None).await;
    assert_eq!(view.status, 200);
    assert!(!view.text().contains("PRIVATE") && !view.text().contains("BEGIN"));
    let view = view.json();
    assert_eq!(view["total"], 1);
    let row = &view["list"][0];
    for (field, value) in [
        ("kind", json!("server")),
        ("id", json!("ssls/1")),
        ("field", json!("cert")),
        ("names", json!(["a.test", "b.test"])),
        ("namesTotal", json!(2)),
        ("certificatesTotal", json!(1)),
        ("notAfter", json!("4096-01-01T00:00:00Z")),
    ] {
        assert_eq!(row[field], value, "{field}");
    }
    let info = &row["certInfo"][0];
    assert_eq!(
        (&info["isValid"], &info["version"]),
        (&json!("Yes"), &json!(3))
    );
    assert_eq!(info["subjectAlternativeNames"], json!(["a.test"]));
    let found: Vec<_> = row["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            (
                f["finding"].as_str().unwrap(),
                f["severity"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("name_mismatch", "error"), ("self_signed", "warning")]
    );
    assert!(
        row["findings"][0]["fix"]
            .as_str()
            .unwrap()
            .contains("DNS:b.test")
    );

    let totals = [
        ("kind=server", 1),
        ("kind=ca", 0),
        ("finding=name_mismatch", 1),
        ("finding=expired", 0),
        ("severity=error", 1),
        ("finding=self_signed&severity=error", 0),
        ("within=30d", 0),
        ("within=1000000d", 1),
    ];
    for (query, total) in totals {
        let reply = server
            .send("GET", &format!("/v1/certs?{query}"), None)
            .await;
        assert_eq!(reply.json()["total"], total, "{query}");
    }
    for (query, why) in [
        (
            "foo=1",
            "unknown argument \"foo\": /v1/certs takes finding, kind, page, page_size, severity, within",
        ),
        ("within=soon", "invalid argument within: \"soon\""),
    ] {
        let reply = server
            .send("GET", &format!("/v1/certs?{query}"), None)
            .await;
        assert_eq!(
            (reply.status, reply.json()),
            (400, json!({"error_msg": why}))
        );
    }
    for (key, status) in [
        ("X-API-KEY: viewer-key-of-the-test", 200),
        ("X-API-KEY: x", 401),
        ("", 401),
    ] {
        assert_eq!(
            server.raw("GET", "/v1/certs", &[key], b"").await.status,
            status
        );
    }
}

#[tokio::test]
async fn certificates_come_in_pages() {
    let server = Server::start().await;
    let (cert, key) = certificate("a.test");
    for id in ["1", "2", "3", "4", "5"] {
        server.serve(id, &json!({"sni": "a.test", "cert": cert, "key": key}));
    }
    // Filtered by what is found or not, pages are cut the same way.
    for filter in ["", "&finding=self_signed"] {
        for (page, expected) in [
            (1, vec!["ssls/1", "ssls/2"]),
            (3, vec!["ssls/5"]),
            (4, vec![]),
        ] {
            let path = format!("/v1/certs?page={page}&page_size=2{filter}");
            let view = server.send("GET", &path, None).await.json();
            let list = view["list"].as_array().unwrap();
            let ids: Vec<_> = list.iter().map(|row| row["id"].as_str().unwrap()).collect();
            assert_eq!((view["total"].as_u64(), ids), (Some(5), expected), "{path}");
        }
    }
}
