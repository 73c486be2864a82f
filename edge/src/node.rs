//! The composition root: makes everything a node is made of, binds its listeners, starts its threads, and ends it in
//! order. It decides nothing about traffic. `main` owns the process around it (arguments, signals, exit codes).
//!
//! ```text
//! store ► sync ► Snapshot ─┬► data-plane threads (node::threads): router + processor each
//!                          ├► feed (node::feed): configuration and certificates as metrics
//!                          └► admin API, status pages
//! ```

mod feed;
mod threads;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control::admin::{self, AdminKeys, AdminState, StoreStatus};
use control::seal::{Keyring, Sealer};
use control::store::{EmbeddedStore, EtcdStore, Store, StoreError};
use control::sync::{self, Live, SyncOptions};
use tokio::net::TcpListener;

use crate::access_log::AccessLog;
use crate::cli::ServeConfig;
use crate::cli::config::{AdminKey, UpstreamVerify};
use crate::cli::store::StoreConfig;
use crate::cli::values::Listener;
use crate::drain::Drain;
use crate::metrics::Metrics;
use crate::router::listener::{self, Gate};
use crate::status::{self, ConfigState, Facts, Identity};
use crate::tls::tickets::TicketKeys;
use crate::tls::{ClientTls, ServerTls};
use crate::{processor, router};
use threads::{Sockets, Threads};

/// How long the last lines of the access log may take to leave.
const FLUSH: Duration = Duration::from_secs(2);
/// The prefix that the embedded store's keys are shown with.
const EMBEDDED_PREFIX: &str = "/apisix";

/// A running node.
pub struct Node {
    addresses: Addresses,
    drain: Drain,
    drain_timeout: Duration,
    threads: Threads,
    log: AccessLog,
}

/// Bound addresses; `None` is a listener that is off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    /// Plain HTTP.
    pub http: Option<SocketAddr>,
    /// TLS.
    pub https: Option<SocketAddr>,
    /// Admin API.
    pub admin: Option<SocketAddr>,
    /// Metrics and status.
    pub metrics: Option<SocketAddr>,
}

/// Why a node does not start: one line that says what and where.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or key that the configuration names is not usable.
    #[error("{0}")]
    Setting(String),
    /// A listener cannot be bound.
    #[error("--{flag} cannot listen on {address}: {source}")]
    Listen {
        /// The listener's flag.
        flag: &'static str,
        /// As configured.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("--store: {0}")]
    Store(#[from] StoreError),
    /// A thread or the random source failed.
    #[error("{0}")]
    System(String),
}

impl StartError {
    /// Whether what the operator wrote is at fault (exit code 2), rather than the system (1).
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Setting(_))
    }
}

impl Node {
    /// Starts what the configuration asks for. The runtime it is called on does the cold work (store, Admin API, names,
    /// probes) and must go on running.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: ServeConfig) -> Result<Self, StartError> {
        let drain = Drain::new();
        let metrics = Metrics::new();
        let log = AccessLog::open(config.access_log(), &metrics)
            .map_err(|e| StartError::Setting(format!("--access-log: {e}")))?;
        let keyring = keyring(&config)?;
        let admin_keys = admin_keys(&config)?;
        let sockets = Sockets::bind(&config)?;
        let admin = bind("admin", config.admin()).await?;
        let pages = bind("metrics", config.metrics()).await?;
        let addresses = Addresses {
            admin: admin.as_ref().and_then(|l| l.local_addr().ok()),
            metrics: pages.as_ref().and_then(|l| l.local_addr().ok()),
            ..sockets.addresses()
        };

        let store = Arc::new(store(&config, &keyring).await?);
        let live = start_sync(&config, &keyring, &store, &metrics).await;
        let shared = router_shared(&config, &live, &metrics, &drain)?;
        let processor = processor_shared(&config, &metrics);
        let threads = if config.roles().data_plane() {
            Threads::start(&config, sockets, &shared, &processor, &log)?
        } else {
            Threads::none()
        };
        serve_pages(pages, facts(&config, &live, &metrics, &drain), &drain);
        if config.roles().control() {
            serve_admin(
                admin,
                admin_state(&config, &live, &store, (admin_keys, keyring)),
                &drain,
            );
        }
        tokio::spawn(feed::run(
            Arc::clone(&live.snapshot),
            Arc::clone(&live.status),
            metrics,
        ));
        tokio::spawn(processor::run_health(processor, Arc::clone(&live.snapshot)));
        tokio::spawn(live.follower.run());
        Ok(Self {
            addresses,
            drain,
            drain_timeout: config.drain_timeout(),
            threads,
            log,
        })
    }

    /// Where it listens.
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Serves until `shutdown` resolves; then readiness goes off, listeners close, clients are asked to go, and what is
    /// in flight may finish within the drain timeout. True if all of it did.
    pub async fn run_until<F: Future<Output = ()>>(self, shutdown: F) -> bool {
        shutdown.await;
        self.drain.begin(self.drain_timeout);
        let clean = self.drain.drained().await;
        if clean {
            tracing::info!("drained");
        } else {
            tracing::warn!(
                connections = self.drain.in_flight(),
                "the drain timeout cut connections off"
            );
        }
        self.threads.join().await;
        let log = self.log;
        // The flush blocks; this runtime has nothing else left to do but that is no reason to hold its thread.
        let _ = tokio::task::spawn_blocking(move || log.flush(FLUSH)).await;
        clean
    }
}

fn keyring(config: &ServeConfig) -> Result<Keyring, StartError> {
    let Some(path) = config.keyring_file() else {
        return Ok(Keyring::default());
    };
    let refused =
        |why: String| StartError::Setting(format!("--keyring-file: {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| refused(e.to_string()))?;
    Keyring::parse(&text).map_err(refused)
}

fn admin_keys(config: &ServeConfig) -> Result<AdminKeys, StartError> {
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

async fn store(config: &ServeConfig, keyring: &Keyring) -> Result<Store, StartError> {
    match config.store() {
        StoreConfig::Etcd(options) => Ok(Store::Etcd(EtcdStore::new(options.clone()).await?)),
        StoreConfig::Embedded(dir) => {
            let sealer = Sealer::for_dir(dir, keyring)
                .map_err(|e| StartError::Setting(format!("--store: {e}")))?;
            Ok(Store::Embedded(EmbeddedStore::open(dir, &sealer)?))
        }
    }
}

async fn start_sync(
    config: &ServeConfig,
    keyring: &Keyring,
    store: &Arc<Store>,
    metrics: &Arc<Metrics>,
) -> Live {
    let metrics = Arc::clone(metrics);
    sync::start(SyncOptions {
        data_dir: config.data_dir().to_owned(),
        keyring: keyring.clone(),
        store: Arc::clone(store),
        env: Box::new(|name| std::env::var(name).ok()),
        on_apply: Box::new(move |took| metrics.config_applied(took)),
    })
    .await
}

fn router_shared(
    config: &ServeConfig,
    live: &Live,
    metrics: &Arc<Metrics>,
    drain: &Drain,
) -> Result<Arc<router::Shared>, StartError> {
    let keys = TicketKeys::new().map_err(|e| StartError::System(e.to_string()))?;
    Ok(Arc::new(router::Shared {
        snapshot: Arc::clone(&live.snapshot),
        tls: Arc::new(ServerTls::new(Arc::new(keys))),
        metrics: Arc::clone(metrics),
        drain: drain.clone(),
        node: config.node_id().into(),
        fallback_sni: config.fallback_sni().map(str::to_owned),
        gate: Gate::new(config.limits().connections, config.limits().handshakes),
    }))
}

fn processor_shared(config: &ServeConfig, metrics: &Arc<Metrics>) -> Arc<processor::Shared> {
    let verify = config.upstream_verify() == UpstreamVerify::Strict;
    let cold = tokio::runtime::Handle::current();
    Arc::new(processor::Shared::new(
        Arc::new(ClientTls::new()),
        Arc::clone(metrics),
        config.limits(),
        verify,
        cold,
    ))
}

async fn bind(flag: &'static str, listener: Listener) -> Result<Option<TcpListener>, StartError> {
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

fn facts(config: &ServeConfig, live: &Live, metrics: &Arc<Metrics>, drain: &Drain) -> Facts {
    let (status, snapshot) = (Arc::clone(&live.status), Arc::clone(&live.snapshot));
    Facts {
        identity: Identity {
            node: config.node_id().to_owned(),
            roles: config.roles().names(),
            started: Instant::now(),
        },
        metrics: Arc::clone(metrics),
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

fn admin_state(
    config: &ServeConfig,
    live: &Live,
    store: &Arc<Store>,
    keys: (AdminKeys, Keyring),
) -> AdminState {
    let status = Arc::clone(&live.status);
    AdminState {
        store: Arc::clone(store),
        prefix: match config.store() {
            StoreConfig::Etcd(options) => options.prefix.clone(),
            StoreConfig::Embedded(_) => EMBEDDED_PREFIX.to_owned(),
        },
        keys: keys.0,
        keyring: keys.1,
        snapshot: Arc::clone(&live.snapshot),
        status: Arc::new(move || StoreStatus {
            connected: status.store_connected(),
            seen: status.seen(),
        }),
    }
}

/// The status pages stay up while draining, so that readiness is seen to be off.
fn serve_pages(listener: Option<TcpListener>, facts: Facts, drain: &Drain) {
    let Some(listener) = listener else { return };
    let drain = drain.clone();
    tokio::spawn(admin::serve(listener, status::pages(facts), async move {
        drain.drained().await;
    }));
}

fn serve_admin(listener: Option<TcpListener>, state: AdminState, drain: &Drain) {
    let Some(listener) = listener else { return };
    let drain = drain.clone();
    tokio::spawn(admin::serve(listener, admin::router(state), async move {
        drain.draining().await;
    }));
}

/// Binds one listener of the data plane once for each thread; all share the first one's port.
fn bind_each(
    flag: &'static str,
    listener: Listener,
    threads: usize,
) -> Result<Vec<std::net::TcpListener>, StartError> {
    let Some(mut address) = listener.address() else {
        return Ok(Vec::new());
    };
    let mut bound = Vec::with_capacity(threads);
    for _ in 0..threads {
        let socket = listener::bind(address).map_err(|source| StartError::Listen {
            flag,
            address,
            source,
        })?;
        if let Ok(actual) = socket.local_addr() {
            address = actual;
        }
        bound.push(socket);
    }
    Ok(bound)
}
