//! The phrases that programs print, stack by stack: what each names, and what it gives away about who speaks and which way
//! an alert went. Phrases are written as [`super::words`] leaves them: lower case, one space between words.

pub(super) mod alerts;
mod clients;
mod gateways;
mod go;
mod java;
mod nginx;
mod openssl;
mod rustls;
mod sallyport;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::conditions::Condition;
use super::meaning::Side;
use crate::alert::{Alert, Cause, Direction};

/// Whose wording it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// OpenSSL's error queue and verify results, which many programs print.
    OpenSsl,
    /// BoringSSL: Envoy, gRPC.
    BoringSsl,
    /// curl.
    Curl,
    /// Java's JSSE and what is built on it.
    Java,
    /// Go's crypto/tls and net/http.
    Go,
    /// nginx and OpenResty.
    Nginx,
    /// rustls.
    Rustls,
    /// `received fatal alert` is said by both.
    JavaOrRustls,
    /// Python's ssl.
    Python,
    /// Node.js.
    Node,
    /// GnuTLS: wget, git.
    GnuTls,
    /// Firefox, Chrome.
    Browser,
    /// Windows' Schannel.
    Schannel,
    /// Envoy.
    Envoy,
    /// Apigee.
    Apigee,
    /// APISIX.
    Apisix,
    /// This program.
    Sallyport,
}

impl Source {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenSsl => "OpenSSL",
            Self::BoringSsl => "BoringSSL",
            Self::Curl => "curl",
            Self::Java => "Java",
            Self::Go => "Go",
            Self::Nginx => "nginx",
            Self::Rustls => "rustls",
            Self::JavaOrRustls => "Java or rustls",
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::GnuTls => "GnuTLS",
            Self::Browser => "browser",
            Self::Schannel => "Schannel",
            Self::Envoy => "Envoy",
            Self::Apigee => "Apigee",
            Self::Apisix => "APISIX",
            Self::Sallyport => "Sallyport",
        }
    }
}

/// How serious the sender called an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 1: the connection may go on.
    Warning,
    /// 2: it ends.
    Fatal,
}

impl Level {
    /// The registry's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Fatal => "fatal",
        }
    }

    /// From the byte on the wire.
    pub(super) const fn of(byte: u32) -> Option<Self> {
        match byte {
            1 => Some(Self::Warning),
            2 => Some(Self::Fatal),
            _ => None,
        }
    }
}

/// Which version of the protocol first had an alert: OpenSSL's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `sslv3 alert`
    Ssl3,
    /// `tlsv1 alert`
    Tls1,
    /// `tlsv13 alert`
    Tls13,
}

/// What a phrase is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    /// An alert.
    Alert(Alert),
    /// What a program noticed by itself.
    Condition(&'static Condition),
    /// One of our cause ids.
    Cause(Cause),
}

impl Subject {
    /// True if `other` is the same.
    pub(super) fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Alert(this), Self::Alert(other)) => this == other,
            (Self::Condition(this), Self::Condition(other)) => this.name == other.name,
            (Self::Cause(this), Self::Cause(other)) => this == other,
            _ => false,
        }
    }
}

/// What a phrase, or a whole line, gives away about the program that printed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hint {
    /// Which end it was.
    pub(super) side: Option<Side>,
    /// Which way the alert went, as it saw it.
    pub(super) direction: Option<Direction>,
    /// The alert's level.
    pub(super) level: Option<Level>,
    /// The alert's era.
    pub(super) era: Option<Era>,
    /// Whose wording.
    pub(super) source: Option<Source>,
}

/// Where a phrase counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere.
    Anywhere,
    /// On a line that speaks of TLS, or alone on a line.
    TlsLine,
    /// On a line that speaks of alerts, alone on a line, or as one identifier.
    AlertLine,
    /// As one identifier, without a space in it.
    Identifier,
}

/// One phrase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phrase {
    /// In words of lower case.
    pub(super) words: &'static str,
    /// What it names; `None` if it is only a hint.
    pub(super) subject: Option<Subject>,
    /// What it gives away.
    pub(super) hint: Hint,
    /// Where it counts.
    pub(super) place: Place,
}

impl Phrase {
    const fn client(mut self) -> Self {
        self.hint.side = Some(Side::Client);
        self
    }
    const fn server(mut self) -> Self {
        self.hint.side = Some(Side::Server);
        self
    }
    const fn received(mut self) -> Self {
        self.hint.direction = Some(Direction::Received);
        self
    }
    const fn sent(mut self) -> Self {
        self.hint.direction = Some(Direction::Sent);
        self
    }
    const fn fatal(mut self) -> Self {
        self.hint.level = Some(Level::Fatal);
        self
    }
    const fn warning(mut self) -> Self {
        self.hint.level = Some(Level::Warning);
        self
    }
    const fn era(mut self, era: Era) -> Self {
        self.hint.era = Some(era);
        self
    }
    const fn on_tls_line(mut self) -> Self {
        self.place = Place::TlsLine;
        self
    }
    const fn as_identifier(mut self) -> Self {
        self.place = Place::Identifier;
        self
    }
}

const NOTHING: Hint = Hint {
    side: None,
    direction: None,
    level: None,
    era: None,
    source: None,
};

/// A phrase that names nothing and gives something away.
const fn hint(words: &'static str) -> Phrase {
    Phrase {
        words,
        subject: None,
        hint: NOTHING,
        place: Place::Anywhere,
    }
}

/// A phrase that names a condition.
const fn says(words: &'static str, condition: &'static Condition) -> Phrase {
    let mut phrase = hint(words);
    phrase.subject = Some(Subject::Condition(condition));
    phrase
}

/// A phrase that names an alert by itself.
const fn alert(words: &'static str, number: u8) -> Phrase {
    let mut phrase = hint(words);
    phrase.subject = Some(Subject::Alert(Alert(number)));
    phrase
}

/// By source. Of phrases with the same words the first one whose place is right counts.
const TABLES: [(Option<Source>, &[Phrase]); 15] = [
    (None, alerts::PHRASES),
    (Some(Source::Sallyport), sallyport::PHRASES),
    (Some(Source::Apigee), gateways::APIGEE),
    (Some(Source::Apisix), gateways::APISIX),
    (Some(Source::Envoy), gateways::ENVOY),
    (Some(Source::Nginx), nginx::PHRASES),
    (Some(Source::Java), java::PHRASES),
    (Some(Source::Go), go::PHRASES),
    (Some(Source::Rustls), rustls::PHRASES),
    (Some(Source::Python), clients::PYTHON),
    (Some(Source::Node), clients::NODE),
    (Some(Source::GnuTls), clients::GNUTLS),
    (Some(Source::Browser), clients::BROWSER),
    (Some(Source::Schannel), clients::SCHANNEL),
    (Some(Source::Curl), clients::CURL),
];

/// Those that OpenSSL shares with whoever prints its texts: after the more special ones.
const SHARED: [(Option<Source>, &[Phrase]); 2] = [
    (Some(Source::OpenSsl), openssl::PHRASES),
    (None, clients::PLAIN),
];

/// All phrases by their first word, the longest first.
pub(super) static BY_FIRST_WORD: LazyLock<HashMap<&'static str, Vec<Phrase>>> =
    LazyLock::new(|| {
        let mut all: HashMap<&'static str, Vec<Phrase>> = HashMap::new();
        for (source, table) in TABLES.into_iter().chain(SHARED) {
            for phrase in table {
                let mut phrase = *phrase;
                phrase.hint.source = phrase.hint.source.or(source);
                let first = phrase.words.split(' ').next().unwrap_or_default();
                all.entry(first).or_default().push(phrase);
            }
        }
        for phrases in all.values_mut() {
            // Stable: the order of the tables stays among phrases of the same length.
            phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.words.split(' ').count()));
        }
        all
    });

#[cfg(test)]
mod tests {
    use super::super::words::Line;
    use super::*;

    #[test]
    fn every_phrase_is_written_as_words_are_compared() {
        for phrase in BY_FIRST_WORD.values().flatten() {
            let line = Line::of(phrase.words);
            let words: Vec<_> = line.words.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(words.join(" "), phrase.words);
        }
    }

    #[test]
    fn no_phrase_hides_another() {
        for phrases in BY_FIRST_WORD.values() {
            for (at, phrase) in phrases.iter().enumerate() {
                let hidden = phrases[..at]
                    .iter()
                    .any(|p| p.words == phrase.words && p.place == Place::Anywhere);
                assert!(!hidden, "{}", phrase.words);
            }
        }
    }
}
