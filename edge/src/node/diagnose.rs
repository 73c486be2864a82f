//! `GET /v1/diagnose?upstream=ID|ssl=ID` on the node's own pages: probes the targets of a configured upstream, or our own listener
//! under the names of an SSL object. One diagnosis at a time, kept for a moment; no hosts but those of the configuration.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use control::object::{HostPattern, PassHost, SniChoice, Ssl, Upstream, Usage};
use control::snapshot::Snapshot;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::cli::Roles;
use crate::probe::background::{Address, Policy};
use crate::probe::{self, Asked, Overall, Place, Plan, Trust};

/// How long a result is shown again instead of probing anew.
const KEPT: Duration = Duration::from_secs(10);
/// Results kept.
const MOST_KEPT: usize = 32;
/// For all probes of one diagnosis.
const WHOLE: Duration = Duration::from_secs(50);
/// Targets of an upstream, or names of an SSL object, that are probed.
const MOST_PROBED: usize = 4;

/// What a diagnosis needs to know of the node.
pub(super) struct Diagnosis {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) roles: Roles,
    /// Where our own TLS listener is.
    pub(super) https: Option<SocketAddr>,
    /// `--upstream-verify`.
    pub(super) verify: bool,
    platform: OnceLock<Trust>,
    kept: Mutex<HashMap<Object, (Instant, Value)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Object {
    Upstream(String),
    Ssl(String),
}

/// A status and what is wrong.
type Refused = (StatusCode, String);

impl Diagnosis {
    pub(super) fn new(
        snapshot: &Arc<ArcSwap<Snapshot>>,
        roles: Roles,
        https: Option<SocketAddr>,
        verify: bool,
    ) -> Self {
        Self {
            snapshot: Arc::clone(snapshot),
            roles,
            https,
            verify,
            platform: OnceLock::new(),
            kept: Mutex::default(),
        }
    }

    async fn run(&self, object: Object) -> Result<Value, Refused> {
        let Ok(mut kept) = self.kept.try_lock() else {
            let busy = "another diagnosis is under way on this node, try again";
            return Err((StatusCode::TOO_MANY_REQUESTS, busy.to_owned()));
        };
        kept.retain(|_, (at, _)| at.elapsed() < KEPT);
        if let Some((_, result)) = kept.get(&object) {
            return Ok(result.clone());
        }
        let asked = self.asked(&object)?;
        let result = tokio::time::timeout(WHOLE, Box::pin(all(&object, &asked)));
        let result = result.await.map_err(|_| {
            let late = format!("the probes were not finished in {WHOLE:?}");
            (StatusCode::GATEWAY_TIMEOUT, late)
        })?;
        if kept.len() >= MOST_KEPT
            && let Some(oldest) = kept.iter().min_by_key(|(_, (at, _))| *at)
        {
            let oldest = oldest.0.clone();
            kept.remove(&oldest);
        }
        kept.insert(object, (Instant::now(), result.clone()));
        Ok(result)
    }

    fn asked(&self, object: &Object) -> Result<Vec<Asked>, Refused> {
        let snapshot = self.snapshot.load_full();
        match object {
            Object::Upstream(id) => {
                if !self.roles.processor() {
                    return Err(unfit(
                        "this node has not the role processor: it connects to no targets",
                    ));
                }
                let named = snapshot.upstream(id);
                let upstream =
                    named.or_else(|| snapshot.all_upstreams().find(|u| **u.key() == **id));
                let upstream = upstream.ok_or_else(|| absent("upstreams", id))?;
                self.targets(&snapshot, upstream)
            }
            Object::Ssl(id) => {
                let Some(https) = self.https.filter(|_| self.roles.router()) else {
                    return Err(unfit("this node has no TLS listener for clients"));
                };
                let ssl = snapshot.ssl(id).ok_or_else(|| absent("ssls", id))?;
                served(ssl, https)
            }
        }
    }

    fn targets(
        &self,
        snapshot: &Snapshot,
        upstream: &Arc<Upstream>,
    ) -> Result<Vec<Asked>, Refused> {
        if !upstream.scheme().is_tls() {
            let scheme = format!("the scheme of {} is without TLS", upstream.key());
            return Err(unfit(&scheme));
        }
        let identity = snapshot
            .identity(upstream)
            .map_err(|missing| unfit(&missing.to_string()))?;
        let tls = upstream.tls();
        let verify = tls.verify.unwrap_or(self.verify);
        let asked = upstream.nodes().iter().take(MOST_PROBED).map(|node| {
            let name = name(snapshot, upstream, &node.host);
            let is_name = name.parse::<IpAddr>().is_err();
            let address = Address {
                host: &node.host,
                port: node.port,
                verify_name: &name,
                sni: Some(&*name).filter(|_| is_name && tls.sni != SniChoice::Off),
            };
            let key = upstream.key();
            let flags = (verify, upstream.scheme().is_h2());
            let policy = Policy::new(key, address, tls, identity.as_ref(), flags);
            policy.asked(|| self.platform.get_or_init(Trust::platform).clone())
        });
        let asked: Vec<Asked> = asked.collect();
        if asked.is_empty() {
            return Err(unfit(&format!("{} has no nodes", upstream.key())));
        }
        Ok(asked)
    }
}

fn absent(kind: &str, id: &str) -> Refused {
    let what = format!("this node serves no {kind}/{id}");
    (StatusCode::NOT_FOUND, what)
}

fn unfit(why: &str) -> Refused {
    (StatusCode::CONFLICT, why.to_owned())
}

/// The name that requests to a target would verify. Where it is the client's, that of a route to the upstream.
fn name(snapshot: &Snapshot, upstream: &Arc<Upstream>, host: &str) -> String {
    match (&upstream.tls().sni, upstream.pass_host()) {
        (SniChoice::Name(name), _) => name.to_string(),
        (_, PassHost::Rewrite(fixed)) => bare(fixed).to_owned(),
        (_, PassHost::Node) => host.to_owned(),
        (_, PassHost::Pass) => of_a_route(snapshot, upstream).unwrap_or_else(|| host.to_owned()),
    }
}

fn of_a_route(snapshot: &Snapshot, upstream: &Arc<Upstream>) -> Option<String> {
    let leads_there = |route: &control::object::Route| {
        let plan = snapshot.plan(route).ok();
        plan.is_some_and(|plan| plan.upstream.key() == upstream.key())
    };
    let exact = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => Some(name.to_string()),
        HostPattern::Any | HostPattern::Suffix(_) => None,
    };
    let named = |route: &Arc<control::object::Route>| route.hosts().iter().find_map(exact);
    // The cheap test first: there may be very many routes.
    let mut routes = snapshot.routes().filter(|route| named(route).is_some());
    routes.find(|route| leads_there(route)).and_then(named)
}

/// A host without its port.
fn bare(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') => {
            name
        }
        _ => host.trim_start_matches('[').trim_end_matches(']'),
    }
}

/// Our own listener under an SSL object's names. Its certificates are trusted as they are: whom clients trust is not known here.
fn served(ssl: &Ssl, https: SocketAddr) -> Result<Vec<Asked>, Refused> {
    if ssl.usage() == Usage::Client || !ssl.is_enabled() {
        let id = ssl.id();
        return Err(unfit(&format!(
            "ssls/{id} is not served: disabled, or of type client"
        )));
    }
    let chain: Vec<_> = ssl
        .material()
        .iter()
        .flat_map(|material| material.chain().iter().cloned())
        .collect();
    let trust = Trust::given(&chain);
    let ip = match https.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let names = ssl.names().iter().take(MOST_PROBED).map(|name| {
        let name = match name.strip_prefix('*') {
            Some("") => "any.invalid".to_owned(),
            Some(parent) => format!("any{parent}"),
            None => name.to_string(),
        };
        let sni = SniChoice::Name(name.into());
        Asked {
            place: Place::Ssl(Arc::clone(ssl.id())),
            ..Asked::new(&ip.to_string(), https.port(), &sni, trust.clone())
        }
    });
    Ok(names.collect())
}

async fn all(object: &Object, asked: &[Asked]) -> Value {
    let mut reports = Vec::new();
    let mut overall = Overall::Ok;
    for asked in asked {
        let report = probe::probe(asked, Plan::Full, &|_| ()).await;
        overall = overall.max(report.overall());
        let mut json = report.json();
        json["sni"] = json!(asked.sni);
        reports.push(json);
    }
    let object = match object {
        Object::Upstream(id) if id.contains('/') => id.clone(),
        Object::Upstream(id) => format!("upstreams/{id}"),
        Object::Ssl(id) => format!("ssls/{id}"),
    };
    json!({
        "object": object,
        "reports": reports,
        "verdict": overall.as_str(),
        "exit": overall.exit(),
    })
}

/// The page.
pub(super) fn page(diagnosis: Diagnosis) -> Router {
    Router::new()
        .route("/v1/diagnose", get(answer))
        .with_state(Arc::new(diagnosis))
}

async fn answer(State(diagnosis): State<Arc<Diagnosis>>, RawQuery(query): RawQuery) -> Response {
    let result = match object(&query.unwrap_or_default()) {
        // In a task of its own: who asks and goes away, again and again, must not have targets connected to each time.
        Ok(object) => tokio::spawn(async move { diagnosis.run(object).await })
            .await
            .unwrap_or_else(|e| Err((StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))),
        Err(refused) => Err(refused),
    };
    let (status, body) = match result {
        Ok(result) => (StatusCode::OK, result),
        Err((status, why)) => (status, json!({"error_msg": why})),
    };
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, format!("{body}\n")).into_response()
}

/// Exactly one object.
fn object(query: &str) -> Result<Object, Refused> {
    let bad = |why: &str| Err((StatusCode::BAD_REQUEST, why.to_owned()));
    let mut found = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let object = match &*name {
            "upstream" => Object::Upstream(value.into_owned()),
            "ssl" => Object::Ssl(value.into_owned()),
            _ => return bad("unknown parameter: give upstream or ssl"),
        };
        if found.replace(object).is_some() {
            return bad("give one of upstream and ssl, once");
        }
    }
    found.map_or_else(|| bad("give upstream or ssl"), Ok)
}

#[cfg(test)]
mod tests {
    use control::object::{Kind, ReadContext, read};
    use control::seal::Keyring;
    use control::snapshot::Change;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn one_object_of_the_configuration_is_asked_for() {
        assert_eq!(object("upstream=1"), Ok(Object::Upstream("1".to_owned())));
        assert_eq!(object("ssl=a%2Fb"), Ok(Object::Ssl("a/b".to_owned())));
        for bad in ["", "host=x", "upstream=1&ssl=2", "ssl=1&ssl=2"] {
            assert!(object(bad).is_err(), "{bad}");
        }
    }

    /// A node with an upstream `u` at `port`.
    fn node(port: u16) -> Arc<Diagnosis> {
        let keyring = Keyring::default();
        let context = ReadContext {
            keyring: &keyring,
            env: &|_| None,
        };
        let text =
            json!({"scheme": "https", "nodes": {format!("127.0.0.1:{port}"): 1}}).to_string();
        let read = read(Kind::Upstream, "u", text.as_bytes(), &context).unwrap();
        let change = Change::Set(Kind::Upstream, Arc::from("u"), read, 1);
        let snapshot = Snapshot::default().apply(1, vec![change]);
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        Arc::new(Diagnosis::new(&snapshot, Roles::ALL, None, true))
    }

    #[tokio::test]
    async fn who_goes_away_does_not_start_another_diagnosis() {
        let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let diagnosis = node(target.local_addr().unwrap().port());
        let ask = || {
            answer(
                State(Arc::clone(&diagnosis)),
                RawQuery(Some("upstream=u".to_owned())),
            )
        };
        tokio::select! {
            _ = ask() => panic!("the target has said nothing yet"),
            accepted = target.accept() => accepted.unwrap(),
        };
        // Who asked first is gone, and his diagnosis is still under way.
        assert_eq!(ask().await.status(), StatusCode::TOO_MANY_REQUESTS);
    }

    #[test]
    fn hosts_without_their_ports() {
        assert_eq!(bare("a.test:8443"), "a.test");
        assert_eq!(bare("a.test"), "a.test");
        assert_eq!(bare("[::1]"), "::1");
        assert_eq!(bare("::1"), "::1");
    }
}
