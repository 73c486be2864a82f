//! Which route a request takes: hosts, paths, methods, variables, addresses, priority, status, services.

use cluster_tests::answer::Answer;
use cluster_tests::http1;
use cluster_tests::node::Node;
use cluster_tests::target::Target;
use serde_json::{Value, json};

/// A node, and a target that answers each request with the header `x-route` that... the path cannot tell: the Host it got.
async fn stage(routes: &[(&str, Value)]) -> (Node, Target) {
    let node = Node::start().await;
    let target =
        Target::start(|received| Answer::ok(received.message.header("host").unwrap_or_default()))
            .await;
    for (id, fields) in routes {
        // The target tells routes apart by the Host that each rewrites to its own id.
        let upstream =
            json!({"nodes": {target.node(): 1}, "pass_host": "rewrite", "upstream_host": id});
        let mut route = json!({"upstream": upstream});
        route
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        node.put(&format!("routes/{id}"), &route).await;
    }
    (node, target)
}

/// The id of the route that a request took, or the status it got.
async fn taken(node: &Node, request: &str) -> String {
    let reply = http1::exchange(node.http, request).await.unwrap();
    if reply.status() == 200 {
        reply.text()
    } else {
        reply.status().to_string()
    }
}

async fn all_take(node: &Node, cases: &[(&str, &str, &str)]) {
    for (host, path, wanted) in cases {
        let got = taken(
            node,
            &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        )
        .await;
        assert_eq!(got, *wanted, "{host}{path}");
    }
}

#[tokio::test]
async fn the_host_decides_before_the_path_and_the_path_before_the_priority() {
    let (node, _target) = stage(&[
        ("exact-host", json!({"host": "a.test.com", "uri": "/*"})),
        (
            "wild-host",
            json!({"hosts": ["*.test.com", "other.org"], "uri": "/*"}),
        ),
        ("any-exact", json!({"uri": "/exact"})),
        ("any-prefix", json!({"uri": "/pre/*", "priority": 100})),
        ("any-longer", json!({"uri": "/pre/fix/*"})),
        ("any-middle", json!({"uri": "/mid/*/end"})),
    ])
    .await;
    all_take(
        &node,
        &[
            ("a.test.com", "/exact", "exact-host"),
            ("A.TEST.COM:80", "/x", "exact-host"),
            ("a.test.com.", "/x", "exact-host"),
            ("b.test.com", "/exact", "wild-host"),
            ("a.b.test.com", "/x", "wild-host"),
            ("test.com", "/x", "404"),
            ("other.org", "/x", "wild-host"),
            ("none.org", "/exact", "any-exact"),
            ("none.org", "/exact?q=1", "any-exact"),
            ("none.org", "/exact/", "404"),
            ("none.org", "/EXACT", "404"),
            ("none.org", "/pre/x", "any-prefix"),
            ("none.org", "/pre/", "any-prefix"),
            ("none.org", "/pre", "404"),
            ("none.org", "/pre/fix/x", "any-longer"),
            ("none.org", "/pre/../exact", "any-exact"),
            ("none.org", "/%65xact", "any-exact"),
            ("none.org", "//exact", "any-exact"),
            ("none.org", "/mid/a/b/end", "any-middle"),
        ],
    )
    .await;
}

#[tokio::test]
async fn priority_methods_and_variables_decide_among_equal_paths() {
    let (node, _target) = stage(&[
        ("low", json!({"uri": "/x"})),
        (
            "posts",
            json!({"uri": "/x", "methods": ["POST", "PUT"], "priority": 1}),
        ),
        (
            "json",
            json!({"uri": "/x", "vars": [["arg_name", "==", "json"]], "priority": 2}),
        ),
        (
            "regex",
            json!({"uri": "/x", "vars": [["http_x_kind", "~~", "^a[0-9]+$"]], "priority": 3}),
        ),
        (
            "either",
            json!({"uri": "/x", "priority": 4,
            "vars": ["OR", ["cookie_c", "in", ["1", "2"]], ["arg_n", ">", "10"]]}),
        ),
        ("off", json!({"uri": "/x", "priority": 99, "status": 0})),
    ])
    .await;
    let cases = [
        ("GET /x HTTP/1.1\r\nHost: h\r\n\r\n", "low"),
        (
            "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
            "posts",
        ),
        ("GET /x?name=json HTTP/1.1\r\nHost: h\r\n\r\n", "json"),
        ("GET /x HTTP/1.1\r\nHost: h\r\nX-Kind: a12\r\n\r\n", "regex"),
        ("GET /x HTTP/1.1\r\nHost: h\r\nX-Kind: b12\r\n\r\n", "low"),
        (
            "GET /x HTTP/1.1\r\nHost: h\r\nCookie: a=9; c=2\r\n\r\n",
            "either",
        ),
        ("GET /x?n=11 HTTP/1.1\r\nHost: h\r\n\r\n", "either"),
        ("GET /x?n=9 HTTP/1.1\r\nHost: h\r\n\r\n", "low"),
    ];
    for (request, wanted) in cases {
        assert_eq!(taken(&node, request).await, wanted, "{request}");
    }
}

#[tokio::test]
async fn remote_addrs_admit_only_their_clients() {
    let (node, _target) = stage(&[
        (
            "mine",
            json!({"uri": "/mine", "remote_addrs": ["127.0.0.0/8", "::1"]}),
        ),
        (
            "theirs",
            json!({"uri": "/theirs", "remote_addr": "10.0.0.0/8"}),
        ),
    ])
    .await;
    all_take(&node, &[("h", "/mine", "mine"), ("h", "/theirs", "404")]).await;
    let request = "GET /theirs HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\nX-Real-IP: 10.1.1.1\r\n\r\n";
    assert_eq!(
        taken(&node, request).await,
        "404",
        "a claimed address is no address"
    );
}

#[tokio::test]
async fn a_services_hosts_and_upstream_hold_for_its_routes_and_a_routes_own_win() {
    let node = Node::start().await;
    let (service, own) = (
        Target::start(|_| Answer::ok("service")).await,
        Target::start(|_| Answer::ok("own")).await,
    );
    node.put(
        "services/s",
        &json!({"hosts": ["s.com"], "upstream": {"nodes": {service.node(): 1}}}),
    )
    .await;
    node.put("routes/1", &json!({"uri": "/a", "service_id": "s"}))
        .await;
    node.put(
        "routes/2",
        &json!({"uri": "/b", "service_id": "s", "upstream": {"nodes": {own.node(): 1}}}),
    )
    .await;
    all_take(
        &node,
        &[
            ("s.com", "/a", "service"),
            ("s.com", "/b", "own"),
            ("t.com", "/a", "404"),
        ],
    )
    .await;
}

#[tokio::test]
async fn no_route_gives_apisixs_404() {
    let node = Node::start().await;
    let reply = http1::get(node.http, "h", "/").await.unwrap();
    assert_eq!(
        (reply.status(), reply.text().trim_end()),
        (404, r#"{"error_msg":"404 Route Not Found"}"#)
    );
}
