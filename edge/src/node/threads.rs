//! The data-plane threads: each has a runtime, listening sockets, a router or a processor or both, and pools of its own, so
//! that nothing is locked on the way of a request.

use std::net::{TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::task::LocalSet;

use super::{Addresses, StartError, bind_each};
use crate::access_log::AccessLog;
use crate::cli::ServeConfig;
use crate::cli::hop::HopConfig;
use crate::drain::Drain;
use crate::hop::Carrier;
use crate::hop::local::Local;
use crate::hop::quic::serve;
use crate::hop::remote::{self, Remote};
use crate::limits::Limits;
use crate::processor::{self, Processor};
use crate::router::{self, Router, listener};

/// Bound sockets, as many of each kind as there are threads, or none.
pub(super) struct Sockets {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    hop: Vec<UdpSocket>,
}

impl Sockets {
    pub(super) fn bind(config: &ServeConfig) -> Result<Self, StartError> {
        let threads = config.threads().get();
        let (mut http, mut https, mut hop) = (Vec::new(), Vec::new(), Vec::new());
        if config.roles().router() {
            http = bind_each("http", config.http(), threads)?;
            https = bind_each("https", config.https(), threads)?;
        }
        if let HopConfig::Processor { listen, .. } = *config.hop() {
            hop = serve::bind(listen, threads).map_err(|source| StartError::Listen {
                flag: "hop",
                address: listen,
                source,
            })?;
        }
        Ok(Self { http, https, hop })
    }

    pub(super) fn addresses(&self) -> Addresses {
        let first = |all: &[TcpListener]| all.first().and_then(|l| l.local_addr().ok());
        Addresses {
            http: first(&self.http),
            https: first(&self.https),
            hop: self.hop.first().and_then(|s| s.local_addr().ok()),
            ..Addresses::default()
        }
    }
}

/// What each thread does.
#[derive(Clone)]
pub(super) enum Work {
    /// Serves clients and reaches targets.
    Both(Arc<router::Shared>, Arc<processor::Shared>),
    /// Serves clients and hands requests to processors elsewhere.
    Router(Arc<router::Shared>, remote::Shared),
    /// Serves routers elsewhere.
    Processor(serve::Shared, Arc<processor::Shared>),
}

/// The running threads.
pub(super) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn start(
        config: &ServeConfig,
        sockets: Sockets,
        work: &Work,
        (drain, log): (&Drain, &AccessLog),
    ) -> Result<Self, StartError> {
        let (mut http, mut https) = (sockets.http.into_iter(), sockets.https.into_iter());
        let mut hop = sockets.hop.into_iter();
        let mut running = Vec::new();
        for n in 0..config.threads().get() {
            let thread = Thread {
                http: http.next(),
                https: https.next(),
                hop: hop.next(),
                work: work.clone(),
                drain: drain.clone(),
                limits: config.limits().clone(),
                log: log.clone(),
            };
            let started = std::thread::Builder::new()
                .name(format!("data-{n}"))
                .spawn(move || thread.run());
            running.push(
                started
                    .map_err(|e| StartError::System(format!("no thread can be started: {e}")))?,
            );
        }
        Ok(Self(running))
    }

    /// Waits for the threads to end, which they do when the drain is over.
    pub(super) async fn join(self) {
        let joined = tokio::task::spawn_blocking(move || {
            self.0
                .into_iter()
                .map(JoinHandle::join)
                .filter(Result::is_err)
                .count()
        });
        if let Ok(panicked @ 1..) = joined.await {
            tracing::error!(panicked, "data-plane threads ended in a panic");
        }
    }
}

struct Thread {
    http: Option<TcpListener>,
    https: Option<TcpListener>,
    hop: Option<UdpSocket>,
    work: Work,
    drain: Drain,
    limits: Limits,
    log: AccessLog,
}

impl Thread {
    fn run(self) {
        let runtime = match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "a data-plane thread has no runtime");
                return;
            }
        };
        LocalSet::new().block_on(&runtime, self.serve());
        // A name server that does not answer must not hold up the end.
        runtime.shutdown_background();
    }

    async fn serve(self) {
        let sockets = [(self.http, false), (self.https, true)];
        match self.work {
            Work::Both(shared, processor) => {
                let hop = Carrier::Local(Local::new(Processor::new(processor)));
                let router = Router::new(shared, self.limits, hop, self.log.writer());
                accept(&Rc::new(router), sockets);
                self.drain.drained().await;
            }
            Work::Router(shared, remote) => {
                let hop = Carrier::Remote(Remote::start(remote));
                let router = Router::new(shared, self.limits, hop, self.log.writer());
                accept(&Rc::new(router), sockets);
                self.drain.drained().await;
            }
            Work::Processor(shared, processor) => {
                if let Some(socket) = self.hop {
                    serve::run(socket, shared, Rc::new(Processor::new(processor))).await;
                }
            }
        }
    }
}

/// Starts to accept clients.
fn accept(router: &Rc<Router>, sockets: [(Option<TcpListener>, bool); 2]) {
    for (socket, secure) in sockets {
        let Some(socket) = socket else { continue };
        match tokio::net::TcpListener::from_std(socket) {
            Ok(listener) => {
                tokio::task::spawn_local(listener::run(Rc::clone(router), listener, secure));
            }
            Err(error) => tracing::error!(%error, "a listening socket is lost"),
        }
    }
}
