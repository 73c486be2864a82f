//! Peers that are no TLS stack: clients that send exact bytes, and servers that answer a hello in ways of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::relay::{connect, new_source};

/// How long a fake waits for the other side.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a fake client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Ends its half (FIN) and reads to the end.
    Closing,
    /// Resets (RST) once its bytes are out.
    Resetting,
    /// Reads until the other side ends.
    Waiting,
}

/// Connects from an address of its own, sends, goes. Gives that address and what it was answered.
pub async fn client(to: SocketAddr, bytes: &[u8], leaves: Leaves) -> (Ipv4Addr, Vec<u8>) {
    let source = new_source();
    let mut stream = connect(source, to).await;
    stream.set_nodelay(true).expect("a TCP socket");
    // The other side may have heard enough before the end.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    match leaves {
        Leaves::Resetting => {
            stream.set_zero_linger().expect("a TCP socket");
            return (source, answer);
        }
        Leaves::Closing => drop(stream.shutdown().await),
        Leaves::Waiting => {}
    }
    let to_the_end = async { while matches!(stream.read_buf(&mut answer).await, Ok(1..)) {} };
    tokio::time::timeout(PATIENCE, to_the_end)
        .await
        .unwrap_or_else(|_| panic!("the node neither answers nor closes in {PATIENCE:?}"));
    (source, answer)
}

/// How a fake server behaves.
#[derive(Clone, Copy, Debug)]
pub enum Behaviour {
    /// Takes the hello, then closes (FIN) without a byte.
    Closes,
    /// Takes the hello, then resets.
    Resets,
    /// Takes whatever comes and never says anything.
    Silent,
    /// Greets at once, before it has heard anything, and then listens.
    Greets(&'static [u8]),
    /// Takes the hello, sends these bytes and closes.
    Answers(&'static [u8]),
    /// Takes the hello, sends these bytes, and goes on as the server at this port would.
    AnswersAndGoesOn(&'static [u8], u16),
    /// Takes the hello, passes on so many bytes of the answer of the server at this port, and closes.
    ClosesAfter(usize, u16),
    /// The same, and resets.
    ResetsAfter(usize, u16),
}

/// A running fake server.
pub struct FakeServer {
    port: u16,
    accepting: JoinHandle<()>,
}

impl FakeServer {
    /// Starts it.
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    // The node may be gone at any point of this: that is its case.
                    drop(tokio::time::timeout(PATIENCE, behave(stream, behaviour)).await);
                });
            }
        });
        Self { port, accepting }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn behave(mut stream: TcpStream, behaviour: Behaviour) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    if let Behaviour::Greets(words) = behaviour {
        stream.write_all(words).await?;
        return drain(&mut stream).await;
    }
    let hello = first_record(&mut stream).await?;
    match behaviour {
        Behaviour::Closes => Ok(()),
        Behaviour::Resets => stream.set_zero_linger(),
        Behaviour::Silent | Behaviour::Greets(_) => drain(&mut stream).await,
        Behaviour::Answers(bytes) => {
            stream.write_all(bytes).await?;
            stream.shutdown().await?;
            drain(&mut stream).await
        }
        Behaviour::AnswersAndGoesOn(bytes, port) => {
            stream.write_all(bytes).await?;
            let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
            server.write_all(&hello).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut server).await?;
            Ok(())
        }
        Behaviour::ClosesAfter(count, port) => {
            pass_some(&mut stream, &hello, count, port).await?;
            stream.shutdown().await?;
            drain(&mut stream).await
        }
        Behaviour::ResetsAfter(count, port) => {
            pass_some(&mut stream, &hello, count, port).await?;
            stream.set_zero_linger()
        }
    }
}

async fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut waste = [0; 4096];
    while stream.read(&mut waste).await? > 0 {}
    Ok(())
}

async fn pass_some(
    stream: &mut TcpStream,
    hello: &[u8],
    count: usize,
    port: u16,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    server.write_all(hello).await?;
    let mut answer = vec![0; count];
    server.read_exact(&mut answer).await?;
    stream.write_all(&answer).await
}

/// One whole record: a close with unread bytes would be a reset.
async fn first_record(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 5];
    stream.read_exact(&mut bytes).await?;
    let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
    bytes.resize(5 + length, 0);
    stream.read_exact(&mut bytes[5..]).await?;
    Ok(bytes)
}
