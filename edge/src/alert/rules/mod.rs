//! From evidence to cause: pure and ordered. Our own facts come first ([`refused`]: what we refused ourselves), then what the
//! peer said ([`received`]: its alert, read in the light of what we showed it), then how the connection ended without a word
//! ([`ended`]). What a peer would find wrong with a chain of ours is [`own_chain`]'s, what lacks in a chain [`gap`]'s.

mod ended;
mod gap;
mod own_chain;
mod received;
mod refused;

use super::Cause;
use super::evidence::{End, Evidence, Side};
use crate::handshake::Foreign;

pub use gap::{Gap, of as gap_of, of_peer as gap_of_peer};
pub use own_chain::{Flaw, flaws, gap_of_ours};

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

const fn certain(cause: Cause) -> Verdict {
    Verdict {
        cause,
        confidence: Confidence::Certain,
    }
}

const fn high(cause: Cause) -> Verdict {
    Verdict {
        cause,
        confidence: Confidence::High,
    }
}

const fn medium(cause: Cause) -> Verdict {
    Verdict {
        cause,
        confidence: Confidence::Medium,
    }
}

const fn low(cause: Cause) -> Verdict {
    Verdict {
        cause,
        confidence: Confidence::Low,
    }
}

/// The cause.
pub fn classify(evidence: &Evidence) -> Verdict {
    if let Some(foreign) = &evidence.foreign {
        return certain(of_foreign(evidence.side, foreign));
    }
    match &evidence.end {
        End::NotConnected => certain(Cause::TcpConnectFailed),
        End::Refused(refusal) => refused::classify(evidence, refusal),
        End::Alerted => received::classify(evidence),
        End::Closed => ended::closed(evidence),
        End::Reset => ended::reset(evidence),
        End::TimedOut => ended::timed_out(evidence),
        End::Other => low(Cause::Unknown),
    }
}

/// What speaks where TLS was expected.
const fn of_foreign(side: Side, foreign: &Foreign) -> Cause {
    match (side, foreign) {
        (Side::Server, Foreign::HttpRequest) => Cause::PlaintextToTlsPort,
        (Side::Server, Foreign::Proxy(_)) => Cause::ProxyProtocolMismatch,
        (Side::Server, Foreign::Sslv2) => Cause::ProtocolVersionMismatch,
        _ => Cause::PeerNotTls,
    }
}

/// The cause that names whose certificate is at fault: the client's or the server's.
const fn whose(of_client: bool, client: Cause, server: Cause) -> Cause {
    if of_client { client } else { server }
}

#[cfg(test)]
mod tests;
