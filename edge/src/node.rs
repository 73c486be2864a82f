//! Placeholder with the composition root's outline, until the roles are put together.

use std::future::Future;
use std::net::SocketAddr;

use crate::cli::ServeConfig;

/// A running node.
pub struct Node {
    config: ServeConfig,
}

/// Where a node listens; `None` is off.
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

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl Node {
    /// Starts what the configuration asks for.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: ServeConfig) -> Result<Self, StartError> {
        Ok(Self { config })
    }

    /// Bound addresses.
    pub fn addresses(&self) -> Addresses {
        Addresses::default()
    }

    /// Serves until `shutdown` resolves, then drains.
    pub async fn run_until<F: Future<Output = ()>>(self, shutdown: F) {
        shutdown.await;
        tracing::debug!(limit = ?self.config.drain_timeout(), "drained");
    }
}
