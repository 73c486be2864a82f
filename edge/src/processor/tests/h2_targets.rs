//! HTTP/2 targets: one connection for many requests, trailers, refusals.

use std::convert::Infallible;

use http_body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;

#[derive(Clone)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Echoes bodies and says what it saw in trailers. `streams` is its limit, `requests` after how many it goes away.
async fn start(streams: u32, requests: usize) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target {
        port: listener.local_addr().unwrap().port(),
        connections: Rc::default(),
        heads: Rc::default(),
    };
    let seen = target.clone();
    spawn_local(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            seen.connections.set(seen.connections.get() + 1);
            let (seen, served) = (seen.clone(), Rc::new(Cell::new(0)));
            let count = served.clone();
            let service = service_fn(move |request| {
                served.set(served.get() + 1);
                echo(request, seen.clone())
            });
            let mut builder = hyper::server::conn::http2::Builder::new(Local);
            let connection = builder
                .max_concurrent_streams(streams)
                .serve_connection(TokioIo::new(tcp), service);
            spawn_local(async move {
                let mut connection = std::pin::pin!(connection);
                let mut leaving = false;
                let _ = std::future::poll_fn(|cx| {
                    if count.get() >= requests && !std::mem::replace(&mut leaving, true) {
                        connection.as_mut().graceful_shutdown();
                    }
                    connection.as_mut().poll(cx)
                })
                .await;
            });
        }
    });
    target
}

type Frames = std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>;

async fn echo(
    request: http::Request<hyper::body::Incoming>,
    seen: Target,
) -> Result<http::Response<Iterated>, Infallible> {
    let (head, body) = request.into_parts();
    let te = head.headers.get("te").map_or("", |v| v.to_str().unwrap());
    seen.heads
        .borrow_mut()
        .push(format!("{} {} te={te}", head.method, head.uri));
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let frames = vec![
        Ok(Frame::data(collected.to_bytes())),
        Ok(Frame::trailers(trailers)),
    ];
    Ok(http::Response::new(Iterated(frames.into_iter())))
}

struct Iterated(Frames);

impl http_body::Body for Iterated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.next())
    }
}

fn upstream(target: &Target) -> Value {
    json!({"type": "roundrobin", "scheme": "grpc", "nodes": {target.node(): 1}})
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    on_a_thread(Box::pin(async {
        let target = start(100, usize::MAX).await;
        let bench = bench(upstream(&target));
        let mut ask = request(&bench.snapshot, "POST", bytes("hello"));
        ask.head.headers.insert("te", "trailers".parse().unwrap());
        let (one, two, three) = tokio::join!(
            bench.processor.run(ask),
            bench.outcome("POST"),
            bench.send("POST", bytes("three"))
        );
        assert_eq!(
            one.ok().unwrap().body.collect().await.unwrap().to_bytes(),
            "hello"
        );
        assert_eq!(two.0, "200 ");
        assert_eq!(
            three.ok().unwrap().body.collect().await.unwrap().to_bytes(),
            "three"
        );
        assert_eq!(target.connections.get(), 1);
        let expected = "POST http://client.example/a?b=c te=trailers";
        assert!(
            target.heads.borrow().iter().any(|h| h == expected),
            "{:?}",
            target.heads.borrow()
        );
    }))
    .await;
}

#[tokio::test]
async fn a_connection_that_goes_away_is_replaced() {
    on_a_thread(async {
        let target = start(100, 2).await;
        let bench = bench(upstream(&target));
        for _ in 0..6 {
            assert_eq!(bench.outcome("POST").await.0, "200 ");
        }
        assert!(
            (3..=6).contains(&target.connections.get()),
            "{}",
            target.connections.get()
        );
    })
    .await;
}

#[tokio::test]
async fn targets_that_do_not_speak_it() {
    on_a_thread(async {
        let target = Target::start(|_, _| Reply::SayAndClose("HTTP/1.1 400 No\r\n\r\n")).await;
        let outcome = bench(upstream(&target)).outcome("POST").await;
        assert!(
            matches!(&*outcome.0, "BadTargetAnswer " | "UnexpectedEOFAtTarget "),
            "{outcome:?}"
        );
        let dead = Target {
            port: dead_port().await,
            ..target
        };
        let refused = bench(upstream(&dead)).outcome("POST").await;
        assert_eq!(
            refused,
            ("TargetUnreachable tcp_connect_failed".into(), vec![502])
        );
    })
    .await;
}
