//! A small, strict path check (RFC 5280, 6.1 without policies and name constraints) for the leaves webpki refuses on
//! principle and OpenSSL accepts: X.509 v1, which `openssl x509 -req` makes without extensions, and CA:TRUE, which
//! `openssl req -x509` makes. Everything it does not understand it refuses; its work is bounded.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::CertFault;
use super::anchors::{Anchor, Anchors};
use super::cert::{Cert, Side};

/// Signatures checked for one leaf, at most.
const MAX_SIGNATURES: usize = 32;

/// What a path must satisfy.
pub(super) struct Search<'a> {
    pub(super) anchors: &'a Anchors,
    pub(super) depth: usize,
    pub(super) side: Side,
    pub(super) algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    /// Unix seconds.
    pub(super) now: i64,
}

/// The part of a path built so far.
struct Climb<'c> {
    /// Certificates not in the path yet.
    candidates: Vec<Cert<'c>>,
    /// Intermediates in the path.
    length: usize,
    /// Signatures that may still be checked.
    budget: usize,
}

impl Search<'_> {
    /// Looks for a path from `leaf` over `candidates` to an anchor; returns the earliest notAfter in it.
    pub(super) fn run(
        &self,
        leaf: &Cert<'_>,
        candidates: &[CertificateDer<'_>],
    ) -> Result<i64, CertFault> {
        if !(leaf.is_v1() || leaf.is_v3()) {
            return Err(CertFault::Malformed("X.509 version".to_owned()));
        }
        leaf.check_extensions()?;
        let candidates = candidates
            .iter()
            .filter_map(|c| Cert::parse(c).ok())
            .collect();
        let mut climb = Climb {
            candidates,
            length: 0,
            budget: MAX_SIGNATURES,
        };
        let until = self.climb(leaf, &mut climb).map_err(|fault| match fault {
            CertFault::UntrustedCa if leaf.is_self_signed() => CertFault::SelfSigned,
            fault => fault,
        })?;
        leaf.check_dates(self.now)?;
        Ok(until.min(leaf.not_after()))
    }

    /// From `head` upwards: an anchor, else the next intermediate. The error is that of the path that came furthest.
    fn climb(&self, head: &Cert<'_>, climb: &mut Climb<'_>) -> Result<i64, CertFault> {
        let mut fault = CertFault::UntrustedCa;
        for anchor in self
            .anchors
            .facts
            .iter()
            .filter(|a| a.subject == head.issuer())
        {
            if !climb.may_check() || !head.is_signed_by(&anchor.key, self.algorithms) {
                continue;
            }
            match self.accept(anchor, climb.length) {
                Ok(()) => return Ok(anchor.not_after),
                Err(e) => fault = e,
            }
        }
        for _ in 0..climb.candidates.len() {
            // Each candidate once: out of the list while it is the head, at its end afterwards.
            let issuer = climb.candidates.remove(0);
            let result = if issuer.subject() == head.issuer()
                && climb.may_check()
                && head.is_signed_by(issuer.key(), self.algorithms)
            {
                self.step(&issuer, climb)
            } else {
                Err(CertFault::UntrustedCa)
            };
            climb.candidates.push(issuer);
            match result {
                Ok(until) => return Ok(until),
                Err(CertFault::UntrustedCa) => {}
                Err(e) => fault = e,
            }
        }
        Err(fault)
    }

    /// Takes `issuer` into the path and climbs on from it.
    fn step(&self, issuer: &Cert<'_>, climb: &mut Climb<'_>) -> Result<i64, CertFault> {
        if climb.length >= self.depth {
            return Err(CertFault::TooDeep);
        }
        let too_long = issuer.path_len().is_some_and(|most| climb.length > most);
        if !issuer.may_issue() || issuer.has_name_constraints() || too_long {
            return Err(CertFault::NotAnIssuer);
        }
        issuer.check_extensions()?;
        issuer.check_extended_purpose(self.side)?;
        issuer.check_dates(self.now)?;
        climb.length += 1;
        let result = self.climb(issuer, climb);
        climb.length -= 1;
        Ok(result?.min(issuer.not_after()))
    }

    fn accept(&self, anchor: &Anchor, intermediates: usize) -> Result<(), CertFault> {
        if anchor.constrained || anchor.path_len.is_some_and(|most| intermediates > most) {
            return Err(CertFault::NotAnIssuer);
        }
        if self.now > anchor.not_after {
            return Err(CertFault::Expired(anchor.not_after));
        }
        if self.now < anchor.not_before {
            return Err(CertFault::NotYetValid(anchor.not_before));
        }
        Ok(())
    }
}

impl Climb<'_> {
    /// Takes one signature check from the budget.
    const fn may_check(&mut self) -> bool {
        match self.budget.checked_sub(1) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }
}
