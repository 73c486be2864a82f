//! The node among the others: its entry in the store, the entries of the rest, session ticket keys that all routers share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use control::membership::{self, Me, Members, Presence, Serving};
use control::seal::Keyring;
use control::store::Store;
use control::sync::Live;
use control::tickets;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Addresses;
use crate::cli::hop::HopConfig;
use crate::cli::{self, ServeConfig};
use crate::tls::tickets::TicketKeys;

/// See the module.
pub(super) struct Cluster {
    members: Members,
    presence: Presence,
}

impl Cluster {
    /// Registers the node and follows the others from now on.
    pub(super) async fn join(
        config: &ServeConfig,
        bound: &Addresses,
        live: &Live,
        store: &Store,
    ) -> Self {
        let roles = config.roles().names();
        let me = Me {
            id: config.node_id().to_owned(),
            roles: roles.into_iter().map(str::to_owned).collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            addresses: reachable(config, bound),
            started: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
        };
        let serving = Serving {
            snapshot: Arc::clone(&live.snapshot),
            status: Arc::clone(&live.status),
            data_dir: config.data_dir().to_owned(),
        };
        let joined = membership::join(store, me, serving).await;
        tokio::spawn(joined.registrar.run());
        Self {
            members: joined.members,
            presence: joined.presence,
        }
    }

    /// Who there is.
    pub(super) fn members(&self) -> Members {
        self.members.clone()
    }

    /// Asks the others to send nothing new.
    pub(super) fn drain(&self) {
        self.presence.drain();
    }

    /// Takes the node's entry away.
    pub(super) async fn leave(&self) {
        self.presence.leave().await;
    }
}

/// Keeps `keys` those of the cluster, where there is one.
pub(super) fn share_tickets(store: &Arc<Store>, keyring: &Keyring, keys: &Arc<TicketKeys>) {
    let (store, keyring, keys) = (Arc::clone(store), keyring.clone(), Arc::clone(keys));
    tokio::spawn(async move {
        tickets::run(&store, keyring, move |secrets| keys.share(&secrets)).await;
    });
}

/// Where others reach the listeners: an address for everybody stands for this host, by its name.
fn reachable(config: &ServeConfig, bound: &Addresses) -> BTreeMap<String, String> {
    let host = cli::config::host();
    let text = |address: SocketAddr| match &host {
        Some(host) if address.ip().is_unspecified() => format!("{host}:{}", address.port()),
        _ => address.to_string(),
    };
    let hop = match config.hop() {
        HopConfig::Processor {
            advertise: Some(given),
            ..
        } => Some(given.clone()),
        _ => bound.hop.map(text),
    };
    [
        ("http", bound.http.map(text)),
        ("https", bound.https.map(text)),
        ("admin", bound.admin.map(text)),
        ("metrics", bound.metrics.map(text)),
        ("hop", hop),
    ]
    .into_iter()
    .filter_map(|(listener, address)| Some((listener.to_owned(), address?)))
    .collect()
}
