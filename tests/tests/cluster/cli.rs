//! The command line: apply, get, delete, diff, validate, status.

use std::path::PathBuf;

use cluster_tests::http1;
use cluster_tests::node::{ADMIN_KEY, Node, binary};
use cluster_tests::objects::ssl;
use cluster_tests::pki::Authority;
use cluster_tests::process::{Said, run};
use cluster_tests::target::Target;
use cluster_tests::wait::{SOON, eventually, same};

async fn sallyport(node: &Node, args: &[&str]) -> Said {
    let url = format!("http://{}", node.admin);
    let mut all = args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    all.extend([
        "--admin".to_owned(),
        url,
        "--key".to_owned(),
        ADMIN_KEY.to_owned(),
    ]);
    run(binary().to_str().unwrap(), all).await
}

fn write(node: &Node, name: &str, text: &str) -> PathBuf {
    let path = node.launch.dir().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Two objects in one YAML file; the route comes before what it refers to.
fn yaml(port: u16) -> String {
    format!(
        "kind: route\nid: r\nuri: /*\nupstream_id: u\n---\nkind: upstream\nid: u\nnodes:\n  \"127.0.0.1:{port}\": 1\n"
    )
}

#[tokio::test]
async fn apply_diff_get_and_delete_work_on_files_of_several_objects() {
    let node = Node::start().await;
    let target = Target::echo().await;
    let file = write(&node, "objects.yaml", &yaml(target.port()));
    let file = file.to_str().unwrap();
    assert_eq!(
        sallyport(&node, &["diff", "-f", file]).await.code,
        1,
        "there is a difference"
    );
    let said = sallyport(&node, &["apply", "-f", file]).await;
    assert_eq!(said.code, 0, "{}", said.text());
    eventually("it serves", SOON, || async {
        same(
            http1::get(node.http, "x", "/")
                .await
                .map_err(|error| error.to_string())?
                .status(),
            &200,
        )
    })
    .await;
    let said = sallyport(&node, &["diff", "-f", file]).await;
    assert_eq!(said.code, 0, "none is left: {}", said.text());
    assert_eq!(
        sallyport(&node, &["apply", "-f", file]).await.code,
        0,
        "applying twice is no error"
    );
    let said = sallyport(&node, &["get", "route", "r"]).await;
    assert!(
        said.code == 0 && said.stdout.contains("upstream_id"),
        "{}",
        said.text()
    );
    let said = sallyport(&node, &["get", "upstream", "-o", "json"]).await;
    assert!(
        serde_json::from_str::<serde_json::Value>(&said.stdout).is_ok(),
        "{}",
        said.text()
    );
    assert_eq!(
        sallyport(&node, &["delete", "upstream", "u"]).await.code,
        1,
        "the route uses it"
    );
    assert_eq!(sallyport(&node, &["delete", "route", "r"]).await.code, 0);
    assert_eq!(sallyport(&node, &["delete", "upstream", "u"]).await.code, 0);
    let said = sallyport(&node, &["get", "route", "r"]).await;
    assert!(said.code == 1 && !said.stderr.is_empty(), "{}", said.text());
}

#[tokio::test]
async fn what_get_prints_can_be_applied_again_and_never_shows_a_key() {
    let node = Node::start().await;
    let identity = Authority::root("ca").server(&["test.com"]);
    node.put("ssls/1", &ssl("test.com", &identity)).await;
    node.put(
        "upstreams/u",
        &cluster_tests::objects::upstream("127.0.0.1:1"),
    )
    .await;
    let said = sallyport(&node, &["get", "ssl", "1"]).await;
    assert_eq!(said.code, 0, "{}", said.text());
    assert!(!said.text().contains("PRIVATE KEY"), "{}", said.text());
    let said = sallyport(&node, &["get", "upstream"]).await;
    let file = write(&node, "again.yaml", &said.stdout);
    assert_eq!(
        sallyport(&node, &["diff", "-f", file.to_str().unwrap()])
            .await
            .code,
        0
    );
}

#[tokio::test]
async fn validate_needs_no_server_and_names_file_object_and_field() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.yaml");
    std::fs::write(&good, yaml(1)).unwrap();
    let program = binary();
    let program = program.to_str().unwrap();
    let said = run(program, ["validate", "-f", good.to_str().unwrap()]).await;
    assert_eq!(said.code, 0, "{}", said.text());
    let bad = dir.path().join("bad.json");
    std::fs::write(
        &bad,
        r#"{"routes": [{"id": "r", "uri": "/", "no_such_field": 1, "upstream_id": "u"}]}"#,
    )
    .unwrap();
    let said = run(program, ["validate", "-f", bad.to_str().unwrap()]).await;
    assert_ne!(said.code, 0, "{}", said.text());
    for part in ["bad.json", "r", "no_such_field"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    let broken = dir.path().join("broken.yaml");
    std::fs::write(&broken, "kind: [route\n").unwrap();
    let said = run(program, ["validate", "-f", broken.to_str().unwrap()]).await;
    assert!(
        said.code == 2 && said.stderr.contains("broken.yaml"),
        "{} {}",
        said.code,
        said.text()
    );
    let said = run(program, ["validate", "-f", "/no/such/file.yaml"]).await;
    assert!(
        said.code != 0 && said.stderr.contains("/no/such/file.yaml"),
        "{}",
        said.text()
    );
}

#[tokio::test]
async fn a_set_with_one_invalid_object_changes_nothing() {
    let node = Node::start().await;
    let file = write(
        &node,
        "set.yaml",
        &format!("{}---\nkind: route\nid: bad\nuri: 5\n", yaml(1)),
    );
    let said = sallyport(&node, &["apply", "-f", file.to_str().unwrap()]).await;
    assert_ne!(said.code, 0, "{}", said.text());
    assert!(said.stderr.contains("bad"), "{}", said.stderr);
    assert_eq!(node.admin("GET", "upstreams", "").await.json()["total"], 0);
}

#[tokio::test]
async fn status_shows_what_is_applied_and_a_missing_node_is_a_clear_error() {
    let node = Node::start().await;
    node.put(
        "upstreams/u",
        &cluster_tests::objects::upstream("127.0.0.1:1"),
    )
    .await;
    let said = sallyport(&node, &["status"]).await;
    assert!(
        said.code == 0 && said.stdout.contains("upstream"),
        "{}",
        said.text()
    );
    let said = run(binary().to_str().unwrap(), ["validate"]).await;
    assert!(
        said.code == 2 && said.stderr.contains("--file") && said.stderr.lines().count() == 1,
        "{}",
        said.text()
    );
    let port = cluster_tests::etcd::free_port();
    let url = format!("http://127.0.0.1:{port}");
    let said = run(
        binary().to_str().unwrap(),
        ["status", "--admin", &url, "--key", ADMIN_KEY],
    )
    .await;
    assert!(
        said.code == 1 && said.stderr.contains(&port.to_string()),
        "{} {}",
        said.code,
        said.text()
    );
}
