//! Why handshakes fail is found here and nowhere else: [`evidence`] (what was seen) ► [`rules`] (which cause, how sure) ►
//! [`finding`] (what to do about it, in words) ► [`record`] (how it is kept and shown). Pure; who runs a handshake brings the
//! evidence, `failures` keeps what comes of it. Imports leaves only.

mod cause;
mod cert_fault;
pub mod evidence;
pub mod explain;
pub mod finding;
pub mod number;
pub mod record;
pub mod rules;
mod words;

pub use cause::Cause;
pub use cert_fault::CertFault;
pub use evidence::Evidence;
pub use number::Alert;
pub use record::Record;
pub use rules::{Confidence, Verdict};

/// Which way an alert went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// We raised it.
    Sent,
    /// The peer raised it.
    Received,
}

impl Direction {
    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// Which leg of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Client to router.
    Northbound,
    /// Router to processor.
    Internal,
    /// Processor to target.
    Southbound,
}

impl Hop {
    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Northbound => "northbound",
            Self::Internal => "internal",
            Self::Southbound => "southbound",
        }
    }
}

/// A failed handshake: what was seen, and what it means.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it means.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: Box<Evidence>,
}

impl Failure {
    /// Classifies it.
    pub fn of(evidence: Evidence) -> Self {
        Self {
            verdict: rules::classify(&evidence),
            evidence: Box::new(evidence),
        }
    }

    /// The root cause.
    pub const fn cause(&self) -> Cause {
        self.verdict.cause
    }

    /// The alert that ended it and who raised it.
    pub fn alert(&self) -> Option<(Alert, Direction)> {
        let seen = self.evidence.decisive_alert()?;
        Some((seen.alert, seen.direction))
    }

    /// The exact error, for the log. No secrets.
    pub fn detail(&self) -> &str {
        &self.evidence.error
    }
}
