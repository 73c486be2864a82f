//! What is asked: the path below `/apisix/admin`, the query arguments and the body, read within limits.
//! Says nothing about what the body must hold.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use http::{StatusCode, header};
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::answer::Answer;
use crate::json;

/// APISIX's bound for a body.
pub(super) const MOST_BODY: u64 = 1_572_864;
/// How much of a larger body is read and dropped so that the client can read our answer.
const MOST_DRAINED: u64 = 16 * 1_048_576;
/// For a whole body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// etcd's own bound for a lease, in seconds.
const LONGEST_TTL: f64 = 9e9;

/// Query arguments; the first of a name counts.
#[derive(Debug, Default)]
pub(super) struct Args(Vec<(String, String)>);

impl Args {
    /// Reads a query or anything of that form.
    pub(super) fn parse(query: &str) -> Self {
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// One argument.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The names of all arguments.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// An argument that is a number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?
            .trim()
            .parse()
            .ok()
            .filter(|n: &f64| n.is_finite())
    }

    /// `ttl`, as the lease to ask for.
    pub(super) fn ttl(&self) -> Result<Option<Duration>, Answer> {
        if self.get("ttl").is_none() {
            return Ok(None);
        }
        match self.number("ttl") {
            Some(n) if n > 0.0 && n <= LONGEST_TTL => {
                Ok(Some(Duration::from_secs_f64(n.max(1.0).floor())))
            }
            _ => Err(Answer::bad("invalid argument ttl: should be a number")),
        }
    }
}

/// The path's segments below `/apisix/admin/`, decoded; empty ones at the end are dropped.
pub(super) fn segments(path: &str) -> Vec<String> {
    let below = path
        .strip_prefix("/apisix/admin")
        .unwrap_or(path)
        .trim_matches('/');
    below
        .split('/')
        .map(|s| percent_decode_str(s).decode_utf8_lossy().into_owned())
        .collect()
}

/// The body as JSON; `None` if there is none. The answer to a bad one never quotes it: it may hold a key.
pub(super) async fn body(request: Request<Body>) -> Result<Option<Value>, Answer> {
    let bytes = bytes(request).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    json::parse(&bytes)
        .map(Some)
        .map_err(|e| Answer::bad(format!("invalid request body: {e}")))
}

async fn bytes(request: Request<Body>) -> Result<Vec<u8>, Answer> {
    let announced: Option<u64> = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok());
    let read = tokio::time::timeout(BODY_TIMEOUT, collect(request.into_body())).await;
    let (kept, size) = match read {
        Err(_) => {
            return Err(Answer::error(
                StatusCode::REQUEST_TIMEOUT,
                "invalid request body: timeout",
            ));
        }
        Ok(Err(e)) => return Err(Answer::bad(format!("invalid request body: {e}"))),
        Ok(Ok(read)) => read,
    };
    if size <= MOST_BODY {
        return Ok(kept);
    }
    let size = announced.unwrap_or(size);
    Err(Answer::bad(format!(
        "invalid request body: request size {size} is greater than the maximum size {MOST_BODY} allowed"
    )))
}

/// What was kept (nothing, once over the bound) and how much there was.
async fn collect(mut body: Body) -> Result<(Vec<u8>, u64), axum::Error> {
    let (mut kept, mut size) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        size += data.len() as u64;
        if size <= MOST_BODY {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
        }
        if size > MOST_DRAINED {
            break;
        }
    }
    Ok((kept, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_before_they_are_decoded() {
        assert_eq!(segments("/apisix/admin/routes/1"), ["routes", "1"]);
        assert_eq!(segments("/apisix/admin/routes/"), ["routes"]);
        assert_eq!(
            segments("/apisix/admin/upstreams/1/nodes/127.0.0.1%3A80"),
            ["upstreams", "1", "nodes", "127.0.0.1:80"]
        );
        assert_eq!(segments("/apisix/admin/routes/a%2Fb"), ["routes", "a/b"]);
    }

    #[test]
    fn ttl_is_a_positive_number_of_seconds() {
        assert_eq!(Args::parse("").ttl().unwrap(), None);
        assert_eq!(
            Args::parse("ttl=2").ttl().unwrap(),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            Args::parse("ttl=0.5").ttl().unwrap(),
            Some(Duration::from_secs(1))
        );
        for bad in ["ttl=x", "ttl=", "ttl=-1", "ttl=inf", "ttl=1e300"] {
            assert_eq!(Args::parse(bad).ttl().unwrap_err().status(), 400, "{bad}");
        }
    }
}
