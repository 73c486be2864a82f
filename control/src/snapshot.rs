//! The immutable whole that one revision describes: objects, indexed for the two look-ups of the data path (TLS name
//! to SSL object, request to route), and references resolved on demand within the same revision.
//! Made by [`Snapshot::apply`] in `sync`; read through `ArcSwap` by every data-plane thread.

mod names;
mod routes;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use crate::object::{
    ClientIdentity, Kind, Material, Object, Route, Service, Ssl, Timeouts, Upstream, Usage,
};
use crate::rejection::{Closes, Rejection};

/// A change to one key.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new or changed valid object.
    Set(Kind, Arc<str>, Object),
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
    ssls: imbl::HashMap<Arc<str>, Arc<Ssl>>,
    upstreams: imbl::HashMap<Arc<str>, Arc<Upstream>>,
    services: imbl::HashMap<Arc<str>, Arc<Service>>,
    rejections: imbl::OrdMap<String, Rejection>,
    names: names::Names,
    routes: routes::Routes,
}
