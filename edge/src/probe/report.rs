//! What a probe comes to: rows of what was tried, findings, a verdict; as JSON, and for the table that the command line prints.

mod rows;

use serde_json::{Value, json};

use super::asked::Asked;
use super::findings::{self, Found, Severity, Topic};
use super::outcome::{Outcome, StepResult};
use crate::alert;
use crate::alert::Cause;

pub use rows::Row;

/// The word for it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Overall {
    /// Nothing to complain of.
    Ok,
    /// Connections work; see the warnings.
    Warnings,
    /// Connections fail.
    Failing,
    /// There was no TCP connection at all.
    Unreachable,
}

impl Overall {
    /// Field `verdict`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warnings => "warnings",
            Self::Failing => "failing",
            Self::Unreachable => "unreachable",
        }
    }

    /// Exit code of the command.
    pub const fn exit(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warnings => 1,
            Self::Failing => 2,
            Self::Unreachable => 3,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Report {
    /// `host:port`.
    pub target: String,
    /// What was tried, in order.
    pub steps: Vec<StepResult>,
    /// What was found, worst first.
    pub findings: Vec<Found>,
}

impl Report {
    /// Draws the findings.
    pub(super) fn new(asked: &Asked, steps: Vec<StepResult>) -> Self {
        Self {
            target: asked.target(),
            findings: findings::findings(&steps, asked),
            steps,
        }
    }

    /// The rows of the table, by step.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.steps.iter().flat_map(rows::of).collect();
        rows.sort_by_key(|row| row.step);
        rows
    }

    /// The word for it all.
    pub fn overall(&self) -> Overall {
        let connected = |step: &StepResult| matches!(step.outcome, Outcome::Connected(_));
        if !self.steps.iter().any(connected) {
            return Overall::Unreachable;
        }
        match self.findings.iter().map(|found| found.severity).min() {
            Some(Severity::Failing) => Overall::Failing,
            Some(Severity::Warning) => Overall::Warnings,
            Some(Severity::Info) | None => Overall::Ok,
        }
    }

    /// The cause of failing connections, if they fail: what a failure that was seen before came from.
    pub fn verdict(&self) -> Option<alert::Verdict> {
        self.findings.iter().find_map(|found| match found.topic {
            Topic::Cause(cause)
                if found.severity == Severity::Failing && cause != Cause::Unknown =>
            {
                Some(alert::Verdict {
                    cause,
                    confidence: found.confidence,
                })
            }
            _ => None,
        })
    }

    /// The whole as JSON.
    pub fn json(&self) -> Value {
        let addresses: Vec<String> = self
            .steps
            .iter()
            .find_map(|step| match &step.outcome {
                Outcome::Resolved(addresses) => {
                    Some(addresses.iter().map(|a| a.ip().to_string()).collect())
                }
                _ => None,
            })
            .unwrap_or_default();
        let overall = self.overall();
        json!({
            "target": self.target,
            "addresses": addresses,
            "steps": self.rows().iter().map(Row::json).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(Found::json).collect::<Vec<_>>(),
            "verdict": overall.as_str(),
            "exit": overall.exit(),
        })
    }
}

impl Found {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "cause": self.topic.as_str(),
            "severity": self.severity.as_str(),
            "confidence": self.confidence.as_str(),
            "detail": self.detail,
            "fix": self.fix,
            "owner": self.owner.as_str(),
            "verify": self.verify,
        })
    }
}
