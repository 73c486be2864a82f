//! What was agreed on with a target, judged once more where rustls does not: the certificate of a resumed session, and the
//! protocol that we need. A step of [`super::client`].

use rustls::{ClientConnection, HandshakeKind};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::client::{TargetConfig, TargetSession, Unproven};
use super::names::Names;
use super::{failure, suites};
use crate::alert::Evidence;
use crate::alert::evidence::{Chain, End, Phase, Refusal, Shown, Side};

/// The facts of a handshake that went well, if what was agreed on is what must be.
pub(super) fn accepted(
    session: &ClientConnection,
    unproven: &Unproven,
    names: Names,
) -> Result<TargetSession, Box<Evidence>> {
    let config = &unproven.config;
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    let alpn_h2 = session.alpn_protocol() == Some(b"h2");
    let refused = if resumed {
        recheck(config, session.peer_certificates(), names.verified())
    } else {
        Ok(())
    };
    let refused = refused.and_then(|()| {
        if config.h2 && !alpn_h2 {
            let why = "the target did not agree on h2".to_owned();
            return Err((Refusal::Alpn, Phase::ServerHello, why));
        }
        Ok(())
    });
    if let Err((refusal, phase, why)) = refused {
        let mut evidence = failure::passed(Side::Client, &unproven.seen, &unproven.attempt);
        if let Some(chain) = session.peer_certificates() {
            evidence.peer_chain = Chain::new(chain.into());
        }
        config.describe(&mut evidence, &unproven.verify_name);
        (evidence.end, evidence.phase) = (End::Refused(refusal), phase);
        evidence.error = why;
        return Err(evidence);
    }
    let shown = unproven.attempt.shown() == Shown::Chain || (resumed && config.has_identity);
    Ok(TargetSession {
        version: suites::version_name(session.protocol_version()),
        cipher: suites::name(session.negotiated_cipher_suite()),
        sni: names.sent,
        resumed,
        client_cert: shown,
        alpn_h2,
    })
}

/// Judges the certificate of a resumed session again: rustls does not, and it may have expired since.
fn recheck(
    config: &TargetConfig,
    chain: Option<&[CertificateDer<'static>]>,
    name: &ServerName<'_>,
) -> Result<(), (Refusal, Phase, String)> {
    let refused = |refusal, why: &str| {
        let why = format!("resumed session: {why}");
        Err((refusal, Phase::ServerCert, why))
    };
    let Some([leaf, rest @ ..]) = chain else {
        return refused(Refusal::Internal, "no certificate");
    };
    match config.verifier.check(leaf, rest, name, UnixTime::now()) {
        Ok(_) => Ok(()),
        Err(fault) => refused(Refusal::Certificate(fault.clone()), &fault.to_string()),
    }
}
