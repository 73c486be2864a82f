//! What can be wrong with a certificate in use: the words and their order. `assess` finds out; listings show it.

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; may well be meant.
    Info,
    /// Some peers refuse it, or all will before long.
    Warning,
    /// Peers refuse it, or will within days.
    Error,
}

impl Severity {
    const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// As it is written in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Its validity has ended.
    Expired,
    /// Its validity has not begun.
    NotYetValid,
    /// Its validity ends within 30 days; an error within 7.
    ExpiresSoon,
    /// An issuer is missing that peers cannot be expected to have.
    ChainIncomplete,
    /// The chain is there, in another order.
    ChainDisordered,
    /// It is served for a name that is not in it.
    NameMismatch,
    /// No alternative name is in it, only a common name.
    NoSan,
    /// Its extended key usage does not allow what it is used for.
    WrongPurpose,
    /// It is signed with SHA-1 or older.
    WeakSignature,
    /// Its RSA key is shorter than 2048 bits.
    WeakKey,
    /// It has no issuer that a peer could trust.
    SelfSigned,
    /// It cannot be read.
    Unreadable,
}

impl FindingKind {
    const ALL: [Self; 12] = [
        Self::Expired,
        Self::NotYetValid,
        Self::ExpiresSoon,
        Self::ChainIncomplete,
        Self::ChainDisordered,
        Self::NameMismatch,
        Self::NoSan,
        Self::WrongPurpose,
        Self::WeakSignature,
        Self::WeakKey,
        Self::SelfSigned,
        Self::Unreadable,
    ];

    /// As it is written in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::ExpiresSoon => "expires_soon",
            Self::ChainIncomplete => "chain_incomplete",
            Self::ChainDisordered => "chain_disordered",
            Self::NameMismatch => "name_mismatch",
            Self::NoSan => "no_san",
            Self::WrongPurpose => "wrong_purpose",
            Self::WeakSignature => "weak_signature",
            Self::WeakKey => "weak_key",
            Self::SelfSigned => "self_signed",
            Self::Unreadable => "unreadable",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// One thing found about one chain or set of anchors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    #[serde(rename = "finding")]
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// A sentence with the names and dates.
    pub detail: String,
    /// What to do, and a command that shows whether it is done right.
    pub fix: String,
}
