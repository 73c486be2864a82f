//! Flags, variables and files: how they are read, and how bad ones are refused.

use cluster_tests::cluster::HopPki;
use cluster_tests::etcd::Etcd;
use cluster_tests::http1;
use cluster_tests::node::Launch;
use cluster_tests::objects::route;
use cluster_tests::target::Target;

#[tokio::test]
async fn bad_flags_and_files_end_with_2_and_one_line_that_names_them() {
    let launch = Launch::new();
    let file = launch.dir().join("config.yaml");
    let at_file = file.display().to_string();
    std::fs::write(&file, "http: 127.0.0.1:0\nno-such-key: 1\n").unwrap();
    let cases = [
        ("--http", "nonsense", "http"),
        ("--https", "1.2.3.4", "https"),
        ("--store", "mysql://x", "store"),
        ("--handshake-timeout", "soon", "handshake-timeout"),
        ("--upstream-verify", "maybe", "upstream-verify"),
        ("--threads", "0", "threads"),
        ("--fallback-sni", "a b", "fallback-sni"),
        ("--role", "king", "role"),
        ("--keyring-file", "/no/such/file", "keyring-file"),
        ("--config", "/no/such/file", "/no/such/file"),
        ("--config", &at_file, "no-such-key"),
        ("--access-log", "/no/such/dir/log", "/no/such/dir/log"),
        ("--log-level", "loud", "loud"),
        ("--no-such-flag", "x", "no-such-flag"),
    ];
    for (flag, value, named) in cases {
        let said = launch.clone().flag(flag, value).run().await;
        assert_eq!(said.code, 2, "{flag} {value}: {}", said.text());
        assert!(
            said.stderr.contains(named),
            "{flag} {value}: {}",
            said.stderr
        );
        assert!(
            said.stderr.trim_end().lines().count() <= 8,
            "{flag} {value}: {}",
            said.stderr
        );
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let said = launch
        .clone()
        .flag("--http", &taken.local_addr().unwrap().to_string())
        .run()
        .await;
    assert!(matches!(said.code, 1 | 2), "{}", said.text());
    assert!(
        said.stderr
            .contains(&taken.local_addr().unwrap().port().to_string()),
        "{}",
        said.stderr
    );
}

#[tokio::test]
async fn two_nodes_never_share_a_port() {
    let one = Launch::new().start().await;
    for (flag, at) in [("--http", one.http), ("--https", one.https)] {
        let said = Launch::new().flag(flag, &at.to_string()).run().await;
        assert_eq!(said.code, 1, "{}", said.text());
        assert!(said.stderr.contains(&at.to_string()), "{}", said.stderr);
    }
    let (etcd, pki) = (Etcd::start().await, HopPki::init().await);
    let processor = Launch::new()
        .store(&etcd.store())
        .flag("--role", "processor")
        .flag(
            "--hop-tls",
            &pki.node("processor", "p").await.display().to_string(),
        )
        .flag("--hop", "127.0.0.1:0");
    let one = processor.start().await;
    let hop = one.hop.unwrap().to_string();
    let said = processor.flag("--hop", &hop).run().await;
    assert_eq!(said.code, 1, "{}", said.text());
    assert!(said.stderr.contains(&hop), "{}", said.stderr);
}

#[tokio::test]
async fn the_flag_wins_over_the_variable_and_the_variable_over_the_file() {
    let launch = Launch::new();
    let file = launch.dir().join("config.yaml");
    std::fs::write(&file, "node-id: from-file\nfallback-sni: file.com\n").unwrap();
    let launch = launch.flag("--config", &file.display().to_string());
    assert_eq!(name_of(&launch).await, "from-file");
    let launch = launch.env("SALLYPORT_NODE_ID", "from-variable");
    assert_eq!(name_of(&launch).await, "from-variable");
    let launch = launch.flag("--node-id", "from-flag");
    assert_eq!(name_of(&launch).await, "from-flag");
}

/// Starts a node, asks its name and waits for its end: the next one uses the same directory.
async fn name_of(launch: &Launch) -> serde_json::Value {
    let mut node = launch.start().await;
    let name = node.status().await["node"].clone();
    node.process.kill().await;
    name
}

#[tokio::test]
async fn a_listener_that_is_off_does_not_listen_and_a_body_over_its_bound_is_413() {
    let node = Launch::new()
        .flag("--https", "off")
        .flag("--max-body-bytes", "1KiB")
        .start()
        .await;
    assert_eq!(node.https.port(), 1, "no address was given");
    let target = Target::echo().await;
    node.put("routes/1", &route(&target.node())).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\n";
    let sized = format!("{head}Content-Length: 1025\r\n\r\n{}", "x".repeat(1025));
    assert_eq!(
        http1::exchange(node.http, sized).await.unwrap().status(),
        413
    );
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n\r\n",
        "x".repeat(2048)
    );
    assert_eq!(
        http1::exchange(node.http, chunked).await.unwrap().status(),
        413
    );
    assert!(target.received().is_empty());
    let fits = format!("{head}Content-Length: 1024\r\n\r\n{}", "x".repeat(1024));
    assert_eq!(
        http1::exchange(node.http, fits).await.unwrap().status(),
        200
    );
}
