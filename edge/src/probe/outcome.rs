//! What came of a trial: facts of one connection, nothing concluded from others.

use std::net::SocketAddr;
use std::time::Duration;

use super::judge::Judgement;
use super::session::Session;
use super::trial::Trial;
use crate::alert::Alert;
use crate::handshake::{Foreign, ServerHello, Transcript};

/// A trial and its outcome.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// What was tried.
    pub trial: Trial,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// See the module.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Not tried, and why.
    Skipped(&'static str),
    /// Addresses of the name.
    Resolved(Vec<SocketAddr>),
    /// It has none: why.
    NotResolved(String),
    /// Connected; what the server said unasked, if anything.
    Connected(Option<Foreign>),
    /// No connection: why.
    NotConnected(String),
    /// The answer to a hello made by hand.
    Hello(Box<Answer>),
    /// A handshake, done or failed.
    Session(Box<Session>),
    /// What the chains are worth.
    Judged(Box<Judgement>),
    /// The answer to a request in the clear.
    Clear(Clear),
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server answered and we left.
    Answered,
    /// It closed (FIN).
    Closed,
    /// It reset the connection.
    Reset,
    /// It said nothing, or not enough, in time.
    Silent,
}

/// The answer to a hello made by hand.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was read.
    pub transcript: Transcript,
    /// How it ended.
    pub ending: Ending,
}

impl Answer {
    /// The ServerHello: the server took the offer.
    pub const fn server_hello(&self) -> Option<&ServerHello> {
        self.transcript.server_hello.as_ref()
    }

    /// The last alert, with its level.
    pub fn alert(&self) -> Option<(Alert, u8)> {
        let last = self.transcript.alerts.last()?;
        Some((Alert(last.number), last.level))
    }

    /// The leaf, where it is not encrypted.
    pub fn leaf(&self) -> Option<&[u8]> {
        let chain = self.transcript.certificates.as_ref()?;
        chain.first().map(Vec::as_slice)
    }
}

/// The answer to a request in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clear {
    /// It closed, reset, or answered with an alert: it does not speak HTTP in the clear.
    Refused,
    /// It said nothing in time.
    Silent,
    /// It answered.
    Answered(Foreign),
}

impl StepResult {
    /// The ServerHello of a hello made by hand.
    pub(super) fn server_hello(&self) -> Option<&ServerHello> {
        match &self.outcome {
            Outcome::Hello(answer) => answer.server_hello(),
            _ => None,
        }
    }

    /// The handshake.
    pub(super) fn session(&self) -> Option<&Session> {
        match &self.outcome {
            Outcome::Session(session) => Some(session),
            _ => None,
        }
    }

    /// The leaf the server presented.
    pub(super) fn leaf(&self) -> Option<&[u8]> {
        match &self.outcome {
            Outcome::Hello(answer) => answer.leaf(),
            Outcome::Session(session) => session.chain.first().map(AsRef::as_ref),
            _ => None,
        }
    }

    /// Something other than TLS answered a hello.
    pub(super) fn foreign(&self) -> Option<&Foreign> {
        match &self.outcome {
            Outcome::Hello(answer) => answer.transcript.foreign.as_ref(),
            Outcome::Session(session) => session.failure.as_ref()?.foreign.as_ref(),
            Outcome::Connected(greeting) => greeting.as_ref(),
            _ => None,
        }
    }

    /// The server took the offer, or the handshake succeeded.
    pub(super) fn accepted(&self) -> bool {
        match &self.outcome {
            Outcome::Hello(answer) => answer.server_hello().is_some(),
            Outcome::Session(session) => session.failure.is_none(),
            _ => false,
        }
    }
}
