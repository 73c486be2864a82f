//! The composition root: makes everything a node is made of, binds its listeners, starts its threads, and ends it in
//! order. It decides nothing about traffic. `main` owns the process around it (arguments, signals, exit codes).
//!
//! ```text
//! store ► sync ► Snapshot ─┬► data-plane threads (node::threads): router or processor or both (node::work)
//!                          ├► feed (node::feed): configuration and certificates as metrics
//!                          └► admin API, status pages (node::pages)
//!       ◄► node::cluster: who else there is, ticket keys
//! ```

mod cluster;
mod diagnose;
mod feed;
mod pages;
mod threads;
mod work;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use control::seal::{Keyring, Sealer};
use control::store::{EmbeddedStore, EtcdStore, Store, StoreError};
use control::sync::{self, Live, SyncOptions};

use crate::access_log::AccessLog;
use crate::cli::ServeConfig;
use crate::cli::store::StoreConfig;
use crate::cli::values::Listener;
use crate::drain::Drain;
use crate::failures::Failures;
use crate::hop::identity::HopIdentity;
use crate::metrics::Metrics;
use crate::processor;
use crate::router::listener;
use crate::tls::tickets::TicketKeys;
use cluster::Cluster;
use threads::{Sockets, Threads, Work};
use work::Parts;

/// How long the last lines of the access log may take to leave.
const FLUSH: Duration = Duration::from_secs(2);

/// A running node.
pub struct Node {
    addresses: Addresses,
    cluster: Cluster,
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
    /// QUIC for routers (UDP).
    pub hop: Option<SocketAddr>,
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
        let failures = Failures::new(config.node_id(), Arc::clone(&metrics));
        let log = AccessLog::open(config.access_log(), &metrics)
            .map_err(|e| StartError::Setting(format!("--access-log: {e}")))?;
        let keyring = keyring(&config)?;
        let identity = work::identity(&config)?;
        let roles = config.roles();
        let admin_keys = roles.control().then(|| pages::admin_keys(&config));
        let admin_keys = admin_keys.transpose()?;
        let sockets = Sockets::bind(&config)?;
        let admin = match &admin_keys {
            Some(_) => pages::bind("admin", config.admin()).await?,
            None => None,
        };
        let page = pages::bind("metrics", config.metrics()).await?;
        let addresses = Addresses {
            admin: admin.as_ref().and_then(|l| l.local_addr().ok()),
            metrics: page.as_ref().and_then(|l| l.local_addr().ok()),
            ..sockets.addresses()
        };

        let store = Arc::new(store(&config, &keyring).await?);
        let live = start_sync(&config, &keyring, &store, &metrics).await;
        let tickets = TicketKeys::new().map(Arc::new);
        let tickets = tickets.map_err(|e| StartError::System(e.to_string()))?;
        let cluster = Cluster::join(&config, &addresses, &live, &store).await;
        if roles.router() {
            cluster::share_tickets(&store, &keyring, &tickets);
        }
        let parts = Parts {
            config: &config,
            live: &live,
            metrics: &metrics,
            failures: &failures,
            drain: &drain,
        };
        let work = parts.work(&tickets, identity.clone(), cluster.members());
        let threads = match &work {
            Some(work) => Threads::start(&config, sockets, work, (&drain, &log))?,
            None => Threads::none(),
        };
        let facts = pages::facts(&config, &live, (&metrics, &failures), &drain);
        let diagnosis = pages::diagnosis(&config, &live, &addresses);
        pages::serve_pages(page, facts, diagnosis, &drain);
        if let Some(keys) = admin_keys {
            let (keys, members) = ((keys, keyring), cluster.members());
            let state = pages::admin_state(&config, &live, &store, keys, members, identity.clone());
            pages::serve_admin(admin, state, &drain);
        }
        go_on(live, work, metrics, identity);
        Ok(Self {
            addresses,
            cluster,
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
        self.cluster.drain();
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
        self.cluster.leave().await;
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

/// Starts what goes on beside the data plane until the process ends: certificates, probes, figures and the store are followed.
fn go_on(
    live: Live,
    work: Option<Work>,
    metrics: Arc<Metrics>,
    identity: Option<Arc<HopIdentity>>,
) {
    if let Some(identity) = identity.clone() {
        tokio::spawn(async move { identity.follow().await });
    }
    if let Some(Work::Both(_, shared) | Work::Processor(_, shared)) = work {
        tokio::spawn(processor::run_health(shared, Arc::clone(&live.snapshot)));
    }
    let (snapshot, status) = (Arc::clone(&live.snapshot), Arc::clone(&live.status));
    tokio::spawn(feed::run(snapshot, status, metrics, identity));
    tokio::spawn(live.follower.run());
}

/// Binds one listener of the data plane once for each thread; all share the first one's port.
fn bind_each(
    flag: &'static str,
    listener: Listener,
    threads: usize,
) -> Result<Vec<std::net::TcpListener>, StartError> {
    let Some(address) = listener.address() else {
        return Ok(Vec::new());
    };
    listener::bind(address, threads).map_err(|source| StartError::Listen {
        flag,
        address,
        source,
    })
}
