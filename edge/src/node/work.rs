//! What the node's roles share among their threads, made from its configuration.

use std::path::Path;
use std::sync::Arc;

use control::membership::Members;
use control::sync::Live;

use super::StartError;
use super::threads::Work;
use crate::cli::config::UpstreamVerify;
use crate::cli::hop::HopConfig;
use crate::cli::{Roles, ServeConfig};
use crate::drain::Drain;
use crate::failures::Failures;
use crate::hop::identity::{HopIdentity, Role};
use crate::hop::{quic, remote};
use crate::metrics::Metrics;
use crate::router::listener::Gate;
use crate::tls::tickets::TicketKeys;
use crate::tls::{ClientTls, ServerTls};
use crate::{processor, router};

/// What all roles are made with.
pub(super) struct Parts<'a> {
    pub(super) config: &'a ServeConfig,
    pub(super) live: &'a Live,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) failures: &'a Arc<Failures>,
    pub(super) drain: &'a Drain,
}

impl Parts<'_> {
    /// The data plane's work; `None` on a node that has neither role.
    pub(super) fn work(
        &self,
        tickets: &Arc<TicketKeys>,
        identity: Option<Arc<HopIdentity>>,
        members: Members,
    ) -> Option<Work> {
        let roles = self.config.roles();
        match (roles.router(), roles.processor(), identity) {
            (true, true, _) => Some(Work::Both(self.router(tickets), self.processor())),
            (true, false, Some(identity)) => Some(Work::Router(
                self.router(tickets),
                remote::Shared {
                    members,
                    identity,
                    metrics: Arc::clone(self.metrics),
                    failures: Arc::clone(self.failures),
                },
            )),
            (false, true, Some(identity)) => Some(Work::Processor(
                quic::serve::Shared {
                    snapshot: Arc::clone(&self.live.snapshot),
                    status: Arc::clone(&self.live.status),
                    replaced: Arc::clone(&self.live.replaced),
                    identity,
                    metrics: Arc::clone(self.metrics),
                    drain: self.drain.clone(),
                    failures: Arc::clone(self.failures),
                },
                self.processor(),
            )),
            _ => None,
        }
    }

    fn router(&self, tickets: &Arc<TicketKeys>) -> Arc<router::Shared> {
        let limits = self.config.limits();
        Arc::new(router::Shared {
            snapshot: Arc::clone(&self.live.snapshot),
            status: Arc::clone(&self.live.status),
            tls: Arc::new(ServerTls::new(Arc::clone(tickets))),
            metrics: Arc::clone(self.metrics),
            failures: Arc::clone(self.failures),
            drain: self.drain.clone(),
            node: self.config.node_id().into(),
            fallback_sni: self.config.fallback_sni().map(str::to_owned),
            gate: Gate::new(limits.connections, limits.handshakes),
        })
    }

    fn processor(&self) -> Arc<processor::Shared> {
        let verify = self.config.upstream_verify() == UpstreamVerify::Strict;
        let cold = tokio::runtime::Handle::current();
        Arc::new(processor::Shared::new(
            Arc::new(ClientTls::new()),
            Arc::clone(self.metrics),
            Arc::clone(self.failures),
            self.config.limits(),
            (verify, self.config.tls_probe()),
            cold,
        ))
    }
}

/// The node's certificate for the hop; `None` where there is no network between its roles.
pub(super) fn identity(config: &ServeConfig) -> Result<Option<Arc<HopIdentity>>, StartError> {
    let dir: &Path = match config.hop() {
        HopConfig::Within => return Ok(None),
        HopConfig::Router { tls } | HopConfig::Processor { tls, .. } => tls,
    };
    let identity = HopIdentity::load(dir, &needed(config.roles()))
        .map_err(|e| StartError::Setting(format!("--hop-tls: {e}")))?;
    Ok(Some(Arc::new(identity)))
}

fn needed(roles: Roles) -> Vec<Role> {
    let all = [
        (roles.router(), Role::Router),
        (roles.processor(), Role::Processor),
    ];
    all.into_iter()
        .filter_map(|(has, role)| has.then_some(role))
        .collect()
}
