//! Placeholder with the composition root's outline, until the roles are put together.

use std::future::Future;
use std::net::SocketAddr;

use crate::cli::ServeConfig;

/// A running node.
pub struct Node {
    drain: std::time::Duration,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl Node {
    /// Starts what the configuration asks for.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: &ServeConfig) -> Result<Self, StartError> {
        Ok(Self {
            drain: config.drain_timeout(),
        })
    }

    /// Bound addresses by listener.
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        Vec::new()
    }

    /// Serves until `shutdown` resolves, then drains.
    pub async fn run_until<F: Future<Output = ()>>(self, shutdown: F) {
        shutdown.await;
        tracing::debug!(limit = ?self.drain, "drained");
    }
}
