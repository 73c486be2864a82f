//! The hop against the call: the same request and the same target must look the same to a router either way.

use std::convert::Infallible;

use http_body::Body as _;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;
use crate::failures::Failures;
use crate::hop::Unserved;
use crate::hop::local::Local;

/// What a router sees of an answer, and what it decides its framing by.
async fn seen(answer: Result<Response, String>) -> String {
    let response = match answer {
        Ok(response) => response,
        Err(fault) => return fault,
    };
    let body = response.body;
    // How long a body is matters where the head does not say it.
    let length = match response.head.headers.contains_key("content-length") {
        true => None,
        false => body.size_hint().exact(),
    };
    let mut out = format!(
        "{} {:?} {:?}\nempty {} ended {} length {length:?} statuses {:?}\n",
        response.head.status,
        response.head.version,
        response.head.headers,
        body.is_empty() || body.is_end_stream(),
        body.is_end_stream(),
        response.target.statuses,
    );
    match body.collect().await {
        Ok(all) => {
            let trailers = format!("{:?}", all.trailers());
            out += &format!("{:?} {trailers}", all.to_bytes());
        }
        Err(_) => out += "cut",
    }
    out
}

/// Serves `request` by a call.
async fn called(bench: &Bench, request: Request) -> String {
    let shared = processor::Shared::new(
        Arc::new(ClientTls::new()),
        Metrics::new(),
        Failures::new("n", Metrics::new()),
        &Limits::default(),
        (true, false),
        Handle::current(),
    );
    let local = Local::new(Processor::new(Arc::new(shared)));
    assert!(bench.lane.ended().is_none());
    let carrier = crate::hop::Carrier::Local(local);
    seen(match carrier.call(request).await {
        Ok(response) => Ok(response),
        Err(Unserved::Failed(f)) => Err(format!("{} {:?}", f.fault, f.target.statuses)),
        Err(Unserved::Rematch(_)) => Err("rematch".to_owned()),
    })
    .await
}

async fn carried(bench: &Bench, request: Request) -> String {
    seen(match bench.lane.call(request).await {
        Outcome::Answered(response) => Ok(response),
        Outcome::Failed(f) => Err(format!("{} {:?}", f.fault, f.target.statuses)),
        other => Err(told(&other)),
    })
    .await
}

const ANSWERS: [&str; 24] = [
    OK,
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: a\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: x-a, close\r\nX-A: b\r\nKeep-Alive: 3\r\nUpgrade: h2c\r\n\
     Set-Cookie: a\r\nSet-Cookie: b\r\nX-Obs: \u{e9}\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nRetry-After: 1\r\n\r\nbusy",
    "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
    "nonsense\r\n\r\n",
];

/// Answers each connection's request with what the request's target says, then closes.
async fn scripted() -> (Target, Rc<RefCell<Vec<String>>>) {
    let all = Rc::new(RefCell::new(Vec::new()));
    let seen = all.clone();
    let target = Target::start(move |mut stream| {
        let seen = seen.clone();
        async move {
            let Some(head) = read_head(&mut stream).await else {
                return;
            };
            let number = head.split(['=', ' ']).nth(2).and_then(|n| n.parse().ok());
            let mut whole = head.clone();
            let expects = head.contains("expect: 100-continue");
            // Some want the body, some answer without it.
            let wants = number.is_none_or(|n: usize| n.is_multiple_of(2));
            if expects && wants {
                let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
                stream.write_all(go_on).await.unwrap();
            }
            let end = match head.contains("transfer-encoding: chunked") {
                _ if expects && !wants => "",
                true => "0\r\n",
                false if head.contains("content-length: 4") => "body",
                false => "",
            };
            while !whole.contains(end) || (end == "0\r\n" && !whole.ends_with("\r\n\r\n")) {
                whole.push(stream.read_u8().await.unwrap().into());
            }
            seen.borrow_mut().push(whole);
            let answer: &str = ANSWERS[number.unwrap_or(0)];
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    (target, all)
}

/// The bodies a request may have, and whether it waits for a 100.
fn body(kind: usize) -> (Body, bool) {
    match kind {
        0 => (Body::Empty, false),
        1 => (Body::Full(Bytes::from_static(b"body")), false),
        2 => (Body::Full(Bytes::from_static(b"body")), true),
        _ => {
            let (feed, body) = fed();
            feed.send(data("bo")).unwrap();
            feed.send(data("dy")).unwrap();
            if kind == 4 {
                let mut trailers = http::HeaderMap::new();
                trailers.insert("x-end", "1".parse().unwrap());
                feed.send(Ok(http_body::Frame::trailers(trailers))).unwrap();
            }
            (body, kind == 5)
        }
    }
}

#[tokio::test]
async fn a_router_sees_no_difference_to_a_call() {
    on_a_thread(async {
        let (target, seen) = scripted().await;
        let bench = Bench::to(&target).await;
        for (method, kinds) in [("GET", 0..1), ("HEAD", 0..1), ("POST", 0..6)] {
            for (kind, number) in kinds.flat_map(|k| (0..ANSWERS.len()).map(move |n| (k, n))) {
                let request = || {
                    let (body, expects) = body(kind);
                    let mut request = bench.request(method, body);
                    request.head.uri = format!("/a?b={number}").parse().unwrap();
                    request.expects_continue = expects;
                    request
                };
                let near = called(&bench, request()).await;
                let near = (near, seen.take());
                let far = carried(&bench, request()).await;
                let far = (far, seen.take());
                assert_eq!(near, far, "{method} {kind} {:?}", ANSWERS[number]);
            }
        }
        assert_eq!(bench.lane.in_flight(), 0);
    })
    .await;
}

#[derive(Clone)]
struct ThisThread;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for ThisThread {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

#[tokio::test]
async fn a_grpc_status_without_a_body_ends_with_its_head() {
    on_a_thread(async {
        let target = Target::start(|stream| async move {
            let service = service_fn(|_| async {
                let head = http::Response::builder().header("grpc-status", "12");
                Ok::<_, Infallible>(head.body(http_body_util::Empty::<Bytes>::new()).unwrap())
            });
            let server = hyper::server::conn::http2::Builder::new(ThisThread);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        })
        .await;
        let cluster = Cluster::start(true).await;
        let mut grpc = route(target.port);
        grpc["upstream"]["scheme"] = "grpc".into();
        cluster.put("routes/1", grpc).await;
        let bench = Bench::over(cluster).await;
        let request = || {
            let (feed, body) = fed();
            feed.send(data("x")).unwrap();
            bench.request("POST", body)
        };
        let near = called(&bench, request()).await;
        assert!(near.contains("ended true"), "{near}");
        assert_eq!(carried(&bench, request()).await, near);
    })
    .await;
}
