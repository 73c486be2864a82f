//! A connection that ended without a fatal alert: closed, reset, or never done. A symptom more than a cause, unless something
//! that passed before explains it.

use super::own_chain::{self, Flaw};
use super::{Verdict, certain, high, medium};
use crate::alert::evidence::{Evidence, Phase, Shown, Side};
use crate::alert::{Alert, Cause, Direction};

/// The peer closed.
pub(super) fn closed(evidence: &Evidence) -> Verdict {
    if let Some(verdict) = before_the_end(evidence) {
        return verdict;
    }
    medium(Cause::PeerClosedDuringHandshake)
}

/// The peer reset the connection.
pub(super) fn reset(evidence: &Evidence) -> Verdict {
    if let Some(verdict) = before_the_end(evidence) {
        return verdict;
    }
    medium(Cause::PeerResetDuringHandshake)
}

/// Time was up.
pub(super) fn timed_out(evidence: &Evidence) -> Verdict {
    match (evidence.phase, evidence.side) {
        (Phase::TcpConnect, _) => certain(Cause::TcpConnectFailed),
        // The client is slow or says nothing: that is all there is to know.
        (_, Side::Server) => certain(Cause::HandshakeTimeout),
        // A target that does not answer may speak something else, or wait for something.
        (_, Side::Client) => medium(Cause::HandshakeTimeout),
    }
}

/// What passed before the peer went, if it explains it.
fn before_the_end(evidence: &Evidence) -> Option<Verdict> {
    match evidence.side {
        Side::Server => of_client(evidence),
        Side::Client => of_target(evidence),
    }
}

fn of_client(evidence: &Evidence) -> Option<Verdict> {
    // A load balancer's check, a port scan.
    if evidence.bytes.0 == 0 && evidence.hello.is_none() {
        return Some(certain(Cause::ProbeNoData));
    }
    if evidence.hello.is_none() {
        return Some(high(match evidence.end {
            crate::alert::evidence::End::Reset => Cause::PeerResetDuringHandshake,
            _ => Cause::PeerClosedDuringHandshake,
        }));
    }
    // It had seen our certificate and went without a word: what it may have found wrong is the likeliest reason.
    let hard = own_chain::flaws(evidence)
        .into_iter()
        .find(|flaw| !matches!(flaw, Flaw::NoSan | Flaw::SelfSigned));
    let saw_it = evidence.server_hello.is_some();
    hard.filter(|_| saw_it)
        .map(|flaw| medium(flaw.cause(false)))
}

fn of_target(evidence: &Evidence) -> Option<Verdict> {
    let warned = |alert| {
        let mut received = evidence
            .alerts
            .iter()
            .filter(|seen| seen.direction == Direction::Received);
        received.any(|seen| seen.alert == alert)
    };
    if warned(Alert::UNRECOGNIZED_NAME) {
        let nameless = evidence.hello.as_ref().is_none_or(|h| h.sni.is_none());
        let cause = if nameless {
            Cause::SniMissing
        } else {
            Cause::SniUnknown
        };
        return Some(high(cause));
    }
    match evidence.own.shown {
        Shown::Nothing => Some(high(Cause::ClientCertMissing)),
        Shown::Chain => Some(match own_chain::flaws(evidence).first() {
            Some(flaw) => medium(flaw.cause(true)),
            None => medium(Cause::ClientCertRejectedByPeer),
        }),
        Shown::NotAsked => None,
    }
}
