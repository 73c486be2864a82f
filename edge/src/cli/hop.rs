//! The settings of the leg between router and processor: which of them a node needs follows from its roles.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::config;
use super::roles::Roles;
use super::sources::{ConfigError, Sources};
use super::store::StoreConfig;
use super::values::Listener;

/// How a node takes part in the hop.
#[derive(Clone, Debug)]
pub enum HopConfig {
    /// Not at all: both roles share the process, or it has neither.
    Within,
    /// It sends requests to processors.
    Router {
        /// Directory of its certificate.
        tls: PathBuf,
    },
    /// It takes requests from routers.
    Processor {
        /// Directory of its certificate.
        tls: PathBuf,
        /// QUIC listener.
        listen: SocketAddr,
        /// `host:port` at which routers reach it; by default the host name and the listener's port.
        advertise: Option<String>,
    },
}

/// Reads `--hop-tls` and `--hop-advertise`; `listener` is `--hop`.
pub(super) fn read(
    s: &Sources,
    roles: Roles,
    store: &StoreConfig,
    listener: Listener,
) -> Result<HopConfig, ConfigError> {
    let tls = s.read("hop-tls", config::path)?;
    let advertise = s.read("hop-advertise", host_and_port)?;
    if !roles.are_apart() {
        return Ok(HopConfig::Within);
    }
    let refused = |text: &str| ConfigError(text.to_owned());
    if !matches!(store, StoreConfig::Etcd(_)) {
        return Err(refused(
            "--store: router and processor apart find each other in etcd; the embedded store is one node's own",
        ));
    }
    let tls = tls.ok_or_else(|| {
        refused("--hop-tls: needed where router and processor are apart (sallyport pki makes one)")
    })?;
    if roles.router() {
        return Ok(HopConfig::Router { tls });
    }
    let listen = listener.address().ok_or_else(|| {
        refused("--hop: a processor needs it where router and processor are apart")
    })?;
    if advertise.is_none() && listen.ip().is_unspecified() && config::host().is_none() {
        return Err(refused(
            "--hop-advertise: needed, since --hop is every address and the host name cannot be read",
        ));
    }
    Ok(HopConfig::Processor {
        tls,
        listen,
        advertise,
    })
}

fn host_and_port(text: &str) -> Result<String, String> {
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(_, port)| port.parse().ok());
    if port.is_some_and(|port: u16| port != 0) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not HOST:PORT"))
    }
}
