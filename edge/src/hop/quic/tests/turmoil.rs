//! Many requests at once, some of them given up at any moment: nothing is left over, nobody gets another's bytes.

use super::*;

/// Sends back what it gets, in chunks, so that every answer streams.
async fn echo(mut stream: TcpStream) {
    while let Some(head) = read_head(&mut stream).await {
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length: "))
            .map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n");
        let answer = [head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn nothing_is_left_of_requests_that_were_given_up() {
    on_a_thread(async {
        let target = Target::start(echo).await;
        let bench = Rc::new(Bench::to(&target).await);
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut tasks = Vec::new();
        for n in 0..300_u32 {
            let length = [1, 100, 70_000, 700_000][random.usize(..4)];
            let patience = Duration::from_micros(random.u64(..60_000));
            let (gives_up, streams) = (random.bool(), random.bool());
            let bench = bench.clone();
            tasks.push(spawn_local(async move {
                let sent = Bytes::from(vec![n as u8; length]);
                let whole = async {
                    let body = if streams {
                        let (feed, body) = fed();
                        for piece in sent.chunks(30_000) {
                            feed.send(data(sent.slice_ref(piece))).unwrap();
                        }
                        body
                    } else {
                        Body::Full(sent.clone())
                    };
                    let mut request = bench.request("POST", body);
                    let header = length.into();
                    request.head.headers.insert("content-length", header);
                    let answer = answered(bench.lane.call(request).await);
                    let got = answer.body.collect().await.unwrap().to_bytes();
                    assert!(got == sent, "seed {seed}: {} for {length}", got.len());
                };
                if gives_up {
                    let _ = tokio::time::timeout(patience, whole).await;
                } else {
                    whole.await;
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(bench.lane.in_flight(), 0);
        let idle = r#"sallyport_hop_requests_in_flight{hop="southbound"} 0"#;
        until("the processor is idle", || {
            bench.server.metrics.encode().contains(idle)
        })
        .await;
        // The connection is as good as before.
        bench.ask("GET", Body::Empty).await;
    })
    .await;
}
