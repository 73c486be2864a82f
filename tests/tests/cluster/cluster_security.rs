//! Who may take part in the hop: certificates of another CA, without the role, expired or badly kept, and their renewal
//! under load.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use cluster_tests::cluster::{Cluster, HopPki, INTERNAL, TOGETHER, connected};
use cluster_tests::counting::CountingTarget;
use cluster_tests::http1;
use cluster_tests::load::Plan;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::route;
use cluster_tests::pki::Authority;
use cluster_tests::process::Said;
use cluster_tests::wait::eventually;

async fn cut_off(node: &Node) {
    eventually("the router is cut off", TOGETHER, || async {
        let reply = http1::get(node.http, "x", "/?id=cut")
            .await
            .map_err(|error| error.to_string())?;
        if (reply.status(), reply.fault_code().as_str()) == (503, "NoProcessor") {
            Ok(())
        } else {
            Err(format!("{} {}", reply.status(), reply.text()))
        }
    })
    .await;
}

async fn failures(node: &Node) -> f64 {
    node.metrics()
        .await
        .value("tls_handshake_failures_total", &[INTERNAL])
}

#[tokio::test]
async fn a_router_of_another_ca_gets_nothing_and_both_sides_count_it() {
    let (_etcd, cluster) = Cluster::start(1, 1).await;
    let target = CountingTarget::start(Duration::ZERO).await;
    cluster.put("routes/1", &route(&target.node())).await;
    let other = HopPki::init().await;
    let stranger = cluster.ground.launch("router", "r9").await;
    let tls = other.node("router", "r9").await;
    let stranger = stranger
        .flag("--hop-tls", &tls.display().to_string())
        .start()
        .await;
    cut_off(&stranger).await;
    for (name, node) in [
        ("the stranger", &stranger),
        ("the processor", &cluster.processors[0]),
    ] {
        eventually(&format!("{name} counts it"), TOGETHER, || async {
            let count = failures(node).await;
            if count > 0.5 {
                Ok(())
            } else {
                Err(node.process.tail())
            }
        })
        .await;
        let metrics = node.metrics().await;
        for sample in metrics.matching("tls_handshake_failures_total", &[INTERNAL]) {
            println!("{name}: {:?} {}", sample.labels, sample.value);
        }
    }
    assert_eq!(target.requests(), 0);
    let reply = http1::get(cluster.routers[0].http, "x", "/?id=known")
        .await
        .unwrap();
    assert_eq!(
        reply.status(),
        200,
        "who belongs is served: {}",
        reply.text()
    );
}

/// A start that must end with 2 and one line that holds these words.
fn refused(said: &Said, words: &[&str]) {
    assert_eq!(said.code, 2, "{words:?}: {}", said.text());
    assert_eq!(
        said.stderr.trim_end().lines().count(),
        1,
        "one line: {}",
        said.stderr
    );
    let line = said.stderr.to_lowercase();
    for word in words {
        assert!(line.contains(word), "{word}: {line}");
    }
    println!("{}", said.stderr.trim_end());
}

fn launch(role: &str, tls: Option<&Path>) -> Launch {
    // Nobody listens there: what is refused is refused before the store is asked.
    let launch = Launch::new()
        .store("etcd://127.0.0.1:1/apisix")
        .flag("--role", role)
        .flag("--node-id", "x1")
        .flag("--hop", "127.0.0.1:0");
    match tls {
        Some(dir) => launch.flag("--hop-tls", &dir.display().to_string()),
        None => launch,
    }
}

/// A node's directory from a CA of the test's own, with the pki's kind of names.
fn write_node(dir: &Path, authority: &Authority, role: &str, expired: bool) {
    let uris = [
        format!("sallyport:role:{role}"),
        "sallyport:node:x1".to_owned(),
    ];
    let leaf = authority
        .leaf("x1")
        .names(&["x1"])
        .uris(&[&uris[0], &uris[1]])
        .for_servers()
        .for_clients();
    let identity = if expired { leaf.expired() } else { leaf }.issue();
    std::fs::write(dir.join("ca.crt"), &authority.cert).unwrap();
    std::fs::write(dir.join("node.crt"), &identity.cert).unwrap();
    std::fs::write(dir.join("node.key"), &identity.key).unwrap();
    mode(&dir.join("node.key"), 0o600);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_a_nodes_certificate_is_said_at_its_start() {
    for role in ["router", "processor"] {
        refused(&launch(role, None).run().await, &["--hop-tls"]);
    }
    let pki = HopPki::init().await;
    let (router, processor) = (
        pki.node("router", "r").await,
        pki.node("processor", "p").await,
    );
    refused(
        &launch("processor", Some(&router)).run().await,
        &["--hop-tls", "processor"],
    );
    refused(
        &launch("router", Some(&processor)).run().await,
        &["--hop-tls", "router"],
    );
    refused(
        &launch("router", Some(Path::new("/no/such/dir")))
            .run()
            .await,
        &["--hop-tls", "/no/such/dir"],
    );
    for open in [0o644, 0o640, 0o604] {
        mode(&router.join("node.key"), open);
        refused(
            &launch("router", Some(&router)).run().await,
            &["--hop-tls", "node.key"],
        );
    }
    mode(&router.join("node.key"), 0o600);
    std::fs::write(
        router.join("node.crt"),
        std::fs::read(processor.join("node.crt")).unwrap(),
    )
    .unwrap();
    refused(&launch("router", Some(&router)).run().await, &["--hop-tls"]);
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::root("hop");
    write_node(dir.path(), &authority, "router", true);
    refused(
        &launch("router", Some(dir.path())).run().await,
        &["--hop-tls", "expired"],
    );
    write_node(dir.path(), &authority, "router", false);
    std::fs::write(dir.path().join("ca.crt"), &Authority::root("another").cert).unwrap();
    refused(
        &launch("router", Some(dir.path())).run().await,
        &["--hop-tls"],
    );
}

/// Replaces a file as a whole.
fn replace(dir: &Path, name: &str, content: &str) {
    let new = dir.join(format!("{name}.new"));
    std::fs::write(&new, content).unwrap();
    mode(&new, if name.ends_with(".key") { 0o600 } else { 0o644 });
    std::fs::rename(&new, dir.join(name)).unwrap();
}

/// Waits until a node says that it took over a new set of files, once more than so many times.
async fn taken_over(node: &Node, before: usize) {
    eventually("the new files are taken over", TOGETHER, || async {
        let count = renewals(node);
        if count > before {
            Ok(())
        } else {
            Err(node.process.tail())
        }
    })
    .await;
}

/// How often a node said so: one line with the certificate's end.
fn renewals(node: &Node) -> usize {
    node.process
        .lines()
        .iter()
        .filter(|line| line.contains("not_after") && line.contains("INFO"))
        .count()
}

#[tokio::test]
async fn a_new_ca_is_brought_in_and_the_old_one_removed_under_load() {
    let (_etcd, cluster) = Cluster::start(2, 2).await;
    let target = CountingTarget::start(Duration::from_millis(10)).await;
    cluster.put("routes/1", &route(&target.node())).await;
    // r2 keeps its old certificate; r1 must notice nothing.
    let (renewed, left) = (&cluster.routers[0], &cluster.routers[1]);
    let load = Plan::gets(&[renewed.http]).start();
    let old = &cluster.ground.pki;
    let new = HopPki::init().await;
    let both = format!("{}{}", old.certificate(), new.certificate());
    let all = [
        ("router", "r1"),
        ("router", "r2"),
        ("processor", "p1"),
        ("processor", "p2"),
    ];
    let nodes = [
        renewed,
        left,
        &cluster.processors[0],
        &cluster.processors[1],
    ];
    let before = nodes.map(renewals);
    for (role, id) in all {
        replace(&old.node(role, id).await, "ca.crt", &both);
    }
    for (node, before) in nodes.iter().zip(before) {
        taken_over(node, before).await;
    }
    let renewing = [0, 2, 3];
    let before = nodes.map(renewals);
    for (role, id) in renewing.map(|at| all[at]) {
        let (from, to) = (new.node(role, id).await, old.node(role, id).await);
        // The half-written set in between is the old one's for as long.
        for name in ["node.key", "node.crt"] {
            replace(
                &to,
                name,
                &std::fs::read_to_string(from.join(name)).unwrap(),
            );
        }
    }
    for at in renewing {
        taken_over(nodes[at], before[at]).await;
    }
    assert_eq!(load.failed(), 0, "new certificates: {}", load.tally());
    let before = nodes.map(renewals);
    for (role, id) in renewing.map(|at| all[at]) {
        replace(&old.node(role, id).await, "ca.crt", &new.certificate());
    }
    for at in renewing {
        taken_over(nodes[at], before[at]).await;
    }
    cut_off(left).await;
    load.turns(20).await;
    connected(renewed, 2).await;
    let tally = load.stop().await;
    assert_eq!(tally.failed, 0, "{tally}");
    let counted = failures(&cluster.processors[0]).await + failures(&cluster.processors[1]).await;
    assert!(counted > 0.5, "the one cut off is counted");
}
