//! Why an object was refused, and what its refusal closes. Made by `object`, kept by `snapshot`, shown by `admin`,
//! `/status` and the nodes' own records. Never holds key material.

use std::sync::Arc;

use crate::object::{Kind, Route};

/// One refused object. `reason` names the field and never quotes secret material.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rejection {
    /// `ssls/1`: the kind's directory and the id, below the store's prefix.
    pub key: String,
    /// Store revision of the refused value.
    pub revision: u64,
    /// Path of the offending field (`client.ca`, `upstream.nodes[0].port`); empty for the whole value.
    pub field: String,
    /// One sentence for the person who wrote the object.
    pub reason: String,
}

/// A refusal as `object::read` returns it: the reason, and what must be closed if there is no last good object.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Path of the offending field; empty for the whole value.
    pub field: String,
    /// What is wrong, in APISIX's words where APISIX has words for it.
    pub reason: String,
    /// What the object would have served, as far as it could be read.
    pub closes: Closes,
}

/// What a refused object without a last good version keeps shut (CONTRACT 3: fail closed).
#[derive(Clone, Debug, Default)]
pub enum Closes {
    /// Nothing that can be named (an upstream, a service, or a value that is not JSON).
    #[default]
    Nothing,
    /// TLS names: handshakes for them are refused, wildcards beneath them do not answer.
    Names(Vec<String>),
    /// Hosts, paths and methods of a route: a request that would have matched gets 503 `RouteRejected`.
    Route(Arc<Route>),
}

impl Refusal {
    /// A refusal that closes nothing.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
            closes: Closes::Nothing,
        }
    }

    /// The same refusal as a record under `kind`/`id` at `revision`.
    pub fn at(&self, kind: Kind, id: &str, revision: u64) -> Rejection {
        Rejection {
            key: format!("{}/{id}", kind.dir()),
            revision,
            field: self.field.clone(),
            reason: self.reason.clone(),
        }
    }
}
