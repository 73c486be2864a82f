//! The inner door: takes matched requests, picks the target, originates TLS, exchanges the messages.
//!
//! In the line: `hop` calls [`Processor::run`], which is [`exchange::run`]: plan ► [`endpoint`] ► [`dial`] or [`pool`] ►
//! exchange ([`crate::http1::client`] or [`h2`]), again on another node where that is safe. One [`Processor`] a thread,
//! nothing in it is locked; what threads share is [`Shared`]: names resolved
//! ([`resolve`]), health ([`health`], moved by exchanges and by [`probe`]).

use std::rc::Rc;
use std::sync::Arc;

use crate::alert::Hop;
use crate::body::Body;
use crate::hop::{Failure, Request, Response};
use crate::metrics::ByRoute;

mod dial;
mod endpoint;
mod exchange;
mod h2;
mod hash;
mod health;
mod host;
mod pool;
mod probe;
mod resolve;
mod shared;

pub use probe::run_health;
pub use shared::Shared;

/// One thread's processor. Lives and is used inside a `LocalSet`.
pub struct Processor {
    shared: Arc<Shared>,
    endpoints: endpoint::Endpoints,
    pool: Rc<pool::Pool>,
    requests: ByRoute,
}

impl Processor {
    /// A processor without connections.
    pub fn new(shared: Arc<Shared>) -> Self {
        let endpoints = endpoint::Endpoints::new(shared.clone());
        Self {
            requests: ByRoute::new(Arc::clone(&shared.metrics), Hop::Southbound),
            shared,
            endpoints,
            pool: Rc::default(),
        }
    }

    /// Serves one request.
    ///
    /// # Errors
    /// [`Failure`], with what is known of the target.
    pub async fn run(&self, mut request: Request) -> Result<Response, Box<Failure>> {
        let metrics = &self.shared.metrics;
        let _in_flight = metrics.in_flight(Hop::Southbound);
        let (counters, started) = (self.requests.of(Some(request.route.id())), request.started);
        request.body = self.metered(request.body, true);
        let result = exchange::run(self, request).await;
        let status = match &result {
            Ok(response) => response.head.status,
            Err(failure) => failure.fault.code.status(),
        };
        counters.observe(status.as_u16(), started.elapsed());
        result.map(|mut response| {
            response.body = self.metered(response.body, false);
            response
        })
    }

    /// Counts the bytes of a body that passes the southbound hop; `out` is towards the target.
    fn metered(&self, body: Body, out: bool) -> Body {
        let metrics = &self.shared.metrics;
        match body.here() {
            Some(0) => body,
            Some(bytes) => {
                metrics.bytes(Hop::Southbound, out, bytes);
                body
            }
            None => {
                let metrics = Arc::clone(metrics);
                body.counted(move |bytes| metrics.bytes(Hop::Southbound, out, bytes))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::large_futures, reason = "a whole scenario runs once")]
mod tests;
