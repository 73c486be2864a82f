//! What the chains are worth: the one presented, against the CAs trusted and the name wanted, and ours, against what the server
//! accepts. No connection; the verifier is the data plane's own.

use std::sync::Arc;
use std::time::Duration;

use control::certificate::chain::{self, ChainShape};
use control::certificate::{CertInfo, CertNames, Covered, name_of_der};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::KeyUsage;

use super::asked::{Asked, Trust};
use super::session::Session;
use crate::tls::verify::anchors::Anchors;
use crate::tls::verify::target::TargetVerifier;
use crate::tls::verify::webpki_path::Search;
use crate::tls::verify::{CertFault, MAX_CERTIFICATES};

/// See the module.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Unix seconds at which it holds.
    pub now: i64,
    /// The certificates presented, those that can be read.
    pub infos: Vec<CertInfo>,
    /// What they amount to.
    pub shape: ChainShape,
    /// Whether the leaf is for the name wanted.
    pub covered: Covered,
    /// Why there is no path to a trusted CA, dates of the leaf, purpose and names left out.
    pub path: Option<CertFault>,
    /// The platform's roots lead to it where the CAs given do not.
    pub platform_trusts: bool,
    /// With certificates that other connections were shown there is a path.
    pub completed: bool,
    /// An OCSP staple came with it.
    pub stapled: bool,
    /// Our own chain, if we have one.
    pub own: Option<OwnChain>,
}

/// What a server will make of our certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnChain {
    /// The certificates we send.
    pub infos: Vec<CertInfo>,
    /// What they amount to.
    pub shape: ChainShape,
    /// Whether an issuer of one of them is among the CAs that the server names; `None` if it names none or did not ask.
    pub issuer_listed: Option<bool>,
}

/// Judges the chain of a handshake. `others` are certificates that other connections were shown.
pub(super) fn judge(
    asked: &Asked,
    session: &Session,
    others: &[CertificateDer<'static>],
    now: i64,
) -> Option<Judgement> {
    let infos = read(&session.chain);
    let leaf = session.chain.first()?;
    let path = fault(&asked.trust.anchors, &session.chain, asked, now);
    let untrusted = is_untrusted(path.as_ref());
    let completed = untrusted && {
        let all = together(&session.chain, others);
        fault(&asked.trust.anchors, &all, asked, now).is_none()
    };
    let platform_trusts = untrusted && !asked.trust.platform && {
        let platform = Trust::platform();
        !is_untrusted(fault(&platform.anchors, &session.chain, asked, now).as_ref())
    };
    Some(Judgement {
        now,
        shape: chain::judge(&infos),
        covered: CertNames::of_der(leaf).cover(&asked.verify_name),
        path,
        platform_trusts,
        completed,
        stapled: session.stapled,
        own: asked
            .identity
            .as_ref()
            .map(|material| own(material.chain(), session)),
        infos,
    })
}

/// The chain and the others that are not in it, within the verifier's bound.
fn together(
    chain: &[CertificateDer<'static>],
    others: &[CertificateDer<'static>],
) -> Vec<CertificateDer<'static>> {
    let mut all = chain.to_vec();
    for other in others {
        if all.len() < MAX_CERTIFICATES && !all.contains(other) {
            all.push(other.clone());
        }
    }
    all
}

fn read(chain: &[CertificateDer<'static>]) -> Vec<CertInfo> {
    let readable = chain.iter();
    readable
        .filter_map(|der| CertInfo::of_der(der).ok())
        .collect()
}

/// No path, as opposed to a path that is bad otherwise.
const fn is_untrusted(fault: Option<&CertFault>) -> bool {
    matches!(
        fault,
        Some(CertFault::UntrustedCa | CertFault::SelfSigned | CertFault::NotAnIssuer)
    )
}

/// The path's fault at a time when the leaf is valid, so that its dates do not hide it.
fn fault(
    anchors: &Arc<Anchors>,
    chain: &[CertificateDer<'static>],
    asked: &Asked,
    now: i64,
) -> Option<CertFault> {
    let [leaf, rest @ ..] = chain else {
        return None;
    };
    let within = CertInfo::of_der(leaf).map_or(now, |info| {
        now.max(info.not_before())
            .min(info.not_after().max(info.not_before()))
    });
    let at = UnixTime::since_unix_epoch(Duration::from_secs(within.try_into().unwrap_or(0)));
    let algorithms =
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let verifier = TargetVerifier::new(Some(Arc::clone(anchors)), algorithms);
    let name = ServerName::try_from(asked.verify_name.as_str()).ok()?;
    match verifier.check(leaf, rest, &name, at) {
        // The name comes last and is told apart.
        Ok(_) | Err(CertFault::WrongName(_)) => None,
        // The purpose comes first: the path is judged as a client's, or it would hide behind it.
        Err(CertFault::WrongPurpose) => {
            let search = Search {
                anchors,
                depth: usize::MAX,
                usage: KeyUsage::client_auth(),
                algorithms: algorithms.all,
            };
            let fault = search.run(leaf, rest, at).err();
            fault.filter(|fault| *fault != CertFault::WrongPurpose)
        }
        // An issuer renewed under the same key is younger than a leaf that has expired, which is no fault of the issuer.
        Err(CertFault::NotYetValid(from)) if from <= now => None,
        Err(CertFault::Expired(until)) if until >= now => None,
        Err(fault) => Some(fault),
    }
}

fn own(chain: &[CertificateDer<'static>], session: &Session) -> OwnChain {
    let infos = read(chain);
    let named = session
        .request
        .as_ref()
        .filter(|request| !request.authorities.is_empty())
        .map(|request| {
            let names: Vec<String> = request
                .authorities
                .iter()
                .filter_map(|der| name_of_der(der))
                .collect();
            infos
                .iter()
                .any(|info| names.iter().any(|name| name == info.issuer()))
        });
    OwnChain {
        shape: chain::judge(&infos),
        infos,
        issuer_listed: named,
    }
}

impl Judgement {
    /// The leaf.
    pub fn leaf(&self) -> Option<&CertInfo> {
        let first = self.shape.path.first().copied().unwrap_or(0);
        self.infos.get(first)
    }
}

#[cfg(test)]
mod tests {
    use control::object::SniChoice;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use time::OffsetDateTime;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    fn dated(names: &[&str], from: i64, until: i64) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = OffsetDateTime::from_unix_timestamp(NOW + from * DAY).unwrap();
        params.not_after = OffsetDateTime::from_unix_timestamp(NOW + until * DAY).unwrap();
        params
    }

    /// The fault of a leaf and of the CA that issued it, each good in the days given, counted from now.
    fn found(leaf: (i64, i64), ca: (i64, i64)) -> Option<CertFault> {
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = dated(&[], ca.0, ca.1);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&ca_key).unwrap().der().clone();
        let issuer = Issuer::new(params, ca_key);
        let leaf = dated(&["a.test"], leaf.0, leaf.1);
        let leaf = leaf.signed_by(&key, &issuer).unwrap().der().clone();
        let asked = Asked::new("a.test", 443, &SniChoice::Host, Trust::given(&[root]));
        fault(&asked.trust.anchors, &[leaf], &asked, NOW)
    }

    #[test]
    fn dates_of_the_leaf_make_no_fault_of_its_issuer() {
        // The CA was renewed under the same key after the leaf had expired.
        assert_eq!(found((-400, -300), (-10, 100)), None);
        assert_eq!(found((300, 400), (-10, 100)), None);
        assert_eq!(found((-10, 10), (-100, 100)), None);
    }

    #[test]
    fn an_issuer_that_is_not_valid_now_is_a_fault() {
        let expired = found((-400, -300), (-500, -350));
        assert!(
            matches!(expired, Some(CertFault::Expired(_))),
            "{expired:?}"
        );
        let early = found((-10, 10), (5, 100));
        assert!(
            matches!(early, Some(CertFault::NotYetValid(_))),
            "{early:?}"
        );
    }
}
