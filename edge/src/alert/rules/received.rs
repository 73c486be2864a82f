//! What a peer means by its alert, in the light of what we know: which number a stack chooses says little, what we showed it
//! says much.

use super::gap::Gap;
use super::own_chain::{self, Flaw};
use super::{Verdict, certain, high, low, medium, whose};
use crate::alert::evidence::{Evidence, Shown, Side};
use crate::alert::{Alert, Cause, Hop};

pub(super) fn classify(evidence: &Evidence) -> Verdict {
    let Some(seen) = evidence.decisive_alert() else {
        return low(Cause::Unknown);
    };
    let alert = seen.alert;
    match alert {
        Alert::PROTOCOL_VERSION => return certain(Cause::ProtocolVersionMismatch),
        Alert::INAPPROPRIATE_FALLBACK => return certain(Cause::FallbackRejected),
        Alert::NO_APPLICATION_PROTOCOL => return certain(Cause::NoSharedAlpn),
        Alert::INSUFFICIENT_SECURITY => return high(Cause::NoSharedCipher),
        _ => {}
    }
    match (evidence.hop, evidence.side) {
        (Hop::Internal, _) => between_nodes(evidence, alert),
        (_, Side::Client) => from_server(evidence, alert),
        (_, Side::Server) => from_client(evidence, alert),
    }
}

/// A target's alert. What it may speak of: our hello, or our certificate.
fn from_server(evidence: &Evidence, alert: Alert) -> Verdict {
    let shown = evidence.own.shown;
    let nameless = sent_no_name(evidence);
    match alert {
        Alert::UNRECOGNIZED_NAME if nameless => certain(Cause::SniMissing),
        Alert::UNRECOGNIZED_NAME => certain(Cause::SniUnknown),
        Alert::CERTIFICATE_REQUIRED if shown == Shown::Chain => {
            certain(Cause::ClientCertRejectedByPeer)
        }
        Alert::CERTIFICATE_REQUIRED => certain(Cause::ClientCertMissing),
        _ if is_about_certificates(alert) && shown == Shown::Chain => of_ours(evidence, alert),
        Alert::HANDSHAKE_FAILURE if shown == Shown::Chain => soften(of_ours(evidence, alert)),
        // It asked for a certificate, got none, and says so with whatever number it has for that.
        Alert::HANDSHAKE_FAILURE
        | Alert::BAD_CERTIFICATE
        | Alert::CERTIFICATE_UNKNOWN
        | Alert::ACCESS_DENIED
        | Alert::UNKNOWN_CA
        | Alert::DECODE_ERROR
        | Alert::CLOSE_NOTIFY
            if shown == Shown::Nothing =>
        {
            high(Cause::ClientCertMissing)
        }
        Alert::INTERNAL_ERROR if shown == Shown::Chain => low(Cause::ClientCertRejectedByPeer),
        _ if evidence.server_hello.is_none() => before_server_hello(alert, nameless),
        Alert::CLOSE_NOTIFY | Alert::USER_CANCELED => medium(Cause::PeerClosedDuringHandshake),
        _ => low(Cause::Unknown),
    }
}

/// It did not like our hello.
const fn before_server_hello(alert: Alert, nameless: bool) -> Verdict {
    match alert {
        Alert::HANDSHAKE_FAILURE | Alert::INTERNAL_ERROR | Alert::ACCESS_DENIED if nameless => {
            medium(Cause::SniMissing)
        }
        Alert::HANDSHAKE_FAILURE => medium(Cause::NoSharedCipher),
        // OpenResty and with it APISIX say so where no certificate matches; rustls says access_denied.
        Alert::INTERNAL_ERROR | Alert::ACCESS_DENIED => medium(Cause::SniUnknown),
        Alert::CLOSE_NOTIFY | Alert::USER_CANCELED => medium(Cause::PeerClosedDuringHandshake),
        _ => low(Cause::Unknown),
    }
}

/// A client's alert: nearly always about our certificate.
fn from_client(evidence: &Evidence, alert: Alert) -> Verdict {
    match alert {
        _ if is_about_certificates(alert) => of_ours(evidence, alert),
        Alert::CLOSE_NOTIFY | Alert::USER_CANCELED => medium(Cause::PeerClosedDuringHandshake),
        Alert::HANDSHAKE_FAILURE | Alert::ACCESS_DENIED if evidence.server_hello.is_some() => {
            low(Cause::ServerCertRejectedByPeer)
        }
        _ => low(Cause::Unknown),
    }
}

const fn is_about_certificates(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::BAD_CERTIFICATE
            | Alert::UNSUPPORTED_CERTIFICATE
            | Alert::CERTIFICATE_REVOKED
            | Alert::CERTIFICATE_EXPIRED
            | Alert::CERTIFICATE_UNKNOWN
            | Alert::UNKNOWN_CA
            | Alert::ACCESS_DENIED
            | Alert::DECRYPT_ERROR
    )
}

/// An alert about the chain that we showed.
fn of_ours(evidence: &Evidence, alert: Alert) -> Verdict {
    let client = evidence.side == Side::Client;
    let flaws = own_chain::flaws(evidence);
    let has = |flaw| flaws.contains(&flaw);
    let rejected = whose(
        client,
        Cause::ClientCertRejectedByPeer,
        Cause::ServerCertRejectedByPeer,
    );
    match alert {
        Alert::CERTIFICATE_EXPIRED if has(Flaw::Expired) => certain(Flaw::Expired.cause(client)),
        Alert::CERTIFICATE_EXPIRED if has(Flaw::NotYetValid) => {
            high(Flaw::NotYetValid.cause(client))
        }
        // Its clock is wrong, or a certificate of the chain that it has itself.
        Alert::CERTIFICATE_EXPIRED => medium(rejected),
        Alert::UNKNOWN_CA => unknown_ca(evidence, &flaws, client),
        Alert::UNSUPPORTED_CERTIFICATE if has(Flaw::WrongPurpose) => {
            high(Flaw::WrongPurpose.cause(client))
        }
        Alert::CERTIFICATE_REVOKED => high(whose(
            client,
            Cause::ClientCertRevoked,
            Cause::ServerCertRevoked,
        )),
        Alert::DECRYPT_ERROR => medium(Cause::KeyCertMismatch),
        // Stacks that have one number for all faults of certificates.
        Alert::BAD_CERTIFICATE | Alert::CERTIFICATE_UNKNOWN | Alert::ACCESS_DENIED
            if flaws.is_empty() && own_chain::is_of_no_listed_ca(evidence) =>
        {
            high(Cause::ClientCertUntrustedCa)
        }
        // Often no verdict on the certificate but on who it is; GnuTLS means the former, so a flaw explains it better.
        Alert::ACCESS_DENIED if flaws.is_empty() => medium(rejected),
        _ => match flaws[..] {
            [] => low(rejected),
            [only] => high(only.cause(client)),
            [first, ..] => medium(first.cause(client)),
        },
    }
}

/// The peer found no path from our chain to a CA that it trusts.
fn unknown_ca(evidence: &Evidence, flaws: &[Flaw], client: bool) -> Verdict {
    let untrusted = whose(
        client,
        Cause::ClientCertUntrustedCa,
        Cause::ServerCertUntrustedCa,
    );
    if flaws.contains(&Flaw::SelfSigned) {
        return high(Flaw::SelfSigned.cause(client));
    }
    if flaws.contains(&Flaw::Incomplete) {
        return high(Flaw::Incomplete.cause(client));
    }
    if flaws.contains(&Flaw::Disordered) {
        return high(Flaw::Disordered.cause(client));
    }
    match own_chain::gap_of_ours(evidence) {
        Gap::Unclear => medium(untrusted),
        Gap::Unknown => low(untrusted),
        _ => high(untrusted),
    }
}

/// Both ends are ours, and ours say exactly what they mean.
fn between_nodes(evidence: &Evidence, alert: Alert) -> Verdict {
    // The alert speaks of our certificate.
    let client = evidence.side == Side::Client;
    let flaws = own_chain::flaws(evidence);
    let of = |for_client, for_server| whose(client, for_client, for_server);
    match alert {
        Alert::CERTIFICATE_REQUIRED => certain(Cause::ClientCertMissing),
        // The hop CAs of two clusters have one name: the wrong one is found by its signature.
        Alert::UNKNOWN_CA | Alert::DECRYPT_ERROR => high(of(
            Cause::ClientCertUntrustedCa,
            Cause::ServerCertUntrustedCa,
        )),
        Alert::CERTIFICATE_EXPIRED | Alert::BAD_CERTIFICATE
            if flaws.contains(&Flaw::NotYetValid) =>
        {
            certain(Flaw::NotYetValid.cause(client))
        }
        Alert::CERTIFICATE_EXPIRED => high(Flaw::Expired.cause(client)),
        Alert::CERTIFICATE_REVOKED => high(of(Cause::ClientCertRevoked, Cause::ServerCertRevoked)),
        // The role is a matter of purpose, whichever of the two a verifier says it with.
        Alert::UNSUPPORTED_CERTIFICATE | Alert::ACCESS_DENIED => high(of(
            Cause::ClientCertWrongPurpose,
            Cause::ServerCertWrongPurpose,
        )),
        Alert::BAD_CERTIFICATE | Alert::CERTIFICATE_UNKNOWN => medium(of(
            Cause::ClientCertRejectedByPeer,
            Cause::ServerCertRejectedByPeer,
        )),
        _ => low(Cause::Unknown),
    }
}

/// The target has a name that could have been sent, and was not.
fn sent_no_name(evidence: &Evidence) -> bool {
    evidence
        .hello
        .as_ref()
        .is_none_or(|hello| hello.sni.is_none())
}

/// The same, less sure.
fn soften(verdict: Verdict) -> Verdict {
    if verdict.confidence > super::Confidence::Medium {
        medium(verdict.cause)
    } else {
        verdict
    }
}
