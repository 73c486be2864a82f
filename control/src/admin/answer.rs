//! What the Admin API answers: a status and a JSON body in APISIX's shapes, with APISIX's headers.
//! Knows nothing of objects; a handler makes an [`Answer`], axum turns it into bytes here.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::store::StoreError;

/// One answer; also the error type of handlers, so that `?` ends a request.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    body: String,
}

#[derive(Serialize)]
struct Error<'a> {
    error_msg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

impl Answer {
    /// A JSON body; it ends with a newline as APISIX's do.
    pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_string(body) {
            Ok(text) => Self {
                status,
                body: text + "\n",
            },
            Err(e) => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                body: format!("{}\n", json!({"error_msg": e.to_string()})),
            },
        }
    }

    /// `{"error_msg": "..."}`
    pub(super) fn error(status: StatusCode, message: impl AsRef<str>) -> Self {
        Self::json(
            status,
            &Error {
                error_msg: message.as_ref(),
                description: None,
            },
        )
    }

    /// 400 with `error_msg`.
    pub(super) fn bad(message: impl AsRef<str>) -> Self {
        Self::error(StatusCode::BAD_REQUEST, message)
    }

    /// 401 in the three forms APISIX has.
    pub(super) fn unauthorized(description: &str) -> Self {
        let body = Error {
            error_msg: "failed to check token",
            description: Some(description),
        };
        Self::json(StatusCode::UNAUTHORIZED, &body)
    }

    /// 404 of a key that is not in the store.
    pub(super) fn no_key() -> Self {
        Self::json(StatusCode::NOT_FOUND, &json!({"message": "Key not found"}))
    }

    /// No body.
    pub(super) const fn empty(status: StatusCode) -> Self {
        Self {
            status,
            body: String::new(),
        }
    }

    /// A text that APISIX sends bare.
    pub(super) fn plain(status: StatusCode, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
        }
    }

    /// A write's answer: `{"key", "value"}`. The caller has cut the secrets from `value`.
    pub(super) fn written(status: StatusCode, key: &str, value: &Value) -> Self {
        #[derive(Serialize)]
        struct Written<'a> {
            key: &'a str,
            value: &'a Value,
        }
        Self::json(status, &Written { key, value })
    }

    /// For the log.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<StoreError> for Answer {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the store failed an admin request");
        Self::error(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert("x-api-version", HeaderValue::from_static("v3"));
        // Any origin may ask, as in APISIX: nothing is answered without the key, which no page has.
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("*"),
        );
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("3600"),
        );
        // Objects are not for a cache between the operator and us.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The answer to a browser's OPTIONS: given without a key, it tells nothing.
pub(super) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, GET, PUT, OPTIONS, DELETE, PATCH"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("3600"),
    );
    response
}
