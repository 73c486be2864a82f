//! What programs report without an alert of the other side: their own verdict on a certificate, on parameters, on the
//! connection, on their own files. Each with its likely causes by who reports it. Data only.

pub(super) mod certificate;
pub(super) mod connection;
pub(super) mod material;
pub(super) mod negotiation;

use super::meaning::Likely;

/// How much something tells. Of one text only what tells most is worth a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// What went wrong.
    Exact,
    /// In which check or at which place something went wrong.
    General,
    /// That something went wrong.
    Frame,
}

/// What a program noticed by itself.
#[derive(Debug)]
pub(super) struct Condition {
    /// A short id.
    pub(super) name: &'static str,
    /// How much it tells.
    pub(super) weight: Weight,
    /// What it means, in sentences.
    pub(super) what: &'static str,
    /// Likeliest first if the client reports it; empty if a client does not.
    pub(super) by_client: &'static [Likely],
    /// Likeliest first if the server reports it; empty if a server does not.
    pub(super) by_server: &'static [Likely],
}

const fn exact(
    name: &'static str,
    what: &'static str,
    by_client: &'static [Likely],
    by_server: &'static [Likely],
) -> Condition {
    Condition {
        name,
        weight: Weight::Exact,
        what,
        by_client,
        by_server,
    }
}

const fn general(
    name: &'static str,
    what: &'static str,
    by_client: &'static [Likely],
    by_server: &'static [Likely],
) -> Condition {
    Condition {
        name,
        weight: Weight::General,
        what,
        by_client,
        by_server,
    }
}

const fn frame(
    name: &'static str,
    what: &'static str,
    by_client: &'static [Likely],
    by_server: &'static [Likely],
) -> Condition {
    Condition {
        name,
        weight: Weight::Frame,
        what,
        by_client,
        by_server,
    }
}
