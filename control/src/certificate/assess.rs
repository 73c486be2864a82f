//! What is wrong with one chain in use, or with one set of anchors: the findings, with real names and dates. Owns the
//! rules; the words for what to do are in `advice`. Pure: the clock comes from the caller.

use std::collections::HashSet;

use super::advice::{self, Advice};
use super::chain::{ChainShape, judge};
use super::finding::{Finding, FindingKind, Severity};
use super::inventory::{Entry, NodeCertificates, Use};
use super::{CertInfo, CertNames, Covered};

/// Days left when a certificate begins to be due, and when that is urgent: what the Prometheus rules use, too.
const SOON_DAYS: i64 = 30;
const URGENT_DAYS: i64 = 7;
const DAY: i64 = 86_400;
/// How many certificates of a chain or set are read; bundles of all public roots have 150.
const MOST_READ: usize = 200;
/// How many names or subjects a sentence lists.
const MOST_LISTED: usize = 3;

/// Issuers that peers may be expected to have: the platform's roots, and the self-signed ones that objects trust.
#[derive(Debug, Default)]
pub struct KnownRoots(HashSet<[u8; 32]>);

impl KnownRoots {
    /// From all entries and the platform's roots.
    pub fn of(entries: &[Entry<'_>], own: &NodeCertificates) -> Self {
        let trusted = entries.iter().filter(|entry| entry.usage == Use::Ca);
        let trusted = trusted.flat_map(|entry| entry.certificates);
        // Many objects trust the same authority: it is read once.
        let distinct: HashSet<&[u8]> = trusted.chain(&own.roots).map(AsRef::as_ref).collect();
        let roots = distinct
            .into_iter()
            .filter_map(|der| CertInfo::of_der(der).ok())
            .filter(CertInfo::is_self_signed);
        Self(roots.map(|root| *root.subject_hash()).collect())
    }
}

/// An entry with its certificates read and judged.
#[derive(Clone, Debug)]
pub struct Assessed {
    /// The certificates that could be read, in the order they are in.
    pub certificates: Vec<CertInfo>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
}

/// Reads and judges `entry` as it is at `now` (unix seconds).
pub fn assess(entry: &Entry<'_>, roots: &KnownRoots, now: i64) -> Assessed {
    let certificates: Vec<CertInfo> = entry
        .certificates
        .iter()
        .take(MOST_READ)
        .filter_map(|der| CertInfo::of_der(der).ok())
        .collect();
    let mut review = Review {
        entry,
        advice: Advice::new(entry),
        certificates: &certificates,
        shape: judge(&certificates),
        now,
        findings: Vec::new(),
    };
    let unread = entry.certificates.len().min(MOST_READ) - certificates.len();
    if unread > 0 {
        review.unreadable(unread);
    } else if entry.usage == Use::Ca {
        review.anchors();
    } else {
        review.chain(roots);
    }
    let mut findings = review.findings;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Assessed {
        certificates,
        findings,
    }
}

/// One entry under review.
struct Review<'a> {
    entry: &'a Entry<'a>,
    advice: Advice<'a>,
    certificates: &'a [CertInfo],
    shape: ChainShape,
    now: i64,
    findings: Vec<Finding>,
}

impl Review<'_> {
    fn add(&mut self, kind: FindingKind, severity: Severity, detail: String, fix: String) {
        self.findings.push(Finding {
            kind,
            severity,
            detail,
            fix,
        });
    }

    fn unreadable(&mut self, count: usize) {
        let detail = format!("{count} of its certificates cannot be read as X.509");
        let fix = self.advice.renew();
        self.add(FindingKind::Unreadable, Severity::Error, detail, fix);
    }

    /// A set of anchors: each stands for itself.
    fn anchors(&mut self) {
        let all: Vec<&CertInfo> = self.certificates.iter().collect();
        let usable = all.iter().any(|cert| cert.is_valid_at(self.now));
        let worst = if usable {
            Severity::Warning
        } else {
            Severity::Error
        };
        let fix = self.advice.replace_anchor();
        self.dates(&all, worst, &fix);
        self.strength(&all);
    }

    /// The certificates that the path needs; a root sent along is not needed.
    fn chain(&mut self, roots: &KnownRoots) {
        let certificates = self.certificates;
        let Some((leaf, issuers)) = self.shape.path.split_first() else {
            return;
        };
        let leaf = &certificates[*leaf];
        let issuers = issuers.iter().map(|index| &certificates[*index]);
        let issuers: Vec<&CertInfo> = issuers.filter(|cert| !cert.is_self_signed()).collect();
        let renew = self.advice.renew();
        self.dates(&[leaf], Severity::Error, &renew);
        let replace = self.advice.replace_issuer(&issuers);
        self.dates(&issuers, Severity::Error, &replace);
        let mut needed = issuers;
        needed.insert(0, leaf);
        self.strength(&needed);
        if self.entry.usage == Use::Hop {
            // Nodes know each other by the hop's own authority and by role; its files are checked when they are read.
            return;
        }
        self.order();
        self.completeness(leaf, roots);
        self.purpose(&needed);
        if self.entry.usage == Use::Server {
            self.names(leaf);
        }
    }

    /// Expired, not yet valid, soon to expire: one finding for each, however many certificates it is about.
    fn dates(&mut self, certificates: &[&CertInfo], worst: Severity, fix: &str) {
        let now = self.now;
        let of = |keep: &dyn Fn(&CertInfo) -> bool| {
            let mut kept: Vec<&CertInfo> =
                certificates.iter().copied().filter(|c| keep(c)).collect();
            kept.sort_by_key(|cert| cert.not_after());
            kept
        };
        let expired = of(&|cert| now > cert.not_after());
        let early = of(&|cert| now < cert.not_before() && now <= cert.not_after());
        let due = of(&|cert| cert.is_valid_at(now) && cert.not_after() - now < SOON_DAYS * DAY);
        if let Some(first) = expired.first() {
            let detail = format!(
                "{} expired at {}, {} ago",
                listed(&expired),
                advice::time(first.not_after()),
                advice::span(now - first.not_after())
            );
            self.add(FindingKind::Expired, worst, detail, fix.to_owned());
        }
        if let Some(first) = early.first() {
            let detail = format!(
                "{} is valid from {} on, in {}",
                listed(&early),
                advice::time(first.not_before()),
                advice::span(first.not_before() - now)
            );
            let fix = self.advice.wait_or_set_clock(fix);
            self.add(FindingKind::NotYetValid, worst, detail, fix);
        }
        if let Some(first) = due.first() {
            let left = first.not_after() - now;
            let detail = format!(
                "{} expires at {}, in {}",
                listed(&due),
                advice::time(first.not_after()),
                advice::span(left)
            );
            let severity = if left < URGENT_DAYS * DAY {
                worst
            } else {
                Severity::Warning
            };
            self.add(FindingKind::ExpiresSoon, severity, detail, fix.to_owned());
        }
    }

    /// Short keys and old signatures.
    fn strength(&mut self, certificates: &[&CertInfo]) {
        let keep = |weak: fn(&CertInfo) -> bool| -> Vec<&CertInfo> {
            certificates.iter().copied().filter(|c| weak(c)).collect()
        };
        let short = keep(|cert| cert.key().is_weak());
        let old = keep(CertInfo::has_weak_signature);
        let fix = self.advice.stronger();
        if let Some(first) = short.first() {
            let detail = format!(
                "the key of {} is {}; OpenSSL and rustls want RSA from 2048 bits on",
                listed(&short),
                first.key()
            );
            self.add(FindingKind::WeakKey, Severity::Warning, detail, fix.clone());
        }
        if let Some(first) = old.first() {
            let detail = format!(
                "{} is signed with {}, which browsers, rustls and OpenSSL 3 refuse",
                listed(&old),
                first.signature_algorithm()
            );
            self.add(FindingKind::WeakSignature, Severity::Warning, detail, fix);
        }
    }

    fn order(&mut self) {
        if self.shape.ordered {
            return;
        }
        let right: Vec<&CertInfo> = self
            .shape
            .path
            .iter()
            .map(|i| &self.certificates[*i])
            .collect();
        let subjects: Vec<String> = right.iter().map(|cert| advice::name(cert)).collect();
        let numbers: Vec<String> = self
            .shape
            .path
            .iter()
            .map(|i| (i + 1).to_string())
            .collect();
        let detail = format!(
            "each certificate must be followed by its issuer; the right order is {} (certificates {} of {})",
            subjects.join(" > "),
            numbers.join(", "),
            self.entry.field
        );
        let fix = self.advice.reorder(&numbers);
        self.add(FindingKind::ChainDisordered, Severity::Warning, detail, fix);
    }

    /// A chain ends in a certificate whose issuer peers must have. Whether they do is known for roots that are trusted
    /// somewhere; for others, a leaf alone that says where its issuer can be had is from an authority with intermediates.
    fn completeness(&mut self, leaf: &CertInfo, roots: &KnownRoots) {
        if self.shape.path.len() == 1 && leaf.is_self_signed() {
            let detail = format!(
                "{} is self-signed: only peers that trust this very certificate accept it",
                advice::name(leaf)
            );
            let fix = self.advice.no_longer_self_signed();
            return self.add(FindingKind::SelfSigned, Severity::Warning, detail, fix);
        }
        let Some(last) = self
            .shape
            .path
            .last()
            .map(|index| &self.certificates[*index])
        else {
            return;
        };
        if self.shape.root_included || roots.0.contains(last.issuer_hash()) {
            return;
        }
        let severity = match (self.shape.is_bare_leaf(), leaf.issuer_url()) {
            (true, Some(_)) => Severity::Warning,
            (true, None) => Severity::Info,
            // Above intermediates there is mostly a root, which is not sent.
            (false, _) => return,
        };
        let detail = format!(
            "the issuer {} is not sent: peers that do not themselves trust it refuse {}",
            advice::quoted(last.issuer()),
            advice::name(leaf)
        );
        let fix = self.advice.append_issuer(last);
        self.add(FindingKind::ChainIncomplete, severity, detail, fix);
    }

    /// The leaf's extended key usage, and that of its issuers, which OpenSSL and webpki ask for, too.
    fn purpose(&mut self, needed: &[&CertInfo]) {
        let serving = self.entry.usage == Use::Server;
        let (side, usage) = if serving {
            ("server", "serverAuth")
        } else {
            ("client", "clientAuth")
        };
        let wrong: Vec<&CertInfo> = needed
            .iter()
            .copied()
            .filter(|cert| {
                let purposes = cert.purposes();
                !if serving {
                    purposes.allow_server()
                } else {
                    purposes.allow_client()
                }
            })
            .collect();
        if wrong.is_empty() {
            return;
        }
        let detail = format!(
            "{} is not for TLS {side}s: its extended key usage does not name {usage}",
            listed(&wrong)
        );
        let fix = self.advice.purpose(usage);
        self.add(FindingKind::WrongPurpose, Severity::Error, detail, fix);
    }

    fn names(&mut self, leaf: &CertInfo) {
        let Some(der) = self
            .shape
            .path
            .first()
            .and_then(|at| self.entry.certificates.get(*at))
        else {
            return;
        };
        let names = CertNames::of_der(der);
        let wanted = || self.entry.names.iter().copied();
        let uncovered: Vec<&str> = wanted()
            .filter(|name| names.cover(name) == Covered::No)
            .collect();
        if !uncovered.is_empty() {
            let detail = format!(
                "{} is served for {} and is not for that name; it is for {}",
                advice::name(leaf),
                advice::list(&uncovered, MOST_LISTED),
                advice::names_of(leaf)
            );
            let fix = self.advice.names(&uncovered);
            self.add(FindingKind::NameMismatch, Severity::Error, detail, fix);
        }
        if leaf.has_no_names() {
            let all: Vec<&str> = wanted().collect();
            let detail = format!(
                "{} has no subject alternative name: Go, rustls and browsers refuse it whatever its common name, \
                 OpenSSL, curl and Java take the common name",
                advice::name(leaf)
            );
            let fix = self.advice.names(&all);
            self.add(FindingKind::NoSan, Severity::Warning, detail, fix);
        }
    }
}

/// `CN=a, CN=b and 3 more`
fn listed(certificates: &[&CertInfo]) -> String {
    let names: Vec<String> = certificates.iter().map(|cert| advice::name(cert)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    advice::list(&names, MOST_LISTED)
}

#[cfg(test)]
mod tests;
