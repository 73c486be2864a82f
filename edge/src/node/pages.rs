//! The node's own pages: status and metrics, and the Admin API where it has the role `control`. Gathers what they show;
//! what they look like is for `status` and `control::admin`.

use std::sync::Arc;
use std::time::Instant;

use control::admin::{self, AdminKeys, AdminState, StoreStatus};
use control::certificate::inventory::NodeCertificates;
use control::membership::Members;
use control::seal::Keyring;
use control::store::Store;
use control::sync::Live;
use tokio::net::TcpListener;

use super::diagnose::{self, Diagnosis};
use super::{Addresses, StartError};
use crate::cli::ServeConfig;
use crate::cli::config::{AdminKey, UpstreamVerify};
use crate::cli::store::StoreConfig;
use crate::cli::values::Listener;
use crate::drain::Drain;
use crate::failures::Failures;
use crate::hop::identity::HopIdentity;
use crate::metrics::Metrics;
use crate::status::{self, ConfigState, Facts, Identity};

/// The prefix that the embedded store's keys are shown with.
const EMBEDDED_PREFIX: &str = "/apisix";

pub(super) fn admin_keys(config: &ServeConfig) -> Result<AdminKeys, StartError> {
    match config.admin_key() {
        AdminKey::Given(key) => {
            admin::keys::check(key)
                .map_err(|e| StartError::Setting(format!("--admin-key: {e}")))?;
            Ok(AdminKeys {
                admin: admin::Secret::new(key),
                viewer: None,
            })
        }
        AdminKey::File(path) => admin::keys::load_or_create(path)
            .map_err(|e| StartError::Setting(format!("--admin-key-file: {e}"))),
    }
}

pub(super) async fn bind(
    flag: &'static str,
    listener: Listener,
) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = listener.address() else {
        return Ok(None);
    };
    TcpListener::bind(address)
        .await
        .map(Some)
        .map_err(|source| StartError::Listen {
            flag,
            address,
            source,
        })
}

pub(super) fn facts(
    config: &ServeConfig,
    live: &Live,
    (metrics, failures): (&Arc<Metrics>, &Arc<Failures>),
    drain: &Drain,
) -> Facts {
    let (status, snapshot) = (Arc::clone(&live.status), Arc::clone(&live.snapshot));
    Facts {
        identity: Identity {
            node: config.node_id().to_owned(),
            roles: config.roles().names(),
            started: Instant::now(),
        },
        metrics: Arc::clone(metrics),
        failures: Arc::clone(failures),
        drain: drain.clone(),
        config: Box::new(move || ConfigState {
            loaded: status.ready(),
            seen: status.seen(),
            applied: status.applied(),
            store_connected: status.store_connected(),
            rejected: snapshot.load().rejections().cloned().collect(),
        }),
    }
}

pub(super) fn diagnosis(config: &ServeConfig, live: &Live, addresses: &Addresses) -> Diagnosis {
    let verify = config.upstream_verify() == UpstreamVerify::Strict;
    Diagnosis::new(&live.snapshot, config.roles(), addresses.https, verify)
}

pub(super) fn admin_state(
    config: &ServeConfig,
    live: &Live,
    store: &Arc<Store>,
    (keys, keyring): (AdminKeys, Keyring),
    members: Members,
    identity: Option<Arc<HopIdentity>>,
) -> AdminState {
    let status = Arc::clone(&live.status);
    AdminState {
        store: Arc::clone(store),
        prefix: match config.store() {
            StoreConfig::Etcd(options) => options.prefix.clone(),
            StoreConfig::Embedded(_) => EMBEDDED_PREFIX.to_owned(),
        },
        keys,
        keyring,
        snapshot: Arc::clone(&live.snapshot),
        members,
        status: Arc::new(move || StoreStatus {
            connected: status.store_connected(),
            seen: status.seen(),
        }),
        certificates: Arc::new(move || own_certificates(identity.as_deref())),
    }
}

/// The platform's roots are read anew: they are updated with the system's packages, and are asked for rarely.
fn own_certificates(identity: Option<&HopIdentity>) -> NodeCertificates {
    NodeCertificates {
        hop: identity.map(|own| (own.name(), own.chain())),
        roots: rustls_native_certs::load_native_certs().certs,
    }
}

/// The status pages stay up while draining, so that readiness is seen to be off.
pub(super) fn serve_pages(
    listener: Option<TcpListener>,
    facts: Facts,
    diagnosis: Diagnosis,
    drain: &Drain,
) {
    let Some(listener) = listener else { return };
    let drain = drain.clone();
    let pages = status::pages(facts).merge(diagnose::page(diagnosis));
    tokio::spawn(admin::serve(listener, pages, async move {
        drain.drained().await;
    }));
}

pub(super) fn serve_admin(listener: Option<TcpListener>, state: AdminState, drain: &Drain) {
    let Some(listener) = listener else { return };
    let drain = drain.clone();
    tokio::spawn(admin::serve(listener, admin::router(state), async move {
        drain.draining().await;
    }));
}
