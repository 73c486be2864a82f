//! Who may use the Admin API, and the private keys it must keep.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{mtls, route};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use serde_json::json;

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
