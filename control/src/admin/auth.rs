//! Who asks: the key in the query, the header or the cookie, and what its role may do. First step of every request.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, header};

use super::answer::{self, Answer};
use super::keys::AdminKeys;

/// Lets the request pass, or says why not in APISIX's words.
pub(super) fn check(keys: &AdminKeys, request: &Request<Body>) -> Result<(), Answer> {
    let Some(given) = token(request) else {
        return Err(Answer::unauthorized("missing apikey"));
    };
    if keys.admin.matches(&given) {
        return Ok(());
    }
    match &keys.viewer {
        Some(viewer) if viewer.matches(&given) && request.method() == Method::GET => Ok(()),
        Some(viewer) if viewer.matches(&given) => {
            Err(Answer::unauthorized("invalid method for role viewer"))
        }
        _ => Err(Answer::unauthorized("wrong apikey")),
    }
}

/// Lets the admin pass and nobody else, for what is more than reading whatever its method.
pub(super) fn administrator(keys: &AdminKeys, request: &Request<Body>) -> Result<(), Answer> {
    match token(request) {
        Some(given) if keys.admin.matches(&given) => Ok(()),
        Some(_) => Err(Answer::unauthorized("invalid method for role viewer")),
        None => Err(Answer::unauthorized("missing apikey")),
    }
}

/// The middleware form of [`check`], for views outside `/apisix/admin`.
pub(super) async fn require(
    State(keys): State<Arc<AdminKeys>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::OPTIONS {
        return answer::preflight();
    }
    match check(&keys, &request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

/// APISIX's order: query, header, cookie.
fn token(request: &Request<Body>) -> Option<String> {
    let query = request.uri().query().unwrap_or_default();
    if let Some((_, value)) =
        form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "api_key")
    {
        return Some(value.into_owned());
    }
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|v: &http::HeaderValue| v.to_str().ok())
    };
    if let Some(value) = text(header::HeaderName::from_static("x-api-key")) {
        return Some(value.to_owned());
    }
    text(header::COOKIE)?.split(';').find_map(|pair| {
        pair.trim()
            .strip_prefix("x_api_key=")
            .map(|v| v.trim_matches('"').to_owned())
    })
}
