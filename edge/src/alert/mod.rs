//! Alert classification lives here and nowhere else: alert numbers, causes. Imports leaves only.

mod cause;
pub mod explain;
pub mod number;

pub use cause::Cause;
pub use number::Alert;

/// Which way an alert went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// We raised it.
    Sent,
    /// The peer raised it.
    Received,
}

impl Direction {
    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// Which leg of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// Client to router.
    Northbound,
    /// Router to processor.
    Internal,
    /// Processor to target.
    Southbound,
}

impl Hop {
    /// Metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Northbound => "northbound",
            Self::Internal => "internal",
            Self::Southbound => "southbound",
        }
    }
}

/// A failed handshake as far as this release classifies it.
#[derive(Clone, Debug)]
pub struct TlsFailure {
    /// Certain cause from our own facts, else [`Cause::Unknown`].
    pub cause: Cause,
    /// The alert and who raised it; `None` if the connection ended without one.
    pub alert: Option<(Alert, Direction)>,
    /// For the log: the exact error, names, dates. No secrets.
    pub detail: String,
}
