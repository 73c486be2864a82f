//! Finds in one line what it names and what it gives away. What the line says as a whole (`while SSL handshaking to
//! upstream`: nginx is the client) goes to each thing found in it.

use super::meaning::Side;
use super::numbers;
use super::phrases::{BY_FIRST_WORD, Hint, Phrase, Place, Subject};
use super::words::Line;
use crate::alert::Direction;

/// Characters of the text that are quoted for a thing found; errors are shorter, log lines are not.
pub const MAX_QUOTE_CHARS: usize = 160;

/// Different things that are told apart in one line; more are not looked at.
const MAX_IN_LINE: usize = 64;

/// One thing found.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) hint: Hint,
    /// The words that named it, without control characters.
    pub(super) quote: String,
}

/// A place in the line and what is there.
#[derive(Clone, Copy)]
struct Mark {
    start: usize,
    end: usize,
    subject: Option<Subject>,
    hint: Hint,
}

/// Bytes that may stand between a hint (`tlsv1 alert`) and what follows it, to be quoted with it.
const BESIDE: usize = 2;

/// How many marks back such a hint is looked for: a word has two marks at most, a number's and a phrase's.
const NEAR: usize = 2;

/// What the line names, in order, each thing once.
pub(super) fn in_line(text: &str) -> Vec<Found> {
    let line = Line::of(text);
    let marks = marks(&line);
    let whole = whole(&line, &marks);
    let mut named: Vec<(Subject, Mark)> = Vec::new();
    for (at, mark) in marks.iter().enumerate() {
        let Some(subject) = mark.subject else {
            continue;
        };
        let before = marks.get(at.saturating_sub(NEAR)..at).unwrap_or_default();
        let start = start_with_hint(before, mark);
        let again = named.iter().position(|(other, _)| subject.is(*other));
        if let Some((_, again)) = again.and_then(|at| named.get_mut(at)) {
            again.start = again.start.min(start);
            again.end = again.end.max(mark.end);
            again.hint = again.hint.or(mark.hint);
        } else if named.len() < MAX_IN_LINE {
            named.push((subject, Mark { start, ..*mark }));
        }
    }
    let found = named.into_iter().map(|(subject, mark)| Found {
        subject,
        hint: mark.hint.or(whole),
        quote: quote(text.get(mark.start..mark.end).unwrap_or_default()),
    });
    found.collect()
}

/// Where a mark begins together with the hint right before it, if one of `before` is.
fn start_with_hint(before: &[Mark], mark: &Mark) -> usize {
    let beside = |hint: &&Mark| {
        let gap = mark.start.checked_sub(hint.end);
        hint.subject.is_none() && gap.is_some_and(|gap| gap <= BESIDE)
    };
    let hints = before.iter().filter(beside);
    hints.map(|hint| hint.start).min().unwrap_or(mark.start)
}

impl Hint {
    /// This one, with what it does not know from `other`.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            side: self.side.or(other.side),
            direction: self.direction.or(other.direction),
            level: self.level.or(other.level),
            era: self.era.or(other.era),
            source: self.source.or(other.source),
        }
    }
}

fn marks(line: &Line<'_>) -> Vec<Mark> {
    let mut marks: Vec<Mark> = numbers::alone(line)
        .into_iter()
        .filter_map(|number| mark(line, 0, number.words, Some(number.subject), number.hint))
        .collect();
    let mut context = Context::of(line);
    let mut free = 0;
    for at in 0..line.words.len() {
        if let Some(n) = numbers::find(line, at) {
            marks.extend(mark(line, at, n.words, Some(n.subject), n.hint));
            context.directed |= n.hint.direction.is_some();
        }
        if at < free {
            continue;
        }
        if let Some(phrase) = phrase(line, at, context) {
            let words = phrase.words.split(' ').count();
            marks.extend(mark(line, at, words, phrase.subject, phrase.hint));
            context.directed |= phrase.hint.direction.is_some();
            free = at + words;
        }
    }
    marks
}

/// What a line speaks of, for phrases that do not count everywhere.
#[derive(Clone, Copy)]
struct Context {
    /// It names TLS.
    tls: bool,
    /// It names alerts.
    alert: bool,
    /// Something in it, up to here, said which way an alert went.
    directed: bool,
}

impl Context {
    fn of(line: &Line<'_>) -> Self {
        let names = |wanted: &[&str]| {
            let mut words = line.words.iter();
            words.any(|word| wanted.contains(&word.text.as_str()))
        };
        Self {
            tls: names(&[
                "tls",
                "ssl",
                "handshake",
                "handshaking",
                "https",
                "x509",
                "certificate",
            ]),
            alert: names(&["alert"]),
            directed: false,
        }
    }
}

fn mark(
    line: &Line<'_>,
    at: usize,
    words: usize,
    subject: Option<Subject>,
    hint: Hint,
) -> Option<Mark> {
    let first = line.words.get(at)?;
    let last = line.words.get((at + words).checked_sub(1)?)?;
    Some(Mark {
        start: first.start,
        end: last.end,
        subject,
        hint,
    })
}

/// The longest phrase that stands at `at` and may count there.
fn phrase(line: &Line<'_>, at: usize, context: Context) -> Option<&'static Phrase> {
    let phrases = BY_FIRST_WORD.get(line.word(at))?;
    phrases
        .iter()
        .find(|phrase| line.has(at, phrase.words) && counts(line, at, phrase, context))
}

fn counts(line: &Line<'_>, at: usize, phrase: &Phrase, context: Context) -> bool {
    let words = phrase.words.split(' ').count();
    let alone = at == 0 && words == line.words.len();
    let after_tls = at > 0 && ["tls", "ssl"].contains(&line.word(at - 1));
    match phrase.place {
        Place::Anywhere => true,
        Place::TlsLine => alone || context.tls,
        Place::AlertLine => {
            let spoken = alone || after_tls || context.alert || context.directed;
            spoken || is_identifier(line, at, words)
        }
        Place::Identifier => is_identifier(line, at, words),
    }
}

/// `certificate_required`, `CertificateRequired`: more than one word, nothing but `_` between them.
fn is_identifier(line: &Line<'_>, at: usize, words: usize) -> bool {
    let mut gaps = (at..at + words.saturating_sub(1)).map(|at| line.gap(at));
    words > 1 && gaps.all(|gap| gap.is_empty() || gap == "_")
}

/// What the line's marks agree on.
fn whole(line: &Line<'_>, marks: &[Mark]) -> Hint {
    let arrow = match line.text.trim_start() {
        text if text.starts_with("<<<") => Some(Direction::Received),
        text if text.starts_with(">>>") => Some(Direction::Sent),
        _ => None,
    };
    let sides: Vec<Side> = marks.iter().filter_map(|mark| mark.hint.side).collect();
    let directions: Vec<Direction> = marks
        .iter()
        .filter_map(|mark| mark.hint.direction)
        .collect();
    Hint {
        side: agreed(&sides),
        direction: agreed(&directions).or(arrow),
        level: marks.iter().find_map(|mark| mark.hint.level),
        era: marks.iter().find_map(|mark| mark.hint.era),
        source: marks.iter().find_map(|mark| mark.hint.source),
    }
}

fn agreed<T: Copy + PartialEq>(all: &[T]) -> Option<T> {
    let first = *all.first()?;
    all.iter().all(|one| *one == first).then_some(first)
}

/// The text on one line, cut to the bound; what a terminal would act on becomes a space.
fn quote(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).take(MAX_QUOTE_CHARS).collect()
}
