//! What a whole capture amounts to: its handshakes in order, the findings with the handshakes that they are about, and the exit
//! code. As JSON here, as a table in `cli`.

mod json;

use std::net::SocketAddr;

use super::conversation::{Conversation, Outcome};
use super::evidence::versions;
use super::flows::Party;
use super::servers::Servers;
use super::words::{self, Words};
use crate::alert::Cause;
use crate::alert::rules::{Confidence, Flaw, Verdict};
use crate::handshake::{ClientHello, names};

/// Numbers of conversations that a finding lists.
const MOST_LISTED: usize = 20;
/// Findings in a report, the gravest kept.
const MOST_FINDINGS: usize = 200;

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets in the file.
    pub packets: u64,
    /// Of them those that were captured in part only.
    pub cut: u64,
    /// Fragments of IP packets, which are not put together.
    pub fragments: u64,
    /// Packets of an interface whose link layer is not known.
    pub unknown_link: u64,
    /// Handshakes that succeeded.
    pub ok: usize,
    /// Handshakes that failed.
    pub failed: usize,
    /// Handshakes of which the capture does not show the end.
    pub unfinished: usize,
    /// Conversations that are counted above but not listed.
    pub left_out: usize,
    /// Connections that were closed without a byte, as health checks do.
    pub no_data: usize,
    /// Connections of other protocols.
    pub other: usize,
}

/// How grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Handshakes fail for it.
    Error,
    /// They do not, or not yet.
    Warning,
}

impl Severity {
    /// JSON and table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What is wrong, once for all conversations that it is wrong in.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// The cause.
    pub cause: Cause,
    /// How sure.
    pub confidence: Confidence,
    /// Numbers of the conversations, the first 20.
    pub conversations: Vec<usize>,
    /// How many there are.
    pub count: usize,
    /// What happened, in the first of them.
    pub detail: String,
    /// What to do.
    pub fix: String,
    /// Who has to.
    pub owner: Party,
    /// A shell command that shows it.
    pub verify: Option<String>,
}

/// The exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// Nothing failed, but something is to be told.
    Warnings,
    /// Handshakes failed.
    Failing,
    /// There is no handshake in it.
    Nothing,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warnings => 1,
            Self::Failing => 2,
            Self::Nothing => 3,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Report {
    /// Handshakes by their beginning; their number is the place in this list, from 1.
    pub conversations: Vec<Conversation>,
    /// Findings, errors first.
    pub findings: Vec<Finding>,
    /// How many of what.
    pub counts: Counts,
    /// What limits the report.
    pub notes: Vec<String>,
}

/// Puts a report together.
pub(super) fn of(
    mut conversations: Vec<Conversation>,
    counts: Counts,
    damage: Option<&'static str>,
) -> Report {
    conversations.sort_by_key(|one| one.started);
    let servers = Servers::of(&conversations);
    for one in &mut conversations {
        if let Some((verdict, why)) = servers.contrast(one) {
            one.outcome = Outcome::Failed(verdict);
            one.contrast = Some(why);
        }
    }
    let mut findings = Findings::default();
    for (number, one) in (1..).zip(&conversations) {
        findings.take(number, one);
    }
    let mut findings = findings.list;
    findings.sort_by_key(|finding| (finding.severity, std::cmp::Reverse(finding.count)));
    Report {
        conversations,
        findings,
        notes: notes(&counts, damage),
        counts,
    }
}

fn notes(counts: &Counts, damage: Option<&'static str>) -> Vec<String> {
    let mut notes: Vec<String> = damage.map(str::to_owned).into_iter().collect();
    let mut add = |count: u64, text: &str| {
        if count > 0 {
            notes.push(format!("{count} {text}"));
        }
    };
    add(
        counts.cut,
        "packets were captured in part only: use tcpdump -s 0",
    );
    add(counts.fragments, "fragments of IP packets were passed over");
    add(
        counts.unknown_link,
        "packets have a link layer that is not known here",
    );
    let left_out = u64::try_from(counts.left_out).unwrap_or(u64::MAX);
    add(
        left_out,
        "handshakes are counted but not listed: use a narrower capture",
    );
    notes
}

#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
    /// What makes two the same, in the order of `list`.
    keys: Vec<Key>,
}

/// Of several at once, what sets them apart.
#[derive(PartialEq, Eq)]
struct Key {
    severity: Severity,
    cause: Cause,
    server: SocketAddr,
    name: Option<Box<str>>,
    alert: Option<u8>,
    /// The best version that the client offers.
    version: Option<u16>,
}

impl Findings {
    fn take(&mut self, number: usize, one: &Conversation) {
        let failed = match one.outcome {
            Outcome::Failed(verdict) => {
                self.add(number, one, Severity::Error, verdict, || {
                    words::failure(one, verdict)
                });
                Some(verdict.cause)
            }
            _ => None,
        };
        for flaw in &one.flaws {
            let Some(cause) = cause_of(*flaw) else {
                continue;
            };
            if failed != Some(cause) {
                let verdict = Verdict {
                    cause,
                    confidence: Confidence::Certain,
                };
                self.add(number, one, Severity::Warning, verdict, || {
                    words::flaw(one, Party::Server, *flaw)
                });
            }
        }
    }

    fn add(
        &mut self,
        number: usize,
        one: &Conversation,
        severity: Severity,
        verdict: Verdict,
        words: impl FnOnce() -> Words,
    ) {
        let hello = one.evidence.hello.as_ref();
        let key = Key {
            severity,
            cause: verdict.cause,
            server: one.server,
            name: hello.and_then(|hello| hello.sni.clone()),
            alert: one.alert.map(|(_, alert)| alert.number),
            version: hello.map(ClientHello::best_version),
        };
        let known = self.keys.iter().zip(&mut self.list);
        let same = known.into_iter().find(|(known, _)| **known == key);
        if let Some((_, finding)) = same {
            finding.count += 1;
            if finding.conversations.len() < MOST_LISTED {
                finding.conversations.push(number);
            }
        } else if self.list.len() < MOST_FINDINGS {
            let words = words();
            self.keys.push(key);
            self.list.push(Finding {
                severity,
                cause: verdict.cause,
                confidence: verdict.confidence,
                conversations: vec![number],
                count: 1,
                detail: words.detail,
                fix: words.fix,
                owner: words.owner,
                verify: words.verify,
            });
        }
    }
}

/// What a handshake that succeeded shall be warned of. Its client accepted a self-signed certificate: many do on purpose.
const fn cause_of(flaw: Flaw) -> Option<Cause> {
    Some(match flaw {
        Flaw::Expired => Cause::ServerCertExpired,
        Flaw::NotYetValid => Cause::ServerCertNotYetValid,
        Flaw::WrongName | Flaw::NoSan => Cause::ServerCertHostnameMismatch,
        Flaw::WrongPurpose => Cause::ServerCertWrongPurpose,
        Flaw::Incomplete => Cause::ServerCertChainIncomplete,
        Flaw::Disordered => Cause::ServerCertChainDisordered,
        Flaw::SelfSigned => return None,
    })
}

impl Report {
    /// What it amounts to.
    pub const fn exit(&self) -> Exit {
        let counts = &self.counts;
        if counts.failed > 0 {
            Exit::Failing
        } else if counts.ok == 0 && counts.unfinished == 0 {
            Exit::Nothing
        } else if counts.unfinished > 0 || !self.findings.is_empty() {
            Exit::Warnings
        } else {
            Exit::Ok
        }
    }
}

impl Conversation {
    /// The cause, if it failed.
    pub const fn verdict(&self) -> Option<Verdict> {
        match self.outcome {
            Outcome::Failed(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// `ok`, `unfinished`, or the cause.
    pub const fn outcome_text(&self) -> &'static str {
        match self.outcome {
            Outcome::Ok => "ok",
            Outcome::Unfinished => "unfinished",
            Outcome::Failed(verdict) => verdict.cause.as_str(),
        }
    }

    /// RFC 3339 with milliseconds.
    pub fn time(&self) -> String {
        let (seconds, rest) = (self.started / 1_000_000_000, self.started % 1_000_000_000);
        let text = words::time(i64::try_from(seconds).unwrap_or(0));
        format!("{}.{:03}Z", text.trim_end_matches('Z'), rest / 1_000_000)
    }

    /// The name that the client asked for.
    pub fn sni(&self) -> Option<&str> {
        self.evidence.hello.as_ref()?.sni.as_deref()
    }

    /// Versions that the client offers, ascending.
    pub fn offered(&self) -> Vec<String> {
        let hello = self.evidence.hello.as_ref();
        let versions = hello.map(versions).unwrap_or_default();
        versions.into_iter().map(names::version).collect()
    }

    /// The version agreed on.
    pub fn version(&self) -> Option<String> {
        let hello = self.evidence.server_hello.as_ref()?;
        Some(names::version(hello.version))
    }
}
