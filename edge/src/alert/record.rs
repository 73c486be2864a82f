//! One failed handshake as it is kept: what was seen, what it means, and whose it was. Owns the bounds of what is kept and
//! the record's JSON; texts are made when somebody reads. The ring of `failures` holds them.

mod bound;
mod seen;
mod view;

use std::time::SystemTime;

use super::evidence::Evidence;
use super::finding::{Context, Finding, describe};
use super::rules::Verdict;
use super::{Alert, Cause, Direction, Failure, Hop};
pub use bound::MOST_DER;
pub use view::View;

/// Where the cause comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// From what was seen of the failed handshake itself.
    #[default]
    Passive,
    /// From a probe of the target afterwards.
    Probe,
}

impl Source {
    /// Record field `cause_source`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::Probe => "probe",
        }
    }
}

/// What a probe has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The first verdict.
    pub was: Verdict,
    /// What the probe saw, in a sentence.
    pub note: String,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number: unique on the node while it runs, ascending.
    pub id: u64,
    /// When the handshake ended.
    pub time: SystemTime,
    /// Whose handshake it was.
    pub context: Context,
    /// What it means, by the latest judgement.
    pub verdict: Verdict,
    /// Whose judgement that is.
    pub source: Source,
    /// What a probe has changed.
    pub revision: Option<Revision>,
    /// What was seen.
    pub evidence: Box<Evidence>,
}

impl Record {
    /// Of a failure, cut down to what may be kept.
    pub fn new(id: u64, time: SystemTime, context: Context, failure: Failure) -> Self {
        let mut record = Self {
            id,
            time,
            context,
            verdict: failure.verdict,
            source: Source::Passive,
            revision: None,
            evidence: failure.evidence,
        };
        record.bound();
        record
    }

    /// Which leg.
    pub const fn hop(&self) -> Hop {
        self.evidence.hop
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

    /// What to say of it.
    pub fn finding(&self) -> Finding {
        describe(&self.context, &self.evidence, self.verdict)
    }

    /// Takes another verdict, which a probe of the target came to. `note` says what the probe saw.
    pub fn revise(&mut self, verdict: Verdict, note: String) {
        let was = match self.revision.take() {
            Some(first) => first.was,
            None => self.verdict,
        };
        self.revision = Some(Revision { was, note });
        self.verdict = verdict;
        self.source = Source::Probe;
        self.bound();
    }
}
