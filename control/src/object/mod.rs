//! The objects of the store: one file a kind, each with its wire form (serde, unknown fields refused) and its
//! validated form (private fields, one reason per refusal). Pure: no I/O, no clock, no async.
//! In the line: `sync` and `admin` call [`read`]; `snapshot` indexes what it returns.

mod balance;
mod certificate;
mod check;
mod client_auth;
mod fault;
mod fingerprint;
mod material;
mod nodes;
mod pattern;
mod pem;
mod plugins;
mod route;
mod secret;
mod service;
mod ssl;
mod suites;
mod upstream;
mod upstream_tls;
pub mod vars;
mod wire;

use std::sync::Arc;

pub use balance::{Balance, HashOn};
pub(crate) use certificate::{chain_not_after, first_not_after};
pub use check::{ActiveCheck, CheckType, Checks, PassiveCheck};
pub use client_auth::{AuthFailure, ClientAuth};
pub use material::{Material, MaterialError};
pub use nodes::Node;
pub use pattern::{HostPattern, PathPattern};
pub use route::{Methods, Route, Timeouts};
pub use service::Service;
pub use ssl::{Ssl, Usage};
pub use upstream::{KeepalivePool, PassHost, Scheme, Upstream};
pub use upstream_tls::{ClientIdentity, Protocols, SniChoice, UpstreamTls};

use crate::json;
use crate::rejection::Refusal;
use crate::seal::Keyring;

/// The kinds Sallyport reads. Everything else below the prefix is foreign and passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `{prefix}/ssls/{id}`
    Ssl,
    /// `{prefix}/routes/{id}`
    Route,
    /// `{prefix}/upstreams/{id}`
    Upstream,
    /// `{prefix}/services/{id}`
    Service,
}

impl Kind {
    /// All kinds, in the order they are loaded.
    pub const ALL: [Self; 4] = [Self::Ssl, Self::Upstream, Self::Service, Self::Route];

    /// The directory below the prefix, also the Admin API's resource name.
    pub const fn dir(self) -> &'static str {
        match self {
            Self::Ssl => "ssls",
            Self::Route => "routes",
            Self::Upstream => "upstreams",
            Self::Service => "services",
        }
    }

    /// The singular name as APISIX's messages use it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssl => "ssl",
            Self::Route => "route",
            Self::Upstream => "upstream",
            Self::Service => "service",
        }
    }

    /// The kind that lives in `dir`, if we know it.
    pub fn from_dir(dir: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.dir() == dir)
    }
}

/// A validated object.
#[derive(Clone, Debug)]
pub enum Object {
    /// An SSL object of type server or client.
    Ssl(Arc<Ssl>),
    /// A route.
    Route(Arc<Route>),
    /// A named upstream.
    Upstream(Arc<Upstream>),
    /// A service.
    Service(Arc<Service>),
}

/// What reading an object may look at besides its bytes.
#[derive(Clone, Copy)]
pub struct ReadContext<'a> {
    /// Opens sealed private keys.
    pub keyring: &'a Keyring,
    /// Resolves `$env://NAME`; `None` means the variable is not set.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Reads one object as it is in the store. `id` is the key's last segment and wins over an `id` inside.
///
/// # Errors
/// A [`Refusal`] naming the field; it also says what stays closed (CONTRACT 3).
pub fn read(
    kind: Kind,
    id: &str,
    value: &[u8],
    context: &ReadContext<'_>,
) -> Result<Object, Refusal> {
    match kind {
        Kind::Ssl => ssl::read(id, value, context).map(|o| Object::Ssl(Arc::new(o))),
        Kind::Route => route::read(id, value, context).map(|o| Object::Route(Arc::new(o))),
        Kind::Upstream => upstream::read(id, value, context).map(|o| Object::Upstream(Arc::new(o))),
        Kind::Service => service::read(id, value, context).map(|o| Object::Service(Arc::new(o))),
    }
}

/// The JSON of a store value; nothing can be said about what a value that is not JSON would have served.
fn parse(value: &[u8]) -> Result<serde_json::Value, Refusal> {
    json::parse(value).map_err(|error| Refusal::new("", format!("the value is not JSON: {error}")))
}

#[cfg(test)]
mod tests;
