//! The inner door: takes matched requests, picks the target, originates TLS, exchanges the messages.
//!
//! In the line: `hop` calls [`Processor::run`], which is [`exchange::run`]: plan ► [`endpoint`] ► [`dial`] or [`pool`] ►
//! exchange ([`crate::http1::client`] or [`h2`]), again on another node where that is safe. One [`Processor`] a thread,
//! nothing in it is locked; what threads share is [`Shared`]: names resolved
//! ([`resolve`]), health ([`health`], moved by exchanges and by [`probe`]).

use std::rc::Rc;
use std::sync::Arc;

use crate::hop::{Failure, Request, Response};

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
}

impl Processor {
    /// A processor without connections.
    pub fn new(shared: Arc<Shared>) -> Self {
        let endpoints = endpoint::Endpoints::new(shared.clone());
        Self {
            shared,
            endpoints,
            pool: Rc::default(),
        }
    }

    /// Serves one request.
    ///
    /// # Errors
    /// [`Failure`], with what is known of the target.
    pub async fn run(&self, request: Request) -> Result<Response, Box<Failure>> {
        exchange::run(self, request).await
    }
}

#[cfg(test)]
mod tests;
