//! Keeps the metrics about the configuration true: revisions, objects, rejections, certificates; and removes the series
//! of what is gone. Follows the published Snapshot at its own pace, off the data path.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use control::object::{ClientIdentity, Kind, Usage};
use control::snapshot::Snapshot;
use control::sync::Status;

use crate::hop::identity::HopIdentity;
use crate::metrics::Metrics;

/// How often figures that no revision announces (the store's connection) are looked at, and how long a burst of
/// revisions is gathered.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs for ever.
pub(super) async fn run(
    snapshot: Arc<ArcSwap<Snapshot>>,
    status: Arc<Status>,
    metrics: Arc<Metrics>,
    identity: Option<Arc<HopIdentity>>,
) {
    let mut known = Known::default();
    let mut fed = None;
    loop {
        metrics.store_connected(status.store_connected());
        let now = snapshot.load_full();
        let own = identity.as_ref().map(|own| (own.name(), own.not_after()));
        let state = (now.revision(), own);
        if fed.as_ref() != Some(&state) {
            feed(&now, &metrics, &mut known);
            certificates(&now, state.1.as_ref(), &metrics);
            fed = Some(state);
        }
        // Last: who reads the revision finds the rest to be of it.
        metrics.config_revision(status.seen(), now.revision());
        tokio::time::sleep(PERIOD).await;
    }
}

#[derive(Default)]
struct Known {
    routes: HashSet<Arc<str>>,
    upstreams: HashSet<Arc<str>>,
}

fn feed(snapshot: &Snapshot, metrics: &Metrics, known: &mut Known) {
    for kind in Kind::ALL {
        metrics.config_objects(kind.name(), snapshot.count(kind));
        let dir = kind.dir();
        let refused = snapshot
            .rejections()
            .filter(|r| r.key.split('/').next() == Some(dir))
            .count();
        metrics.config_rejected(kind.name(), refused);
    }
    let routes: HashSet<_> = snapshot
        .routes()
        .map(|route| Arc::clone(route.id()))
        .collect();
    for gone in known.routes.difference(&routes) {
        metrics.forget_route(gone);
    }
    known.routes = routes;
    let upstreams: HashSet<_> = snapshot
        .all_upstreams()
        .map(|upstream| Arc::clone(upstream.key()))
        .collect();
    for gone in known.upstreams.difference(&upstreams) {
        metrics.forget_upstream(gone);
    }
    known.upstreams = upstreams;
}

/// Every certificate that is served or presented, by the object it is in; the node's own for the hop by its name.
fn certificates(snapshot: &Snapshot, own: Option<&(String, i64)>, metrics: &Metrics) {
    let mut all: Vec<(&str, String, i64)> = Vec::new();
    all.extend(own.map(|(name, end)| ("hop", name.clone(), *end)));
    for ssl in snapshot.ssls() {
        let kind = if ssl.usage() == Usage::Server {
            "server"
        } else {
            "client"
        };
        let earliest = ssl.material().iter().map(|m| m.not_after()).min();
        all.extend(earliest.map(|end| (kind, ssl.id().to_string(), end)));
    }
    for upstream in snapshot.all_upstreams() {
        if let ClientIdentity::Inline(material) = &upstream.tls().identity {
            all.push((
                "upstream_client",
                upstream.key().to_string(),
                material.not_after(),
            ));
        }
    }
    metrics.certificates(all.iter().map(|(kind, id, end)| (*kind, id.as_str(), *end)));
}
