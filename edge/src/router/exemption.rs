//! Whether this client may make this request: the TLS policy of today for the connection's name and for the request's
//! host, the client certificate, and the paths that need none. Everything that is not clearly allowed is refused.

use std::sync::Arc;

use control::object::{ClientAuth, Ssl};
use control::snapshot::Snapshot;

use super::client::Secure;
use super::policy::{self, Policy};
use crate::alert::Cause;
use crate::fault::{Fault, FaultCode};
use crate::tls::server::ClientCert;

/// Judges a request on a TLS connection. `host` is the request's, `raw_path` its path as sent.
///
/// # Errors
/// 421 where another handshake would be needed, 400 where a client certificate is.
pub(super) fn judge(
    snapshot: &Snapshot,
    secure: &Secure,
    host: &str,
    raw_path: &str,
) -> Result<(), Fault> {
    let ssl = in_force(snapshot, secure)?;
    host_agrees(snapshot, &ssl, secure, host)?;
    match ssl.client() {
        Some(auth) => certificate(auth, secure, raw_path),
        None => Ok(()),
    }
}

/// The object that answers for the connection's name now. If it asks for other clients than the handshake let in, the
/// connection is of no use any more. An object that is gone goes on governing the connections made under it.
fn in_force(snapshot: &Snapshot, secure: &Secure) -> Result<Arc<Ssl>, Fault> {
    let current = match policy::of_name(snapshot, &secure.name) {
        Policy::Open(ssl) => ssl,
        Policy::Refused(Cause::SniUnknown) => return Ok(Arc::clone(&secure.ssl)),
        Policy::Refused(cause) => {
            return Err(misdirected(
                "the SSL object of the connection's name is closed",
                cause,
            ));
        }
    };
    let asked = secure.ssl.client().map(ClientAuth::policy);
    match current.client() {
        Some(auth) if asked != Some(auth.policy()) => Err(misdirected(
            "client authentication changed since the handshake",
            Cause::ClientCertMissing,
        )),
        _ => Ok(current),
    }
}

/// A host whose object asks for client certificates is served only on a connection whose name leads to the same object.
fn host_agrees(
    snapshot: &Snapshot,
    ssl: &Arc<Ssl>,
    secure: &Secure,
    host: &str,
) -> Result<(), Fault> {
    if host == secure.name {
        return Ok(());
    }
    match policy::of_name(snapshot, host) {
        Policy::Open(of_host) if of_host.client().is_some() && of_host.id() != ssl.id() => {
            Err(misdirected(
                "the host's SSL object asks for client certificates and is not the SNI's",
                Cause::SniHostMismatch,
            ))
        }
        Policy::Refused(Cause::ConfigMissingMaterial) => Err(misdirected(
            "the host's SSL object is closed",
            Cause::ConfigMissingMaterial,
        )),
        Policy::Open(_) | Policy::Refused(_) => Ok(()),
    }
}

fn certificate(auth: &ClientAuth, secure: &Secure, raw_path: &str) -> Result<(), Fault> {
    let why = match &secure.facts.client {
        ClientCert::Verified { until, .. } if unix_now() <= *until => return Ok(()),
        ClientCert::Verified { .. } => Cause::ClientCertExpired,
        ClientCert::Missing => Cause::ClientCertMissing,
        ClientCert::Refused { reason, .. } => reason.client_cause(),
        // The handshake did not ask; `in_force` lets this pass only if the policies are equal, which they cannot be.
        ClientCert::NotAsked => {
            return Err(misdirected(
                "the handshake asked for no certificate",
                Cause::ClientCertMissing,
            ));
        }
    };
    if auth
        .skip()
        .is_some_and(|skip| control::path::is_canonical(raw_path) && skip.is_match(raw_path))
    {
        return Ok(());
    }
    Err(Fault::router(
        FaultCode::ClientCertificate,
        format!("client certificate: {}", why.as_str()),
    )
    .because(why))
}

fn unix_now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

fn misdirected(detail: &'static str, cause: Cause) -> Fault {
    Fault::router(FaultCode::Misdirected, detail).because(cause)
}
