//! A scripted HTTP/1.1 target, plain or TLS, that keeps a record of exactly what reached it.
//!
//! A script is called with each request and says what to do. It is called when the body is complete, except for paths
//! that begin with `/early`: there it is called as soon as the head is. `/early/refuse` is not told to continue.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::answer::{Answer, Received};
use crate::http1::{Framing, Message, Wire};
use crate::tls_client::common_name;

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

/// A running target.
pub struct Target {
    address: SocketAddr,
    log: Arc<Log>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    open: AtomicUsize,
}

impl Target {
    /// A plain target.
    pub async fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(script)).await
    }

    /// A target that answers every request with that request as JSON.
    pub async fn echo() -> Self {
        Self::start(Answer::echo).await
    }

    /// A TLS target.
    pub async fn start_tls(
        config: ServerConfig,
        script: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(TlsAcceptor::from(Arc::new(config))), Arc::new(script)).await
    }

    async fn listen(tls: Option<TlsAcceptor>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let log = Arc::new(Log::default());
        let accepting = tokio::spawn(accept(listener, tls, script, Arc::clone(&log)));
        Self {
            address,
            log,
            accepting,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port`, as a node of an upstream.
    pub fn node(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        self.log.received.lock().expect("no holder panics").clone()
    }

    /// Connections accepted so far (TCP).
    pub fn connections(&self) -> usize {
        self.log.connections.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        self.log.open.load(Ordering::Relaxed)
    }

    /// Stops listening, so that connects are refused; open connections go on.
    pub async fn stop_listening(&mut self) {
        self.accepting.abort();
        drop((&mut self.accepting).await);
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct OpenGuard(Arc<Log>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    script: Arc<Script>,
    log: Arc<Log>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = log.connections.fetch_add(1, Ordering::Relaxed);
        log.open.fetch_add(1, Ordering::Relaxed);
        let open = OpenGuard(Arc::clone(&log));
        tokio::spawn(serve_stream(
            stream,
            connection,
            tls.clone(),
            Arc::clone(&script),
            open,
        ));
    }
}

async fn serve_stream(
    stream: TcpStream,
    connection: usize,
    tls: Option<TlsAcceptor>,
    script: Arc<Script>,
    open: OpenGuard,
) {
    drop(stream.set_nodelay(true));
    let Some(acceptor) = tls else {
        return serve(
            Wire::new(stream),
            Facts {
                connection,
                client: None,
                sni: None,
            },
            &script,
            &open.0,
        )
        .await;
    };
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let session = stream.get_ref().1;
    let client = session
        .peer_certificates()
        .and_then(|chain| common_name(chain.first()?));
    let facts = Facts {
        connection,
        client,
        sni: session.server_name().map(str::to_owned),
    };
    serve(Wire::new(stream), facts, &script, &open.0).await;
}

struct Facts {
    connection: usize,
    client: Option<String>,
    sni: Option<String>,
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut wire: Wire<S>,
    facts: Facts,
    script: &Arc<Script>,
    log: &Arc<Log>,
) {
    while let Ok(Some(head)) = wire.read_head().await {
        if head
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
            && !head.word(1).starts_with("/early/refuse")
            && wire.send("HTTP/1.1 100 Continue\r\n\r\n").await.is_err()
        {
            return;
        }
        let framing = Framing::of(&head, Framing::None);
        let early = head.word(1).starts_with("/early");
        let message = if early {
            Message {
                head: head.clone(),
                ..Message::default()
            }
        } else {
            let Ok(message) = wire.read_body(head.clone(), framing).await else {
                return;
            };
            message
        };
        let received = Received {
            connection: facts.connection,
            message,
            client: facts.client.clone(),
            sni: facts.sni.clone(),
        };
        let answer = script(&received);
        log.received
            .lock()
            .expect("no holder panics")
            .push(received);
        if !act(&mut wire, answer).await {
            return;
        }
        if early && wire.read_body(head, framing).await.is_err() {
            return;
        }
    }
}

/// Does what the script said; false when the connection is over.
async fn act<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>, answer: Answer) -> bool {
    match answer {
        Answer::Send(bytes) => wire.send(bytes).await.is_ok(),
        Answer::SendAndClose(bytes) => {
            drop(wire.send(bytes).await);
            drop(tokio::io::AsyncWriteExt::shutdown(&mut wire.stream).await);
            false
        }
        Answer::Hang => {
            wire.rest().await;
            false
        }
        Answer::Hold(gate, then) => {
            gate.notified().await;
            Box::pin(act(wire, *then)).await
        }
        Answer::After(delay, then) => {
            tokio::time::sleep(delay).await;
            Box::pin(act(wire, *then)).await
        }
        Answer::Stream(total) => stream(wire, total).await,
        Answer::Tunnel => tunnel(wire, &[]).await,
        Answer::TunnelToTheEnd(last) => tunnel(wire, &last).await,
    }
}

async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>, last: &[u8]) -> bool {
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    if wire.send(head).await.is_err() {
        return false;
    }
    while let Ok(bytes) = wire.at_least(1).await {
        if wire.send(bytes).await.is_err() {
            return false;
        }
    }
    drop(wire.send(last).await);
    false
}

async fn stream<S: AsyncRead + AsyncWrite + Unpin>(wire: &mut Wire<S>, total: u64) -> bool {
    if wire
        .send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n"
        ))
        .await
        .is_err()
    {
        return false;
    }
    let block = vec![b'x'; 64 << 10];
    let mut left = total;
    while left > 0 {
        let count = left.min(block.len() as u64);
        if wire
            .send(&block[..usize::try_from(count).expect("at most a block")])
            .await
            .is_err()
        {
            return false;
        }
        left -= count;
    }
    true
}
