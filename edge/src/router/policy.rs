//! The one policy resolver: a name leads to the SSL object that decides about certificate, client authentication and
//! protocols. TCP's SNI, the Host of every request and (later) QUIC's SNI all ask here and nowhere else.

use std::sync::Arc;

use control::object::Ssl;
use control::snapshot::{NameMatch, Snapshot};

use crate::alert::evidence::Refusal;

/// Who answers for a name.
#[derive(Clone, Debug)]
pub enum Policy {
    /// This SSL object.
    Open(Arc<Ssl>),
    /// The SSL object of this id, which was refused and has no last good version: refuse.
    Closed(Arc<str>),
    /// Nobody may: refuse.
    Refused(Refusal),
}

/// Resolves the name of a handshake: the client's, or `fallback` if it sent none. The name is lower-case and has no
/// trailing dot.
pub fn of_handshake(snapshot: &Snapshot, sni: Option<&str>, fallback: Option<&str>) -> Policy {
    match sni.or(fallback) {
        Some(name) => of_name(snapshot, name),
        None => Policy::Refused(Refusal::SniMissing),
    }
}

/// Resolves a name.
pub fn of_name(snapshot: &Snapshot, name: &str) -> Policy {
    match snapshot.tls_policy(name) {
        NameMatch::Open(ssl) => Policy::Open(Arc::clone(ssl)),
        NameMatch::Closed(id) => Policy::Closed(Arc::clone(id)),
        NameMatch::Unknown => Policy::Refused(Refusal::SniUnknown),
    }
}
