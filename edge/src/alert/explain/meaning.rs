//! What an alert means by who raised it, and which causes are behind it, likeliest first: the one table of that. Whoever
//! received an alert has the other side's part. The rows are in [`super::alerts`], what to do about a cause in
//! [`super::advice`].

use super::alerts;
use crate::alert::{Alert, Cause, Direction};

/// An end of a TLS connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It began the connection.
    Client,
    /// It accepted the connection.
    Server,
}

impl Side {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The other end.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Who raised an alert that went in `direction` as this side sees it.
    #[must_use]
    pub const fn raiser(self, direction: Direction) -> Self {
        match direction {
            Direction::Sent => self,
            Direction::Received => self.other(),
        }
    }
}

/// A cause that is likely, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Likely {
    /// Its id.
    pub cause: Cause,
    /// When it is this one: a clause without a full stop.
    pub why: &'static str,
}

impl Cause {
    /// This cause as a likely one.
    pub(in crate::alert::explain) const fn because(self, why: &'static str) -> Likely {
        Likely { cause: self, why }
    }
}

/// An alert as one side raises it.
#[derive(Clone, Copy, Debug)]
pub struct Raised {
    /// What this side says with it: a sentence.
    pub says: &'static str,
    /// Likeliest first; empty if this side does not raise it.
    pub likely: &'static [Likely],
}

/// What an alert means.
#[derive(Clone, Copy, Debug)]
pub struct AlertMeaning {
    /// The registry's meaning, in sentences.
    pub what: &'static str,
    /// Raised by the client, received by the server.
    pub by_client: Raised,
    /// Raised by the server, received by the client.
    pub by_server: Raised,
}

impl AlertMeaning {
    /// The part of the side that raised it.
    #[must_use]
    pub const fn by(&self, raiser: Side) -> &Raised {
        match raiser {
            Side::Client => &self.by_client,
            Side::Server => &self.by_server,
        }
    }
}

/// What `alert` means; for a number that is not assigned, that it is not.
pub fn of(alert: Alert) -> &'static AlertMeaning {
    alerts::ALL
        .iter()
        .copied()
        .flatten()
        .find(|(number, _)| *number == alert.0)
        .map_or(&alerts::UNASSIGNED, |(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_assigned_alert_has_a_row_of_its_own() {
        for number in 0..=u8::MAX {
            let rows = alerts::ALL.iter().copied().flatten();
            let rows = rows.filter(|(row, _)| *row == number).count();
            let assigned = Alert(number).name() != "unassigned";
            assert_eq!(rows, usize::from(assigned), "{number}");
        }
    }

    #[test]
    fn every_row_names_a_cause_once_a_side() {
        for (number, meaning) in alerts::ALL.iter().copied().flatten() {
            for side in [Side::Client, Side::Server] {
                let raised = meaning.by(side);
                assert!(raised.says.ends_with('.'), "{number}");
                let mut causes: Vec<_> = raised.likely.iter().map(|likely| likely.cause).collect();
                let listed = causes.len();
                causes.sort_unstable();
                causes.dedup();
                assert_eq!(causes.len(), listed, "{number}");
                assert!(raised.likely.iter().all(|l| !l.why.ends_with('.')));
            }
        }
    }

    #[test]
    fn the_receiver_has_the_other_sides_part() {
        assert_eq!(Side::Client.raiser(Direction::Received), Side::Server);
        assert_eq!(Side::Server.raiser(Direction::Sent), Side::Server);
        let meaning = of(Alert::CERTIFICATE_REQUIRED);
        assert_eq!(
            meaning.by(Side::Server).likely[0].cause,
            Cause::ClientCertMissing
        );
        assert!(meaning.by(Side::Client).likely.is_empty());
    }
}
