//! One try on one target: a connection from the pool or a new one, the exchange, and what a failure means.

use std::rc::Rc;

use control::object::Scheme;
use control::snapshot::Plan;

use super::pace;
use super::returning::{Home, Returning};
use crate::alert::Cause;
use crate::body::Body;
use crate::fault::{Fault, FaultCode};
use crate::hop::{Request, Response, TargetFacts, Tunnel};
use crate::http1::client::{self, Answer, Broken, BrokenBy, Connection, Message, Rest};
use crate::processor::endpoint::Target;
use crate::processor::health::Sign;
use crate::processor::pool::{Facts, Leg, PoolKey, Shelf};
use crate::processor::{Processor, dial, host};
use crate::tls::Stream;

/// A try without an answer.
pub(super) struct Failed {
    pub(super) fault: Fault,
    /// The body, if it can be sent again.
    pub(super) body: Option<Body>,
    /// A byte of the request went out, and the target may have acted on it.
    pub(super) sent: bool,
    /// An idempotent request may be sent again.
    pub(super) idempotent_retry: bool,
    /// A kept connection had died.
    pub(super) stale: bool,
}

impl Failed {
    /// Before anything was sent.
    const fn unsent(fault: Fault, body: Body) -> Self {
        Self {
            fault,
            body: Some(body),
            sent: false,
            idempotent_retry: true,
            stale: false,
        }
    }

    /// What this says about the target's health; nothing if it is not the target's doing.
    pub(super) fn sign(&self) -> Option<Sign> {
        match self.fault.code {
            _ if self.stale => None,
            FaultCode::GatewayTimeout => Some(Sign::TimedOut),
            FaultCode::TargetUnreachable
            | FaultCode::UnexpectedEOFAtTarget
            | FaultCode::SslHandshakeFailed => Some(Sign::Broken),
            _ => None,
        }
    }
}

/// Tries `target`. `body.1`: no pooled connection.
pub(super) async fn attempt(
    processor: &Processor,
    plan: &Plan,
    target: &Rc<Target>,
    request: &Request,
    (body, fresh): (Body, bool),
    facts: &mut TargetFacts,
) -> Result<Response, Failed> {
    let in_flight = target.enter();
    let host = host::host_for(&plan.upstream, &target.node, &request.head.headers);
    let shelf = shelf(processor, plan, target);
    let kept = if fresh { None } else { shelf.take() };
    let reused = kept.is_some();
    let leg = match kept {
        Some(leg) => leg,
        None => match connect(processor, plan, target).await {
            Ok(leg) => leg,
            Err(fault) => return Err(Failed::unsent(fault, body)),
        },
    };
    facts.address = Some(leg.facts.address);
    facts.tls.clone_from(&leg.facts.tls);
    facts.reused = reused;
    let message = Message {
        method: &request.head.method,
        target: request
            .head
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str()),
        host: &host,
        headers: &request.head.headers,
        upgrade: request.upgrade.as_ref(),
        expects_continue: request.expects_continue,
    };
    let begun = std::time::Instant::now();
    let answer = client::exchange(leg.connection, &message, body, pace(processor, plan)).await;
    let answer = answer.map_err(|broken| explain(*broken, reused, target))?;
    target.note_latency(begun.elapsed());
    let home = Home {
        shelf,
        facts: leg.facts,
        bounds: plan.upstream.keepalive(),
        in_flight,
    };
    Ok(respond(answer, home))
}

/// Makes the hop's answer; the connection goes home now or at the body's end.
fn respond(answer: Answer, home: Home) -> Response {
    let (body, tunnel) = match answer.rest {
        Rest::Whole(body, connection) => {
            if let Some(connection) = connection {
                home.take_back(connection);
            }
            (body, None)
        }
        Rest::Partly(download) => (Body::Stream(Box::pin(Returning::new(download, home))), None),
        Rest::Upgraded(stream, early) => (Body::Empty, Some(Tunnel { stream, early })),
    };
    Response {
        head: answer.head,
        body,
        tunnel,
        target: TargetFacts::default(),
    }
}

/// The pool's shelf for this target.
fn shelf(processor: &Processor, plan: &Plan, target: &Target) -> Rc<Shelf> {
    let mut last = target.shelf.borrow_mut();
    if let Some((_, shelf)) = last.as_ref() {
        return shelf.clone();
    }
    let h2 = plan.upstream.scheme().is_h2();
    let key = PoolKey {
        host: target.node.host.clone(),
        port: target.node.port,
        h2,
        tls: None,
    };
    let shelf = processor.pool.shelf(&key);
    *last = Some((key, shelf.clone()));
    shelf
}

async fn connect(processor: &Processor, plan: &Plan, target: &Target) -> Result<Leg, Fault> {
    if plan.upstream.scheme() != Scheme::Http {
        return Err(Fault::processor(
            FaultCode::SslHandshakeFailed,
            "not implemented",
        ));
    }
    let (stream, address) =
        dial::tcp(&processor.shared, &target.node, plan.timeouts.connect).await?;
    let connection = Box::new(Connection::new(Stream::Plain(stream)));
    Ok(Leg {
        connection,
        facts: Rc::new(Facts { address, tls: None }),
    })
}

/// What a broken exchange means for the client, the target's health and another try.
fn explain(broken: Broken, reused: bool, target: &Target) -> Failed {
    let name = &target.name;
    let detail = format!("{name}: {}", broken.by);
    let (fault, idempotent_retry) = match &broken.by {
        BrokenBy::Closed(_) => (
            Fault::target(FaultCode::UnexpectedEOFAtTarget, detail),
            !broken.heard,
        ),
        BrokenBy::BadAnswer(_) => (Fault::target(FaultCode::BadTargetAnswer, detail), false),
        BrokenBy::SendTimedOut | BrokenBy::ReadTimedOut => (
            Fault::target(FaultCode::GatewayTimeout, detail),
            !broken.heard,
        ),
        BrokenBy::RequestBody(_) => (Fault::router(FaultCode::BadRequest, detail), false),
    };
    let closed = matches!(broken.by, BrokenBy::Closed(_));
    let fatal = matches!(broken.by, BrokenBy::RequestBody(_) | BrokenBy::BadAnswer(_));
    Failed {
        fault,
        body: broken.body.filter(|_| !fatal),
        sent: broken.sent,
        idempotent_retry,
        stale: closed && reused && !broken.heard,
    }
}

#[allow(dead_code, reason = "used with TLS")]
const LATE: Cause = Cause::Unknown;
