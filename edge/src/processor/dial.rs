//! A new connection to a target: resolve, connect, and for TLS schemes the handshake, each under its deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use control::object::Node;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::host::TlsName;
use super::shared::Shared;
use crate::alert::{Cause, Hop, TlsFailure};
use crate::fault::{Fault, FaultCode};
use crate::tls::Stream;
use crate::tls::client::{TargetConfig, TargetSession};

/// Silence after which the kernel asks whether the target is still there, and between its questions.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// What a handshake needs.
pub(super) struct Handshake<'a> {
    pub(super) config: Arc<TargetConfig>,
    pub(super) name: TlsName<'a>,
    /// HTTP/2 must be agreed on.
    pub(super) h2: bool,
}

/// An open connection.
pub(super) struct Dialled {
    pub(super) stream: Stream,
    pub(super) address: IpAddr,
    pub(super) session: Option<TargetSession>,
}

/// Connects, and shakes hands if `tls` says how. `limit` holds for connecting and for shaking hands, each.
pub(super) async fn dial(
    shared: &Shared,
    node: &Node,
    limit: Duration,
    tls: Option<Handshake<'_>>,
) -> Result<Dialled, Fault> {
    let connected = tcp(shared, node, limit).await;
    let Some(tls) = tls else {
        return connected.map(|(tcp, address)| Dialled {
            stream: Stream::Plain(tcp),
            address,
            session: None,
        });
    };
    let (tcp, address) = connected.inspect_err(|fault| {
        let cause = fault.reason.unwrap_or(Cause::TcpConnectFailed);
        let failure = TlsFailure {
            cause,
            alert: None,
            detail: fault.detail.clone(),
        };
        shared
            .metrics
            .handshake_failed(Hop::Southbound, failure.cause, failure.alert);
    })?;
    let (stream, session) = shake_hands(shared, tcp, limit.min(shared.handshake), tls).await?;
    Ok(Dialled {
        stream,
        address,
        session: Some(session),
    })
}

async fn shake_hands(
    shared: &Shared,
    tcp: TcpStream,
    limit: Duration,
    tls: Handshake<'_>,
) -> Result<(Stream, TargetSession), Fault> {
    let begun = Instant::now();
    let handshake = shared
        .tls
        .connect(tcp, tls.config, tls.name.verify, tls.name.sni);
    // Boxed: a handshake's state is large and a request that finds a pooled connection should not carry room for it.
    let outcome = timeout(limit, Box::pin(handshake))
        .await
        .unwrap_or_else(|_| {
            Err(TlsFailure {
                cause: Cause::HandshakeTimeout,
                alert: None,
                detail: format!("not finished in {limit:?}"),
            })
        });
    let outcome = outcome.and_then(|(stream, session)| {
        if tls.h2 && !session.alpn_h2 {
            let detail = "the target did not agree on h2".to_owned();
            return Err(TlsFailure {
                cause: Cause::NoSharedAlpn,
                alert: None,
                detail,
            });
        }
        Ok((stream, session))
    });
    match outcome {
        Ok((stream, session)) => {
            let took = begun.elapsed();
            shared.metrics.handshake_ok(
                Hop::Southbound,
                session.version,
                session.resumed,
                session.client_cert,
                took,
            );
            Ok((stream, session))
        }
        Err(failure) => Err(refused(shared, &failure)),
    }
}

/// Counts a failed handshake and makes it a fault.
pub(super) fn refused(shared: &Shared, failure: &TlsFailure) -> Fault {
    shared
        .metrics
        .handshake_failed(Hop::Southbound, failure.cause, failure.alert);
    let detail = failure.detail.clone();
    let fault = match failure.cause {
        Cause::HandshakeTimeout => Fault::target(FaultCode::GatewayTimeout, detail),
        Cause::ConfigMissingMaterial => Fault::processor(FaultCode::ConfigMissingMaterial, detail),
        _ => Fault::target(FaultCode::SslHandshakeFailed, detail),
    };
    fault.because(failure.cause)
}

/// Connects to one of the node's addresses within `limit`, names looked up within the same time.
pub(super) async fn tcp(
    shared: &Shared,
    node: &Node,
    limit: Duration,
) -> Result<(TcpStream, IpAddr), Fault> {
    let deadline = Instant::now() + limit;
    let late = || {
        let detail = format!(
            "connecting to {}:{} took longer than {limit:?}",
            node.host, node.port
        );
        Fault::target(FaultCode::GatewayTimeout, detail).because(Cause::TcpConnectFailed)
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
        match timeout(
            share,
            TcpStream::connect(SocketAddr::new(*address, node.port)),
        )
        .await
        {
            Ok(Ok(stream)) => {
                set_options(&stream);
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

/// Small writes must not wait for acknowledgements, and a dead peer must show. A socket that refuses still works.
fn set_options(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keepalive = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}
