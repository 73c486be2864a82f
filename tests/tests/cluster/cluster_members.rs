//! What the cluster shows of its nodes: to etcdctl, to `GET /v1/nodes`, to `sallyport status`.

use cluster_tests::cluster::{Cluster, TOGETHER, sallyport};
use cluster_tests::etcd::Etcd;
use cluster_tests::node::{ADMIN_KEY, Node};
use cluster_tests::objects::route;
use cluster_tests::wait::{SOON, eventually, same};
use serde_json::{Value, json};

/// The entries as etcdctl shows them: key and value by turns.
async fn entries(etcd: &Etcd) -> Vec<(String, Value)> {
    let said = etcd.ctl(&["get", "--prefix", "/apisix-nodes"]).await;
    let lines = said.stdout.lines().collect::<Vec<_>>();
    let pair = |pair: &[&str]| {
        let value =
            serde_json::from_str(pair[1]).unwrap_or_else(|error| panic!("{}: {error}", pair[1]));
        (pair[0].to_owned(), value)
    };
    lines.chunks(2).map(pair).collect()
}

async fn entry(etcd: &Etcd, id: &str) -> Option<Value> {
    let key = format!("/apisix-nodes/{id}");
    entries(etcd)
        .await
        .into_iter()
        .find(|(found, _)| *found == key)
        .map(|(_, value)| value)
}

#[tokio::test]
async fn every_node_keeps_an_entry_with_the_contracts_fields() {
    let (etcd, mut cluster) = Cluster::start(1, 1).await;
    cluster.put("routes/1", &route("127.0.0.1:1")).await;
    let hop = cluster.processors[0].hop.unwrap().to_string();
    for (id, role) in [("r1", "router"), ("p1", "processor"), ("c1", "control")] {
        let entry = entry(&etcd, id)
            .await
            .unwrap_or_else(|| panic!("{id} has an entry"));
        assert_eq!(entry["id"], id, "{entry}");
        assert_eq!(entry["roles"], json!([role]), "{entry}");
        assert!(
            entry["version"]
                .as_str()
                .is_some_and(|version| !version.is_empty()),
            "{entry}"
        );
        assert!(
            entry["started"]
                .as_str()
                .is_some_and(|started| started.contains('T')),
            "{entry}"
        );
        assert!(entry["applied_revision"].as_u64().is_some(), "{entry}");
        assert_eq!(entry["rejected"], json!([]), "{entry}");
        assert!(entry["addresses"].is_object(), "{entry}");
    }
    assert_eq!(
        entry(&etcd, "p1").await.unwrap()["addresses"]["hop"],
        hop.as_str()
    );
    assert!(
        !entry(&etcd, "r1").await.unwrap()["addresses"]
            .to_string()
            .contains("hop")
    );

    etcd.put(
        "/apisix/routes/bad",
        "{\"uri\":\"/x\",\"plugins\":{\"key-auth\":{}}}",
    )
    .await;
    for id in ["r1", "p1"] {
        let rejected = eventually("the node says what it refused", SOON, || async {
            let entry = entry(&etcd, id).await.ok_or("no entry")?;
            entry["rejected"]
                .get(0)
                .cloned()
                .ok_or_else(|| entry.to_string())
        })
        .await;
        assert_eq!(
            rejected["key"]
                .as_str()
                .map(|key| key.ends_with("routes/bad")),
            Some(true),
            "{rejected}"
        );
        assert!(rejected["revision"].as_u64() > Some(0), "{rejected}");
        assert!(
            rejected["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("key-auth")),
            "{rejected}"
        );
    }
    let shown = eventually("the view shows it, and no lag", SOON, || async {
        let member = cluster.member("r1").await;
        let whole = member["rejected"].get(0).is_some() && member["lag"] == 0;
        if whole {
            Ok(member)
        } else {
            Err(member.to_string())
        }
    })
    .await;
    assert_eq!(
        (&shown["state"], &shown["roles"]),
        (&json!("alive"), &json!(["router"])),
        "{shown}"
    );
    let admin = format!("http://{}", cluster.control.admin);
    let said = sallyport(&["status", "--admin", &admin, "--key", ADMIN_KEY]).await;
    println!("{}", said.stdout);
    assert_eq!(said.code, 0, "{}", said.text());
    for word in [
        "r1",
        "p1",
        "c1",
        "router",
        "processor",
        "alive",
        "routes/bad",
        "key-auth",
    ] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
    etcd.delete("/apisix/routes/bad").await;
    eventually("nothing is refused any more", SOON, || async {
        same(cluster.member("p1").await["rejected"].clone(), &json!([]))
    })
    .await;

    // A paused node does not apply what comes; the others show by how much.
    cluster.processors[0].process.signal("STOP");
    let revision = cluster.write("routes/2", &route("127.0.0.1:2")).await;
    eventually("the paused node lags", SOON, || async {
        let member = cluster.member("p1").await;
        if member["lag"].as_u64() > Some(0) && member["applied_revision"].as_f64() < Some(revision)
        {
            Ok(())
        } else {
            Err(member.to_string())
        }
    })
    .await;
    cluster.processors[0].process.signal("CONT");
    eventually("and catches up", TOGETHER, || async {
        let member = cluster.member("p1").await;
        same(
            (member["lag"].clone(), member["state"].clone()),
            &(json!(0), json!("alive")),
        )
    })
    .await;

    // A node that stops takes its entry with it; a dead one's ends with its lease.
    cluster.routers[0].process.signal("TERM");
    cluster.routers[0].process.wait(TOGETHER).await;
    assert_eq!(
        entry(&etcd, "r1").await,
        None,
        "gone by the time the process is"
    );
    cluster.processors[0].process.kill().await;
    eventually("the lease ends", TOGETHER, || async {
        same(entry(&etcd, "p1").await, &None)
    })
    .await;
    let member = cluster.member("p1").await;
    assert_ne!(member["state"], "alive", "{member}");
    // Its entry found there or not, a node that comes back is a member at once.
    cluster.processors[0] = cluster.processors[0].launch.start().await;
    eventually("it is back", TOGETHER, || async {
        same(cluster.member("p1").await["state"].clone(), &json!("alive"))
    })
    .await;
}

#[tokio::test]
async fn a_crashed_node_takes_its_entry_over_before_the_lease_ends() {
    let (etcd, mut cluster) = Cluster::start(0, 1).await;
    let before = entry(&etcd, "p1").await.unwrap();
    let processor = cluster.processors.remove(0).crash_and_restart().await;
    let hop = processor.hop.unwrap().to_string();
    eventually("the new life's entry", SOON, || async {
        let entry = entry(&etcd, "p1").await.ok_or("no entry")?;
        if entry["addresses"]["hop"] == hop.as_str() && entry["started"] != before["started"] {
            Ok(())
        } else {
            Err(entry.to_string())
        }
    })
    .await;
}

#[tokio::test]
async fn two_living_nodes_of_one_id_are_an_error_in_the_log() {
    let (_etcd, cluster) = Cluster::start(0, 1).await;
    let first = &cluster.processors[0];
    let second = cluster.ground.launch("processor", "p1").await.start().await;
    eventually("one of them says so", TOGETHER, || async {
        let told = |node: &Node| {
            let lines = node.process.lines();
            lines
                .iter()
                .any(|line| line.contains("ERROR") && line.contains("p1"))
        };
        if told(first) || told(&second) {
            Ok(())
        } else {
            Err(format!(
                "{}\n{}",
                first.process.tail(),
                second.process.tail()
            ))
        }
    })
    .await;
}
