//! HTTP/1.1 in the clear: pool, retries, faults.

use super::*;

#[tokio::test]
async fn connections_are_used_again() {
    on_a_thread(async {
        let target = Target::start(|_, _| OK).await;
        let bench = bench(upstream_of(&[&target]));
        for n in 0..3 {
            let answer = bench.send("GET", Body::Empty).await.ok().unwrap();
            assert_eq!(
                (answer.head.status.as_u16(), answer.target.reused),
                (200, n > 0)
            );
            assert_eq!(answer.target.target.as_deref(), Some(&*target.node()));
            assert_eq!(answer.target.upstream.as_deref(), Some("routes/1"));
        }
        assert_eq!(target.connections.get(), 1);
        assert_eq!(
            target.heads.borrow()[2],
            "GET /a?b=c HTTP/1.1\r\nhost: client.example\r\n\r\n"
        );
    })
    .await;
}

#[tokio::test]
async fn streamed_answers_bring_their_connection_back() {
    on_a_thread(async {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        let target = Target::start(move |_, _| Reply::Say(chunked)).await;
        let bench = bench(upstream_of(&[&target]));
        for _ in 0..3 {
            assert_eq!(bench.outcome("GET").await, ("200 ok".into(), vec![200]));
        }
        assert_eq!(target.connections.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_used_again_after_a_bad_answer_or_stray_bytes() {
    on_a_thread(async {
        for text in [
            "HTTP/1.1 200 OK\nA: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
        ] {
            let target = Target::start(move |_, _| Reply::Say(text)).await;
            let bench = bench(upstream_of(&[&target]));
            bench.outcome("GET").await;
            bench.outcome("GET").await;
            assert_eq!(target.connections.get(), 2);
        }
    })
    .await;
}

#[tokio::test]
async fn keepalive_bounds_hold() {
    on_a_thread(async {
        let target = Target::start(|_, _| OK).await;
        let mut upstream = upstream_of(&[&target]);
        upstream["keepalive_pool"] = json!({"size": 1, "idle_timeout": 60, "requests": 2});
        let bench = bench(upstream);
        for _ in 0..4 {
            assert_eq!(bench.outcome("GET").await.0, "200 ok");
        }
        assert_eq!(target.connections.get(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_for_idempotent_requests_only() {
    on_a_thread(async {
        let target = Target::start(|connection, n| {
            if connection == 0 && n == 1 {
                Reply::Close
            } else {
                OK
            }
        })
        .await;
        let bench = bench(upstream_of(&[&target]));
        bench.outcome("GET").await;
        assert_eq!(bench.outcome("GET").await, ("200 ok".into(), vec![200]));
        assert_eq!(target.connections.get(), 2);
    })
    .await;
    on_a_thread(async {
        let target = Target::start(|connection, n| {
            if connection == 0 && n == 1 {
                Reply::Close
            } else {
                OK
            }
        })
        .await;
        let bench = bench(upstream_of(&[&target]));
        bench.outcome("GET").await;
        assert_eq!(
            bench.outcome("POST").await,
            ("UnexpectedEOFAtTarget ".into(), vec![502])
        );
        assert_eq!(target.connections.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn unreachable_nodes_give_way_to_others() {
    on_a_thread(async {
        let target = Target::start(|_, _| OK).await;
        let mut upstream = upstream_of(&[&target]);
        let dead = dead_port().await;
        upstream["nodes"] = json!([
            {"host": "127.0.0.1", "port": dead, "weight": 1, "priority": 1},
            {"host": "localhost", "port": target.port, "weight": 1, "priority": 0},
        ]);
        let bench = bench(upstream.clone());
        let answer = bench.send("POST", bytes("x")).await.ok().unwrap();
        assert_eq!(
            (answer.target.statuses, answer.target.retries),
            (vec![502, 200], 1)
        );
        upstream["retries"] = json!(0);
        let bench = super::bench(upstream);
        assert_eq!(
            bench.outcome("GET").await,
            ("TargetUnreachable tcp_connect_failed".into(), vec![502])
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_that_went_out_is_tried_again_only_if_idempotent() {
    on_a_thread(async {
        let bad = Target::start(|_, _| Reply::Close).await;
        let good = Target::start(|_, _| OK).await;
        let mut upstream = upstream_of(&[]);
        upstream["nodes"] = json!([
            {"host": "127.0.0.1", "port": bad.port, "weight": 1, "priority": 1},
            {"host": "127.0.0.1", "port": good.port, "weight": 1},
        ]);
        let bench = bench(upstream);
        assert_eq!(
            bench.outcome("PUT").await,
            ("200 ok".into(), vec![502, 200])
        );
        assert_eq!(
            bench.outcome("PATCH").await,
            ("UnexpectedEOFAtTarget ".into(), vec![502])
        );
        assert_eq!(good.connections.get(), 1);
    })
    .await;
}

#[tokio::test]
async fn names_that_do_not_resolve_and_upstreams_without_nodes() {
    on_a_thread(async {
        let mut upstream = json!({"type": "roundrobin", "nodes": {"nowhere.invalid:80": 1}});
        assert_eq!(
            bench(upstream.clone()).outcome("GET").await.0,
            "TargetUnreachable tcp_connect_failed"
        );
        upstream["nodes"] = json!({});
        assert_eq!(
            bench(upstream).outcome("GET").await,
            ("NoActiveTargets ".into(), vec![])
        );
    })
    .await;
}

#[tokio::test]
async fn a_reference_to_nothing_closes() {
    on_a_thread(async {
        let route = json!({"uri": "/*", "upstream_id": "9"});
        let snapshot = Arc::new(snapshot(&[(Kind::Route, "1", route)]));
        let bench = Bench {
            processor: Processor::new(shared()),
            snapshot,
        };
        assert_eq!(
            bench.outcome("GET").await,
            (
                "ConfigMissingMaterial config_missing_material".into(),
                vec![]
            )
        );
    })
    .await;
}

#[tokio::test]
async fn silence_is_a_timeout_and_cut_bodies_are_errors() {
    on_a_thread(async {
        let target = Target::start(|_, _| Reply::Silence).await;
        let mut upstream = upstream_of(&[&target]);
        upstream["timeout"] = json!({"connect": 1, "send": 1, "read": 0.05});
        assert_eq!(
            bench(upstream).outcome("GET").await,
            ("GatewayTimeout ".into(), vec![504])
        );
        let cut = Target::start(|_, _| {
            Reply::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
        })
        .await;
        let answer = bench(upstream_of(&[&cut]))
            .send("GET", Body::Empty)
            .await
            .ok()
            .unwrap();
        assert!(answer.body.collect().await.is_err());
    })
    .await;
}

#[tokio::test]
async fn hosts_follow_pass_host() {
    on_a_thread(async {
        let target = Target::start(|_, _| OK).await;
        for (rule, host) in [
            ("pass", "client.example".to_owned()),
            ("node", target.node()),
            ("rewrite", "r.example".into()),
        ] {
            let mut upstream = upstream_of(&[&target]);
            upstream["pass_host"] = json!(rule);
            upstream["upstream_host"] = json!("r.example");
            bench(upstream).outcome("GET").await;
            let line = format!("host: {host}\r\n");
            assert!(
                target.heads.borrow().last().unwrap().contains(&line),
                "{rule}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn weights_are_followed_and_state_survives_a_change() {
    on_a_thread(async {
        let (a, b) = (
            Target::start(|_, _| OK).await,
            Target::start(|_, _| OK).await,
        );
        let mut upstream = upstream_of(&[&a, &b]);
        upstream["nodes"][a.node()] = json!(3);
        let mut bench = bench(upstream.clone());
        for _ in 0..40 {
            bench.outcome("GET").await;
        }
        assert_eq!((a.heads.borrow().len(), b.heads.borrow().len()), (30, 10));
        upstream["retries"] = json!(1);
        let route = json!({"uri": "/*", "upstream": upstream});
        bench.snapshot = Arc::new(snapshot(&[(Kind::Route, "1", route)]));
        bench.outcome("GET").await;
        assert_eq!(a.connections.get() + b.connections.get(), 2);
    })
    .await;
}

#[tokio::test]
async fn least_conn_and_chash() {
    on_a_thread(async {
        let (a, b) = (
            Target::start(|_, _| OK).await,
            Target::start(|_, _| OK).await,
        );
        let mut upstream = upstream_of(&[&a, &b]);
        upstream["type"] = json!("chash");
        upstream["key"] = json!("arg_b");
        let bench_of = |upstream: &Value| bench(upstream.clone());
        let hashed = bench_of(&upstream);
        for _ in 0..10 {
            hashed.outcome("GET").await;
        }
        assert!(a.heads.borrow().is_empty() != b.heads.borrow().is_empty());
        upstream["type"] = json!("least_conn");
        let least = bench_of(&upstream);
        let (one, two) = tokio::join!(
            least.send("GET", Body::Empty),
            least.send("GET", Body::Empty)
        );
        assert_ne!(
            one.ok().unwrap().target.target,
            two.ok().unwrap().target.target
        );
    })
    .await;
}
