//! What we refused ourselves: the cause is known, whatever alert we had to send. Only which authority is missing behind a
//! chain without a trusted end is a matter of inference ([`super::gap`]).

use control::certificate::chain;

use super::gap::{Gap, of_peer};
use super::{Verdict, certain, high, low, medium, whose};
use crate::alert::evidence::{Evidence, Refusal, Side};
use crate::alert::{Cause, CertFault};

pub(super) fn classify(evidence: &Evidence, refusal: &Refusal) -> Verdict {
    certain(match refusal {
        Refusal::Version => Cause::ProtocolVersionMismatch,
        Refusal::Fallback => Cause::FallbackRejected,
        Refusal::Cipher => Cause::NoSharedCipher,
        // rustls names the group also where only suites without one (static RSA) are offered.
        Refusal::Group if no_suite_shared(evidence) => Cause::NoSharedCipher,
        Refusal::Group => Cause::NoSharedGroup,
        Refusal::Scheme => Cause::NoSharedSignatureScheme,
        Refusal::Alpn => Cause::NoSharedAlpn,
        Refusal::SniMissing => Cause::SniMissing,
        Refusal::SniUnknown => Cause::SniUnknown,
        Refusal::MissingMaterial => Cause::ConfigMissingMaterial,
        Refusal::HostMismatch => Cause::SniHostMismatch,
        Refusal::NoClientCertificate => Cause::ClientCertMissing,
        Refusal::TlsOnPlainPort => Cause::TlsToPlaintextPort,
        Refusal::BadSignature => Cause::KeyCertMismatch,
        Refusal::Internal => Cause::InternalError,
        Refusal::Certificate(fault) => return of_certificate(evidence, fault),
        // It spoke TLS, if badly: no cause says why.
        Refusal::Protocol => return low(Cause::Unknown),
    })
}

/// The client's suites and ours, if both are known, have nothing in common.
fn no_suite_shared(evidence: &Evidence) -> bool {
    evidence.hello.as_ref().is_some_and(|hello| {
        let ours = &evidence.own.suites;
        !ours.is_empty() && !hello.cipher_suites.iter().any(|s| ours.contains(s))
    })
}

/// The peer's certificate did not pass our verifier.
fn of_certificate(evidence: &Evidence, fault: &CertFault) -> Verdict {
    let client = evidence.side == Side::Server;
    let is = |of_client, of_server| certain(whose(client, of_client, of_server));
    match fault {
        CertFault::Expired(_) => is(Cause::ClientCertExpired, Cause::ServerCertExpired),
        CertFault::NotYetValid(_) => is(Cause::ClientCertNotYetValid, Cause::ServerCertNotYetValid),
        CertFault::WrongPurpose => is(Cause::ClientCertWrongPurpose, Cause::ServerCertWrongPurpose),
        CertFault::Revoked => is(Cause::ClientCertRevoked, Cause::ServerCertRevoked),
        // No client's name is verified.
        CertFault::WrongName(_) => is(Cause::Unknown, Cause::ServerCertHostnameMismatch),
        CertFault::SelfSigned => is(Cause::ClientCertUntrustedCa, Cause::ServerCertSelfSigned),
        CertFault::TooDeep | CertFault::NotAnIssuer => {
            is(Cause::ClientCertUntrustedCa, Cause::ServerCertUntrustedCa)
        }
        CertFault::UntrustedCa => untrusted(evidence, client),
        CertFault::TooLarge | CertFault::Malformed(_) => low(whose(
            client,
            Cause::ClientCertUntrustedCa,
            Cause::ServerCertUntrustedCa,
        )),
    }
}

/// The peer's chain begins with another certificate than the one that all others stand above.
fn leaf_is_not_first(evidence: &Evidence) -> bool {
    let shape = chain::judge(evidence.peer_chain.facts());
    shape.path.first().is_some_and(|first| *first != 0)
}

/// No path to an anchor: a certificate in between is missing, or the CA is not trusted.
fn untrusted(evidence: &Evidence, client: bool) -> Verdict {
    let incomplete = whose(
        client,
        Cause::ClientCertChainIncomplete,
        Cause::ServerCertChainIncomplete,
    );
    let distrusted = whose(
        client,
        Cause::ClientCertUntrustedCa,
        Cause::ServerCertUntrustedCa,
    );
    // A CA comes first and the leaf after it: it was judged as the leaf that it is not.
    if !client && leaf_is_not_first(evidence) {
        return certain(Cause::ServerCertChainDisordered);
    }
    match of_peer(evidence) {
        Gap::SelfSignedLeaf => certain(whose(
            client,
            Cause::ClientCertUntrustedCa,
            Cause::ServerCertSelfSigned,
        )),
        Gap::RootShown | Gap::NameTaken => certain(distrusted),
        Gap::Root => high(distrusted),
        Gap::Intermediate => high(incomplete),
        Gap::Unclear => medium(distrusted),
        Gap::Unknown => low(distrusted),
    }
}
