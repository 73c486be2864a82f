//! Which trials are made, in which order, and when it is not worth going on. At most two connections at a time, each with its
//! own time, and a bound for all of them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::asked::Asked;
use super::outcome::{Clear, Ending, Outcome, StepResult};
use super::report::Report;
use super::session::{self, Session, Variant};
use super::trial::{Family, GROUPS, Offered, OtherName, Schemes, Trial, VERSIONS};
use super::{connect, hello, judge};
use crate::alert::evidence::End;
use crate::handshake::{Foreign, TLS12, TLS13};

/// Connections of one probe, whatever it finds.
const MOST_CONNECTIONS: usize = 64;
/// How often the configured handshake is repeated per address.
const REPEATS: u8 = 5;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Everything, two connections at a time: for an operator who waits.
    Full,
    /// What explains a failure, one connection at a time: for a probe that nobody asked for.
    Background,
}

/// Told of every trial that is done.
pub type Tell<'a> = &'a (dyn Fn(&StepResult) + Send + Sync);

/// Probes a server.
pub async fn probe(asked: &Asked, plan: Plan, tell: Tell<'_>) -> Report {
    let mut run = Run {
        asked,
        plan,
        tell,
        steps: Vec::new(),
        connections: AtomicUsize::new(0),
    };
    run.all().await;
    Report::new(asked, run.steps)
}

struct Run<'a> {
    asked: &'a Asked,
    plan: Plan,
    tell: Tell<'a>,
    steps: Vec<StepResult>,
    connections: AtomicUsize,
}

impl Run<'_> {
    async fn all(&mut self) {
        let addresses = self.reach().await;
        let Some(address) = addresses.first().copied() else {
            return;
        };
        if self.is_foreign() {
            return;
        }
        self.each(address, &[Trial::Baseline]).await;
        if self.is_foreign() {
            self.each(address, &[Trial::Plaintext]).await;
            return;
        }
        if self.is_silent() {
            // Before ten more hellos are waited for: a server in the clear waits for the end of a line.
            self.each(address, &[Trial::Plaintext]).await;
            if self.answers_in_the_clear() {
                return;
            }
        }
        self.each(address, &VERSIONS.map(Trial::Version)).await;
        let Some(best) = self.best_version() else {
            self.unanswered(address).await;
            self.judge();
            return;
        };
        self.names(address, best).await;
        self.parameters(address, best).await;
        if self.plan == Plan::Full {
            self.extras(address, &addresses).await;
        }
        self.judge();
    }

    /// Looks up and connects; the addresses that can be connected to.
    async fn reach(&mut self) -> Vec<SocketAddr> {
        self.each(SocketAddr::from(([0, 0, 0, 0], 0)), &[Trial::Resolve])
            .await;
        let found = match self.steps.last().map(|step| &step.outcome) {
            Some(Outcome::Resolved(addresses)) => addresses.clone(),
            _ => return Vec::new(),
        };
        for address in &found {
            self.each(*address, &[Trial::Connect(*address)]).await;
        }
        let connected = self.steps.iter().filter_map(|step| match step {
            StepResult {
                trial: Trial::Connect(address),
                outcome: Outcome::Connected(_),
                ..
            } => Some(*address),
            _ => None,
        });
        connected.collect()
    }

    /// No version got a ServerHello: what else might explain the silence or the refusal.
    async fn unanswered(&mut self, address: SocketAddr) {
        let silent = |step: &StepResult| match &step.outcome {
            Outcome::Hello(answer) => answer.ending == Ending::Silent,
            _ => false,
        };
        let hellos = self
            .steps
            .iter()
            .filter(|s| s.trial.step() == super::Step::Versions);
        if hellos.clone().count() > 0 && hellos.clone().all(silent) {
            self.each(address, &[Trial::Plaintext]).await;
            return;
        }
        let other = self.other_name();
        let names = [
            Trial::OldName(other, TLS12),
            Trial::OldName(OtherName::Bogus, TLS12),
            Trial::OldName(other, TLS13),
            Trial::Plaintext,
        ];
        self.each(address, &names).await;
    }

    /// Without the name where one is configured, with one where none is.
    fn other_name(&self) -> OtherName {
        if self.asked.sni.is_none() && self.asked.name_to_try().is_some() {
            OtherName::Host
        } else {
            OtherName::None
        }
    }

    async fn names(&mut self, address: SocketAddr, best: u16) {
        let other = self.other_name();
        let trials = if best < TLS12 {
            [
                Trial::OldName(other, best),
                Trial::OldName(OtherName::Bogus, best),
            ]
        } else {
            [Trial::Name(other), Trial::Name(OtherName::Bogus)]
        };
        self.each(address, &trials).await;
    }

    async fn parameters(&mut self, address: SocketAddr, best: u16) {
        let mut trials = Vec::new();
        if let Some(old) = self.best_old_version() {
            trials.extend(Family::OLD.map(|family| Trial::Suites(family, old)));
        }
        if best == TLS13 {
            trials.extend(Family::NEW.map(|family| Trial::Suites(family, TLS13)));
        }
        trials.extend(GROUPS.map(|group| Trial::Group(group, best)));
        trials.push(Trial::LargeHello(best));
        if best >= TLS12 {
            let version = if self.best_old_version() == Some(TLS12) {
                TLS12
            } else {
                best
            };
            trials.extend(Schemes::ALL.map(|schemes| Trial::Signatures(schemes, version)));
            if self.asks_for_certificate() && self.asked.identity.is_some() {
                trials.push(Trial::NoCertificate);
            }
        }
        self.each(address, &trials).await;
    }

    async fn extras(&mut self, address: SocketAddr, addresses: &[SocketAddr]) {
        let mut trials = Vec::new();
        let (old, new) = (self.takes(TLS12), self.takes(TLS13));
        if old || new {
            trials.extend([Offered::H2, Offered::Http11, Offered::Bogus].map(Trial::Alpn));
        }
        for version in [(old, TLS12), (new, TLS13)] {
            trials.extend(version.0.then_some(Trial::Resume(version.1)));
        }
        if old && new {
            trials.push(Trial::Fallback);
        }
        trials.push(Trial::Plaintext);
        self.each(address, &trials).await;
        if !(old || new) {
            return;
        }
        for address in addresses {
            let repeats: Vec<Trial> = (1..=REPEATS)
                .map(|turn| Trial::Repeat(*address, turn))
                .collect();
            self.each(*address, &repeats).await;
        }
    }

    /// Makes the trials, two at a time where the plan allows it.
    async fn each(&mut self, address: SocketAddr, trials: &[Trial]) {
        let width = match self.plan {
            Plan::Full => 2,
            Plan::Background => 1,
        };
        let done: Vec<Trial> = self.steps.iter().map(|step| step.trial).collect();
        let trials: Vec<Trial> = trials
            .iter()
            .filter(|t| !done.contains(t))
            .copied()
            .collect();
        for some in trials.chunks(width) {
            let done = match *some {
                [first, second] => {
                    let (first, second) = tokio::join!(
                        Box::pin(self.one(address, first)),
                        Box::pin(self.one(address, second))
                    );
                    vec![first, second]
                }
                [only] => vec![Box::pin(self.one(address, only)).await],
                _ => Vec::new(),
            };
            self.steps.extend(done);
        }
    }

    async fn one(&self, address: SocketAddr, trial: Trial) -> StepResult {
        let begun = Instant::now();
        let connections = match trial {
            Trial::Resolve => 0,
            Trial::Resume(_) => 2,
            _ => 1,
        };
        let before = self.connections.fetch_add(connections, Ordering::Relaxed);
        let outcome = if before + connections > MOST_CONNECTIONS {
            Outcome::Skipped("enough connections were made")
        } else {
            self.attempt(address, trial).await
        };
        let result = StepResult {
            trial,
            outcome,
            elapsed: begun.elapsed(),
        };
        (self.tell)(&result);
        result
    }

    async fn attempt(&self, address: SocketAddr, trial: Trial) -> Outcome {
        let asked = self.asked;
        if let Some(offer) = hello::offer(asked, trial) {
            return hello::ask(asked, address, &offer).await;
        }
        let configured = Variant::of(asked);
        let variant = match trial {
            Trial::Resolve => return connect::resolve(asked).await,
            Trial::Connect(address) => return connect::greeting(asked, address).await,
            Trial::Plaintext => return connect::plaintext(asked, address).await,
            Trial::Resume(version) => return session::resume(asked, address, version).await,
            Trial::Name(name) => Variant {
                sni: hello::other_name(asked, name),
                ..configured
            },
            Trial::NoCertificate => Variant {
                with_identity: false,
                ..configured
            },
            Trial::Alpn(offered) => Variant {
                alpn: vec![offered.name().as_bytes().to_vec()],
                ..configured
            },
            _ => configured,
        };
        session::shake(asked, address, &variant).await
    }

    /// The configured handshake got no byte.
    fn is_silent(&self) -> bool {
        let mut sessions = self.steps.iter().filter_map(StepResult::session);
        sessions.any(|session| {
            let failure = session.failure.as_ref();
            failure.is_some_and(|f| f.end == End::TimedOut && f.bytes.0 == 0)
        })
    }

    fn answers_in_the_clear(&self) -> bool {
        let mut outcomes = self.steps.iter().map(|step| &step.outcome);
        outcomes.any(|outcome| match outcome {
            Outcome::Clear(Clear::Answered(foreign)) => *foreign != Foreign::PlainHttpRefused,
            _ => false,
        })
    }

    fn is_foreign(&self) -> bool {
        self.steps.iter().any(|step| step.foreign().is_some())
    }

    /// Whether the server took a version, alone or in the configured handshake.
    fn takes(&self, version: u16) -> bool {
        takes(&self.steps, version)
    }

    fn best_version(&self) -> Option<u16> {
        VERSIONS.into_iter().rev().find(|v| self.takes(*v))
    }

    /// The best version before TLS 1.3.
    fn best_old_version(&self) -> Option<u16> {
        let old = VERSIONS.into_iter().rev().filter(|v| *v < TLS13);
        old.into_iter().find(|v| self.takes(*v))
    }

    fn asks_for_certificate(&self) -> bool {
        let mut sessions = self.steps.iter().filter_map(StepResult::session);
        sessions.any(|session| session.request.is_some())
    }

    /// A handshake in which a chain was presented for the name wanted; for a server that only old versions are spoken with,
    /// what it answered to a hello made by hand.
    fn shown(&self) -> Option<Session> {
        let other = |trial| matches!(trial, Trial::Name(OtherName::None | OtherName::Bogus));
        let wanted = self.steps.iter().filter(|step| !other(step.trial));
        let mut sessions = wanted.filter_map(StepResult::session);
        if let Some(session) = sessions.find(|session| !session.chain.is_empty()) {
            return Some(session.clone());
        }
        let chain = self.steps.iter().find_map(|step| match &step.outcome {
            Outcome::Hello(answer) if matches!(step.trial, Trial::Version(_)) => {
                answer.transcript.certificates.clone()
            }
            _ => None,
        })?;
        Some(Session {
            chain: chain.into_iter().map(Into::into).collect(),
            ..Session::default()
        })
    }

    /// Adds what the chains are worth.
    fn judge(&mut self) {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let Some(session) = self.shown() else { return };
        let others: Vec<CertificateDer<'static>> = self
            .steps
            .iter()
            .filter_map(StepResult::session)
            .flat_map(|other| other.chain.iter().skip(1).cloned())
            .collect();
        let Some(judgement) = judge::judge(self.asked, &session, &others, now) else {
            return;
        };
        let result = StepResult {
            trial: Trial::Judge,
            outcome: Outcome::Judged(Box::new(judgement)),
            elapsed: std::time::Duration::ZERO,
        };
        (self.tell)(&result);
        self.steps.push(result);
    }
}

/// Whether the server took a version, alone or in the configured handshake. It may answer an offer with an older one.
pub(super) fn takes(steps: &[StepResult], version: u16) -> bool {
    steps.iter().any(|step| match step.trial {
        Trial::Version(_) => step
            .server_hello()
            .is_some_and(|hello| hello.version == version),
        Trial::Baseline => step
            .session()
            .is_some_and(|session| session.version == version),
        _ => false,
    })
}
