//! A new connection to a target: resolve, connect, and for TLS schemes the handshake, each under its deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use control::object::{ClientIdentity, Node, Upstream};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::host::TlsName;
use super::shared::Shared;
use crate::alert::evidence::{End, Phase, Side};
use crate::alert::finding::Context;
use crate::alert::{Cause, Evidence, Failure, Hop};
use crate::failures::Failures;
use crate::fault::{Fault, FaultCode};
use crate::probe::background::{Policy, Prober};
use crate::tls::client::{Connected, TargetConfig, TargetSession};
use crate::tls::{self, Stream};

/// Silence after which the kernel asks whether the target is still there, and between its questions.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(10);

/// What a handshake needs.
pub(super) struct Handshake<'a> {
    pub(super) config: Arc<TargetConfig>,
    pub(super) name: TlsName<'a>,
    /// Whose handshake it is.
    pub(super) context: Context,
    /// Who looks into a failure that leaves a doubt.
    pub(super) doubt: Option<Doubt>,
}

/// Who looks into a failed handshake, and what the target is then asked by.
#[derive(Clone)]
pub(super) struct Doubt {
    pub(super) prober: Arc<Prober>,
    pub(super) policy: Arc<Policy>,
}

/// An open connection.
pub(super) struct Dialled {
    pub(super) stream: Stream,
    pub(super) address: IpAddr,
    pub(super) session: Option<TargetSession>,
    /// There with TLS, until the target's first byte of application data.
    pub(super) unproven: Option<Box<Unproven>>,
}

/// What is to be said if the target refuses the handshake after all.
pub(super) struct Unproven {
    tls: tls::client::Unproven,
    context: Context,
    doubt: Option<Doubt>,
    failures: Arc<Failures>,
    begun: Instant,
}

/// A handshake that a target refused after we took it for done.
#[derive(Clone)]
pub(super) struct Late {
    pub(super) fault: Fault,
    /// The target has read nothing of the request.
    pub(super) unread: bool,
}

impl Unproven {
    /// If `error` is the target's refusal of a handshake that we took for done: notes it, and makes it a fault.
    pub(super) fn late(&self, error: &io::Error) -> Option<Late> {
        let tls::client::Late {
            mut evidence,
            unread,
        } = self.tls.late(error)?;
        evidence.elapsed = self.begun.elapsed();
        let context = self.context.clone();
        let fault = refused(&self.failures, context, self.doubt.as_ref(), evidence);
        Some(Late { fault, unread })
    }
}

/// Whose handshakes those with a target of `upstream` are.
pub(super) fn context(upstream: &Upstream, target: &str) -> Context {
    let ssl = match &upstream.tls().identity {
        ClientIdentity::Ssl(id) => Some(Arc::clone(id)),
        ClientIdentity::None | ClientIdentity::Inline(_) => None,
    };
    Context {
        ssl,
        upstream: Some(Arc::clone(upstream.key())),
        target: Some(target.to_owned()),
        ..Context::default()
    }
}

/// Connects, and shakes hands if `tls` says how. `limit` holds for connecting and for shaking hands, each.
pub(super) async fn dial(
    shared: &Shared,
    node: &Node,
    limit: Duration,
    tls: Option<Handshake<'_>>,
) -> Result<Dialled, Fault> {
    let begun = Instant::now();
    let connected = tcp(shared, node, limit).await;
    let Some(mut tls) = tls else {
        let (tcp, address) = connected.map_err(|error| error.fault())?;
        return Ok(Dialled {
            stream: Stream::Plain(tcp),
            address,
            session: None,
            unproven: None,
        });
    };
    match connected {
        Ok((tcp, address)) => {
            tls.context.peer = Some(SocketAddr::new(address, node.port));
            tls.context.local = tcp.local_addr().ok();
            // Boxed: a handshake's state is large and a request that finds a pooled connection should not carry room for it.
            Box::pin(shake_hands(shared, (tcp, address), limit, tls, begun)).await
        }
        Err(error) => {
            tls.context.peer = error.address;
            let mut evidence = error.evidence();
            evidence.elapsed = begun.elapsed();
            shared.failures.note(tls.context, Failure::of(evidence));
            Err(error.fault())
        }
    }
}

async fn shake_hands(
    shared: &Shared,
    (tcp, address): (TcpStream, IpAddr),
    limit: Duration,
    tls: Handshake<'_>,
    begun: Instant,
) -> Result<Dialled, Fault> {
    let connected = Instant::now();
    let deadline = connected + limit.min(shared.handshake);
    let TlsName { verify, sni } = tls.name;
    match shared
        .tls
        .connect(tcp, tls.config, verify, sni, deadline)
        .await
    {
        Ok(Connected {
            stream,
            session,
            unproven,
        }) => {
            shared.metrics.handshake_ok(
                Hop::Southbound,
                session.version,
                session.resumed,
                session.client_cert,
                connected.elapsed(),
            );
            Ok(Dialled {
                stream,
                address,
                session: Some(session),
                unproven: Some(Box::new(Unproven {
                    tls: unproven,
                    context: tls.context,
                    doubt: tls.doubt,
                    failures: Arc::clone(&shared.failures),
                    begun,
                })),
            })
        }
        Err(mut evidence) => {
            evidence.elapsed = begun.elapsed();
            Err(refused(
                &shared.failures,
                tls.context,
                tls.doubt.as_ref(),
                evidence,
            ))
        }
    }
}

/// Notes a failed handshake, has it looked into if it leaves a doubt, and makes it a fault.
pub(super) fn refused(
    failures: &Failures,
    context: Context,
    doubt: Option<&Doubt>,
    evidence: Box<Evidence>,
) -> Fault {
    let failure = Failure::of(*evidence);
    let (verdict, detail) = (failure.verdict, failure.detail().to_owned());
    let cause = verdict.cause;
    let record = failures.note(context, failure);
    if let Some(Doubt { prober, policy }) = doubt {
        prober.consider(record, verdict, policy);
    }
    let fault = match cause {
        Cause::HandshakeTimeout => Fault::target(FaultCode::GatewayTimeout, detail),
        Cause::ConfigMissingMaterial => Fault::processor(FaultCode::ConfigMissingMaterial, detail),
        _ => Fault::target(FaultCode::SslHandshakeFailed, detail),
    };
    fault.because(cause)
}

/// Addresses that a text about a missing connection names; more would hide what they have in common.
const MOST_TRIES: usize = 4;

/// Why there is no TCP connection.
struct Unconnected {
    /// The address tried last, if the name led to one.
    address: Option<SocketAddr>,
    timed_out: bool,
    detail: String,
}

impl Unconnected {
    fn fault(&self) -> Fault {
        let code = if self.timed_out {
            FaultCode::GatewayTimeout
        } else {
            FaultCode::TargetUnreachable
        };
        Fault::target(code, self.detail.as_str()).because(Cause::TcpConnectFailed)
    }

    fn evidence(&self) -> Evidence {
        let mut evidence =
            Evidence::new(Hop::Southbound, Side::Client).because(self.detail.as_str());
        evidence.phase = Phase::TcpConnect;
        evidence.end = if self.timed_out {
            End::TimedOut
        } else {
            End::NotConnected
        };
        evidence
    }
}

/// Connects to one of the node's addresses within `limit`, names looked up within the same time.
async fn tcp(
    shared: &Shared,
    node: &Node,
    limit: Duration,
) -> Result<(TcpStream, IpAddr), Unconnected> {
    let deadline = Instant::now() + limit;
    let late = |address| Unconnected {
        address,
        timed_out: true,
        detail: format!(
            "connecting to {}:{} took longer than {limit:?}",
            node.host, node.port
        ),
    };
    let failed = |address, detail| Unconnected {
        address,
        timed_out: false,
        detail,
    };
    let addresses = timeout_at(deadline, shared.resolver.resolve(&node.host))
        .await
        .map_err(|_| late(None))?;
    let addresses = addresses.map_err(|e| failed(None, e.to_string()))?;
    let mut refused = None;
    let mut silent = None;
    let mut tries = Vec::new();
    for (tried, address) in addresses.iter().enumerate() {
        // One silent address must not use up the time of those after it.
        let rest = deadline.saturating_duration_since(Instant::now());
        let share = rest / u32::try_from(addresses.len() - tried).unwrap_or(1);
        let to = SocketAddr::new(*address, node.port);
        match timeout(share, TcpStream::connect(to)).await {
            Ok(Ok(stream)) => {
                set_options(&stream);
                return Ok((stream, *address));
            }
            Ok(Err(error)) => {
                refused = Some(to);
                tries.push(format!("{to}: {error}"));
            }
            Err(_) => {
                silent = Some(to);
                tries.push(format!("{to}: no answer"));
            }
        }
    }
    // A name may lead to addresses that nobody thinks of, as localhost does to ::1.
    tries.truncate(MOST_TRIES);
    Err(match refused {
        Some(to) => failed(Some(to), tries.join("; ")),
        None => late(silent),
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
