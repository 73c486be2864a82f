//! Why one request failed: the code a client may see, the reason, and the private detail for the log. One match turns a
//! [`FaultCode`] into a status, one into its text. A leaf: every stage returns these.

use control::snapshot::MissingReference;
use http::StatusCode;

use crate::alert::Cause;

/// The public code of a fault (header `X-Fault-Code`, `fault.detail.errorcode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// The request is malformed (RFC 9110, 9112, 9113).
    BadRequest,
    /// A client certificate was needed and not given or not good (`http_400`, skip lists).
    ClientCertificate,
    /// CONNECT or TRACE.
    MethodNotAllowed,
    /// An expectation other than 100-continue.
    ExpectationFailed,
    /// The request did not arrive in time.
    RequestTimeout,
    /// Body over the bound.
    ContentTooLarge,
    /// Target over the bound.
    UriTooLong,
    /// Header bytes or count over the bound.
    HeadersTooLarge,
    /// Host belongs to another TLS policy than the connection.
    Misdirected,
    /// No route.
    RouteNotFound,
    /// The route was refused by validation and has no last good version.
    RouteRejected,
    /// A reference leads nowhere.
    ConfigMissingMaterial,
    /// TLS to the target failed.
    SslHandshakeFailed,
    /// The target took too long.
    GatewayTimeout,
    /// Refused, unreachable, name not resolved.
    TargetUnreachable,
    /// No usable node.
    NoActiveTargets,
    /// The target closed before its answer was whole.
    UnexpectedEOFAtTarget,
    /// The target's answer is not HTTP as it must be.
    BadTargetAnswer,
    /// No processor reachable.
    NoProcessor,
    /// Over a cap of ours.
    Overloaded,
}

impl FaultCode {
    /// The status a client gets.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::ClientCertificate => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::RouteNotFound => StatusCode::NOT_FOUND,
            Self::RouteRejected
            | Self::ConfigMissingMaterial
            | Self::SslHandshakeFailed
            | Self::NoActiveTargets
            | Self::NoProcessor
            | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::TargetUnreachable | Self::UnexpectedEOFAtTarget | Self::BadTargetAnswer => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    /// The code's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "BadRequest",
            Self::ClientCertificate => "ClientCertificateRequired",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::ExpectationFailed => "ExpectationFailed",
            Self::RequestTimeout => "RequestTimeout",
            Self::ContentTooLarge => "ContentTooLarge",
            Self::UriTooLong => "UriTooLong",
            Self::HeadersTooLarge => "HeadersTooLarge",
            Self::Misdirected => "MisdirectedRequest",
            Self::RouteNotFound => "RouteNotFound",
            Self::RouteRejected => "RouteRejected",
            Self::ConfigMissingMaterial => "ConfigMissingMaterial",
            Self::SslHandshakeFailed => "SslHandshakeFailed",
            Self::GatewayTimeout => "GatewayTimeout",
            Self::TargetUnreachable => "TargetUnreachable",
            Self::NoActiveTargets => "NoActiveTargets",
            Self::UnexpectedEOFAtTarget => "UnexpectedEOFAtTarget",
            Self::BadTargetAnswer => "BadTargetAnswer",
            Self::NoProcessor => "NoProcessor",
            Self::Overloaded => "Overloaded",
        }
    }
}

/// Who is at fault (header `X-Fault-Source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultSource {
    /// The target.
    Target,
    /// The processor: its configuration or its own limits.
    Processor,
    /// The router, or the client's request as the router judged it.
    Router,
}

impl FaultSource {
    /// Header value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Processor => "processor",
            Self::Router => "router",
        }
    }
}

/// Why one request failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Fault {
    /// Public code.
    pub code: FaultCode,
    /// Who.
    pub source_role: FaultSource,
    /// Public cause id of a TLS or connect fault (`fault.detail.reason`).
    pub reason: Option<Cause>,
    /// For the log only: names, addresses, error texts. Never a secret.
    pub detail: String,
}

impl Fault {
    /// A fault of the target.
    pub fn target(code: FaultCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            source_role: FaultSource::Target,
            reason: None,
            detail: detail.into(),
        }
    }
    /// A fault of the processor's making.
    pub fn processor(code: FaultCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            source_role: FaultSource::Processor,
            reason: None,
            detail: detail.into(),
        }
    }
    /// A reference in the configuration leads nowhere.
    pub fn of_missing(reference: &MissingReference) -> Self {
        Self::processor(FaultCode::ConfigMissingMaterial, reference.to_string())
            .because(Cause::ConfigMissingMaterial)
    }
    /// A fault seen by the router.
    pub fn router(code: FaultCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            source_role: FaultSource::Router,
            reason: None,
            detail: detail.into(),
        }
    }
    /// The same with a public cause.
    #[must_use]
    pub const fn because(mut self, reason: Cause) -> Self {
        self.reason = Some(reason);
        self
    }
}
