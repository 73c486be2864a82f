//! Whose move it is: a certificate's fault is its owner's, everything between our nodes is ours.

use super::Owner;
use super::scene::Scene;
use crate::alert::{Cause, Hop};

pub(super) fn of(scene: &Scene<'_>, cause: Cause) -> Owner {
    let peer = match scene.hop() {
        Hop::Internal => return Owner::Gateway,
        Hop::Northbound => Owner::Client,
        Hop::Southbound => Owner::Target,
    };
    if matches!(cause, Cause::ConfigMissingMaterial | Cause::InternalError) {
        return Owner::Gateway;
    }
    if cause == Cause::KeyCertMismatch {
        // The one whose signature did not fit.
        return if scene.refused() {
            peer
        } else {
            Owner::Gateway
        };
    }
    match (peer, belongs_to(cause)) {
        (Owner::Client, Some(Party::Server)) | (Owner::Target, Some(Party::Client)) => {
            Owner::Gateway
        }
        // The name that we send is a matter of our configuration.
        (Owner::Target, None) if matches!(cause, Cause::SniMissing | Cause::SniUnknown) => {
            Owner::Gateway
        }
        _ => peer,
    }
}

/// Whose certificate a cause is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    Client,
    Server,
}

pub(super) const fn belongs_to(cause: Cause) -> Option<Party> {
    match cause {
        Cause::ClientCertMissing
        | Cause::ClientCertExpired
        | Cause::ClientCertNotYetValid
        | Cause::ClientCertUntrustedCa
        | Cause::ClientCertChainIncomplete
        | Cause::ClientCertWrongPurpose
        | Cause::ClientCertRevoked
        | Cause::ClientCertRejectedByPeer => Some(Party::Client),
        Cause::ServerCertExpired
        | Cause::ServerCertNotYetValid
        | Cause::ServerCertUntrustedCa
        | Cause::ServerCertSelfSigned
        | Cause::ServerCertChainIncomplete
        | Cause::ServerCertChainDisordered
        | Cause::ServerCertHostnameMismatch
        | Cause::ServerCertWrongPurpose
        | Cause::ServerCertRevoked
        | Cause::ServerCertRejectedByPeer => Some(Party::Server),
        _ => None,
    }
}
