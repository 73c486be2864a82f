//! A fault as the client sees it: status, public code and reason, request id. What would help an attacker stays in the
//! log (CONTRACT: answers of the data plane).

use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode, response};

use crate::body::Body;
use crate::fault::{Fault, FaultCode};

const FAULT_CODE: HeaderName = HeaderName::from_static("x-fault-code");
const FAULT_SOURCE: HeaderName = HeaderName::from_static("x-fault-source");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-apisix-upstream-status");

/// The answer to a request that failed.
pub(super) fn of_fault(fault: &Fault, request_id: &str) -> (response::Parts, Body) {
    let status = fault.code.status();
    let text = body_text(fault, status, request_id);
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = status;
    let headers = &mut parts.headers;
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(FAULT_CODE, HeaderValue::from_static(fault.code.as_str()));
    headers.insert(
        FAULT_SOURCE,
        HeaderValue::from_static(fault.source_role.as_str()),
    );
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if fault.code == FaultCode::MethodNotAllowed {
        headers.insert(
            header::ALLOW,
            HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, PURGE"),
        );
    }
    headers.insert(header::DATE, date());
    (parts, Body::Full(text.into()))
}

/// Notes on an answer what APISIX's users look for: the status of each attempt, where the target's side failed.
pub(super) fn note_attempts(parts: &mut response::Parts, statuses: &[u16]) {
    if parts.status.as_u16() < 500 || statuses.is_empty() {
        return;
    }
    let text = statuses
        .iter()
        .map(u16::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if let Ok(value) = HeaderValue::try_from(text) {
        parts.headers.insert(UPSTREAM_STATUS, value);
    }
}

fn body_text(fault: &Fault, status: StatusCode, request_id: &str) -> String {
    if fault.code == FaultCode::RouteNotFound {
        return "{\"error_msg\":\"404 Route Not Found\"}\n".to_owned();
    }
    let phrase = status.canonical_reason().unwrap_or("Error");
    let mut detail =
        serde_json::json!({ "errorcode": fault.code.as_str(), "request_id": request_id });
    if let Some(reason) = fault.reason {
        detail["reason"] = reason.as_str().into();
    }
    let text = serde_json::json!({
        "error_msg": format!("{} {phrase}", status.as_u16()),
        "fault": { "faultstring": sentence(fault.code), "detail": detail },
    });
    format!("{text}\n")
}

fn date() -> HeaderValue {
    HeaderValue::try_from(httpdate::fmt_http_date(std::time::SystemTime::now()))
        .unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

const fn sentence(code: FaultCode) -> &'static str {
    match code {
        FaultCode::BadRequest => "The request is malformed",
        FaultCode::ClientCertificate => "A valid client certificate is required",
        FaultCode::MethodNotAllowed => "The method is not allowed",
        FaultCode::ExpectationFailed => "The expectation cannot be met",
        FaultCode::RequestTimeout => "The request did not arrive in time",
        FaultCode::ContentTooLarge => "The request's body is too large",
        FaultCode::UriTooLong => "The request target is too long",
        FaultCode::HeadersTooLarge => "The request's header section is too large",
        FaultCode::Misdirected => "This connection cannot serve this host",
        FaultCode::RouteNotFound => "No route matches the request",
        FaultCode::RouteRejected => "The route's configuration was rejected",
        FaultCode::ConfigMissingMaterial => {
            "The configuration, or something it refers to, is missing"
        }
        FaultCode::SslHandshakeFailed => "SSL Handshake failed",
        FaultCode::GatewayTimeout => "Gateway Timeout",
        FaultCode::TargetUnreachable => "The target cannot be reached",
        FaultCode::NoActiveTargets => "The Service is temporarily unavailable",
        FaultCode::UnexpectedEOFAtTarget => "Unexpected EOF at target",
        FaultCode::BadTargetAnswer => "The target's answer is malformed",
        FaultCode::NoProcessor => "No processor is reachable",
        FaultCode::Overloaded => "The gateway is at a limit",
    }
}
