//! One connection of a capture as a TLS handshake: whether there was one, whether it succeeded, else which side ended it and
//! how. What that means is for [`super::evidence`] and the rules.

use std::net::SocketAddr;

use super::evidence;
use super::flows::{Flow, Party};
use super::hidden::{self, ClientFlight, Hidden};
use crate::alert::evidence::{End, Evidence};
use crate::alert::rules::{Flaw, Verdict, flaws};
use crate::handshake::transcript::{self, PlainAlert, Transcript, records};
use crate::handshake::{Foreign, TLS13};

/// A side that says nothing for so long (nanoseconds) is taken to be silent, if the capture goes on.
const SILENCE: u64 = 3_000_000_000;
/// A side that closes after waiting so long (nanoseconds) waited for the other one.
const PATIENCE: u64 = 1_000_000_000;

/// What a connection was.
pub(super) enum Judged {
    /// A handshake, or an attempt.
    Tls(Box<Conversation>),
    /// Opened and closed without a byte.
    NoData,
    /// Something else.
    Other,
    /// Too little to say.
    Nothing,
}

/// How a handshake came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides finished.
    Ok,
    /// It failed.
    Failed(Verdict),
    /// The capture does not show how it ended.
    Unfinished,
}

/// A handshake.
#[derive(Debug)]
pub struct Conversation {
    /// Who opened the connection.
    pub client: SocketAddr,
    /// Who accepted it.
    pub server: SocketAddr,
    /// When, nanoseconds since 1970.
    pub started: u64,
    /// How it came out.
    pub outcome: Outcome,
    /// As it looks from the side that did not end it ([`Evidence::side`]).
    pub evidence: Box<Evidence>,
    /// Who ended it, if somebody did.
    pub ended_by: Option<Party>,
    /// The deciding plaintext alert and who sent it.
    pub alert: Option<(Party, PlainAlert)>,
    /// What was said only in encrypted records.
    pub(super) hidden: Option<Hidden>,
    /// What is wrong with the server's certificates, where they can be seen.
    pub flaws: Vec<Flaw>,
    /// What limits the judgement.
    pub notes: Vec<&'static str>,
    /// What other conversations with the same server tell about this one.
    pub contrast: Option<String>,
}

/// What both sides said, and where it ended.
pub(super) struct Facts<'a> {
    pub(super) flow: &'a Flow,
    pub(super) client: Transcript,
    pub(super) server: Transcript,
    /// Version of the PROXY header before the client's hello, and its length.
    proxy: Option<(u8, usize)>,
}

/// Who ended the handshake, and how.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) by: Party,
    pub(super) end: End,
    pub(super) alert: Option<PlainAlert>,
}

/// What became of the handshake.
enum Course {
    Finished,
    Ended(Ending),
    Hidden(Party, Hidden),
    Open,
}

/// Judges a connection; `now` is the time of the latest packet.
pub(super) fn judge(flow: &Flow, now: u64) -> Judged {
    let (client, server) = (flow.from_client.data(), flow.from_server.data());
    if client.is_empty() && server.is_empty() {
        return unopened(flow, now);
    }
    let proxy = proxy_header(client);
    let behind = client.get(proxy.map_or(0, |(_, length)| length)..);
    let mut facts = Facts {
        flow,
        client: transcript::read(behind.unwrap_or_default()),
        server: transcript::read(server),
        proxy,
    };
    if !facts.is_tls() {
        return Judged::Other;
    }
    if let (Some((version, _)), None) = (proxy, &facts.server.server_hello) {
        // What answered did not expect the header.
        facts.client.foreign = Some(Foreign::Proxy(version));
    }
    Judged::Tls(Box::new(conversation(&facts, now)))
}

/// Not a byte either way.
fn unopened(flow: &Flow, now: u64) -> Judged {
    let refused = flow
        .close
        .is_some_and(|close| close.reset && close.by == Party::Server);
    let end = if flow.server_packets > 0 || !flow.opening_seen {
        return Judged::NoData;
    } else if refused {
        End::NotConnected
    } else if now.saturating_sub(flow.started) >= SILENCE {
        End::TimedOut
    } else {
        return Judged::Nothing;
    };
    let facts = Facts {
        flow,
        client: Transcript::default(),
        server: Transcript::default(),
        proxy: None,
    };
    let ending = Ending {
        by: Party::Server,
        end,
        alert: None,
    };
    Judged::Tls(Box::new(ended(&facts, &ending)))
}

/// A PROXY protocol header at the front: its version and length.
fn proxy_header(bytes: &[u8]) -> Option<(u8, usize)> {
    match transcript::foreign(bytes)? {
        Foreign::Proxy(1) => {
            // At most 107 bytes, its end included.
            let line = bytes.get(..107).unwrap_or(bytes);
            let end = line.windows(2).position(|pair| pair == b"\r\n");
            Some((1, end.map_or(bytes.len(), |end| end + 2)))
        }
        Foreign::Proxy(version) => {
            let length = bytes.get(14..)?.first_chunk::<2>()?;
            Some((version, 16 + usize::from(u16::from_be_bytes(*length))))
        }
        _ => None,
    }
}

impl Facts<'_> {
    /// A handshake was meant, by one side at least.
    fn is_tls(&self) -> bool {
        let (client, server) = (&self.client, &self.server);
        client.client_hello.is_some()
            || client.record_version.is_some()
            || client.foreign == Some(Foreign::Sslv2)
            || server.server_hello.is_some()
            || !server.alerts.is_empty()
            || server.foreign == Some(Foreign::PlainHttpRefused)
    }

    fn of(&self, party: Party) -> &Transcript {
        match party {
            Party::Client => &self.client,
            Party::Server => &self.server,
        }
    }

    /// Bytes before the client's first record.
    fn skipped(&self) -> usize {
        self.proxy.map_or(0, |(_, length)| length)
    }

    /// The client's bytes from its first record on.
    fn client_bytes(&self) -> &[u8] {
        let bytes = self.flow.from_client.data();
        bytes.get(self.skipped()..).unwrap_or_default()
    }

    /// The first fatal plaintext alert. One that comes after the other side closed only says so (OpenSSL: decode_error).
    fn fatal_alert(&self) -> Option<Ending> {
        let first = |party| {
            let (bytes, skipped) = match party {
                Party::Client => (self.client_bytes(), self.skipped()),
                Party::Server => (self.flow.from_server.data(), 0),
            };
            let alert = *self.of(party).alerts.iter().find(|a| a.level == 2)?;
            let mut at = skipped;
            for record in records(bytes) {
                if record.kind == 21 && *record.content == [2, alert.number] {
                    return Some((self.flow.stream(party).packet_of(at), party, alert));
                }
                at += 5 + record.content.len();
            }
            None
        };
        let close = self.flow.close.map(|close| (close.by, close.packet));
        let late = |packet, by: Party| {
            close.is_some_and(|(closer, closed)| closer == by.other() && closed < packet)
        };
        let (_, by, alert) = [first(Party::Client), first(Party::Server)]
            .into_iter()
            .flatten()
            .filter(|(packet, by, _)| !late(*packet, *by))
            .min_by_key(|(packet, ..)| *packet)?;
        Some(Ending {
            by,
            end: End::Alerted,
            alert: Some(alert),
        })
    }

    fn course(&self, now: u64) -> Course {
        if let Some(ending) = self.fatal_alert() {
            return Course::Ended(ending);
        }
        // What a server answers to something else than TLS is of the same kind.
        for party in [Party::Client, Party::Server] {
            if self.of(party).foreign.is_some() {
                return Course::Ended(Ending {
                    by: party,
                    end: End::Closed,
                    alert: None,
                });
            }
        }
        let agreed = self.server.server_hello.as_ref();
        if let Some(hello) = agreed.filter(|hello| hello.version == TLS13) {
            let hidden = hidden::look(
                self.flow,
                hello.cipher_suite,
                self.client_bytes(),
                self.skipped(),
            );
            match hidden.flight {
                ClientFlight::None => {}
                ClientFlight::Alert => return Course::Hidden(Party::Client, hidden),
                ClientFlight::Finished => return Course::Finished,
                _ if hidden.server_alert => return Course::Hidden(Party::Server, hidden),
                _ if hidden.served => return Course::Finished,
                _ => {}
            }
        } else if self.client.encrypted && self.server.encrypted {
            return Course::Finished;
        }
        self.silent_end(now)
    }

    /// Nobody said why.
    fn silent_end(&self, now: u64) -> Course {
        let timed_out = |by| {
            Course::Ended(Ending {
                by,
                end: End::TimedOut,
                alert: None,
            })
        };
        let last = self.flow.last_data;
        match (self.flow.close, last) {
            // Who closes after waiting for the other one is not the one that ended it.
            (Some(close), Some(last))
                if close.by == last.by && close.at.saturating_sub(last.at) >= PATIENCE =>
            {
                timed_out(last.by.other())
            }
            (Some(close), _) => Course::Ended(Ending {
                by: close.by,
                end: if close.reset { End::Reset } else { End::Closed },
                alert: None,
            }),
            (None, Some(last)) if now.saturating_sub(last.at) >= SILENCE => {
                timed_out(last.by.other())
            }
            (None, _) => Course::Open,
        }
    }
}

fn conversation(facts: &Facts<'_>, now: u64) -> Conversation {
    let notes = notes(facts);
    let mut conversation = match facts.course(now) {
        Course::Finished => plain(facts, Outcome::Ok),
        Course::Open => plain(facts, Outcome::Unfinished),
        // Without all the bytes only what was said in the clear counts.
        Course::Ended(ending) if ending.alert.is_none() && !notes.is_empty() => {
            plain(facts, Outcome::Unfinished)
        }
        Course::Ended(ending) => ended(facts, &ending),
        Course::Hidden(by, hidden) => {
            let mut conversation = plain(
                facts,
                Outcome::Failed(evidence::of_hidden(by, hidden.flight)),
            );
            conversation.evidence = Box::new(evidence::hidden(facts, by, hidden.flight));
            conversation.ended_by = Some(by);
            conversation.hidden = Some(hidden);
            conversation
        }
    };
    conversation.notes = notes;
    conversation
}

fn plain(facts: &Facts<'_>, outcome: Outcome) -> Conversation {
    let open = Ending {
        by: Party::Client,
        end: End::Other,
        alert: None,
    };
    let evidence = evidence::of(facts, &open);
    Conversation {
        client: facts.flow.client,
        server: facts.flow.server,
        started: facts.flow.started,
        outcome,
        flaws: flaws(&evidence),
        evidence: Box::new(evidence),
        ended_by: None,
        alert: None,
        hidden: None,
        notes: Vec::new(),
        contrast: None,
    }
}

fn ended(facts: &Facts<'_>, ending: &Ending) -> Conversation {
    let seen = evidence::of(facts, ending);
    let verdict = evidence::classify(&seen);
    Conversation {
        evidence: Box::new(seen),
        ended_by: Some(ending.by),
        alert: ending.alert.map(|alert| (ending.by, alert)),
        ..plain(facts, Outcome::Failed(verdict))
    }
}

/// What limits the judgement.
fn notes(facts: &Facts<'_>) -> Vec<&'static str> {
    let flow = facts.flow;
    let mut notes = Vec::new();
    if flow.from_client.has_gap() || flow.from_server.has_gap() {
        notes.push("bytes are missing in the capture (dropped by it, or cut: use tcpdump -s 0)");
    }
    if flow.server_packets == 0 {
        notes.push("only the client's direction is in the capture");
    }
    notes
}
