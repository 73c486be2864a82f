//! Passive and active health: targets leave and come back.

use arc_swap::ArcSwap;

use super::super::health::Sign;
use super::*;

const FAILED: Reply = Reply::Say("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno");

fn checked(targets: &[&Target]) -> Value {
    let mut upstream = upstream_of(targets);
    upstream["checks"] = json!({
        "active": {
            "healthy": {"interval": 1, "successes": 1},
            "unhealthy": {"interval": 1, "http_failures": 1, "tcp_failures": 1},
        },
        "passive": {"unhealthy": {"http_statuses": [500], "http_failures": 2}},
    });
    upstream
}

#[tokio::test]
async fn traffic_takes_a_failing_target_out() {
    on_a_thread(async {
        let (bad, good) = (
            Target::start(|_, _| FAILED).await,
            Target::start(|_, _| OK).await,
        );
        let bench = bench(checked(&[&bad, &good]));
        for _ in 0..20 {
            bench.outcome("GET").await;
        }
        assert_eq!(bad.heads.borrow().len(), 2);
        let page = bench.processor.shared.metrics.encode();
        assert!(
            page.lines()
                .any(|l| l.starts_with("sallyport_target_healthy")
                    && l.contains(&bad.node())
                    && l.ends_with(" 0"))
        );
    })
    .await;
}

#[tokio::test]
async fn all_unhealthy_means_all_are_used() {
    on_a_thread(async {
        let (a, b) = (
            Target::start(|_, _| FAILED).await,
            Target::start(|_, _| FAILED).await,
        );
        let bench = bench(checked(&[&a, &b]));
        for _ in 0..20 {
            assert_eq!(bench.outcome("GET").await.0, "500 no");
        }
        assert!(a.heads.borrow().len() > 5 && b.heads.borrow().len() > 5);
    })
    .await;
}

#[tokio::test]
async fn probes_take_a_target_out_and_back_in() {
    on_a_thread(async {
        let sick = Rc::new(Cell::new(true));
        let state = sick.clone();
        let target = Target::start(move |_, _| if state.get() { FAILED } else { OK }).await;
        let bench = bench(checked(&[&target]));
        let live = Arc::new(ArcSwap::from(bench.snapshot.clone()));
        let shared = bench.processor.shared.clone();
        spawn_local(super::super::run_health(shared.clone(), live.clone()));
        let health = shared.health.of(&"routes/1".into(), &target.node().into());
        until(|| !health.is_healthy()).await;
        assert!(
            target.heads.borrow()[0]
                .starts_with(&format!("GET / HTTP/1.1\r\nHost: {}\r\n", target.node()))
        );
        sick.set(false);
        until(|| health.is_healthy()).await;
        live.store(Arc::default());
        until(|| !shared.metrics.encode().contains(&target.node())).await;
    })
    .await;
}

#[tokio::test]
async fn a_target_that_went_and_came_back_is_judged_by_its_new_probes() {
    on_a_thread(async {
        let (a, b) = (
            Target::start(|_, _| OK).await,
            Target::start(|_, _| OK).await,
        );
        let mut bench = bench(checked(&[&a, &b]));
        for _ in 0..4 {
            bench.outcome("GET").await;
        }
        let shared = bench.processor.shared.clone();
        let (upstream, name): (Arc<str>, Arc<str>) = ("routes/1".into(), a.node().into());
        // The object was deleted and made again: its probes ended, new ones began.
        shared.health.forget(&upstream, &name);
        let health = shared.health.of(&upstream, &name);
        bench.snapshot = super::bench(checked(&[&a, &b])).snapshot;
        let route = bench.snapshot.route_by_id("1").unwrap();
        let plan = bench.snapshot.plan(route).unwrap();
        let check = &plan.upstream.checks().unwrap().active;
        assert_eq!(health.note(Sign::Broken, check.into()), Some(false));
        let before = a.heads.borrow().len();
        for _ in 0..10 {
            bench.outcome("GET").await;
        }
        assert_eq!(a.heads.borrow().len(), before);
    })
    .await;
}

#[tokio::test]
async fn a_healthy_node_without_weight_does_not_end_the_last_resort() {
    on_a_thread(async {
        let (only, drained) = (
            Target::start(|_, _| FAILED).await,
            Target::start(|_, _| OK).await,
        );
        let mut upstream = checked(&[&only, &drained]);
        upstream["nodes"][drained.node()] = json!(0);
        let bench = bench(upstream);
        for _ in 0..5 {
            assert_eq!(bench.outcome("GET").await.0, "500 no");
        }
    })
    .await;
}

/// Waits for a state that other tasks bring about; `on_a_thread` bounds the wait.
async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
}
