//! What a conversation's cause means and what to do, in words for whoever reads a capture: which side has to move, with the
//! names, dates and numbers that the capture shows. [`refusals`] are of the hello, [`certificates`] of what was shown.

mod certificates;
mod refusals;

pub(super) use certificates::flaw;

use super::conversation::Conversation;
use super::flows::Party;
use crate::alert::evidence::{Chain, Side};
use crate::alert::rules::Verdict;
use crate::alert::{Alert, Cause};
use crate::handshake::names;

/// Of a list, so many are written out.
const MOST_LISTED: usize = 12;

/// The texts.
pub(super) struct Words {
    /// What happened.
    pub(super) detail: String,
    /// What to do.
    pub(super) fix: String,
    /// Who has to.
    pub(super) owner: Party,
    /// A shell command that shows it.
    pub(super) verify: Option<String>,
}

impl Words {
    fn new(owner: Party, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            fix: fix.into(),
            owner,
            verify: None,
        }
    }

    fn verified_by(self, command: String) -> Self {
        Self {
            verify: Some(command),
            ..self
        }
    }
}

/// Words for a failure.
pub(super) fn failure(one: &Conversation, verdict: Verdict) -> Words {
    let mut words = refusals::words(one, verdict.cause)
        .or_else(|| certificates::words(one, verdict.cause))
        .unwrap_or_else(|| unknown(one, verdict.cause));
    let mut detail = ended(one);
    if !words.detail.is_empty() {
        detail.push(' ');
        detail.push_str(&words.detail);
    }
    if let Some(contrast) = &one.contrast {
        detail.push_str(" Also: ");
        detail.push_str(contrast);
        detail.push('.');
    }
    words.detail = detail;
    words
}

/// Who ended it, how and after what.
fn ended(one: &Conversation) -> String {
    use crate::alert::evidence::End;
    let evidence = &one.evidence;
    let Some(by) = one.ended_by else {
        return "The capture does not show who ended it.".to_owned();
    };
    let who = by.as_str();
    let last = match evidence.received.last() {
        Some(message) => format!("after its {}", names::message(message.kind)),
        None => match (by, evidence.hello.is_some()) {
            (Party::Server, true) => "in answer to the ClientHello".to_owned(),
            _ => "before anything else".to_owned(),
        },
    };
    if one.hidden.is_some() {
        return format!(
            "The {who} sent an encrypted record of an alert's size and went no further; which alert it is, a capture of TLSv1.3 \
             cannot show."
        );
    }
    match (&evidence.end, &one.alert) {
        (_, Some((_, alert))) => {
            let name = Alert(alert.number).name();
            format!("The {who} sent alert {} ({name}), {last}.", alert.number)
        }
        (End::NotConnected, _) => "The server refused the TCP connection.".to_owned(),
        (End::TimedOut, _) if evidence.bytes.0 == 0 => format!("The {who} said nothing at all."),
        (End::TimedOut, _) => format!("The {who} said nothing more, {last}."),
        (End::Reset, _) => format!("The {who} reset the connection without an alert, {last}."),
        _ if evidence.foreign.is_some() => format!("The {who} does not speak TLS here."),
        _ => format!("The {who} closed the connection without an alert, {last}."),
    }
}

fn unknown(one: &Conversation, cause: Cause) -> Words {
    let owner = one.ended_by.unwrap_or(Party::Server);
    let fix = match cause {
        Cause::PeerClosedDuringHandshake | Cause::PeerResetDuringHandshake => format!(
            "Look at the log of the {} at this time: it ended the connection. In between, firewalls and load balancers close and \
             reset too, when they have no one to pass the connection to or do not like the server name. Servers with old versions \
             only do so as well: try the versions one by one with `sallyport diagnose {}`.",
            owner.as_str(),
            one.server
        ),
        _ => format!(
            "Look at the log of the {} at this time: it ended the handshake.",
            owner.as_str()
        ),
    };
    Words::new(owner, "", fix)
}

/// The certificates that a side showed in the clear.
fn shown(one: &Conversation, by: Party) -> &Chain {
    let evidence = &one.evidence;
    match (evidence.side, by) {
        (Side::Server, Party::Server) | (Side::Client, Party::Client) => &evidence.own.chain,
        _ => &evidence.peer_chain,
    }
}

/// `openssl s_client` as this client came, as far as it can be told. Names are host names, so nothing needs quoting.
fn s_client(one: &Conversation) -> String {
    let hello = one.evidence.hello.as_ref();
    let name = match hello.and_then(|hello| hello.sni.as_deref()) {
        Some(name) => format!("-servername {name}"),
        None => "-noservername".to_owned(),
    };
    format!(
        "openssl s_client -connect {} {name} -showcerts </dev/null",
        one.server
    )
}

fn listed(list: &[u16], name: fn(u16) -> String) -> String {
    let real: Vec<u16> = list
        .iter()
        .copied()
        .filter(|n| !names::is_grease(*n))
        .collect();
    let shown: Vec<String> = real.iter().take(MOST_LISTED).map(|n| name(*n)).collect();
    match real.len().saturating_sub(MOST_LISTED) {
        0 if shown.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `RFC 3339`, in UTC.
pub(super) fn time(unix: i64) -> String {
    use time::format_description::well_known::Rfc3339;
    let time = time::OffsetDateTime::from_unix_timestamp(unix).ok();
    let text = time.and_then(|time| time.format(&Rfc3339).ok());
    text.unwrap_or_else(|| format!("unix time {unix}"))
}
