//! The immutable whole that one revision describes: objects, indexed for the two look-ups of the data path (TLS name
//! to SSL object, request to route), and references resolved on demand within the same revision.
//! Made by [`Snapshot::apply`] in `sync`; read through `ArcSwap` by every data-plane thread.

mod apply;
mod excerpt;
mod held;
mod names;
mod paths;
mod resolve;
mod routes;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::object::{Kind, Object, Route, Service, Ssl, Timeouts, Upstream};
use crate::rejection::{Closes, Rejection};
pub use excerpt::Excerpt;
use held::{Held, object};

/// A change to one key.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new or changed valid object, and the store revision that wrote it.
    Set(Kind, Arc<str>, Object, u64),
    /// The key is gone.
    Remove(Kind, Arc<str>),
    /// The newest value was refused. If the Snapshot holds a last good object under the id it keeps it; else `closes` is shut.
    Refuse(Kind, Arc<str>, Rejection, Closes),
}

/// Who answers for a TLS name.
#[derive(Clone, Copy, Debug)]
pub enum NameMatch<'a> {
    /// This SSL object.
    Open(&'a Arc<Ssl>),
    /// A refused object (its id) without a last good version: refuse the handshake, no wildcard answers.
    Closed(&'a Arc<str>),
    /// Nobody.
    Unknown,
}

/// What a route look-up asks with.
pub struct Ask<'a> {
    /// Lower-case host without port and trailing dot; empty if none.
    pub host: &'a str,
    /// Decoded, normalised path without query.
    pub path: &'a str,
    /// Request method.
    pub method: &'a str,
    /// The client.
    pub remote: IpAddr,
    /// A variable by its nginx name, for `vars`.
    pub var: &'a dyn Fn(&str) -> Option<Cow<'a, str>>,
}

/// A route look-up's outcome.
#[derive(Clone, Copy, Debug)]
pub enum RouteMatch<'a> {
    /// Serve by this route. A closed one ([`Route::is_closed`]) answers 503 `RouteRejected`.
    Found(&'a Arc<Route>),
    /// 404.
    None,
}

/// A route with its references resolved.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to send.
    pub upstream: Arc<Upstream>,
    /// Route's, else upstream's.
    pub timeouts: Timeouts,
    /// Whether upgrades to WebSocket are let through.
    pub websocket: bool,
}

/// A reference that leads nowhere: 503 `ConfigMissingMaterial`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{from} refers to {to}, which {why}")]
pub struct MissingReference {
    /// `routes/1`
    pub from: String,
    /// `upstreams/2`
    pub to: String,
    /// `does not exist`, `is rejected`, `is not of type client`, ...
    pub why: &'static str,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Snapshot {
    revision: u64,
    /// Of the newest change to an object.
    changed: u64,
    ssls: imbl::HashMap<Arc<str>, Held<Ssl>>,
    upstreams: imbl::HashMap<Arc<str>, Held<Upstream>>,
    services: imbl::HashMap<Arc<str>, Held<Service>>,
    routes: imbl::HashMap<Arc<str>, Held<Route>>,
    /// Of refused objects without a last good version.
    closed_ssls: imbl::HashMap<Arc<str>, Arc<[String]>>,
    closed_routes: imbl::HashMap<Arc<str>, Held<Route>>,
    /// By the object's key.
    rejections: imbl::OrdMap<String, Rejection>,
    /// (service, route): routes that name no hosts and take their service's.
    hosted: imbl::OrdSet<(Arc<str>, Arc<str>)>,
    name_index: names::Names,
    route_index: routes::Routes,
}

impl Snapshot {
    /// This Snapshot with `changes` made, in their order, as the whole of `revision`. `self` stays as it is and shares
    /// all that did not change; each touched name, host and path is re-indexed once, however many changes touch it.
    #[must_use]
    pub fn apply(&self, revision: u64, changes: Vec<Change>) -> Self {
        apply::apply(self, revision, changes, |_, _| {})
    }

    /// [`Self::apply`] for `changes` in the order in which the store made them; and of each route version that they
    /// replace or remove, those too that came with an earlier one of them, an excerpt as it stood last.
    #[must_use]
    pub fn apply_in_order(&self, revision: u64, changes: Vec<Change>) -> (Self, Vec<Excerpt>) {
        let mut replaced = Vec::new();
        let keep = |before: &Self, id: &str| replaced.extend(Excerpt::of(before, id));
        let new = apply::apply(self, revision, changes, keep);
        (new, replaced)
    }

    /// The store revision this is the whole of; 0 before the first.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision of the newest change to one of our objects: whoever applied it is not behind, although the store may
    /// have moved on for others.
    pub const fn changed(&self) -> u64 {
        self.changed
    }

    /// Who answers for a TLS name: lower case, no trailing dot. Rules: exact, else the wildcard one label up, else `*`;
    /// of several claims to one name the lowest id (compared as text) has it, refused objects included.
    /// The empty name is nobody's. Does not allocate.
    pub fn tls_policy(&self, name: &str) -> NameMatch<'_> {
        self.name_index.find(name)
    }

    /// The route for a request. Rules: the more specific host first, in it the exact path, then the longest prefix, there
    /// the highest priority, then the lower id (as text); the first whose conditions hold. Does not allocate.
    pub fn route(&self, ask: &Ask<'_>) -> RouteMatch<'_> {
        self.route_index
            .find(ask)
            .map_or(RouteMatch::None, RouteMatch::Found)
    }

    /// What the store's objects were refused for, by key; then the valid SSL objects that do not have a name they claim
    /// (one record for each such name, field `sni`).
    pub fn rejections(&self) -> impl Iterator<Item = &Rejection> {
        self.rejections.values().chain(self.name_index.contested())
    }

    /// How many valid objects of `kind` there are.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Ssl => self.ssls.len(),
            Kind::Route => self.routes.len(),
            Kind::Upstream => self.upstreams.len(),
            Kind::Service => self.services.len(),
        }
    }

    /// Whether there is a valid object (perhaps a last good one) of `kind` under `id`.
    pub fn holds(&self, kind: Kind, id: &str) -> bool {
        match kind {
            Kind::Ssl => self.ssls.contains_key(id),
            Kind::Route => self.routes.contains_key(id),
            Kind::Upstream => self.upstreams.contains_key(id),
            Kind::Service => self.services.contains_key(id),
        }
    }

    /// The valid SSL objects, of both types, in no order.
    pub fn ssls(&self) -> impl Iterator<Item = &Arc<Ssl>> {
        self.ssls.values().map(object)
    }

    /// The valid named upstreams, in no order.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values().map(object)
    }

    /// The valid upstreams, named ones and those inline in routes and services, in no order.
    pub fn all_upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        let in_routes = self.routes().filter_map(|route| route.upstream());
        let in_services = self.services().filter_map(|service| service.upstream());
        self.upstreams().chain(in_routes).chain(in_services)
    }

    /// The valid services, in no order.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values().map(object)
    }

    /// The valid routes, in no order.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values().map(object)
    }

    /// The valid SSL object `id`.
    pub fn ssl(&self, id: &str) -> Option<&Arc<Ssl>> {
        self.ssls.get(id).map(object)
    }

    /// The valid named upstream `id`.
    pub fn upstream(&self, id: &str) -> Option<&Arc<Upstream>> {
        self.upstreams.get(id).map(object)
    }

    /// The valid service `id`.
    pub fn service(&self, id: &str) -> Option<&Arc<Service>> {
        self.services.get(id).map(object)
    }

    /// The route `id` that requests are matched with: the valid one, else the closed one.
    pub fn route_by_id(&self, id: &str) -> Option<&Arc<Route>> {
        self.held_route(id).map(object)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Snapshot");
        text.field("revision", &self.revision);
        for kind in Kind::ALL {
            text.field(kind.dir(), &self.count(kind));
        }
        text.field("rejections", &self.rejections.len())
            .finish_non_exhaustive()
    }
}
