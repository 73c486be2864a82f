//! What a pasted error says: text in, explanations out. By stage: [`words`] takes a line apart, [`find`] looks for what it
//! names by [`phrases`] and [`numbers`], and here the same things are merged and given their meaning, which is in
//! [`meaning`] for alerts and [`conditions`] for the rest, with what to do in [`advice`]. Pure; prints nothing.

pub mod advice;
mod alerts;
mod conditions;
mod find;
pub mod meaning;
mod numbers;
mod phrases;
mod words;

#[cfg(test)]
mod tests;

pub use find::MAX_QUOTE_CHARS;
pub use meaning::{Likely, Side};
pub use phrases::{Era, Level, Source};

use std::collections::BTreeMap;

use self::conditions::{Condition, Weight};
use self::find::Found;
use self::phrases::{Hint, Subject};
use super::{Alert, Direction};

/// How much of a text is read: a long log excerpt. What comes after is not looked at.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// How many different things of one text are explained; more would not be read.
pub const MAX_EXPLANATIONS: usize = 8;

/// One thing that the text names, and what it means.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The words of the text that name it, at most [`MAX_QUOTE_CHARS`] characters.
    pub quote: String,
    /// Alert name, cause id or the id of a condition.
    pub name: &'static str,
    /// The alert, if it is one.
    pub alert: Option<Alert>,
    /// Whose wording, if it shows.
    pub source: Option<Source>,
    /// Which end printed it, if it shows.
    pub side: Option<Side>,
    /// Which way the alert went as that end saw it, if it shows.
    pub direction: Option<Direction>,
    /// The alert's level, if it shows.
    pub level: Option<Level>,
    /// OpenSSL's prefix, if it has one.
    pub era: Option<Era>,
    /// What it means, in sentences.
    pub what: &'static str,
    /// What is behind it, by who raised or reported it: one or two.
    pub readings: Vec<Reading>,
}

/// How one thing is to be read, if it is of this side.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Who raised the alert or reports the condition; `None` for a cause, which is the same for both.
    pub by: Option<Side>,
    /// When it is to be read so: a clause.
    pub when: String,
    /// What that side says: a sentence, or empty.
    pub says: &'static str,
    /// Likeliest first.
    pub likely: Vec<Likely>,
}

/// Explains what tells most of what `text` names, in its order, at most [`MAX_EXPLANATIONS`]. Empty if nothing of it is understood.
pub fn explain(text: &str) -> Vec<Explanation> {
    let end = (0..=MAX_TEXT_BYTES.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let text = end.and_then(|end| text.get(..end));
    let mut found: BTreeMap<Weight, Vec<Found>> = BTreeMap::new();
    for one in text.unwrap_or_default().lines().flat_map(find::in_line) {
        keep(found.entry(weight(&one)).or_default(), one);
    }
    let weightiest = found.into_values().next().unwrap_or_default();
    weightiest.into_iter().map(explanation).collect()
}

fn weight(found: &Found) -> Weight {
    match found.subject {
        Subject::Condition(condition) => condition.weight,
        // Every connection ends with it.
        Subject::Alert(Alert::CLOSE_NOTIFY) => Weight::Frame,
        Subject::Alert(_) | Subject::Cause(_) => Weight::Exact,
    }
}

/// Adds what was found to what is kept, or to the one that it says again.
fn keep(kept: &mut Vec<Found>, found: Found) {
    let same = kept
        .iter()
        .position(|one| one.subject.is(found.subject) && agree(one.hint, found.hint));
    let Some(at) = same else {
        if kept.len() < MAX_EXPLANATIONS {
            kept.push(found);
        }
        return;
    };
    if let Some(one) = kept.get_mut(at) {
        one.hint = one.hint.or(found.hint);
        if found.quote.len() > one.quote.len() {
            one.quote = found.quote;
        }
    }
}

/// True if no hint contradicts the other.
fn agree(one: Hint, other: Hint) -> bool {
    fn same<T: Copy + PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    same(one.side, other.side)
        && same(one.direction, other.direction)
        && same(one.level, other.level)
}

fn explanation(found: Found) -> Explanation {
    let hint = found.hint;
    let (name, alert, what, readings) = match found.subject {
        Subject::Alert(alert) => {
            let meaning = meaning::of(alert);
            (
                alert.name(),
                Some(alert),
                meaning.what,
                of_alert(alert, hint),
            )
        }
        Subject::Condition(condition) => (
            condition.name,
            None,
            condition.what,
            of_condition(condition, hint.side),
        ),
        Subject::Cause(cause) => {
            let means = advice::on(cause).means;
            let reading = Reading {
                by: None,
                when: "A cause that Sallyport names".to_owned(),
                says: "",
                likely: vec![cause.because(means)],
            };
            (cause.as_str(), None, "", vec![reading])
        }
    };
    let is_alert = alert.is_some();
    Explanation {
        quote: found.quote,
        name,
        alert,
        source: hint.source,
        side: hint.side,
        direction: hint.direction.filter(|_| is_alert),
        level: hint.level.filter(|_| is_alert),
        era: hint.era.filter(|_| is_alert),
        what,
        readings,
    }
}

fn of_alert(alert: Alert, hint: Hint) -> Vec<Reading> {
    let meaning = meaning::of(alert);
    let known = hint.side.zip(hint.direction);
    let known = known.map(|(side, direction)| side.raiser(direction));
    let raisers = known.map_or(vec![Side::Server, Side::Client], |raiser| vec![raiser]);
    let reading = |raiser: Side| {
        let raised = meaning.by(raiser);
        Reading {
            by: Some(raiser),
            when: when_raised(raiser, hint),
            says: raised.says,
            likely: raised.likely.to_vec(),
        }
    };
    let readings: Vec<Reading> = raisers.into_iter().map(reading).collect();
    let telling = readings.iter().filter(|reading| !reading.likely.is_empty());
    let telling: Vec<Reading> = telling.cloned().collect();
    if telling.is_empty() {
        readings
    } else {
        telling
    }
}

fn when_raised(raiser: Side, hint: Hint) -> String {
    let (raiser_is, other) = (raiser.as_str(), raiser.other().as_str());
    match (hint.side, hint.direction) {
        (Some(_), Some(Direction::Received)) => {
            format!("The {other} received it from the {raiser_is}")
        }
        (Some(_), Some(Direction::Sent)) => format!("The {raiser_is} sent it"),
        (None, Some(Direction::Received)) => {
            format!("If your program is the {other}, the {raiser_is} raised it")
        }
        (None, Some(Direction::Sent)) => {
            format!("If your program is the {raiser_is}, it raised it itself")
        }
        (Some(side), None) if side == raiser => format!("If the {raiser_is} sent it"),
        (Some(_), None) => format!("If the {other} received it from the {raiser_is}"),
        (None, None) => {
            format!(
                "If the {raiser_is} raised it (the {raiser_is}'s log says sent, the {other}'s received)"
            )
        }
    }
}

fn of_condition(condition: &'static Condition, side: Option<Side>) -> Vec<Reading> {
    let list = |side: Side| match side {
        Side::Client => condition.by_client,
        Side::Server => condition.by_server,
    };
    let told = [Side::Client, Side::Server].map(|side| (side, list(side)));
    let told = told.into_iter().filter(|(_, likely)| !likely.is_empty());
    let all: Vec<_> = told.collect();
    let known = all.iter().copied().filter(|(of, _)| Some(*of) == side);
    let known: Vec<_> = known.collect();
    let read = if known.is_empty() { all } else { known };
    let certain = read.len() == 1;
    let reading = |(side, likely): (Side, &'static [Likely])| {
        let side_is = side.as_str();
        Reading {
            by: Some(side),
            when: if certain {
                format!("The {side_is} reports it")
            } else {
                format!("If the {side_is} reports it")
            },
            says: "",
            likely: likely.to_vec(),
        }
    };
    read.into_iter().map(reading).collect()
}
