//! What a chain without a trusted end lacks: a certificate in between, or our trust in its root. From a chain alone this
//! cannot be known, since the missing issuer is just a name; its place in the hierarchy is inferred from what is known around it.

use control::certificate::{CertInfo, chain};

use crate::alert::evidence::Evidence;

/// What names of intermediates say.
const INTERMEDIATE: [&str; 6] = [
    "intermediate",
    "issuing",
    "sub ca",
    "subca",
    "sub-ca",
    "subordinate",
];

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The leaf is its own issuer.
    SelfSignedLeaf,
    /// The chain goes up to a root, which the verifier does not trust.
    RootShown,
    /// The missing issuer bears the name of a trusted CA, but another key signed.
    NameTaken,
    /// The missing issuer is most likely a root.
    Root,
    /// The missing issuer is most likely an intermediate that should have been sent.
    Intermediate,
    /// It can be either.
    Unclear,
    /// There is no chain to look at.
    Unknown,
}

/// Of the chain that a peer showed us, with the CAs that we trust.
pub fn of_peer(evidence: &Evidence) -> Gap {
    of(evidence.peer_chain.facts(), &evidence.own.anchors)
}

/// Of `chain` (leaf first, any order above it) for a verifier that trusts the CAs named `anchors`.
pub fn of(chain: &[CertInfo], anchors: &[String]) -> Gap {
    let shape = chain::judge(chain);
    let Some(top) = shape.path.last().and_then(|index| chain.get(*index)) else {
        return Gap::Unknown;
    };
    if shape.root_included {
        return if shape.path.len() == 1 {
            Gap::SelfSignedLeaf
        } else {
            Gap::RootShown
        };
    }
    let missing = top.issuer();
    if anchors.iter().any(|anchor| anchor == missing) {
        return Gap::NameTaken;
    }
    let name = missing.to_ascii_lowercase();
    if name.contains("root") {
        return Gap::Root;
    }
    // A certificate that tells where its issuer can be fetched was issued below a root: roots are not fetched. So was, most
    // likely, one of the organisation whose CA is trusted.
    let related = organisation(missing).is_some_and(|ours| {
        anchors
            .iter()
            .any(|anchor| organisation(anchor) == Some(ours))
    });
    if INTERMEDIATE.iter().any(|word| name.contains(word)) || top.issuer_url().is_some() || related
    {
        return Gap::Intermediate;
    }
    if shape.path.len() > 1 {
        Gap::Root
    } else {
        Gap::Unclear
    }
}

/// The `O=` of a name in text.
fn organisation(name: &str) -> Option<&str> {
    name.split(',')
        .find_map(|part| part.strip_prefix("O="))
        .filter(|value| !value.is_empty())
}
