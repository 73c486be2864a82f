//! One request from its head to its answer, whichever protocol it came by: method, authority, path, client certificate,
//! route, hop. Each step returns a value or the fault that becomes the answer.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::object::Route;
use control::snapshot::{Ask, RouteMatch, Snapshot};
use http::{HeaderValue, Method, request, response};

use super::Router;
use super::client::Client;
use super::record::Record;
use super::variables::Variables;
use super::{answer, authority, exemption, forward};
use crate::body::{Body, BodyError, Inflow};
use crate::fault::{Fault, FaultCode, FaultSource};
use crate::hop::{self, Tunnel, Unserved};
use crate::http1::framing;
use crate::limits::Limits;

/// How long one request is matched again and again while the configuration changes under it. Processors serve by the
/// versions of a route that they had a moment ago, so that few requests are matched twice; but one that has just listed
/// the store has had none but the newest, and is a version ahead of a router that is a little behind until it has seen as
/// much change as the router lags. A time, not a number: however fast a route changes, each match waits for its next
/// version. 3 s.
const MATCH_AGAIN: Duration = Duration::from_secs(3);
/// How long a request waits for the configuration that the processors have; ordinarily some milliseconds are between them.
const CATCH_UP: Duration = Duration::from_secs(1);

/// A request as a connection hands it in.
pub(super) struct Asked {
    pub(super) parts: request::Parts,
    pub(super) body: Body,
    pub(super) inflow: Rc<Inflow>,
    pub(super) expects_continue: bool,
}

/// What the connection is to write.
pub(super) struct Answer {
    pub(super) parts: response::Parts,
    pub(super) body: Body,
    pub(super) record: Record,
    pub(super) upgrade: Option<Upgrade>,
    /// The connection should not take another request.
    pub(super) close: bool,
}

/// An upgrade that the target agreed to.
pub(super) struct Upgrade {
    pub(super) tunnel: Tunnel,
    pub(super) token: HeaderValue,
    /// Longest silence in both directions.
    pub(super) idle: Duration,
}

/// A granted upgrade on its way to the target.
struct Wanted {
    token: HeaderValue,
    idle: Duration,
}

/// Serves one request.
pub(super) async fn serve(router: &Rc<Router>, client: &Rc<Client>, asked: Asked) -> Answer {
    let mut record = Record::new(router, client, &asked.parts, &asked.inflow);
    let inflow = Rc::clone(&asked.inflow);
    match run(router, client, asked, &mut record).await {
        Ok((answer, wanted)) => {
            record.status = answer.head.status.as_u16();
            record.target = answer.target;
            let mut parts = answer.head;
            answer::note_attempts(&mut parts, &record.target.statuses);
            let upgrade = answer.tunnel.zip(wanted).map(|(tunnel, wanted)| Upgrade {
                tunnel,
                token: wanted.token,
                idle: wanted.idle,
            });
            Answer {
                parts,
                body: answer.body,
                record,
                upgrade,
                close: false,
            }
        }
        Err(fault) => {
            let fault = inflow
                .broken()
                .map_or(fault, |error| of_broken_body(&error));
            refuse(fault, record)
        }
    }
}

/// The answer for a fault.
pub(super) fn refuse(fault: Fault, mut record: Record) -> Answer {
    let (mut parts, body) = answer::of_fault(&fault, record.id());
    answer::note_attempts(&mut parts, &record.target.statuses);
    record.status = parts.status.as_u16();
    // What stands behind a request that was misread, or that asked for a tunnel, may not be a request (RFC 9110 9.3.6).
    let close = matches!(
        fault.code,
        FaultCode::BadRequest
            | FaultCode::MethodNotAllowed
            | FaultCode::Misdirected
            | FaultCode::RequestTimeout
    );
    record.fault = Some(fault);
    Answer {
        parts,
        body,
        record,
        upgrade: None,
        close,
    }
}

async fn run(
    router: &Rc<Router>,
    client: &Rc<Client>,
    asked: Asked,
    record: &mut Record,
) -> Result<(hop::Response, Option<Wanted>), Fault> {
    let Asked {
        mut parts,
        body,
        inflow,
        expects_continue,
    } = asked;
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Fault::router(
            FaultCode::MethodNotAllowed,
            "CONNECT and TRACE are refused",
        ));
    }
    if parts.version == http::Version::HTTP_2 {
        as_strict_as_http1(&mut parts, &router.limits)?;
    }
    let authority = authority::of_request(&parts)?;
    record.host.clone_from(&authority.host);
    let path = path(&parts)?;
    let snapshot = router.shared.snapshot.load_full();
    let asked = (&parts, &*authority.host, &*path);
    let route = matched(router, &snapshot, client, asked, record)?;
    record.route = Some(Arc::clone(route.id()));
    let is_stream = !body.is_empty() && parts.version == http::Version::HTTP_2;
    inflow.set_patient(is_stream && keeps_streams(&snapshot, &route));
    let wanted = wanted(&snapshot, &route, &parts, &body);
    // What routes are matched with, should it be needed again: the head that goes on is another one.
    let original = router.hop.may_ask_again().then(|| parts.clone());
    forward::prepare(&mut parts.headers, client, &authority.text);
    let request = hop::Request {
        upgrade: wanted.as_ref().map(|w| w.token.clone()),
        snapshot,
        route,
        head: parts,
        body,
        client: client.peer,
        path,
        expects_continue,
        started: record.started(),
    };
    match (router.hop.call(request).await, original) {
        (Ok(answer), _) => Ok((answer, wanted)),
        (Err(Unserved::Rematch(request)), Some(original)) => {
            let original = (&original, &*authority.host, &*inflow);
            Box::pin(again(router, client, original, request, record)).await
        }
        (Err(unserved), _) => Err(fault(unserved, record)),
    }
}

/// Matches a request in the configuration that the processors have already, and hands it over once more.
async fn again(
    router: &Router,
    client: &Client,
    (original, host, inflow): (&request::Parts, &str, &Inflow),
    mut request: Box<hop::Request>,
    record: &mut Record,
) -> Result<(hop::Response, Option<Wanted>), Fault> {
    let until = Instant::now() + MATCH_AGAIN;
    loop {
        let snapshot = caught_up(router, &request).await?;
        let asked = (original, host, &*request.path);
        let route = matched(router, &snapshot, client, asked, record)?;
        record.route = Some(Arc::clone(route.id()));
        let is_stream = !request.body.is_empty() && original.version == http::Version::HTTP_2;
        inflow.set_patient(is_stream && keeps_streams(&snapshot, &route));
        let wanted = wanted(&snapshot, &route, original, &request.body);
        request.upgrade = wanted.as_ref().map(|w| w.token.clone());
        (request.snapshot, request.route) = (snapshot, route);
        match router.hop.call(*request).await {
            Ok(answer) => return Ok((answer, wanted)),
            Err(Unserved::Rematch(back)) if Instant::now() < until => request = back,
            Err(unserved) => return Err(fault(unserved, record)),
        }
    }
}

fn fault(unserved: Unserved, record: &mut Record) -> Fault {
    match unserved {
        Unserved::Failed(failure) => {
            record.target = failure.target;
            failure.fault
        }
        Unserved::Rematch(request) => Fault::router(
            FaultCode::NoProcessor,
            format!("routes/{} changes too fast", request.route.id()),
        ),
    }
}

/// The route for a request that this client may make.
fn matched(
    router: &Router,
    snapshot: &Snapshot,
    client: &Client,
    (parts, host, path): (&request::Parts, &str, &str),
    record: &Record,
) -> Result<Arc<Route>, Fault> {
    if let Some(secure) = &client.tls {
        exemption::judge(snapshot, secure, host, parts.uri.path())
            .map_err(|denied| denied.note(router, client, record.id()))?;
    }
    let route = find(snapshot, parts, client, host, path)?;
    if route.is_closed() {
        return Err(Fault::router(
            FaultCode::RouteRejected,
            format!("routes/{} was rejected", route.id()),
        ));
    }
    Ok(route)
}

/// The configuration with another version of the route that `request` was matched with: the processors have one already.
/// Revisions are not compared: a node that has just listed the store is at a higher one for the same objects.
async fn caught_up(router: &Router, request: &hop::Request) -> Result<Arc<Snapshot>, Fault> {
    let shared = &router.shared;
    let id = request.route.id();
    let matched = request.snapshot.route_version(id);
    let mut applied = shared.status.subscribe();
    let other = applied.wait_for(|_| shared.snapshot.load().route_version(id) != matched);
    match tokio::time::timeout(CATCH_UP, other).await {
        Ok(Ok(_)) => Ok(shared.snapshot.load_full()),
        // An older route may let in whom the newer one keeps out.
        _ => Err(Fault::router(
            FaultCode::NoProcessor,
            format!("this router has an older routes/{id} than the processors"),
        )),
    }
}

/// Whether the route leads to gRPC, whose streams may be silent for long. The route says so, not the client's content type:
/// that would let any client hold a connection to any target.
fn keeps_streams(snapshot: &Snapshot, route: &Route) -> bool {
    snapshot
        .plan(route)
        .is_ok_and(|plan| plan.upstream.scheme().is_h2())
}

/// Holds an HTTP/2 head to what [`crate::http1::request`] asks of others: it goes on to targets as HTTP/1.1.
fn as_strict_as_http1(parts: &mut request::Parts, limits: &Limits) -> Result<(), Fault> {
    let bad = |what: String| Fault::router(FaultCode::BadRequest, what);
    framing::no_look_alike(&parts.headers).map_err(|error| bad(error.to_string()))?;
    let length = framing::length(&mut parts.headers).map_err(|error| bad(error.to_string()))?;
    if limits.body_bytes > 0 && length.is_some_and(|n| n > limits.body_bytes) {
        return Err(Fault::router(
            FaultCode::ContentTooLarge,
            "the body is larger than allowed",
        ));
    }
    // Before the lines are counted: clients may send every cookie as a line of its own.
    forward::join_cookies(&mut parts.headers);
    if parts.headers.len() > limits.header_count {
        return Err(Fault::router(
            FaultCode::HeadersTooLarge,
            "too many header lines",
        ));
    }
    let target = parts.uri.path_and_query().map_or("", |p| p.as_str());
    if target.len() > limits.target_bytes {
        return Err(Fault::router(
            FaultCode::UriTooLong,
            "the request target is too long",
        ));
    }
    if !target.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(bad(
            "the request target has a byte that must be encoded".to_owned()
        ));
    }
    Ok(())
}

/// The path that routes are matched with; `*` (about the gateway itself) matches none.
fn path(parts: &request::Parts) -> Result<String, Fault> {
    let raw = parts.uri.path();
    if raw == "*" && parts.method == Method::OPTIONS {
        return Ok(raw.to_owned());
    }
    control::path::normalise(raw)
        .map(Cow::into_owned)
        .map_err(|error| Fault::router(FaultCode::BadRequest, error.to_string()))
}

fn find(
    snapshot: &Snapshot,
    parts: &request::Parts,
    client: &Client,
    host: &str,
    path: &str,
) -> Result<Arc<Route>, Fault> {
    let variables = Variables {
        parts,
        client,
        host,
        path,
    };
    let ask = Ask {
        host,
        path,
        method: parts.method.as_str(),
        remote: client.peer.ip(),
        var: &|name| variables.get(name),
    };
    match snapshot.route(&ask) {
        RouteMatch::Found(route) => Ok(Arc::clone(route)),
        // Nothing was read yet: there may well be a route.
        RouteMatch::None if snapshot.revision() == 0 => Err(Fault::router(
            FaultCode::ConfigMissingMaterial,
            "no configuration was read yet",
        )),
        RouteMatch::None => Err(Fault::router(FaultCode::RouteNotFound, "no route matches")),
    }
}

/// An upgrade goes on only where the client asks for one and the route (or its service) says so. Not with a body, which
/// WebSocket does not have: what is still to come of it could be taken for the other protocol's.
fn wanted(
    snapshot: &Snapshot,
    route: &Route,
    parts: &request::Parts,
    body: &Body,
) -> Option<Wanted> {
    if !body.is_empty() {
        return None;
    }
    let token = forward::upgrade(&parts.method, parts.version, &parts.headers)?;
    let plan = snapshot.plan(route).ok()?;
    plan.websocket.then(|| Wanted {
        token,
        idle: plan.timeouts.read.max(plan.timeouts.send),
    })
}

/// A request whose body the client broke is the client's fault, whatever the target made of it.
fn of_broken_body(error: &BodyError) -> Fault {
    let code = match error {
        BodyError::Malformed(_) | BodyError::Truncated(_) => FaultCode::BadRequest,
        BodyError::TimedOut => FaultCode::RequestTimeout,
        BodyError::TooLarge(_) => FaultCode::ContentTooLarge,
    };
    Fault {
        code,
        source_role: FaultSource::Router,
        reason: None,
        detail: error.to_string(),
    }
}
