//! One Snapshot to the next. Changes go into the tables first; then, for every id they touched, what the old Snapshot
//! indexed for it is taken out and what the new one says is put in, grouped by name, host and path.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::held::Held;
use super::names::{Claim, NameEdit};
use super::routes::RouteEdits;
use super::{Change, Snapshot};
use crate::object::{HostPattern, Kind, Object, Route, Usage};
use crate::rejection::{Closes, Rejection};

/// Hosts of a route that says nothing about them.
const ANY_HOST: &[HostPattern] = &[HostPattern::Any];

/// Ids whose place in an index may have changed.
#[derive(Default)]
struct Touched {
    ssls: HashSet<Arc<str>>,
    routes: HashSet<Arc<str>>,
    services: HashSet<Arc<str>>,
}

/// See [`Snapshot::apply`]. `replaces` hears of each valid route that a change replaces or removes, and is given the
/// tables (not the indexes) as they were before the store revision that did.
pub(super) fn apply(
    old: &Snapshot,
    revision: u64,
    changes: Vec<Change>,
    mut replaces: impl FnMut(&Snapshot, &str),
) -> Snapshot {
    let mut new = old.clone();
    new.revision = revision;
    // A store that went back takes it along.
    new.changed = changes
        .iter()
        .map(|change| written_by(change, revision))
        .fold(old.changed, u64::max)
        .min(revision);
    let mut touched = Touched::default();
    let mut rest = VecDeque::from(changes);
    while let Some(first) = rest.front() {
        let at = written_by(first, revision);
        let one = |change: &&Change| written_by(change, revision) == at;
        let one = rest.iter().take_while(one).count();
        rest.range(..one)
            .filter_map(replaced_route)
            .for_each(|id| replaces(&new, id));
        for change in rest.drain(..one) {
            touched.note(&change);
            new.take(change);
        }
    }
    index_names(old, &mut new, &touched.ssls);
    index_routes(old, &mut new, touched);
    new
}

/// What wrote the change; of a deletion is known only when it was seen.
const fn written_by(change: &Change, seen: u64) -> u64 {
    match change {
        Change::Set(_, _, _, at) => *at,
        Change::Remove(..) => seen,
        Change::Refuse(_, _, rejection, _) => rejection.revision,
    }
}

/// The route whose served version ends with the change, if there is one: a refused value ends none.
const fn replaced_route(change: &Change) -> Option<&Arc<str>> {
    match change {
        Change::Set(Kind::Route, id, ..) | Change::Remove(Kind::Route, id) => Some(id),
        _ => None,
    }
}

impl Touched {
    fn note(&mut self, change: &Change) {
        let (Change::Set(kind, id, ..) | Change::Remove(kind, id) | Change::Refuse(kind, id, ..)) =
            change;
        let ids = match kind {
            Kind::Ssl => &mut self.ssls,
            Kind::Route => &mut self.routes,
            Kind::Service => &mut self.services,
            Kind::Upstream => return,
        };
        ids.insert(id.clone());
    }
}

impl Snapshot {
    fn take(&mut self, change: Change) {
        match change {
            Change::Set(kind, id, object, revision) => {
                self.forget_refusal(kind, &id);
                self.put(id, object, revision);
            }
            Change::Remove(kind, id) => {
                self.forget_refusal(kind, &id);
                match kind {
                    Kind::Ssl => drop(self.ssls.remove(&id)),
                    Kind::Route => drop(self.routes.remove(&id)),
                    Kind::Upstream => drop(self.upstreams.remove(&id)),
                    Kind::Service => drop(self.services.remove(&id)),
                }
            }
            Change::Refuse(kind, id, rejection, closes) => self.refuse(kind, id, rejection, closes),
        }
    }

    fn put(&mut self, id: Arc<str>, object: Object, at: u64) {
        match object {
            Object::Ssl(ssl) => drop(self.ssls.insert(id, Held::new(ssl, at))),
            Object::Route(route) => drop(self.routes.insert(id, Held::new(route, at))),
            Object::Upstream(upstream) => drop(self.upstreams.insert(id, Held::new(upstream, at))),
            Object::Service(service) => drop(self.services.insert(id, Held::new(service, at))),
        }
    }

    fn refuse(&mut self, kind: Kind, id: Arc<str>, rejection: Rejection, closes: Closes) {
        self.forget_refusal(kind, &id);
        let at = rejection.revision;
        self.rejections.insert(key(kind, &id), rejection);
        if self.holds(kind, &id) {
            return;
        }
        match closes {
            Closes::Nothing => {}
            Closes::Names(names) => drop(self.closed_ssls.insert(id, names.into())),
            Closes::Route(route) => drop(self.closed_routes.insert(id, Held::new(route, at))),
        }
    }

    fn forget_refusal(&mut self, kind: Kind, id: &str) {
        if !self.rejections.is_empty() {
            self.rejections.remove(&key(kind, id));
        }
        match kind {
            Kind::Ssl => drop(self.closed_ssls.remove(id)),
            Kind::Route => drop(self.closed_routes.remove(id)),
            Kind::Upstream | Kind::Service => {}
        }
    }

    /// The names an SSL object claims, and how.
    fn claims(&self, id: &str) -> Vec<(Box<str>, Claim)> {
        if let Some(ssl) = self.ssl(id) {
            let serves = ssl.is_enabled() && ssl.usage() == Usage::Server;
            let names = if serves { ssl.names() } else { &[] };
            return names
                .iter()
                .map(|name| (name.clone(), Claim::Open(ssl.clone())))
                .collect();
        }
        let Some((id, names)) = self.closed_ssls.get_key_value(id) else {
            return Vec::new();
        };
        names
            .iter()
            .map(|name| (indexed_name(name), Claim::Closed(id.clone())))
            .collect()
    }

    /// A route as it is matched, and its hosts; `None` if it is absent or disabled.
    fn placed(&self, id: &str) -> Option<(&Arc<Route>, &[HostPattern])> {
        let route = self.route_by_id(id).filter(|route| route.is_enabled())?;
        let service = lends_hosts(route).and_then(|service| self.service(service));
        let hosts = service.map_or(route.hosts(), |service| service.hosts());
        Some((route, if hosts.is_empty() { ANY_HOST } else { hosts }))
    }
}

fn index_names(old: &Snapshot, new: &mut Snapshot, touched: &HashSet<Arc<str>>) {
    let mut edits = Vec::with_capacity(touched.len());
    for id in touched {
        let edit = |name, claim| {
            (
                name,
                NameEdit {
                    id: id.clone(),
                    claim,
                },
            )
        };
        edits.extend(old.claims(id).into_iter().map(|(name, _)| edit(name, None)));
        edits.extend(
            new.claims(id)
                .into_iter()
                .map(|(name, claim)| edit(name, Some(claim))),
        );
    }
    new.name_index.apply(new.revision, edits);
}

fn index_routes(old: &Snapshot, new: &mut Snapshot, touched: Touched) {
    let Touched {
        mut routes,
        services,
        ..
    } = touched;
    for id in &routes {
        if let Some(service) = old.route_by_id(id).and_then(|route| lends_hosts(route)) {
            new.hosted.remove(&(service.clone(), id.clone()));
        }
        let lender = new
            .route_by_id(id)
            .and_then(|route| lends_hosts(route))
            .cloned();
        if let Some(service) = lender {
            new.hosted.insert((service, id.clone()));
        }
    }
    for service in services {
        let hosts = |snapshot: &Snapshot| snapshot.service(&service).map(|s| s.hosts().to_vec());
        if hosts(old) != hosts(new) {
            let from = (service.clone(), Arc::from(""));
            let hosted = new
                .hosted
                .range(from..)
                .take_while(|(owner, _)| *owner == service);
            routes.extend(hosted.map(|(_, route)| route.clone()));
        }
    }
    let mut edits = RouteEdits::default();
    for id in &routes {
        if let Some((route, hosts)) = old.placed(id) {
            edits.remove(route, hosts);
        }
        if let Some((route, hosts)) = new.placed(id) {
            edits.add(route, hosts);
        }
    }
    new.route_index.apply(edits);
}

/// The service whose hosts the route takes, as it has none of its own.
fn lends_hosts(route: &Route) -> Option<&Arc<str>> {
    route.service_id().filter(|_| route.hosts().is_empty())
}

/// A name as it is looked up; a refused object's may be as it was written.
fn indexed_name(name: &str) -> Box<str> {
    name.strip_suffix('.')
        .unwrap_or(name)
        .to_ascii_lowercase()
        .into()
}

fn key(kind: Kind, id: &str) -> String {
    format!("{}/{id}", kind.dir())
}
