//! Whether this client may make this request: the TLS policy of today for the connection's name and for the request's
//! host, the client certificate, and the paths that need none. Everything that is not clearly allowed is refused.

use std::sync::Arc;

use control::object::{ClientAuth, Ssl};
use control::snapshot::Snapshot;

use super::Router;
use super::client::{Client, Secure};
use super::policy::{self, Policy};
use crate::alert::evidence::{Chain, Phase, Refusal, Side};
use crate::alert::finding::Context;
use crate::alert::{CertFault, Evidence, Failure, Hop};
use crate::fault::{Fault, FaultCode};
use crate::tls::server::ClientCert;

/// Why a request may not be made on its connection.
pub(super) struct Denied {
    /// 421 where another handshake would be needed, 400 where a client certificate is.
    code: FaultCode,
    refusal: Refusal,
    detail: String,
    /// The object that asks for what is missing.
    ssl: Option<Arc<Ssl>>,
}

impl Denied {
    fn new(code: FaultCode, refusal: Refusal, detail: impl Into<String>) -> Self {
        Self {
            code,
            refusal,
            detail: detail.into(),
            ssl: None,
        }
    }

    fn misdirected(refusal: Refusal, detail: impl Into<String>) -> Self {
        Self::new(FaultCode::Misdirected, refusal, detail)
    }

    /// Notes it as what it is, a refusal that TLS would have made at the handshake, and makes it a fault. `request` is the
    /// request's id.
    pub(super) fn note(self, router: &Router, client: &Client, request: &str) -> Fault {
        let mut evidence = Evidence::new(Hop::Northbound, Side::Server)
            .refused(self.refusal, None)
            .because(self.detail.as_str());
        evidence.phase = Phase::PostHandshake;
        evidence.own = self
            .ssl
            .as_ref()
            .map(|ssl| router.shared.tls.own(ssl))
            .unwrap_or_default();
        let mut context = Context {
            peer: Some(client.peer),
            local: Some(client.local),
            ssl: self.ssl.map(|ssl| Arc::clone(ssl.id())),
            request: Some(request.to_owned()),
            revision: router.shared.snapshot.load().revision(),
            ..Context::default()
        };
        if let Some(secure) = &client.tls {
            context.sni = secure.facts.sni.clone().map(String::from);
            if let ClientCert::Verified { chain, .. } | ClientCert::Refused { chain, .. } =
                &secure.facts.client
            {
                evidence.peer_chain = Chain::new(Arc::clone(chain));
            }
        }
        let failure = Failure::of(evidence);
        let cause = failure.cause();
        router.shared.failures.note(context, failure);
        Fault::router(self.code, format!("{}: {}", cause.as_str(), self.detail)).because(cause)
    }
}

/// Judges a request on a TLS connection. `host` is the request's, `raw_path` its path as sent.
///
/// # Errors
/// [`Denied`].
pub(super) fn judge(
    snapshot: &Snapshot,
    secure: &Secure,
    host: &str,
    raw_path: &str,
) -> Result<(), Denied> {
    let ssl = in_force(snapshot, secure)?;
    host_agrees(snapshot, &ssl, secure, host)?;
    match ssl.client() {
        Some(auth) => certificate(auth, secure, raw_path).map_err(|denied| Denied {
            ssl: Some(ssl),
            ..denied
        }),
        None => Ok(()),
    }
}

/// The object that answers for the connection's name now. If it asks for other clients than the handshake let in, the
/// connection is of no use any more. An object that is gone goes on governing the connections made under it.
fn in_force(snapshot: &Snapshot, secure: &Secure) -> Result<Arc<Ssl>, Denied> {
    let current = match policy::of_name(snapshot, &secure.name) {
        Policy::Open(ssl) => ssl,
        Policy::Refused(_) => return Ok(Arc::clone(&secure.ssl)),
        Policy::Closed(id) => {
            let detail = format!("ssls/{id} of the connection's name is closed");
            return Err(Denied::misdirected(Refusal::MissingMaterial, detail));
        }
    };
    let asked = secure.ssl.client().map(ClientAuth::policy);
    match current.client() {
        Some(auth) if asked != Some(auth.policy()) => {
            let detail = "client authentication changed since the handshake";
            let denied = Denied::misdirected(Refusal::NoClientCertificate, detail);
            Err(Denied {
                ssl: Some(current),
                ..denied
            })
        }
        _ => Ok(current),
    }
}

/// A host whose object asks for client certificates is served only on a connection whose name leads to the same object.
fn host_agrees(
    snapshot: &Snapshot,
    ssl: &Arc<Ssl>,
    secure: &Secure,
    host: &str,
) -> Result<(), Denied> {
    if host == secure.name {
        return Ok(());
    }
    match policy::of_name(snapshot, host) {
        Policy::Open(of_host) if of_host.client().is_some() && of_host.id() != ssl.id() => {
            let detail = format!(
                "ssls/{} of the host {host} asks for client certificates; the connection was made for {} under ssls/{}",
                of_host.id(),
                secure.name,
                ssl.id()
            );
            let denied = Denied::misdirected(Refusal::HostMismatch, detail);
            Err(Denied {
                ssl: Some(of_host),
                ..denied
            })
        }
        Policy::Closed(id) => {
            let detail = format!("ssls/{id} of the host {host} is closed");
            Err(Denied::misdirected(Refusal::MissingMaterial, detail))
        }
        Policy::Open(_) | Policy::Refused(_) => Ok(()),
    }
}

fn certificate(auth: &ClientAuth, secure: &Secure, raw_path: &str) -> Result<(), Denied> {
    let refusal = match &secure.facts.client {
        ClientCert::Verified { until, .. } if unix_now() <= *until => return Ok(()),
        ClientCert::Verified { until, .. } => Refusal::Certificate(CertFault::Expired(*until)),
        ClientCert::Missing => Refusal::NoClientCertificate,
        ClientCert::Refused { reason, .. } => Refusal::Certificate(reason.clone()),
        // The handshake did not ask; `in_force` lets this pass only if the policies are equal, which they cannot be.
        ClientCert::NotAsked => {
            let detail = "the handshake asked for no certificate";
            return Err(Denied::misdirected(Refusal::NoClientCertificate, detail));
        }
    };
    if auth
        .skip()
        .is_some_and(|skip| control::path::is_canonical(raw_path) && skip.is_match(raw_path))
    {
        return Ok(());
    }
    let detail = match &refusal {
        Refusal::Certificate(fault) => fault.to_string(),
        _ => "no client certificate".to_owned(),
    };
    Err(Denied::new(FaultCode::ClientCertificate, refusal, detail))
}

fn unix_now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
