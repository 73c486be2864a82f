//! A connection after a 101: bytes pass both ways until both sides are done, or nothing passes for too long.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::hop::Tunnel;
use crate::tls::Stream;

const BUFFER: usize = 16 << 10;

/// Runs the tunnel; returns the bytes that went to the client.
pub(super) async fn run(
    (client, from_client): (Stream, Bytes),
    target: Tunnel,
    idle: Duration,
) -> u64 {
    let to_client = Cell::new(0);
    let last = Cell::new(Instant::now());
    let (mut client_in, mut client_out) = tokio::io::split(client);
    let (mut target_in, mut target_out) = tokio::io::split(target.stream);
    let up = pass(&mut client_in, &mut target_out, from_client, |_| {
        last.set(Instant::now())
    });
    let down = pass(&mut target_in, &mut client_out, target.early, |n| {
        to_client.set(to_client.get() + n as u64);
        last.set(Instant::now());
    });
    tokio::select! {
        // An error in one direction ends both; a clean end of one leaves the other running.
        _ = async { tokio::try_join!(up, down) } => {}
        () = silence(&last, idle) => {}
    }
    to_client.get()
}

async fn silence(last: &Cell<Instant>, idle: Duration) {
    loop {
        let until = last.get() + idle;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
}

async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    early: Bytes,
    passed: impl Fn(usize),
) -> io::Result<()> {
    if !early.is_empty() {
        to.write_all(&early).await?;
        to.flush().await?;
        passed(early.len());
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..n]).await?;
        to.flush().await?;
        passed(n);
    }
}
