//! The operator's listener: `/metrics`, `/status`, `/status/ready`, `/v1/tls/failures`. Read-only, no secrets, no authentication: it listens on
//! the loopback address unless told otherwise. Knows no other stage: the facts come through [`Facts`], which node fills in.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use control::rejection::Rejection;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::alert::record::View;
use crate::drain::Drain;
use crate::failures::{Failures, Filter, Found};
use crate::metrics::Metrics;

/// Bytes of a list of failures at most, its newest records: peers decide how much there is to say of each, and `control` reads
/// no more than 8 MiB of a node's page. 6 MiB.
const MOST_PAGE: usize = 6 << 20;
/// Lists of failures put together at a time; whoever asks meanwhile waits. Anybody may ask here, and each takes some tenths of
/// a second of a processor and tens of megabytes.
const RENDERINGS: usize = 1;

static RENDERING: Semaphore = Semaphore::const_new(RENDERINGS);

/// What never changes while a node runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `--node-id`.
    pub node: String,
    /// Roles of this process.
    pub roles: Vec<&'static str>,
    /// When it started.
    pub started: Instant,
}

/// The present state of the configuration, as `/status` shows it.
#[derive(Clone, Debug, Default)]
pub struct ConfigState {
    /// A whole Snapshot is served: from the store, or from the last good file.
    pub loaded: bool,
    /// Newest revision heard of.
    pub seen: u64,
    /// Revision served.
    pub applied: u64,
    /// The store answers.
    pub store_connected: bool,
    /// Refused objects.
    pub rejected: Vec<Rejection>,
}

/// Where the listener gets its answers.
pub struct Facts {
    /// Who answers.
    pub identity: Identity,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// Failed handshakes.
    pub failures: Arc<Failures>,
    /// Whether the node still takes work.
    pub drain: Drain,
    /// Asked for each request, off the data path.
    pub config: Box<dyn Fn() -> ConfigState + Send + Sync>,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    node: &'a str,
    version: &'static str,
    commit: &'static str,
    roles: &'a [&'static str],
    revision: Revision,
    store_connected: bool,
    rejected: Vec<Rejection>,
    uptime_seconds: u64,
}

#[derive(Serialize)]
struct Revision {
    seen: u64,
    applied: u64,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Refused {
    error_msg: String,
}

/// The pages; node serves them on `--metrics`.
pub fn pages(facts: Facts) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/apisix/prometheus/metrics", get(metrics))
        .route("/status", get(status))
        .route("/status/ready", get(ready))
        .route("/v1/tls/failures", get(tls_failures))
        .with_state(Arc::new(facts))
}

async fn metrics(State(facts): State<Arc<Facts>>) -> Response {
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, facts.metrics.encode()).into_response()
}

async fn status(State(facts): State<Arc<Facts>>) -> Response {
    let config = (facts.config)();
    let body = Status {
        status: unready(&facts, &config).unwrap_or("ok"),
        node: &facts.identity.node,
        version: env!("CARGO_PKG_VERSION"),
        commit: crate::metrics::COMMIT,
        roles: &facts.identity.roles,
        revision: Revision {
            seen: config.seen,
            applied: config.applied,
        },
        store_connected: config.store_connected,
        rejected: config.rejected,
        uptime_seconds: facts.identity.started.elapsed().as_secs(),
    };
    json(StatusCode::OK, &body)
}

async fn ready(State(facts): State<Arc<Facts>>) -> Response {
    match unready(&facts, &(facts.config)()) {
        None => json(
            StatusCode::OK,
            &Readiness {
                status: "ok",
                reason: None,
            },
        ),
        reason => json(
            StatusCode::SERVICE_UNAVAILABLE,
            &Readiness {
                status: "error",
                reason,
            },
        ),
    }
}

/// This node's failed handshakes, newest first.
async fn tls_failures(State(facts): State<Arc<Facts>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let filter = match Filter::parse(&query, SystemTime::now()) {
        Ok(filter) => filter,
        Err(bad) => {
            let body = Refused {
                error_msg: bad.to_string(),
            };
            return json(StatusCode::BAD_REQUEST, &body);
        }
    };
    let failures = Arc::clone(&facts.failures);
    // Not given back by one who goes away before the work for him is done.
    let Ok(turn) = RENDERING.acquire().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // Certificates are read and texts made now, for up to a thousand records.
    let page = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        failure_page(&failures.query(&filter), failures.node())
    });
    match page.await {
        Ok(Ok(bytes)) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, "application/json")],
            bytes,
        )
            .into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `{"total":N,"list":[…]}` with as many of the records as fit into [`MOST_PAGE`].
fn failure_page(found: &Found, node: &str) -> serde_json::Result<Vec<u8>> {
    let mut page = format!("{{\"total\":{},\"list\":[", found.total).into_bytes();
    for (number, record) in found.list.iter().enumerate() {
        let before = page.len();
        if number > 0 {
            page.push(b',');
        }
        serde_json::to_writer(&mut page, &View::of(record, node))?;
        if page.len() > MOST_PAGE {
            page.truncate(before);
            break;
        }
    }
    page.extend_from_slice(b"]}");
    Ok(page)
}

/// Why traffic should not come here.
fn unready(facts: &Facts, config: &ConfigState) -> Option<&'static str> {
    if facts.drain.is_draining() {
        return Some("draining");
    }
    (!config.loaded).then_some("no configuration yet")
}

fn json(code: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (code, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::alert::evidence::Side;
    use crate::alert::finding::Context;
    use crate::alert::{Cause, Evidence, Failure, Hop};

    struct Fixture {
        base: String,
        loaded: Arc<AtomicBool>,
        drain: Drain,
        failures: Arc<Failures>,
    }

    async fn serve() -> Fixture {
        let (loaded, drain) = (Arc::new(AtomicBool::new(false)), Drain::new());
        let failures = Failures::new("n1", Metrics::new());
        let facts = Facts {
            identity: Identity {
                node: "n1".into(),
                roles: vec!["router"],
                started: Instant::now(),
            },
            failures: Arc::clone(&failures),
            metrics: Metrics::new(),
            drain: drain.clone(),
            config: Box::new({
                let loaded = Arc::clone(&loaded);
                move || ConfigState {
                    loaded: loaded.load(Ordering::Relaxed),
                    seen: 7,
                    applied: 6,
                    store_connected: true,
                    rejected: vec![Rejection {
                        key: "ssls/1".into(),
                        revision: 7,
                        field: "cert".into(),
                        reason: "no PEM".into(),
                    }],
                }
            }),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, pages(facts)).await });
        Fixture {
            base,
            loaded,
            drain,
            failures,
        }
    }

    async fn fetch(url: String) -> (u16, String, String) {
        tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .new_agent();
            let mut answer = agent.get(&url).call().unwrap();
            let kind = answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned();
            (
                answer.status().as_u16(),
                kind,
                answer.body_mut().read_to_string().unwrap(),
            )
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn ready_from_the_first_configuration_until_the_drain() {
        let node = serve().await;
        let ready = || fetch(format!("{}/status/ready", node.base));
        let (code, _, body) = ready().await;
        assert_eq!(
            (code, body.as_str()),
            (503, r#"{"status":"error","reason":"no configuration yet"}"#)
        );
        node.loaded.store(true, Ordering::Relaxed);
        let (code, _, body) = ready().await;
        assert_eq!((code, body.as_str()), (200, r#"{"status":"ok"}"#));
        node.drain.begin(Duration::from_secs(60));
        let (code, _, body) = ready().await;
        assert_eq!(
            (code, body.as_str()),
            (503, r#"{"status":"error","reason":"draining"}"#)
        );
    }

    #[tokio::test]
    async fn failed_handshakes_and_a_filter_that_is_refused() {
        let node = serve().await;
        for cause in [Cause::Unknown, Cause::SniUnknown] {
            let mut failure = Failure::of(Evidence::new(Hop::Northbound, Side::Server));
            failure.verdict.cause = cause;
            node.failures.note(Context::default(), failure);
        }
        let page = |query: &str| fetch(format!("{}/v1/tls/failures{query}", node.base));
        let (code, kind, body) = page("").await;
        assert_eq!((code, kind.as_str()), (200, "application/json"));
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["total"], 2);
        assert_eq!(body["list"][0]["cause"], "sni_unknown", "newest first");
        let (code, _, body) = page("?cause=unknown&limit=5").await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((code, &body["total"]), (200, &1.into()));
        let (code, kind, body) = page("?limit=many").await;
        assert_eq!((code, kind.as_str()), (400, "application/json"));
        assert!(body.contains("limit: must be a number"), "{body}");
    }

    #[tokio::test]
    async fn a_list_of_failures_is_bounded_in_bytes() {
        let node = serve().await;
        let name = "x".repeat(250);
        let names: Vec<Box<[u8]>> = vec![[b'\x07'; 255].into(); 16];
        for _ in 0..1000 {
            let mut evidence = Evidence::new(Hop::Northbound, Side::Server);
            evidence.hello = Some(crate::handshake::ClientHello {
                cipher_suites: (0..64).map(|n| 0xff00 + n).collect(),
                alpn: names.clone(),
                sni: Some(name.as_str().into()),
                ..Default::default()
            });
            node.failures
                .note(Context::default(), Failure::of(evidence));
        }
        let (code, _, body) = fetch(format!("{}/v1/tls/failures?limit=1000", node.base)).await;
        assert_eq!(code, 200);
        assert!(body.len() <= MOST_PAGE + 2, "{} bytes", body.len());
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let list = body["list"].as_array().unwrap();
        assert_eq!(body["total"], 1000);
        assert!(list.len() > 100 && list.len() < 1000, "{}", list.len());
        assert_eq!(list[0]["id"], 1000, "the newest are there");
    }

    #[tokio::test]
    async fn status_and_metrics() {
        let node = serve().await;
        node.loaded.store(true, Ordering::Relaxed);
        let (code, kind, body) = fetch(format!("{}/status", node.base)).await;
        assert_eq!((code, kind.as_str()), (200, "application/json"));
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], "ok");
        assert_eq!(
            body["revision"],
            serde_json::json!({"seen": 7, "applied": 6})
        );
        assert_eq!(body["rejected"][0]["field"], "cert");
        for page in ["/metrics", "/apisix/prometheus/metrics"] {
            let (code, kind, body) = fetch(format!("{}{page}", node.base)).await;
            assert_eq!(
                (code, kind.as_str()),
                (200, "text/plain; version=0.0.4; charset=utf-8")
            );
            assert!(body.contains("sallyport_build_info{"));
        }
    }
}
