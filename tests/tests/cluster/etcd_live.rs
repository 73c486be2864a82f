//! Objects put, changed and deleted with etcdctl, good and bad, take effect at once on a running node.

use std::time::{Duration, Instant};

use cluster_tests::answer::Answer;
use cluster_tests::etcd::Etcd;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{mtls, route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::wait::{SOON, eventually, same};
use serde_json::json;

/// Deadline for a change to show; the promise is 100 ms, the machine is shared.
const SHORTLY: Duration = Duration::from_secs(2);

async fn served(node: &Node, host: &str, path: &str, status: u16, body: &str) {
    let begun = Instant::now();
    eventually(
        &format!("{host}{path} gives {status} {body}"),
        SHORTLY,
        || async {
            let reply = http1::get(node.http, host, path)
                .await
                .map_err(|error| error.to_string())?;
            same(
                (reply.status(), reply.text().contains(body)),
                &(status, true),
            )
            .map_err(|error| error + &reply.text())
        },
    )
    .await;
    println!("{host}{path} -> {status} after {:?}", begun.elapsed());
}

async fn named(name: &'static str) -> Target {
    Target::start(move |_| Answer::ok(name)).await
}

#[tokio::test]
async fn routes_put_by_etcdctl_serve_and_their_changes_and_deletes_take_effect() {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let (first, second) = (named("first").await, named("second").await);
    served(&node, "x", "/", 404, "404 Route Not Found").await;
    etcd.put_json("/apisix/routes/1", &route(&first.node()))
        .await;
    served(&node, "x", "/", 200, "first").await;
    etcd.put_json("/apisix/routes/1", &route(&second.node()))
        .await;
    served(&node, "x", "/", 200, "second").await;
    etcd.delete("/apisix/routes/1").await;
    served(&node, "x", "/", 404, "404 Route Not Found").await;
}

#[tokio::test]
async fn upstreams_and_services_put_by_etcdctl_serve_the_routes_that_refer_to_them() {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let (first, second) = (named("first").await, named("second").await);
    etcd.put_json("/apisix/routes/1", &json!({"uri": "/*", "service_id": "s"}))
        .await;
    etcd.put_json("/apisix/services/s", &json!({"upstream_id": 7}))
        .await;
    served(&node, "x", "/", 503, "ConfigMissingMaterial").await;
    etcd.put_json("/apisix/upstreams/7", &json!({"nodes": {first.node(): 1}}))
        .await;
    served(&node, "x", "/", 200, "first").await;
    etcd.put_json(
        "/apisix/upstreams/7",
        &json!({"nodes": [{"host": "127.0.0.1", "port": second.port(), "weight": 1}]}),
    )
    .await;
    served(&node, "x", "/", 200, "second").await;
}

#[tokio::test]
async fn ssls_put_by_etcdctl_serve_and_their_changes_and_deletes_take_effect() {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    let (server, client) = (ca.server(&["test.com"]), ca.client("CLIENT"));
    etcd.put_json("/apisix/routes/1", &route(&target.node()))
        .await;
    let anonymous = TlsClient::new("test.com");
    let known = anonymous.clone().identity(&client);
    let outcome = |client: TlsClient, wanted: Result<u16, Option<u8>>| {
        let address = node.https;
        async move {
            let begun = Instant::now();
            eventually(&format!("{wanted:?}"), SHORTLY, || async {
                let got = client
                    .get(address, "/")
                    .await
                    .map(|reply| reply.status())
                    .map_err(|refusal| refusal.alert);
                same(got, &wanted)
            })
            .await
            .ok();
            println!("{wanted:?} after {:?}", begun.elapsed());
        }
    };
    outcome(anonymous.clone(), Err(Some(112))).await;
    etcd.put_json("/apisix/ssls/1", &ssl("test.com", &server))
        .await;
    outcome(anonymous.clone(), Ok(200)).await;
    etcd.put_json("/apisix/ssls/1", &mtls("test.com", &server, &ca))
        .await;
    outcome(anonymous.clone(), Err(Some(116))).await;
    outcome(known, Ok(200)).await;
    etcd.delete("/apisix/ssls/1").await;
    outcome(anonymous, Err(Some(112))).await;
}

#[tokio::test]
async fn placeholders_and_foreign_keys_are_no_errors() {
    let etcd = Etcd::start().await;
    etcd.put("/apisix/routes/", "init_dir").await;
    etcd.put("/apisix/ssls/", "init_dir").await;
    etcd.put("/apisix/data_plane/server_info/x", "whatever")
        .await;
    let node = Launch::new().store(&etcd.store()).start().await;
    etcd.put("/apisix/upstreams/", "init_dir").await;
    etcd.put("/apisix/proto/1", "{not json").await;
    etcd.put("/apisixish/routes/1", "{}").await;
    let target = named("fine").await;
    etcd.put_json("/apisix/routes/1", &route(&target.node()))
        .await;
    served(&node, "x", "/", 200, "fine").await;
    let metrics = node.metrics_of_now().await;
    assert!(metrics.value("config_rejected_objects", &[]) < 0.5);
}

#[tokio::test]
async fn a_bad_value_leaves_the_last_good_one_serving_and_is_reported_with_its_field() {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let (first, second) = (named("first").await, named("second").await);
    etcd.put_json("/apisix/routes/1", &route(&first.node()))
        .await;
    served(&node, "x", "/", 200, "first").await;
    let mut bad = route(&second.node());
    bad["no_such_field"] = json!(1);
    for (value, word) in [
        (bad.to_string(), "no_such_field"),
        ("{\"uri\": ".to_owned(), ""),
    ] {
        etcd.put("/apisix/routes/1", &value).await;
        eventually("the rejection shows in /status", SOON, || async {
            let status = node.status().await.to_string();
            if status.contains("routes/1") && status.contains(word) {
                Ok(())
            } else {
                Err(status)
            }
        })
        .await;
        let reply = http1::get(node.http, "x", "/").await.unwrap();
        assert_eq!((reply.status(), reply.text()), (200, "first".to_owned()));
    }
    eventually("the metric counts it", SOON, || async {
        let rejected = node
            .metrics()
            .await
            .value("config_rejected_objects", &[("kind", "route")]);
        same(rejected > 0.5, &true)
    })
    .await;
    etcd.put_json("/apisix/routes/1", &route(&second.node()))
        .await;
    served(&node, "x", "/", 200, "second").await;
    eventually("the rejection is gone", SOON, || async {
        let status = node.status().await["rejected"].to_string();
        if status.contains("routes/1") {
            Err(status)
        } else {
            Ok(())
        }
    })
    .await;
}

#[tokio::test]
async fn a_bad_route_without_a_last_good_one_is_closed_and_nothing_broader_answers_for_it() {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let target = named("broad").await;
    etcd.put_json("/apisix/routes/1", &route(&target.node()))
        .await;
    let mut bad = json!({"uri": "/closed/*", "host": "closed.test", "upstream": {"nodes": {target.node(): 1}}});
    bad["plugins"] = json!({"key-auth": {}});
    etcd.put_json("/apisix/routes/2", &bad).await;
    served(&node, "closed.test", "/closed/x", 503, "RouteRejected").await;
    served(&node, "closed.test", "/open", 200, "broad").await;
    served(&node, "other.test", "/closed/x", 200, "broad").await;
    assert!(
        node.status().await.to_string().contains("key-auth"),
        "the plugin is named"
    );
    bad["plugins"] = json!({"prometheus": {}});
    etcd.put_json("/apisix/routes/2", &bad).await;
    served(&node, "closed.test", "/closed/x", 200, "broad").await;
}

#[tokio::test]
async fn a_bad_ssl_without_a_last_good_one_closes_its_names_even_under_a_wildcard() {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    let server = ca.server(&["*.test.com"]);
    let other = ca.server(&["a.test.com"]);
    etcd.put_json("/apisix/routes/1", &route(&target.node()))
        .await;
    etcd.put_json("/apisix/ssls/wild", &ssl("*.test.com", &server))
        .await;
    let mut bad = ssl("a.test.com", &other);
    bad["key"] = json!(server.key);
    etcd.put_json("/apisix/ssls/a", &bad).await;
    eventually(
        "a.test.com is closed, b.test.com is not",
        SHORTLY,
        || async {
            let closed = TlsClient::new("a.test.com")
                .get(node.https, "/")
                .await
                .map(|reply| reply.status());
            let open = TlsClient::new("b.test.com")
                .get(node.https, "/")
                .await
                .map(|reply| reply.status());
            same(
                (closed.map_err(|refusal| refusal.alert), open.ok()),
                &(Err(Some(112)), Some(200)),
            )
        },
    )
    .await
    .0
    .ok();
    etcd.put_json("/apisix/ssls/a", &ssl("a.test.com", &other))
        .await;
    eventually("a.test.com is served", SHORTLY, || async {
        TlsClient::new("a.test.com")
            .get(node.https, "/")
            .await
            .map_err(|refusal| refusal.to_string())
    })
    .await;
}

#[tokio::test]
async fn raw_newlines_and_comment_lines_in_a_value_are_read_as_apisix_reads_them() {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let target = Target::echo().await;
    let server = Authority::root("ca").server(&["test.com"]);
    etcd.put_json("/apisix/routes/1", &route(&target.node()))
        .await;
    let value = format!(
        "{{\n// a comment\n\"sni\": \"test.com\",\n\"cert\": \"{}\",\n\"key\": \"{}\"}}",
        server.cert, server.key
    );
    etcd.put("/apisix/ssls/1", &value).await;
    eventually("the object serves", SHORTLY, || async {
        TlsClient::new("test.com")
            .get(node.https, "/")
            .await
            .map_err(|refusal| refusal.to_string())
    })
    .await;
}
