//! What a processor says to a request: an answer's head, a fault, or that it did not take it.

use bytes::Bytes;
use http::{StatusCode, response};

use super::frame::{self, Kind};
use super::number::{self, Input};
use super::request::{put_shape, shape};
use super::{Shape, WireError, facts, fields};
use crate::alert::Cause;
use crate::fault::{Fault, FaultCode, FaultSource};
use crate::hop::{Failure, TargetFacts};

/// Every code, the more general of one status first: an unknown code becomes the first with its status.
const CODES: [FaultCode; 20] = [
    FaultCode::BadRequest,
    FaultCode::ClientCertificate,
    FaultCode::MethodNotAllowed,
    FaultCode::ExpectationFailed,
    FaultCode::RequestTimeout,
    FaultCode::ContentTooLarge,
    FaultCode::UriTooLong,
    FaultCode::HeadersTooLarge,
    FaultCode::Misdirected,
    FaultCode::RouteNotFound,
    FaultCode::Overloaded,
    FaultCode::RouteRejected,
    FaultCode::ConfigMissingMaterial,
    FaultCode::SslHandshakeFailed,
    FaultCode::NoActiveTargets,
    FaultCode::NoProcessor,
    FaultCode::GatewayTimeout,
    FaultCode::BadTargetAnswer,
    FaultCode::TargetUnreachable,
    FaultCode::UnexpectedEOFAtTarget,
];

/// The head of an answer.
#[derive(Debug)]
pub struct Answer {
    /// Status, version, headers.
    pub head: response::Parts,
    /// How its body comes.
    pub body: Shape,
    /// For the router's log.
    pub target: TargetFacts,
}

/// Why a processor does not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is about to end.
    Draining,
    /// Its Snapshot did not reach what the request needs in time.
    Behind,
    /// Its Snapshot has another version of the route, or none.
    Ahead,
    /// It has too much to do.
    Overloaded,
}

/// Appends an ANSWER frame.
///
/// # Errors
/// [`WireError::TooLong`]; `out` is as it was.
pub fn answer(
    out: &mut Vec<u8>,
    head: &response::Parts,
    body: Shape,
    target: &TargetFacts,
) -> Result<(), WireError> {
    frame::write(out, Kind::Answer, |out| {
        number::put(out, u64::from(head.status.as_u16()));
        out.push(fields::version_code(head.version));
        put_shape(out, body);
        fields::encode(out, &head.headers)?;
        facts::put(out, target);
        Ok(())
    })
}

/// The payload of an ANSWER frame.
///
/// # Errors
/// [`WireError`].
pub fn decode_answer(payload: Bytes) -> Result<Answer, WireError> {
    let mut input = Input(payload);
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = status(&mut input)?;
    head.version = fields::version(&mut input)?;
    let body = shape(&mut input)?;
    head.headers = fields::read(&mut input)?;
    let target = facts::read(&mut input)?;
    input.tagged(|_, _| Ok(false))?;
    Ok(Answer { head, body, target })
}

/// Appends a FAILED frame.
///
/// # Errors
/// [`WireError::TooLong`]; `out` is as it was.
pub fn failed(out: &mut Vec<u8>, failure: &Failure) -> Result<(), WireError> {
    frame::write(out, Kind::Failed, |out| {
        let fault = &failure.fault;
        number::put(out, u64::from(fault.code.status().as_u16()));
        number::put_bytes(out, fault.code.as_str().as_bytes());
        number::put_bytes(out, fault.source_role.as_str().as_bytes());
        let reason = fault.reason.map_or("", Cause::as_str);
        number::put_bytes(out, reason.as_bytes());
        number::put_bytes(out, fault.detail.as_bytes());
        facts::put(out, &failure.target);
        Ok(())
    })
}

/// The payload of a FAILED frame.
///
/// # Errors
/// [`WireError`].
pub fn decode_failed(payload: Bytes) -> Result<Failure, WireError> {
    let mut input = Input(payload);
    let status = status(&mut input)?;
    let fault = Fault {
        code: code(&input.text("a fault's code")?, status),
        source_role: source(&input.text("a fault's source")?),
        reason: reason(&input.text("a fault's reason")?),
        detail: input.text("a fault's detail")?,
    };
    let target = facts::read(&mut input)?;
    input.tagged(|_, _| Ok(false))?;
    Ok(Failure { fault, target })
}

/// Appends a NOT_TAKEN frame: why, and the revision that the processor has.
pub fn not_taken(out: &mut Vec<u8>, why: Refusal, applied: u64) {
    let code = match why {
        Refusal::Draining => 0,
        Refusal::Behind => 1,
        Refusal::Ahead => 2,
        Refusal::Overloaded => 3,
    };
    // Nine bytes have no bound to pass.
    let _ = frame::write(out, Kind::NotTaken, |out| {
        out.push(code);
        number::put(out, applied);
        Ok(())
    });
}

/// The payload of a NOT_TAKEN frame. A reason of a later release is taken for too much work: try elsewhere.
///
/// # Errors
/// [`WireError`].
pub fn decode_not_taken(payload: Bytes) -> Result<(Refusal, u64), WireError> {
    let mut input = Input(payload);
    let why = match input.byte("a reason")? {
        0 => Refusal::Draining,
        1 => Refusal::Behind,
        2 => Refusal::Ahead,
        _ => Refusal::Overloaded,
    };
    let applied = input.number("a revision")?;
    input.tagged(|_, _| Ok(false))?;
    Ok((why, applied))
}

fn status(input: &mut Input) -> Result<StatusCode, WireError> {
    StatusCode::from_u16(input.small("a status")?).map_err(|_| WireError::Malformed("a status"))
}

fn code(text: &str, status: StatusCode) -> FaultCode {
    CODES
        .into_iter()
        .find(|c| c.as_str() == text)
        .or_else(|| CODES.into_iter().find(|c| c.status() == status))
        .unwrap_or(FaultCode::Overloaded)
}

fn source(text: &str) -> FaultSource {
    [FaultSource::Target, FaultSource::Router]
        .into_iter()
        .find(|s| s.as_str() == text)
        .unwrap_or(FaultSource::Processor)
}

fn reason(text: &str) -> Option<Cause> {
    let known = Cause::ALL.into_iter().find(|c| c.as_str() == text);
    (!text.is_empty()).then(|| known.unwrap_or(Cause::Unknown))
}
