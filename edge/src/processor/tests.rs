//! The processor against scripted targets on this machine, configured through objects as the store has them.

mod h2_targets;
mod health_checks;
mod plain;
mod tls_targets;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use control::object::{Kind, ReadContext};
use control::seal::Keyring;
use control::snapshot::{Change, Snapshot};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{LocalSet, spawn_local};

use super::{Processor, Shared};
use crate::body::Body;
use crate::failures::Failures;
use crate::hop::{Failure, Request, Response};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tls::ClientTls;

/// Runs a test the way a data-plane thread runs.
async fn on_a_thread<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), LocalSet::new().run_until(test))
        .await
        .unwrap()
}

fn shared() -> Arc<Shared> {
    let limits = Limits {
        handshake: Duration::from_secs(2),
        ..Limits::default()
    };
    Arc::new(Shared::new(
        Arc::new(ClientTls::new()),
        Metrics::new(),
        Failures::new("n", Metrics::new()),
        &limits,
        (true, false),
        Handle::current(),
    ))
}

/// A processor and a Snapshot of objects.
struct Bench {
    processor: Processor,
    snapshot: Arc<Snapshot>,
}

fn snapshot(objects: &[(Kind, &str, Value)]) -> Snapshot {
    let keyring = Keyring::default();
    let context = ReadContext {
        keyring: &keyring,
        env: &|_| None,
    };
    let changes = objects.iter().map(|(kind, id, value)| {
        let object =
            control::object::read(*kind, id, value.to_string().as_bytes(), &context).unwrap();
        Change::Set(*kind, (*id).into(), object, 1)
    });
    Snapshot::default().apply(1, changes.collect())
}

/// A bench with route 1 to `upstream`.
#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn bench(upstream: Value) -> Bench {
    let route = json!({"uri": "/*", "upstream": upstream});
    Bench {
        processor: Processor::new(shared()),
        snapshot: Arc::new(snapshot(&[(Kind::Route, "1", route)])),
    }
}

fn request(snapshot: &Arc<Snapshot>, method: &str, body: Body) -> Request {
    let head = http::Request::builder()
        .method(method)
        .uri("/a?b=c")
        .header("host", "client.example");
    Request {
        snapshot: snapshot.clone(),
        route: snapshot.route_by_id("1").unwrap().clone(),
        head: head.body(()).unwrap().into_parts().0,
        body,
        client: ([127, 0, 0, 1], 1234).into(),
        path: "/a".into(),
        upgrade: None,
        expects_continue: false,
        started: Instant::now(),
    }
}

impl Bench {
    async fn send(&self, method: &str, body: Body) -> Result<Response, Box<Failure>> {
        self.processor
            .run(request(&self.snapshot, method, body))
            .await
    }

    /// Status and body, or the fault's code and reason; with statuses of the tries.
    async fn outcome(&self, method: &str) -> (String, Vec<u16>) {
        match self.send(method, Body::Empty).await {
            Ok(answer) => {
                let body = answer.body.collect().await.unwrap().to_bytes();
                let text = format!(
                    "{} {}",
                    answer.head.status.as_u16(),
                    String::from_utf8_lossy(&body)
                );
                (text, answer.target.statuses)
            }
            Err(failure) => {
                let reason = failure.fault.reason.map_or("", |r| r.as_str());
                (
                    format!("{} {reason}", failure.fault.code.as_str()),
                    failure.target.statuses,
                )
            }
        }
    }
}

/// What a target does with a request.
enum Reply {
    Say(&'static str),
    SayAndClose(&'static str),
    Close,
    Silence,
}

const OK: Reply = Reply::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

/// A scripted target.
#[derive(Clone)]
struct Target {
    port: u16,
    connections: Rc<Cell<usize>>,
    heads: Rc<RefCell<Vec<String>>>,
}

impl Target {
    /// `script` gets the numbers of the connection and of the request on it, both from 0.
    async fn start(script: impl Fn(usize, usize) -> Reply + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Rc::default(),
            heads: Rc::default(),
        };
        let (seen, script) = (target.clone(), Rc::new(script));
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = seen.connections.replace(seen.connections.get() + 1);
                spawn_local(serve(stream, seen.clone(), script.clone(), number));
            }
        });
        target
    }

    fn node(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

async fn serve(
    mut stream: TcpStream,
    seen: Target,
    script: Rc<impl Fn(usize, usize) -> Reply>,
    connection: usize,
) {
    for n in 0.. {
        let Some(head) = read_head(&mut stream).await else {
            return;
        };
        seen.heads.borrow_mut().push(head);
        match script(connection, n) {
            Reply::Say(text) => stream.write_all(text.as_bytes()).await.unwrap(),
            Reply::SayAndClose(text) => return stream.write_all(text.as_bytes()).await.unwrap(),
            Reply::Close => return,
            Reply::Silence => std::future::pending().await,
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A port on which nobody listens.
async fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn upstream_of(targets: &[&Target]) -> Value {
    let nodes: serde_json::Map<_, _> = targets.iter().map(|t| (t.node(), json!(1))).collect();
    json!({"type": "roundrobin", "nodes": nodes})
}

fn bytes(text: &'static str) -> Body {
    Body::Full(Bytes::from_static(text.as_bytes()))
}
