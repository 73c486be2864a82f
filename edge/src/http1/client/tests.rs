//! Exchanges with scripted targets: exact bytes both ways on a real socket.

use std::collections::VecDeque;
use std::pin::Pin;

use http_body::Frame;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PACE: Pace = Pace {
    send: Duration::from_secs(5),
    read: Duration::from_secs(5),
    trailer_bytes: 1024,
};

async fn pair() -> (Box<Connection>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    (
        Box::new(Connection::new(Stream::Plain(ours))),
        listener.accept().await.unwrap().0,
    )
}

async fn read_until(target: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let byte = target
            .read_u8()
            .await
            .unwrap_or_else(|e| panic!("{e} after {}", seen.escape_ascii()));
        seen.push(byte);
    }
    String::from_utf8(seen).unwrap()
}

struct Asked {
    method: Method,
    headers: HeaderMap,
    upgrade: Option<HeaderValue>,
    expects_continue: bool,
}

fn ask(method: Method) -> Asked {
    Asked {
        method,
        headers: HeaderMap::new(),
        upgrade: None,
        expects_continue: false,
    }
}

impl Asked {
    async fn send(
        &self,
        connection: Box<Connection>,
        body: Body,
        pace: Pace,
    ) -> Result<Answer, Box<Broken>> {
        let message = Message {
            method: &self.method,
            target: "/x?y=1",
            host: b"a.example",
            headers: &self.headers,
            upgrade: self.upgrade.as_ref(),
            expects_continue: self.expects_continue,
        };
        exchange(connection, &message, body, pace).await
    }
}

/// The outcome of one GET whose target sends `answer` and closes: status and body, or the error's text.
async fn get(method: Method, answer: &[u8]) -> Result<(u16, String, bool), String> {
    let (connection, mut target) = pair().await;
    let script = async {
        read_until(&mut target, "\r\n\r\n").await;
        target.write_all(answer).await.unwrap();
        target.shutdown().await.unwrap();
    };
    let asked = ask(method);
    let (answer, ()) = tokio::join!(asked.send(connection, Body::Empty, PACE), script);
    let answer = answer.map_err(|b| b.by.to_string())?;
    let (bytes, back) = match answer.rest {
        Rest::Whole(body, back) => (body.collect().await.unwrap().to_bytes(), back.is_some()),
        Rest::Partly(mut download) => {
            let mut all = Vec::new();
            while let Some(frame) = download.frame().await {
                let frame = frame.map_err(|e| e.to_string())?;
                all.extend_from_slice(frame.data_ref().map_or(b"", |d| d));
            }
            (all.into(), download.take_connection().is_some())
        }
        Rest::Upgraded(..) => panic!("upgraded"),
    };
    Ok((
        answer.head.status.as_u16(),
        String::from_utf8(bytes.to_vec()).unwrap(),
        back,
    ))
}

#[tokio::test]
async fn framing_of_good_answers() {
    let long = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    );
    let cases: [(&[u8], &str, bool); 9] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n", "hello", true),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", "to the end", false),
        (b"HTTP/1.0 200 OK\r\n\r\nto the end", "to the end", false),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "hello", false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n", "hello", false),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true),
        (long.as_bytes(), &long[long.len() - 100_000..], true),
    ];
    for (answer, body, reusable) in cases {
        let got = get(Method::GET, answer).await;
        assert_eq!(
            got,
            Ok((200, body.to_owned(), reusable)),
            "{}",
            answer[..answer.len().min(200)].escape_ascii()
        );
    }
    assert_eq!(
        get(
            Method::HEAD,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        )
        .await,
        Ok((200, String::new(), true))
    );
    assert_eq!(
        get(Method::GET, b"HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n").await,
        Ok((304, String::new(), true))
    );
    assert_eq!(
        get(Method::GET, b"HTTP/1.1 204 N\r\n\r\n").await,
        Ok((204, String::new(), true))
    );
}

#[tokio::test]
async fn malformed_answers() {
    let interim = b"HTTP/1.1 102 P\r\n\r\n".repeat(20);
    let cases: [(&[u8], &str); 10] = [
        (b"hello\r\n", "bad answer: not an HTTP/1 status line"),
        (
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "bad answer: line ends in a bare LF",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "bad answer: transfer-encoding and content-length together",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            "bad answer: 101 without an upgrade asked for",
        ),
        (&interim, "bad answer: too many interim answers"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
            "body ended early: the target closed",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "body ended early: the target closed",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "malformed body: a chunk size is malformed",
        ),
        (b"", "connection failed: unexpected end of file"),
        (
            b"HTTP/1.1 200 OK\r\nA:",
            "connection failed: unexpected end of file",
        ),
    ];
    for (answer, why) in cases {
        assert_eq!(get(Method::GET, answer).await, Err(why.to_owned()));
    }
}

#[tokio::test]
async fn heads_are_written_anew() {
    let (connection, mut target) = pair().await;
    let mut asked = ask(Method::POST);
    for (name, value) in [
        ("x-a", "1"),
        ("x-a", "2"),
        ("te", "trailers"),
        ("host", "other"),
        ("content-length", "2"),
    ] {
        asked.headers.append(name, HeaderValue::from_static(value));
    }
    let script = async {
        let seen = read_until(&mut target, "hi").await;
        target.write_all(b"HTTP/1.1 200 OK\r\nConnection: x-gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        seen
    };
    let (answer, seen) = tokio::join!(
        asked.send(connection, Body::Full("hi".into()), PACE),
        script
    );
    assert_eq!(
        seen,
        "POST /x?y=1 HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\nhi"
    );
    let head = answer.ok().unwrap().head;
    assert_eq!(head.headers.len(), 1, "{:?}", head.headers);
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let (mut connection, mut target) = pair().await;
    for n in 1..=3 {
        let script = async {
            let seen = read_until(&mut target, "\r\n\r\n").await;
            target
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await
                .unwrap();
            seen
        };
        let asked = ask(Method::GET);
        let (answer, seen) = tokio::join!(asked.send(connection, Body::Empty, PACE), script);
        assert_eq!(seen, "GET /x?y=1 HTTP/1.1\r\nhost: a.example\r\n\r\n");
        let Rest::Whole(Body::Full(body), Some(back)) = answer.ok().unwrap().rest else {
            panic!("not whole")
        };
        assert_eq!((&*body, back.requests()), (&b"ok"[..], n));
        connection = back;
        assert!(connection.is_quiet());
    }
    target.write_all(b"stray").await.unwrap();
    let noticed = async {
        while connection.is_quiet() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PACE.read, noticed).await.unwrap();
}

/// A body of scripted frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// A body that waits for a channel.
struct Slow(tokio::sync::mpsc::UnboundedReceiver<Bytes>);

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|b| b.map(|b| Ok(Frame::data(b))))
    }
}

fn slow() -> (tokio::sync::mpsc::UnboundedSender<Bytes>, Body) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (sender, Body::Stream(Box::pin(Slow(receiver))))
}

#[tokio::test]
async fn chunks_and_trailers_pass_both_ways() {
    let (connection, mut target) = pair().await;
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-sum"),
        HeaderValue::from_static("9"),
    )]);
    let frames = VecDeque::from([
        Frame::data("abc".into()),
        Frame::data("de".into()),
        Frame::trailers(trailers.clone()),
    ]);
    let script = async {
        let seen = read_until(&mut target, "x-sum: 9\r\n\r\n").await;
        target
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 9\r\n\r\n")
            .await
            .unwrap();
        seen
    };
    let asked = ask(Method::PUT);
    let (answer, seen) = tokio::join!(
        asked.send(connection, Body::Stream(Box::pin(Frames(frames))), PACE),
        script
    );
    assert_eq!(
        seen,
        "PUT /x?y=1 HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 9\r\n\r\n"
    );
    let Rest::Partly(mut download) = answer.ok().unwrap().rest else {
        panic!("not streaming")
    };
    assert_eq!(
        download
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .ok()
            .unwrap(),
        "ok"
    );
    assert_eq!(
        download
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .ok()
            .unwrap(),
        trailers
    );
    assert!(download.frame().await.is_none());
    assert!(download.take_connection().is_some());
}

#[tokio::test]
async fn an_early_answer_is_delivered_and_ends_the_connection() {
    let (connection, mut target) = pair().await;
    let (sender, body) = slow();
    sender.send("first".into()).unwrap();
    let script = async {
        read_until(&mut target, "first\r\n").await;
        target
            .write_all(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
            .await
            .unwrap();
    };
    let asked = ask(Method::POST);
    let (answer, ()) = tokio::join!(asked.send(connection, body, PACE), script);
    let answer = answer.ok().unwrap();
    assert_eq!(answer.head.status, 413);
    assert!(matches!(answer.rest, Rest::Whole(Body::Full(_), None)));
}

#[tokio::test]
async fn both_directions_flow_at_once() {
    let (connection, mut target) = pair().await;
    let (sender, body) = slow();
    sender.send("one".into()).unwrap();
    let script = async {
        read_until(&mut target, "one\r\n").await;
        target
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
            .await
            .unwrap();
    };
    let asked = ask(Method::POST);
    let (answer, ()) = tokio::join!(asked.send(connection, body, PACE), script);
    let Rest::Partly(mut download) = answer.ok().unwrap().rest else {
        panic!("not streaming")
    };
    assert_eq!(
        download
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .ok()
            .unwrap(),
        "one"
    );
    sender.send("two".into()).unwrap();
    drop(sender);
    let script = async {
        read_until(&mut target, "two\r\n0\r\n\r\n").await;
        target.write_all(b"two").await.unwrap();
    };
    let (frame, ()) = tokio::join!(download.frame(), script);
    assert_eq!(frame.unwrap().unwrap().into_data().ok().unwrap(), "two");
    assert!(download.take_connection().is_some());
}

#[tokio::test]
async fn a_body_waits_for_continue_or_for_a_second() {
    for says_so in [true, false] {
        let (connection, mut target) = pair().await;
        let mut asked = ask(Method::PUT);
        asked.expects_continue = true;
        tokio::time::pause();
        let script = async {
            let head = read_until(&mut target, "\r\n\r\n").await;
            assert!(head.contains("expect: 100-continue\r\n"));
            if says_so {
                target
                    .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                    .await
                    .unwrap();
            }
            read_until(&mut target, "body").await;
            target
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .await
                .unwrap();
        };
        let (answer, ()) = tokio::join!(
            asked.send(connection, Body::Full("body".into()), PACE),
            script
        );
        assert!(matches!(
            answer.ok().unwrap().rest,
            Rest::Whole(Body::Empty, Some(_))
        ));
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_refused_body_is_not_sent() {
    let (connection, mut target) = pair().await;
    let mut asked = ask(Method::PUT);
    asked.expects_continue = true;
    let script = async {
        read_until(&mut target, "\r\n\r\n").await;
        target
            .write_all(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        let mut rest = Vec::new();
        target.read_to_end(&mut rest).await.unwrap();
        rest
    };
    let (status, rest) = tokio::join!(
        async {
            let answer = asked
                .send(connection, Body::Full("body".into()), PACE)
                .await
                .ok()
                .unwrap();
            assert!(matches!(answer.rest, Rest::Whole(Body::Empty, None)));
            answer.head.status
        },
        script
    );
    assert_eq!((status.as_u16(), rest.len()), (417, 0));
}

#[tokio::test]
async fn silence_times_out() {
    let (connection, _target) = pair().await;
    let pace = Pace {
        read: Duration::from_millis(20),
        ..PACE
    };
    let broken = ask(Method::GET)
        .send(connection, Body::Empty, pace)
        .await
        .err()
        .unwrap();
    assert!(matches!(broken.by, BrokenBy::ReadTimedOut) && broken.sent && !broken.heard);
    let (connection, _target) = pair().await;
    let pace = Pace {
        send: Duration::from_millis(20),
        ..PACE
    };
    let bulk = Body::Full(vec![0; 64 << 20].into());
    let broken = ask(Method::PUT)
        .send(connection, bulk, pace)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(broken.by, BrokenBy::SendTimedOut) && matches!(broken.body, Some(Body::Full(_)))
    );
}

#[tokio::test]
async fn a_body_that_stalls_times_out() {
    let (connection, mut target) = pair().await;
    let pace = Pace {
        read: Duration::from_millis(20),
        ..PACE
    };
    target
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none")
        .await
        .unwrap();
    let answer = ask(Method::GET)
        .send(connection, Body::Empty, pace)
        .await
        .ok()
        .unwrap();
    let Rest::Partly(mut download) = answer.rest else {
        panic!("not streaming")
    };
    assert!(download.frame().await.unwrap().is_ok());
    assert_eq!(
        download.frame().await.unwrap().unwrap_err(),
        BodyError::TimedOut
    );
    assert!(download.take_connection().is_none());
}

#[tokio::test]
async fn upgrades_need_the_token_asked_for() {
    for (token, good) in [("WebSocket", true), ("other", false)] {
        let (connection, mut target) = pair().await;
        let mut asked = ask(Method::GET);
        asked.upgrade = Some(HeaderValue::from_static("websocket"));
        let script = async {
            let head = read_until(&mut target, "\r\n\r\n").await;
            assert!(head.contains("connection: upgrade\r\nupgrade: websocket\r\n"));
            let answer = format!(
                "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: {token}\r\nX: y\r\n\r\nearly"
            );
            target.write_all(answer.as_bytes()).await.unwrap();
        };
        let (answer, ()) = tokio::join!(asked.send(connection, Body::Empty, PACE), script);
        match answer {
            Ok(answer) => {
                assert!(good && !answer.head.headers.contains_key("connection"));
                let Rest::Upgraded(mut stream, early) = answer.rest else {
                    panic!("not upgraded")
                };
                assert_eq!(early, "early");
                stream.write_all(b"frame").await.unwrap();
                read_until(&mut target, "frame").await;
            }
            Err(broken) => assert!(!good && matches!(broken.by, BrokenBy::BadAnswer(_))),
        }
    }
}

#[tokio::test]
async fn an_unconsumed_body_comes_back_from_a_dead_connection() {
    let (connection, target) = pair().await;
    drop(target);
    let (_sender, body) = slow();
    let broken = ask(Method::POST)
        .send(connection, body, PACE)
        .await
        .err()
        .unwrap();
    assert!(matches!(broken.by, BrokenBy::Closed(_)) && !broken.heard && !broken.proven);
    assert!(matches!(broken.body, Some(Body::Stream(_))));
}

#[tokio::test]
async fn a_dead_connection_is_not_quiet_to_a_task_without_budget() {
    let (mut connection, target) = pair().await;
    drop(target);
    while connection.is_quiet() {
        tokio::task::yield_now().await;
    }
    let mut cx = Context::from_waker(std::task::Waker::noop());
    while std::pin::pin!(tokio::task::coop::consume_budget())
        .poll(&mut cx)
        .is_ready()
    {}
    assert!(!connection.is_quiet());
}

#[tokio::test]
async fn a_switch_before_the_request_is_whole_is_refused() {
    let (connection, mut target) = pair().await;
    let mut asked = ask(Method::GET);
    asked.upgrade = Some(HeaderValue::from_static("websocket"));
    let (more, body) = slow();
    more.send("abc".into()).unwrap();
    let script = async {
        read_until(&mut target, "abc\r\n").await;
        let answer = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        target.write_all(answer).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked.send(connection, body, PACE), script);
    let Err(broken) = answer else {
        panic!("switched")
    };
    assert!(matches!(broken.by, BrokenBy::BadAnswer(_)));
}
