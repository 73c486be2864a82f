//! What follows when a processor does not answer a request: another one, a new match, or the end. Pure.

use control::object::Kind;

use crate::fault::{Fault, FaultCode};
use crate::hop::quic::lane::{NotTaken, Outcome};
use crate::hop::{Failure, Request, Response, TargetFacts, Unserved};

/// Processors one request is offered to at most: a bound on what a cluster in trouble does to itself.
const MAX_TRIES: usize = 5;

/// What was tried for one request.
pub(super) struct Tries {
    /// Who was asked, and whether it may be asked again: nothing reached it.
    asked: Vec<(u64, bool)>,
    notes: Vec<String>,
    /// Doing it twice is as good as once.
    repeatable: bool,
    lost: bool,
}

/// How it goes on.
#[allow(
    clippy::large_enum_variant,
    reason = "most often an answer, which is moved once and not worth an allocation"
)]
pub(super) enum Next {
    /// Offer it to another one; why, for the counter.
    Again(Box<Request>, &'static str),
    /// This is the result.
    Over(Result<Response, Unserved>),
}

impl Tries {
    pub(super) fn new(request: &Request) -> Self {
        Self {
            asked: Vec::new(),
            notes: Vec::new(),
            repeatable: request.is_repeatable(),
            lost: false,
        }
    }

    /// Whether processor `number` was not asked yet.
    pub(super) fn is_new(&self, number: u64) -> bool {
        self.asked.iter().all(|(asked, _)| *asked != number)
    }

    /// Whether it may be asked (again).
    pub(super) fn may_ask(&self, number: u64) -> bool {
        let mut of_it = self.asked.iter().filter(|(asked, _)| *asked == number);
        of_it.all(|(_, again)| *again)
    }

    /// Processor `number` (`who` in the log) made this of it.
    pub(super) fn judge(&mut self, number: u64, who: &str, outcome: Outcome) -> Next {
        match outcome {
            Outcome::Answered(response) => Next::Over(Ok(response)),
            Outcome::Failed(failure) => Next::Over(Err(Unserved::Failed(failure))),
            // Where the newest version was refused and this router serves the last good one, a processor that is newer to
            // the cluster has none: another one may.
            Outcome::NotTaken(NotTaken::Ahead(_), request)
                if !request.snapshot.is_refused(Kind::Route, request.route.id()) =>
            {
                Next::Over(Err(Unserved::Rematch(request)))
            }
            Outcome::NotTaken(reason, request) => {
                let unsent = matches!(reason, NotTaken::Unsent(_));
                self.asked.push((number, unsent));
                self.notes.push(format!("{who}: {}", said(&reason)));
                self.again(request, label(&reason))
            }
            Outcome::Lost(why, Some(request)) if self.repeatable && !self.lost => {
                self.lost = true;
                self.asked.push((number, false));
                self.notes.push(format!("{who}: lost: {why}"));
                self.again(request, "lost")
            }
            Outcome::Lost(why, _) => Next::Over(Err(no_processor(format!(
                "the processor was lost while it had the request: {who}: {why}"
            )))),
        }
    }

    fn again(&self, request: Box<Request>, reason: &'static str) -> Next {
        if self.asked.len() < MAX_TRIES {
            Next::Again(request, reason)
        } else {
            Next::Over(Err(self.exhausted("too many tries")))
        }
    }

    /// There is nobody (left) to ask; `why` if nobody was.
    pub(super) fn exhausted(&self, why: &str) -> Unserved {
        if self.notes.is_empty() {
            return no_processor(why.to_owned());
        }
        no_processor(format!("no processor took it: {}", self.notes.join("; ")))
    }
}

/// A request that nobody serves; `detail` is for the log.
fn no_processor(detail: String) -> Unserved {
    Unserved::Failed(Box::new(Failure {
        fault: Fault::router(FaultCode::NoProcessor, detail),
        target: TargetFacts::default(),
    }))
}

fn said(reason: &NotTaken) -> String {
    match reason {
        NotTaken::Draining => "drains".to_owned(),
        NotTaken::Overloaded => "has too much to do".to_owned(),
        NotTaken::Behind(revision) => format!("is behind, at revision {revision}"),
        NotTaken::Ahead(revision) => format!("is ahead, at revision {revision}"),
        NotTaken::Unsent(why) => format!("not reached: {why}"),
    }
}

const fn label(reason: &NotTaken) -> &'static str {
    match reason {
        NotTaken::Draining => "draining",
        NotTaken::Overloaded => "overloaded",
        NotTaken::Behind(_) => "behind",
        NotTaken::Ahead(_) => "ahead",
        NotTaken::Unsent(_) => "unsent",
    }
}
