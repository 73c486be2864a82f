//! What a list of certificates amounts to: which of them lead from the first one up, in which order, and where the way
//! ends. By names and key identifiers alone: signatures are the verifiers' matter, and a chain that cannot be walked by
//! name cannot be verified by anybody. For the chain that a peer presents and for the ones that we serve.

use serde::Serialize;

use super::CertInfo;

/// How many certificates are looked at, from the first on. OpenSSL's own bound for a chain is 100, real ones have two to
/// five; what comes later is counted as [`ChainShape::extra`].
const MOST_CERTIFICATES: usize = 32;

/// The shape of a list of certificates, in indices into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChainShape {
    /// From the leaf up, each issued by the next: the order that the list should have. Empty for an empty list.
    pub path: Vec<usize>,
    /// The list has `path`'s order, whatever else is in it. TLS 1.2 demands it (RFC 5246, 7.4.2), and OpenSSL and Java
    /// mend it while some others do not.
    pub ordered: bool,
    /// Copies of an earlier certificate.
    pub duplicates: Vec<usize>,
    /// Certificates that the path does not need, without the duplicates.
    pub extra: Vec<usize>,
    /// The last of the path is its own issuer: a root, sent along for nothing, or a self-signed leaf.
    pub root_included: bool,
    /// The issuer of the path's last certificate, if that is not its own issuer: the chain is incomplete for every peer
    /// that does not have this very issuer, be it as a root or by other means. `None` if `root_included`.
    pub missing_issuer: Option<String>,
}

impl ChainShape {
    /// The leaf alone, which something else must have issued: what is sent when intermediates were forgotten.
    pub fn is_bare_leaf(&self) -> bool {
        self.path.len() == 1 && !self.root_included
    }

    /// Certificates of the path above the leaf whose validity does not include `now` (unix seconds). `chain` is the
    /// list that was judged.
    pub fn issuers_not_valid_at(&self, chain: &[CertInfo], now: i64) -> Vec<usize> {
        let issuers = self.path.iter().skip(1).copied();
        issuers
            .filter(|index| chain.get(*index).is_some_and(|cert| !cert.is_valid_at(now)))
            .collect()
    }
}

/// Walks from the leaf up. The leaf is the first certificate, unless that one issued another of the list that is no CA.
pub fn judge(chain: &[CertInfo]) -> ChainShape {
    let considered = &chain[..chain.len().min(MOST_CERTIFICATES)];
    if considered.is_empty() {
        return ChainShape {
            ordered: true,
            ..ChainShape::default()
        };
    }
    let duplicates: Vec<usize> = (1..considered.len())
        .filter(|index| {
            let this = considered[*index].fingerprint();
            considered[..*index]
                .iter()
                .any(|earlier| earlier.fingerprint() == this)
        })
        .collect();
    let path = walk(considered, leaf(considered), &duplicates);
    let last = path.last().map(|index| &considered[*index]);
    let root_included = last.is_some_and(CertInfo::is_self_signed);
    let missing = last.filter(|last| !last.is_self_signed());
    ChainShape {
        ordered: path.first() == Some(&0) && path.is_sorted(),
        extra: (0..chain.len())
            .filter(|index| !path.contains(index) && !duplicates.contains(index))
            .collect(),
        root_included,
        missing_issuer: missing.map(|last| last.issuer().to_owned()),
        duplicates,
        path,
    }
}

/// The index of the leaf.
fn leaf(chain: &[CertInfo]) -> usize {
    let first = &chain[0];
    if !first.is_ca() {
        return 0;
    }
    let below = |cert: &CertInfo| !cert.is_ca() && leads_to(chain, cert, first);
    chain.iter().position(below).unwrap_or(0)
}

/// Whether the way up from `cert` passes `goal`.
fn leads_to(chain: &[CertInfo], cert: &CertInfo, goal: &CertInfo) -> bool {
    let Some(from) = chain.iter().position(|other| other == cert) else {
        return false;
    };
    walk(chain, from, &[])
        .iter()
        .any(|index| chain[*index] == *goal)
}

/// The way up from `from`, each certificate at most once. Where several can be the issuer, as with cross-signed ones,
/// it is the next in the list if that is one, else the first.
fn walk(chain: &[CertInfo], from: usize, duplicates: &[usize]) -> Vec<usize> {
    let mut path = vec![from];
    let mut at = from;
    while !chain[at].is_self_signed() {
        let fits = |index: &usize| {
            !path.contains(index)
                && !duplicates.contains(index)
                && chain[at].names_as_issuer(&chain[*index])
        };
        let after = (at + 1..chain.len()).take(1);
        let Some(issuer) = after.chain(0..chain.len()).find(fits) else {
            break;
        };
        path.push(issuer);
        at = issuer;
    }
    path
}

#[cfg(test)]
mod tests;
