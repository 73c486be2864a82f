//! Nodes that die, stop, pause, come back and join under a steady load through two routers and two processors. What must
//! be zero is asserted; times are only printed.

use std::net::SocketAddr;
use std::time::Duration;

use cluster_tests::answer::Answer;
use cluster_tests::cluster::{Cluster, gets_work};
use cluster_tests::counting::CountingTarget;
use cluster_tests::etcd::Etcd;
use cluster_tests::http1;
use cluster_tests::load::{Load, Plan};
use cluster_tests::node::Node;
use cluster_tests::objects::route;
use cluster_tests::target::Target;
use cluster_tests::wait::{SOON, eventually, same};
use serde_json::json;

/// Long enough for some requests to be with a node whenever it dies.
const WORK: Duration = Duration::from_millis(30);

/// Longer than anything a drain does but wait for this.
const LONG: Duration = Duration::from_secs(2);

/// A drain may take this long on a machine that is shared.
const GOING: Duration = Duration::from_secs(40);

struct Stage {
    cluster: Cluster,
    target: CountingTarget,
    /// Takes [`LONG`] for each answer, at `/long`.
    slow: Target,
    routers: [SocketAddr; 2],
    gets: Load,
    posts: Load,
    _etcd: Etcd,
}

async fn stage() -> Stage {
    let (etcd, cluster) = Cluster::start(2, 2).await;
    let target = CountingTarget::start(WORK).await;
    let slow = Target::start(|_| Answer::After(LONG, Box::new(Answer::ok("done")))).await;
    let mut long = route(&slow.node());
    long["uri"] = json!("/long");
    cluster.put("routes/1", &route(&target.node())).await;
    cluster.put("routes/2", &long).await;
    let routers = [cluster.routers[0].http, cluster.routers[1].http];
    let stage = Stage {
        gets: Plan::gets(&routers).start(),
        posts: Plan::posts(&routers).start(),
        cluster,
        target,
        slow,
        routers,
        _etcd: etcd,
    };
    stage.settled().await;
    stage
}

impl Stage {
    /// Whatever was on its way when something happened has ended, and all go on.
    async fn settled(&self) {
        self.gets.turns(3).await;
        self.posts.turns(3).await;
    }

    /// Says what failed since, and asserts that nothing did.
    async fn nothing_failed(&self, since: &str) {
        self.settled().await;
        let (gets, posts) = (self.gets.tally(), self.posts.tally());
        assert_eq!(
            (gets.failed, posts.failed),
            (0, 0),
            "{since}:\n  GET {gets}\n  POST {posts}"
        );
    }

    /// At most those that a worker had on the node that went can have failed, and the target saw none of them twice.
    async fn only_posts_failed(self, name: &str) {
        let workers = 4;
        let (gets, posts) = (self.gets.stop().await, self.posts.stop().await);
        println!(
            "{name}: the target saw {} different requests",
            self.target.requests()
        );
        assert_eq!(gets.failed, 0, "{name}: GET {gets}");
        assert!(posts.failed <= workers, "{name}: POST {posts}");
        let no_processor =
            |text: &String| text.contains("NoProcessor") && text.contains("503 router");
        assert!(posts.texts.iter().all(no_processor), "{name}: POST {posts}");
        assert_eq!(
            self.target.doubles("post"),
            Vec::<String>::new(),
            "{name}: no POST is sent twice"
        );
    }

    /// Ends a node with SIGTERM while long POSTs are on their way through it; it must end well, and they too.
    async fn stop(&self, node: &mut Node, name: &str) {
        let before = self.slow.received().len();
        let post = "POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
        let clients = (0..8)
            .map(|number| tokio::spawn(http1::exchange(self.routers[number % 2], post)))
            .collect::<Vec<_>>();
        eventually("all are with the target", SOON, || async {
            same(self.slow.received().len() - before, &8)
        })
        .await;
        node.process.signal("TERM");
        for client in clients {
            let reply = client.await.unwrap().unwrap();
            assert_eq!(
                (reply.status(), reply.text()),
                (200, "done".to_owned()),
                "{name}"
            );
        }
        assert_eq!(
            self.slow.received().len() - before,
            8,
            "{name}: each was sent once"
        );
        let status = node.process.wait(GOING).await;
        assert_eq!(status.code(), Some(0), "{name}: {}", node.process.tail());
        self.nothing_failed(&format!("{name} was stopped")).await;
    }
}

#[tokio::test]
async fn a_processor_killed_and_started_again_costs_at_most_the_posts_it_had() {
    let mut stage = stage().await;
    let address = stage.cluster.processors[0].hop.unwrap().to_string();
    stage.cluster.processors[0].process.kill().await;
    stage.settled().await;
    println!(
        "killed: GET {}\n  POST {}",
        stage.gets.tally(),
        stage.posts.tally()
    );
    let after_death = stage.posts.failed();
    let launch = stage.cluster.processors[0]
        .launch
        .clone()
        .flag("--hop", &address);
    stage.cluster.processors[0] = launch.start().await;
    gets_work(&stage.cluster.processors[0], "southbound", 20).await;
    stage.settled().await;
    assert_eq!(
        stage.posts.failed(),
        after_death,
        "its return costs nothing: {}",
        stage.posts.tally()
    );
    stage.only_posts_failed("kill -9 of a processor").await;
}

#[tokio::test]
async fn a_processor_paused_and_continued_costs_at_most_the_posts_it_had() {
    let stage = stage().await;
    let paused = &stage.cluster.processors[0];
    paused.process.signal("STOP");
    // Longer than the hop's idle timeout: its connections are lost meanwhile.
    stage.gets.lasts(Duration::from_secs(5)).await;
    stage.settled().await;
    println!(
        "paused: GET {}\n  POST {}",
        stage.gets.tally(),
        stage.posts.tally()
    );
    let after_pause = stage.posts.failed();
    paused.process.signal("CONT");
    gets_work(paused, "southbound", 20).await;
    stage.settled().await;
    assert_eq!(
        stage.posts.failed(),
        after_pause,
        "its return costs nothing: {}",
        stage.posts.tally()
    );
    stage
        .only_posts_failed("SIGSTOP and SIGCONT of a processor")
        .await;
}

#[tokio::test]
async fn nodes_that_stop_in_order_and_nodes_that_join_cost_nothing() {
    let mut stage = stage().await;
    let mut first = stage.cluster.processors.remove(0);
    stage.stop(&mut first, "p1").await;
    // On another port, which the system picks.
    let first = first.launch.start().await;
    gets_work(&first, "southbound", 20).await;
    stage.nothing_failed("p1 came back elsewhere").await;
    let third = stage
        .cluster
        .ground
        .launch("processor", "p3")
        .await
        .start()
        .await;
    gets_work(&third, "southbound", 20).await;
    stage.nothing_failed("p3 joined").await;
    let mut router = stage.cluster.routers.remove(0);
    stage.stop(&mut router, "r1").await;
    let router = router
        .launch
        .flag("--http", &router.http.to_string())
        .start()
        .await;
    stage.nothing_failed("r1 came back").await;
    let (gets, posts) = (stage.gets.stop().await, stage.posts.stop().await);
    assert_eq!((gets.failed, posts.failed), (0, 0));
    assert_eq!(
        stage.target.doubles("post"),
        Vec::<String>::new(),
        "no POST is sent twice"
    );
    drop((first, third, router));
}
