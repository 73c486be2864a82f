//! The data-plane threads: each has a runtime, listening sockets, a router, a processor and pools of its own, so that
//! nothing is locked on the way of a request.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::task::LocalSet;

use super::{Addresses, StartError, bind_each};
use crate::access_log::AccessLog;
use crate::cli::ServeConfig;
use crate::hop::local::Local;
use crate::limits::Limits;
use crate::processor::{self, Processor};
use crate::router::{self, Router, listener};

/// Bound sockets, as many of each kind as there are threads.
pub(super) struct Sockets {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
}

impl Sockets {
    pub(super) fn bind(config: &ServeConfig) -> Result<Self, StartError> {
        if !config.roles().data_plane() {
            return Ok(Self {
                http: Vec::new(),
                https: Vec::new(),
            });
        }
        let threads = config.threads().get();
        Ok(Self {
            http: bind_each("http", config.http(), threads)?,
            https: bind_each("https", config.https(), threads)?,
        })
    }

    pub(super) fn addresses(&self) -> Addresses {
        let first = |all: &[TcpListener]| all.first().and_then(|l| l.local_addr().ok());
        Addresses {
            http: first(&self.http),
            https: first(&self.https),
            ..Addresses::default()
        }
    }
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
        router: &Arc<router::Shared>,
        processor: &Arc<processor::Shared>,
        log: &AccessLog,
    ) -> Result<Self, StartError> {
        let (mut http, mut https) = (sockets.http.into_iter(), sockets.https.into_iter());
        let mut running = Vec::new();
        for n in 0..config.threads().get() {
            let thread = Thread {
                http: http.next(),
                https: https.next(),
                router: Arc::clone(router),
                processor: Arc::clone(processor),
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
    router: Arc<router::Shared>,
    processor: Arc<processor::Shared>,
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
    }

    async fn serve(self) {
        let drain = self.router.drain.clone();
        let hop = Local::new(Processor::new(self.processor));
        let router = Rc::new(Router::new(
            self.router,
            self.limits,
            hop,
            self.log.writer(),
        ));
        for (socket, secure) in [(self.http, false), (self.https, true)] {
            let Some(socket) = socket else { continue };
            match tokio::net::TcpListener::from_std(socket) {
                Ok(listener) => {
                    tokio::task::spawn_local(listener::run(Rc::clone(&router), listener, secure));
                }
                Err(error) => tracing::error!(%error, "a listening socket is lost"),
            }
        }
        drain.drained().await;
    }
}
