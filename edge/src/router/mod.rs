//! The outer door: accepts clients, terminates TLS, judges requests, matches routes, hands over to the hop.
//!
//! In order: [`listener`] accepts, [`connection`] serves one connection from its first byte to its last: [`greet`] shakes
//! hands and asks [`policy`] who answers for a TLS name, [`misplaced`] turns away what is no HTTP. [`request`] serves one
//! request: [`authority`] reads its host, [`exemption`] decides whether this client may make it, [`forward`] prepares it for
//! the target; [`answer`] turns a fault into a response and [`record`] keeps what metrics and access log want to know.
//! [`h2`] and [`tunnel`] are the other two ways to talk.

mod answer;
mod authority;
mod client;
pub mod connection;
mod exemption;
mod forward;
mod greet;
mod h2;
mod h2_body;
mod h2_turn;
pub mod listener;
mod misplaced;
pub mod policy;
mod record;
mod request;
mod tunnel;
mod variables;

use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use control::snapshot::Snapshot;
use control::sync::Status;

use crate::access_log::Writer;
use crate::alert::Hop;
use crate::drain::Drain;
use crate::failures::Failures;
use crate::hop::Carrier;
use crate::limits::Limits;
use crate::metrics::{ByRoute, Metrics};
use crate::tls::server::ServerTls;

/// What all threads' routers share.
pub struct Shared {
    /// The configuration in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// To wait for a revision of it.
    pub status: Arc<Status>,
    /// TLS configurations and ticket keys.
    pub tls: Arc<ServerTls>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where failed handshakes go.
    pub failures: Arc<Failures>,
    /// The drain signal.
    pub drain: Drain,
    /// `--node-id`.
    pub node: Arc<str>,
    /// Name used for clients that send none.
    pub fallback_sni: Option<String>,
    /// Connections open on all threads, and handshakes running on them.
    pub gate: listener::Gate,
}

/// One thread's router.
pub struct Router {
    shared: Arc<Shared>,
    limits: Rc<Limits>,
    hop: Carrier,
    log: Writer,
    requests: ByRoute,
    ids: record::Ids,
}

impl Router {
    /// A router that hands its requests to `hop`.
    pub fn new(shared: Arc<Shared>, limits: Limits, hop: Carrier, log: Writer) -> Self {
        Self {
            requests: ByRoute::new(Arc::clone(&shared.metrics), Hop::Northbound),
            shared,
            limits: Rc::new(limits),
            hop,
            log,
            ids: record::Ids::new(),
        }
    }
}
