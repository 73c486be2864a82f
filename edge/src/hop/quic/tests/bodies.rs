//! Heads and bodies: what goes in at one end comes out at the other.

use http::HeaderMap;
use http_body::Body as _;

use super::*;

#[tokio::test]
async fn a_small_exchange_passes_as_it_is() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        for n in 0..3 {
            let answer = bench.ask("GET", Body::Empty).await;
            assert_eq!(answer.head.status, 200);
            assert_eq!(answer.head.headers["x-a"], "b");
            assert_eq!(answer.target.statuses, [200]);
            assert_eq!(answer.target.reused, n > 0);
            assert_eq!(answer.target.upstream.as_deref(), Some("routes/1"));
            assert!(matches!(answer.body, Body::Full(_)));
            assert_eq!(text(answer.body).await, "ok");
        }
        assert_eq!(
            heads.borrow()[0],
            "GET /a?b=c HTTP/1.1\r\nhost: client.example\r\nx-twice: 1\r\nx-twice: 2\r\n\r\n"
        );
        assert_eq!(bench.lane.in_flight(), 0);
        let page = bench.metrics.encode();
        for line in [
            r#"sallyport_bytes_total{direction="in",hop="internal"} 6"#,
            r#"sallyport_hop_requests_in_flight{hop="internal"} 0"#,
            r#"sallyport_connections{hop="internal",protocol="quic"} 1"#,
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    })
    .await;
}

/// Reads a chunked or counted request body of `length` bytes and sends it back, both at once.
async fn echo(mut stream: TcpStream, length: usize) {
    read_head(&mut stream).await.unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.split();
    tokio::io::copy(&mut (&mut read).take(length as u64), &mut write)
        .await
        .unwrap();
}

#[tokio::test]
async fn five_megabytes_both_ways_at_once() {
    on_a_thread(async {
        const LENGTH: usize = 5_000_000;
        let target = Target::start(|stream| echo(stream, LENGTH)).await;
        let bench = Bench::to(&target).await;
        let sent: Bytes = (0..LENGTH).map(|n| (n * 31 / 7) as u8).collect();
        let (feed, body) = fed();
        let mut request = bench.request("POST", body);
        let headers = &mut request.head.headers;
        headers.insert("content-length", LENGTH.into());
        for piece in sent.chunks(10_000) {
            feed.send(data(sent.slice_ref(piece))).unwrap();
        }
        drop(feed);
        let answer = answered(bench.lane.call(request).await);
        assert_eq!(answer.body.size_hint().exact(), Some(LENGTH as u64));
        let got = answer.body.collect().await.unwrap().to_bytes();
        assert!(got == sent, "{} bytes came back", got.len());
        // The same whole.
        let mut request = bench.request("POST", Body::Full(sent.clone()));
        request.head.headers.insert("content-length", LENGTH.into());
        let answer = answered(bench.lane.call(request).await);
        assert!(answer.body.collect().await.unwrap().to_bytes() == sent);
        let page = bench.metrics.encode();
        for direction in ["in", "out"] {
            let line = format!(
                r#"sallyport_bytes_total{{direction="{direction}",hop="internal"}} 10000000"#
            );
            assert!(page.contains(&line), "{page}");
        }
    })
    .await;
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    on_a_thread(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let kept = seen.clone();
        let target = Target::start(move |mut stream| {
            let kept = kept.clone();
            async move {
                read_head(&mut stream).await.unwrap();
                let mut body = Vec::new();
                while !body.ends_with(b"\r\n\r\n") {
                    body.push(stream.read_u8().await.unwrap());
                }
                kept.borrow_mut().extend(body);
                let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                              3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await;
        let bench = Bench::to(&target).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", "1".parse().unwrap());
        let (feed, body) = fed();
        feed.send(data("hello")).unwrap();
        feed.send(Ok(http_body::Frame::trailers(trailers))).unwrap();
        let answer = bench.ask("POST", body).await;
        let collected = answer.body.collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["x-sum"], "9");
        assert_eq!(collected.to_bytes(), "abc");
        assert_eq!(
            String::from_utf8_lossy(&seen.borrow()),
            "5\r\nhello\r\n0\r\nx-end: 1\r\n\r\n"
        );
    })
    .await;
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_is_over() {
    on_a_thread(async {
        let target = Target::start(|mut stream| async move {
            read_head(&mut stream).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfour";
            stream.write_all(head.as_bytes()).await.unwrap();
            // The rest of the answer comes after the request's last byte.
            let mut chunk = [0; 11];
            stream.read_exact(&mut chunk).await.unwrap();
            assert_eq!(&chunk, b"1\r\nx\r\n0\r\n\r\n");
            stream.write_all(b"more").await.unwrap();
        })
        .await;
        let bench = Bench::to(&target).await;
        let (feed, body) = fed();
        let mut answer = bench.ask("POST", body).await.body;
        let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "four");
        assert_eq!(bench.lane.in_flight(), 1);
        feed.send(data("x")).unwrap();
        drop(feed);
        assert_eq!(text(answer).await, "more");
        assert_eq!(bench.lane.in_flight(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_waited_for_flows_when_the_target_wants_it() {
    on_a_thread(async {
        let go = Rc::new(tokio::sync::Notify::new());
        let gone = go.clone();
        let target = Target::start(move |mut stream| {
            let go = gone.clone();
            async move {
                let head = read_head(&mut stream).await.unwrap();
                assert!(head.contains("expect: 100-continue"), "{head}");
                go.notified().await;
                stream
                    .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                    .await
                    .unwrap();
                let mut chunk = [0; 11];
                stream.read_exact(&mut chunk).await.unwrap();
                assert_eq!(&chunk, b"1\r\nx\r\n0\r\n\r\n");
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        })
        .await;
        let bench = Bench::to(&target).await;
        let (feed, body) = fed();
        let asked = Rc::new(Cell::new(false));
        let mut request =
            bench.request("POST", Body::Stream(Box::pin(Noticed(body, asked.clone()))));
        request.expects_continue = true;
        feed.send(data("x")).unwrap();
        drop(feed);
        let mut call = pin!(bench.lane.call(request));
        tokio::select! {
            _ = &mut call => panic!("answered"),
            () = until("the target has the head", || target.connections.get() == 1) => {}
        }
        assert!(!asked.get(), "the client was asked for its body too soon");
        go.notify_one();
        assert_eq!(text(answered(call.await).body).await, "ok");
        assert!(asked.get());
    })
    .await;
}

/// Notes that it was polled.
struct Noticed(Body, Rc<Cell<bool>>);

impl http_body::Body for Noticed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        self.1.set(true);
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test]
async fn a_tunnel_passes_bytes_and_ends_each_way_on_its_own() {
    on_a_thread(async {
        let target = Target::start(|mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            assert!(head.contains("upgrade: websocket"), "{head}");
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                          Upgrade: websocket\r\n\r\nearly";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let (asked, clean) = read_all(&mut stream).await;
            assert!(clean);
            // The other way is still open.
            stream.write_all(&asked).await.unwrap();
        })
        .await;
        let bench = Bench::to(&target).await;
        let mut request = bench.request("GET", Body::Empty);
        request.upgrade = Some("websocket".parse().unwrap());
        let answer = answered(bench.lane.call(request).await);
        assert_eq!(answer.head.status, 101);
        let mut stream = answer.tunnel.unwrap().stream;
        let mut early = [0; 5];
        stream.read_exact(&mut early).await.unwrap();
        assert_eq!(&early, b"early");
        let much = vec![7; 300_000];
        stream.write_all(&much).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.unwrap();
        assert!(back == much, "{} bytes", back.len());
        assert_eq!(bench.lane.in_flight(), 1);
        drop(stream);
        assert_eq!(bench.lane.in_flight(), 0);
    })
    .await;
}
