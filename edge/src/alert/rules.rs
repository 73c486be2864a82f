//! From evidence to cause: pure and ordered, our own facts before anything a peer says.

use super::Cause;
use super::evidence::Evidence;

/// How sure a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Confidence {
    /// A guess among several.
    Low,
    /// The likeliest of several.
    Medium,
    /// Nothing else explains what was seen, short of a lie of the peer.
    High,
    /// We know it.
    Certain,
}

impl Confidence {
    /// Record field `confidence`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Certain => "certain",
        }
    }
}

/// What the rules make of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The root cause.
    pub cause: Cause,
    /// How sure.
    pub confidence: Confidence,
}

/// The cause.
pub fn classify(evidence: &Evidence) -> Verdict {
    let _ = evidence;
    Verdict {
        cause: Cause::Unknown,
        confidence: Confidence::Low,
    }
}
