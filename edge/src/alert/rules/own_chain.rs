//! What a peer would find wrong with the chain that we showed it. One alert number stands for many faults, and stacks choose
//! it differently; the certificate itself says which it is.

use control::certificate::{CertNames, Covered, chain, name_of_der};

use super::gap::{self, Gap};
use crate::alert::Cause;
use crate::alert::evidence::{Chain, Evidence, Side};

/// A fault of our own chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A certificate of it is past its notAfter.
    Expired,
    /// A certificate of it is before its notBefore.
    NotYetValid,
    /// The leaf is not for the name that the client asked for.
    WrongName,
    /// The leaf has a common name only: Go, rustls and browsers take that for no name.
    NoSan,
    /// The leaf is not for this side of TLS.
    WrongPurpose,
    /// The leaf signed itself.
    SelfSigned,
    /// An intermediate is most likely missing.
    Incomplete,
    /// The certificates are all there, in the wrong order.
    Disordered,
}

impl Flaw {
    /// The cause it is. `client`: the chain is a client's.
    pub(super) const fn cause(self, client: bool) -> Cause {
        match (self, client) {
            (Self::Expired, false) => Cause::ServerCertExpired,
            (Self::Expired, true) => Cause::ClientCertExpired,
            (Self::NotYetValid, false) => Cause::ServerCertNotYetValid,
            (Self::NotYetValid, true) => Cause::ClientCertNotYetValid,
            (Self::WrongName | Self::NoSan, false) => Cause::ServerCertHostnameMismatch,
            // Nobody asks for the name of a client.
            (Self::WrongName | Self::NoSan, true) => Cause::ClientCertRejectedByPeer,
            (Self::WrongPurpose, false) => Cause::ServerCertWrongPurpose,
            (Self::WrongPurpose, true) => Cause::ClientCertWrongPurpose,
            (Self::SelfSigned, false) => Cause::ServerCertSelfSigned,
            (Self::SelfSigned, true) => Cause::ClientCertUntrustedCa,
            (Self::Incomplete, false) => Cause::ServerCertChainIncomplete,
            (Self::Incomplete | Self::Disordered, true) => Cause::ClientCertChainIncomplete,
            (Self::Disordered, false) => Cause::ServerCertChainDisordered,
        }
    }
}

/// Every flaw of the chain that we showed, most telling first; none if there is no chain.
pub fn flaws(evidence: &Evidence) -> Vec<Flaw> {
    let chain = evidence.own.chain.facts();
    let Some(leaf) = chain.first() else {
        return Vec::new();
    };
    let (at, server) = (evidence.at, evidence.side == Side::Server);
    let mut found = Vec::new();
    let mut add = |flaw, is: bool| {
        if is {
            found.push(flaw);
        }
    };
    add(Flaw::Expired, chain.iter().any(|c| c.not_after() < at));
    add(Flaw::NotYetValid, chain.iter().any(|c| c.not_before() > at));
    let name = evidence
        .hello
        .as_ref()
        .and_then(|hello| hello.sni.as_deref());
    if server {
        add(Flaw::NoSan, leaf.has_no_names());
        add(
            Flaw::WrongName,
            !leaf.has_no_names() && name.is_some_and(|name| !is_for(&evidence.own.chain, name)),
        );
    }
    let purposes = leaf.purposes();
    let fits = if server {
        purposes.allow_server()
    } else {
        purposes.allow_client()
    };
    add(Flaw::WrongPurpose, !fits);
    let gap = gap_of_ours(evidence);
    add(Flaw::SelfSigned, gap == Gap::SelfSignedLeaf);
    add(Flaw::Incomplete, gap == Gap::Intermediate);
    add(Flaw::Disordered, !chain::judge(chain).ordered);
    found
}

/// Whether the leaf is for `name`, by an alternative name.
fn is_for(chain: &Chain, name: &str) -> bool {
    let names = chain.der().first().map(|leaf| CertNames::of_der(leaf));
    names.is_some_and(|names| names.cover(name) == Covered::Yes)
}

/// The target listed the CAs that it takes, and none of them issued a certificate of ours (RFC 8446, 4.2.4; RFC 5246, 7.4.4).
pub(super) fn is_of_no_listed_ca(evidence: &Evidence) -> bool {
    let Some(request) = &evidence.request else {
        return false;
    };
    let names = request.authorities.iter().map(|der| name_of_der(der));
    let listed: Vec<String> = names.flatten().collect();
    // A list that is not known whole excludes nothing.
    !listed.is_empty()
        && listed.len() == request.total_authorities
        && evidence
            .own
            .chain
            .facts()
            .iter()
            .all(|c| !listed.iter().any(|name| name == c.issuer()))
}

/// Where our chain ends, as the peer sees it: for a target, against the list of CAs that it sent.
pub fn gap_of_ours(evidence: &Evidence) -> Gap {
    let authorities = evidence.request.iter().flat_map(|r| &r.authorities);
    let trusted: Vec<String> = authorities.filter_map(|der| name_of_der(der)).collect();
    match gap::of(evidence.own.chain.facts(), &trusted) {
        // The peer trusts a CA of that name: nothing is missing.
        Gap::NameTaken => Gap::Unclear,
        gap => gap,
    }
}
