//! From the outcomes of trials to what is wrong and what to do: pure, our own facts first. One file a family; [`words`] has what
//! their texts share.

mod certificates;
mod client_certificate;
mod handshake;
mod posture;
mod reach;
mod words;

pub(super) use words::date;

use super::asked::{Asked, Place};
use super::judge::Judgement;
use super::outcome::{Outcome, StepResult};
use super::session::Session;
use super::trial::{Step, Trial};
use crate::alert::finding::Owner;
use crate::alert::{Cause, Confidence};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Connections fail.
    Failing,
    /// They work, not for everyone or not for long.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// Field `severity`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// What a finding is about: a root cause, or something that fails no handshake of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the ids explain themselves")]
pub enum Topic {
    Cause(Cause),
    CertificateExpiresSoon,
    WeakCertificate,
    ChainHasMore,
    OldVersion,
    WeakCipher,
    AnswersDiffer,
    ClientCertificateOptional,
    ClientCertificateNotAsked,
    ServerNameIgnored,
    LargeHello,
    NoResumption,
    NoSecureRenegotiation,
    Http2,
}

impl Topic {
    /// Field `cause`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cause(cause) => cause.as_str(),
            Self::CertificateExpiresSoon => "certificate_expires_soon",
            Self::WeakCertificate => "weak_certificate",
            Self::ChainHasMore => "chain_has_more",
            Self::OldVersion => "old_version_enabled",
            Self::WeakCipher => "weak_cipher_enabled",
            Self::AnswersDiffer => "answers_differ",
            Self::ClientCertificateOptional => "client_certificate_optional",
            Self::ClientCertificateNotAsked => "client_certificate_not_asked",
            Self::ServerNameIgnored => "server_name_ignored",
            Self::LargeHello => "large_hello_refused",
            Self::NoResumption => "no_session_resumption",
            Self::NoSecureRenegotiation => "no_secure_renegotiation",
            Self::Http2 => "http2_available",
        }
    }
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is about.
    pub topic: Topic,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What was found, with names, dates and numbers.
    pub detail: String,
    /// What to do.
    pub fix: String,
    /// Who must do it.
    pub owner: Owner,
    /// A shell command that shows it.
    pub verify: Option<String>,
}

/// Everything found, worst first.
pub(super) fn findings(steps: &[StepResult], asked: &Asked) -> Vec<Found> {
    let case = Case { steps, asked };
    let mut found = reach::findings(&case);
    if found.is_empty() {
        found.extend(handshake::findings(&case));
        found.extend(certificates::findings(&case));
        found.extend(client_certificate::findings(&case));
        found.extend(posture::findings(&case));
    } else if case.baseline().is_some_and(|s| s.failure.is_none()) {
        found.extend(certificates::findings(&case));
    }
    if let Place::Ssl(id) = &asked.place {
        found.iter_mut().for_each(|found| demanded(found, id));
    }
    found.sort_by(|a, b| {
        let by_severity = a.severity.cmp(&b.severity);
        by_severity.then(b.confidence.cmp(&a.confidence))
    });
    found
}

/// Our own listener that demands a client certificate does what it was told to.
fn demanded(found: &mut Found, id: &str) {
    if found.topic == Topic::Cause(Cause::ClientCertMissing) {
        found.severity = Severity::Info;
        found.fix = format!(
            "Nothing: `client` of ssls/{id} demands a client certificate, and none was shown."
        );
    }
}

/// What the rules look at.
pub(super) struct Case<'a> {
    pub(super) steps: &'a [StepResult],
    pub(super) asked: &'a Asked,
}

impl<'a> Case<'a> {
    fn of(&self, trial: Trial) -> Option<&'a StepResult> {
        self.steps.iter().find(|step| step.trial == trial)
    }

    fn of_step(&self, step: Step) -> impl Iterator<Item = &'a StepResult> + use<'a> {
        let steps = self.steps;
        steps.iter().filter(move |s| s.trial.step() == step)
    }

    /// The configured handshake, if there was a connection.
    fn baseline(&self) -> Option<&'a Session> {
        self.of(Trial::Baseline)?.session()
    }

    fn judged(&self) -> Option<&'a Judgement> {
        self.steps.iter().find_map(|step| match &step.outcome {
            Outcome::Judged(judgement) => Some(&**judgement),
            _ => None,
        })
    }

    /// Whether the server took a version.
    fn takes(&self, version: u16) -> bool {
        super::run::takes(self.steps, version)
    }
}

#[cfg(test)]
#[allow(
    clippy::too_many_lines,
    reason = "a table of cases reads best in one piece"
)]
mod tests;
