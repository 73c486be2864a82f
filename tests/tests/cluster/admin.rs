//! The Admin API as APISIX's clients know it.

use cluster_tests::http1;
use cluster_tests::node::Node;
use cluster_tests::objects::route;
use cluster_tests::target::Target;
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
async fn of_patches_at_the_same_time_none_is_lost() {
    let node = Node::start().await;
    let body =
        json!({"uri": "/x", "labels": {"a": "b"}, "upstream": {"nodes": {"127.0.0.1:1": 1}}});
    node.put("routes/1", &body).await;
    let (mut kept, mut conflicts) = (Vec::new(), 0);
    for round in 0..50 {
        let patch = |number: usize| {
            let (node, label) = (&node, format!("l{round}-{number}"));
            async move {
                let body = json!({"labels": {&label: "1"}}).to_string();
                (label, node.admin("PATCH", "routes/1", &body).await)
            }
        };
        let (a, b, c, d) = tokio::join!(patch(0), patch(1), patch(2), patch(3));
        for (label, reply) in [a, b, c, d] {
            match reply.status() {
                200 => kept.push(label),
                503 => {
                    assert_eq!(
                        reply.json()["error_msg"],
                        "value changed before overwritten"
                    );
                    conflicts += 1;
                }
                other => panic!("{other}: {}", reply.text()),
            }
        }
        if conflicts > 0 {
            break;
        }
    }
    assert!(conflicts > 0, "no two of them met");
    let labels = node.admin("GET", "routes/1", "").await.json()["value"]["labels"].clone();
    assert!(
        kept.iter().all(|label| labels[label] == "1"),
        "{labels} without one of {kept:?}"
    );
}
