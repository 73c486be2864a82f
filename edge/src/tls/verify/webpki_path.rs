//! Paths as webpki finds them, and what it leaves out of judging them. The one place that asks it, for clients, targets and
//! nodes alike; leaves that it refuses on principle go to [`super::path`].

use std::cell::Cell;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::CertFault;
use super::anchors::Anchors;
use super::cert::Cert;

/// Where a path may lead, and how.
pub(crate) struct Search<'a> {
    pub(crate) anchors: &'a Anchors,
    /// Most intermediates.
    pub(crate) depth: usize,
    pub(crate) usage: KeyUsage,
    pub(crate) algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
}

impl Search<'_> {
    /// Finds a path from `leaf` over `candidates` that is good at `now`; until when it is, the earliest notAfter in it,
    /// unix seconds.
    pub(crate) fn run(
        &self,
        leaf: &CertificateDer<'_>,
        candidates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<i64, CertFault> {
        let until = Cell::new(i64::MAX);
        let accept = |path: &VerifiedPath<'_>| {
            until.set(path_until(path, self.anchors, self.depth, now)?);
            Ok(())
        };
        let parsed = EndEntityCert::try_from(leaf)?;
        let found = parsed.verify_for_usage(
            self.algorithms,
            &self.anchors.trust,
            candidates,
            now,
            self.usage,
            None,
            Some(&accept),
        );
        match found {
            Ok(_) => Ok(until.get()),
            Err(error) => Err(of_leaf(leaf, error.into())),
        }
    }
}

/// What webpki does not tell apart: a leaf that signed itself, and a CA's certificate, which it judges not at all.
fn of_leaf(leaf: &CertificateDer<'_>, fault: CertFault) -> CertFault {
    let Ok(cert) = Cert::parse(leaf) else {
        return fault;
    };
    let ca = cert.ca() == Some(true);
    match fault {
        CertFault::UntrustedCa if cert.is_self_signed() => CertFault::SelfSigned,
        // A CA's certificate is never a peer's own unless pinned; nearly always it signed itself.
        CertFault::Malformed(_) if ca && cert.is_self_signed() => CertFault::SelfSigned,
        CertFault::Malformed(_) if ca => CertFault::UntrustedCa,
        fault => fault,
    }
}

/// What webpki leaves out of a path it found good: its depth, the key usage of its issuers, and the anchor's own dates and
/// path length. Returns the earliest notAfter.
fn path_until(
    path: &VerifiedPath<'_>,
    anchors: &Anchors,
    depth: usize,
    now: UnixTime,
) -> Result<i64, webpki::Error> {
    let leaf = path.end_entity().der();
    let unreadable = |_| webpki::Error::BadDer;
    let mut until = Cert::parse(&leaf).map_err(unreadable)?.not_after();
    let mut length = 0;
    for intermediate in path.intermediate_certificates() {
        let der = intermediate.der();
        let cert = Cert::parse(&der).map_err(unreadable)?;
        if !cert.may_issue() {
            return Err(webpki::Error::EndEntityUsedAsCa);
        }
        until = until.min(cert.not_after());
        length += 1;
    }
    if length > depth {
        return Err(webpki::Error::MaximumPathDepthExceeded);
    }
    let anchor = anchors
        .facts_of(path.anchor())
        .ok_or(webpki::Error::UnknownIssuer)?;
    let at = |seconds: i64| {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds.try_into().unwrap_or(0),
        ))
    };
    let seconds = super::seconds(now.as_secs());
    if seconds > anchor.not_after {
        return Err(webpki::Error::CertExpired {
            time: now,
            not_after: at(anchor.not_after),
        });
    }
    if seconds < anchor.not_before {
        return Err(webpki::Error::CertNotValidYet {
            time: now,
            not_before: at(anchor.not_before),
        });
    }
    if anchor.path_len.is_some_and(|most| length > most) {
        return Err(webpki::Error::PathLenConstraintViolated);
    }
    Ok(until.min(anchor.not_after))
}
