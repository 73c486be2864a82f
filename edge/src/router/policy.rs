//! The one policy resolver: a name leads to the SSL object that decides about certificate, client authentication and
//! protocols. TCP's SNI, the Host of every request and (later) QUIC's SNI all ask here and nowhere else.

use std::sync::Arc;

use control::object::Ssl;
use control::snapshot::{NameMatch, Snapshot};

use crate::alert::Cause;

/// Who answers for a name.
#[derive(Clone, Debug)]
pub enum Policy {
    /// This SSL object.
    Open(Arc<Ssl>),
    /// Nobody may: refuse.
    Refused(Cause),
}

/// Resolves the name of a handshake: the client's, or `fallback` if it sent none. The name is lower-case and has no
/// trailing dot.
pub fn of_handshake(snapshot: &Snapshot, sni: Option<&str>, fallback: Option<&str>) -> Policy {
    match sni.or(fallback) {
        Some(name) => of_name(snapshot, name),
        None => Policy::Refused(Cause::SniMissing),
    }
}

/// Resolves a name.
pub fn of_name(snapshot: &Snapshot, name: &str) -> Policy {
    match snapshot.tls_policy(name) {
        NameMatch::Open(ssl) => Policy::Open(Arc::clone(ssl)),
        NameMatch::Closed(_) => Policy::Refused(Cause::ConfigMissingMaterial),
        NameMatch::Unknown => Policy::Refused(Cause::SniUnknown),
    }
}
