//! How a refused connection ends (CONTRACT 5): the alert is written, the write side shut, and the rest of what the peer
//! sends read and dropped until it closes, at most a second. Closing at once with unread bytes would make the kernel send
//! a reset, which may overtake the alert.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::alert::Alert;

/// How long a peer may take to read its alert.
const LINGER: Duration = Duration::from_secs(1);
/// Connections that linger in the background at a time; more are closed at once.
const MOST: usize = 1024;
static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// Refuses a connection before any keys exist: a fatal alert as a plaintext record, then the end.
pub async fn refuse(mut io: TcpStream, alert: Alert) {
    let _ = tokio::time::timeout(LINGER, send(&mut io, alert)).await;
    dismiss(io);
}

/// Writes the alert. The errors of a peer that is gone interest nobody.
pub(super) async fn send(io: &mut TcpStream, alert: Alert) {
    if io.write_all(&alert.fatal_record()).await.is_ok() {
        let _ = io.flush().await;
    }
}

/// Ends a connection whose alert is written, in the background: the handshake's result need not wait for it.
pub fn dismiss(io: TcpStream) {
    if LINGERING.fetch_add(1, Ordering::Relaxed) >= MOST {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    tokio::spawn(async move {
        // Counted down in a guard: the task may be dropped with its runtime.
        let _place = Place;
        linger(io).await;
    });
}

struct Place;

impl Drop for Place {
    fn drop(&mut self) {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn linger(mut io: TcpStream) {
    let drain = async {
        let _ = io.shutdown().await;
        let mut waste = [0; 2048];
        while matches!(io.read(&mut waste).await, Ok(n) if n > 0) {}
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}
