//! A new connection to a target: resolve, connect, and for TLS schemes the handshake, each under its deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use control::object::Node;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::shared::Shared;
use crate::alert::Cause;
use crate::fault::{Fault, FaultCode};

/// Connects to one of the node's addresses within `limit`, names looked up within the same time.
pub(super) async fn tcp(
    shared: &Shared,
    node: &Node,
    limit: Duration,
) -> Result<(TcpStream, IpAddr), Fault> {
    let deadline = Instant::now() + limit;
    let late = || {
        Fault::target(
            FaultCode::GatewayTimeout,
            format!(
                "connecting to {}:{} took longer than {limit:?}",
                node.host, node.port
            ),
        )
        .because(Cause::TcpConnectFailed)
    };
    let failed = |detail: String| {
        Fault::target(FaultCode::TargetUnreachable, detail).because(Cause::TcpConnectFailed)
    };
    let addresses = timeout_at(deadline, shared.resolver.resolve(&node.host))
        .await
        .map_err(|_| late())?;
    let addresses = addresses.map_err(|e| failed(e.to_string()))?;
    let mut last: Option<(IpAddr, io::Error)> = None;
    for (tried, address) in addresses.iter().enumerate() {
        // One silent address must not use up the time of those after it.
        let rest = deadline.saturating_duration_since(Instant::now());
        let share = rest / u32::try_from(addresses.len() - tried).unwrap_or(1);
        match timeout_at(
            Instant::now() + share,
            TcpStream::connect(SocketAddr::new(*address, node.port)),
        )
        .await
        {
            Ok(Ok(stream)) => {
                // Small writes must not wait for acknowledgements; a socket that refuses the option still works.
                let _ = stream.set_nodelay(true);
                return Ok((stream, *address));
            }
            Ok(Err(error)) => last = Some((*address, error)),
            Err(_) => {}
        }
    }
    Err(match last {
        Some((address, error)) => failed(format!("{address}:{}: {error}", node.port)),
        None => late(),
    })
}
