//! Outcomes as rows of a table: what was tried, the result in a word, and the facts in a line.

use std::time::Duration;

use control::certificate::{CertInfo, Covered, name_of_der};
use serde_json::{Value, json};

use super::super::connect::{GREETING, protocol};
use super::super::judge::{Judgement, OwnChain};
use super::super::outcome::{Answer, Clear, Ending, Outcome, StepResult};
use super::super::session::Session;
use super::super::trial::{Step, Trial};
use crate::alert::evidence::{End, Evidence, Shown};
use crate::alert::{Alert, Direction};
use crate::handshake::{Foreign, names};

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which step.
    pub step: Step,
    /// What was tried.
    pub tried: String,
    /// A word: `ok`, `refused`, `closed`, `reset`, `silent`, `failed`, `not tls`, `skipped`, `bad`.
    pub result: &'static str,
    /// The facts.
    pub detail: String,
    /// How long it took.
    pub elapsed: Duration,
    /// The facts for programs; `null` where there are no more than `detail` says.
    pub evidence: Value,
}

impl Row {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "step": self.step.id(),
            "name": self.step.name(),
            "tried": self.tried,
            "result": self.result,
            "detail": self.detail,
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "evidence": self.evidence,
        })
    }
}

/// The rows of one outcome.
pub(super) fn of(step: &StepResult) -> Vec<Row> {
    let row = |result, detail: String, evidence| {
        vec![Row {
            step: step.trial.step(),
            tried: step.trial.tried(),
            result,
            detail,
            elapsed: step.elapsed,
            evidence,
        }]
    };
    match &step.outcome {
        Outcome::Skipped(why) => row("skipped", (*why).to_owned(), Value::Null),
        Outcome::Resolved(addresses) => {
            let all: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
            row("ok", all.join(", "), Value::Null)
        }
        Outcome::NotResolved(why) | Outcome::NotConnected(why) => {
            row("failed", why.clone(), Value::Null)
        }
        Outcome::Connected(None) => row("ok", format!("no greeting in {GREETING:?}"), Value::Null),
        Outcome::Connected(Some(greeting)) => row("not tls", protocol(greeting), Value::Null),
        Outcome::Hello(answer) => row(answered(answer), answer_text(answer), answer_json(answer)),
        Outcome::Session(session) => {
            let result = session_result(session, step.trial);
            row(
                result,
                session_text(session, step.trial),
                session_json(session),
            )
        }
        Outcome::Clear(clear) => {
            let (result, detail) = clear_text(clear);
            row(result, detail, Value::Null)
        }
        Outcome::Judged(judged) => judged_rows(judged),
    }
}

fn answered(answer: &Answer) -> &'static str {
    if answer.server_hello().is_some() {
        return "ok";
    }
    if answer.transcript.foreign.is_some() {
        return "not tls";
    }
    if answer.alert().is_some_and(|(_, level)| level == 2) {
        return "refused";
    }
    match answer.ending {
        Ending::Closed => "closed",
        Ending::Reset => "reset",
        Ending::Silent => "silent",
        Ending::Answered => "refused",
    }
}

fn answer_text(answer: &Answer) -> String {
    let mut parts = Vec::new();
    if let Some(hello) = answer.server_hello() {
        parts.push(names::version(hello.version));
        parts.push(names::suite(hello.cipher_suite));
        parts.extend(hello.group.map(names::group));
        parts.extend(hello.retry.then(|| "after a HelloRetryRequest".to_owned()));
    }
    parts.extend(
        answer
            .alert()
            .map(|(alert, level)| alert_text(alert, level)),
    );
    parts.extend(answer.transcript.foreign.as_ref().map(protocol));
    if answer.transcript.request.is_some() {
        parts.push("asks for a client certificate".to_owned());
    }
    parts.join(", ")
}

fn alert_text(alert: Alert, level: u8) -> String {
    let level = if level == 1 { "warning" } else { "alert" };
    format!("{level} {} {}", alert.0, alert.name())
}

fn answer_json(answer: &Answer) -> Value {
    let alerts = answer.transcript.alerts.iter();
    json!({
        "ended": ending(answer.ending),
        "messages": answer.transcript.messages.iter().map(|m| names::message(m.kind)).collect::<Vec<_>>(),
        "alerts": alerts.map(|a| json!({"level": a.level, "number": a.number, "name": Alert(a.number).name()}))
            .collect::<Vec<_>>(),
        "server_hello": answer.server_hello().map(|hello| json!({
            "version": names::version(hello.version),
            "cipher": names::suite(hello.cipher_suite),
            "group": hello.group.map(names::group),
            "retry": hello.retry,
            "secure_renegotiation": hello.secure_renegotiation,
        })),
        "certificate": answer.leaf().and_then(certificate_json),
    })
}

const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Answered => "answered",
        Ending::Closed => "closed",
        Ending::Reset => "reset",
        Ending::Silent => "silent",
    }
}

fn certificate_json(der: &[u8]) -> Option<Value> {
    let info = CertInfo::of_der(der).ok()?;
    Some(json!({
        "subject": info.subject(),
        "issuer": info.issuer(),
        "serial": info.serial(),
        "not_before": super::super::findings::date(info.not_before()),
        "not_after": super::super::findings::date(info.not_after()),
        "names": info.dns_names(),
        "addresses": info.ip_names(),
        "fingerprint": info.fingerprint(),
    }))
}

fn session_result(session: &Session, trial: Trial) -> &'static str {
    match &session.failure {
        None if matches!(trial, Trial::Resume(_)) && !session.resumed => "not resumed",
        None => "ok",
        Some(failure) if failure.foreign.is_some() => "not tls",
        Some(failure) => match failure.end {
            End::Alerted | End::Refused(_) => "refused",
            End::Closed => "closed",
            End::Reset => "reset",
            End::TimedOut => "silent",
            End::NotConnected | End::Other => "failed",
        },
    }
}

fn session_text(session: &Session, trial: Trial) -> String {
    let mut parts = Vec::new();
    if session.version != 0 {
        parts.push(names::version(session.version));
        parts.push(names::suite(session.suite));
        parts.extend(session.group.map(names::group));
    }
    parts.extend(session.alpn.as_ref().map(|alpn| format!("ALPN {alpn}")));
    if let (None, Trial::Alpn(_)) = (&session.alpn, trial)
        && session.failure.is_none()
    {
        parts.push("no protocol agreed on".to_owned());
    }
    if let Some(request) = &session.request {
        let shown = match session.shown {
            Shown::Chain => "shown",
            Shown::NotAsked | Shown::Nothing => "none shown",
        };
        parts.push(format!(
            "asks for a client certificate ({} CAs named, {shown})",
            request.total_authorities
        ));
    }
    parts.extend(session.resumed.then(|| "resumed".to_owned()));
    parts.extend(session.closed.then(|| "closed right after".to_owned()));
    if let Some(failure) = &session.failure {
        parts.push(failure_text(failure));
    } else if let Some(leaf) = session.chain.first() {
        parts.extend(CertInfo::of_der(leaf).ok().map(|i| i.subject().to_owned()));
    }
    parts.join(", ")
}

fn failure_text(failure: &Evidence) -> String {
    if let Some(foreign) = &failure.foreign {
        return protocol(foreign);
    }
    let mut alerts = failure.alerts.iter().rev();
    match alerts.find(|a| a.direction == Direction::Received) {
        Some(seen) => alert_text(seen.alert, seen.level),
        None => failure.error.clone(),
    }
}

fn session_json(session: &Session) -> Value {
    let failure = session.failure.as_deref().map(|failure| {
        json!({
            "phase": failure.phase.as_str(),
            "error": failure.error,
            "received": failure.received.iter().map(|m| names::message(m.kind)).collect::<Vec<_>>(),
            "alerts": failure.alerts.iter().map(|seen| json!({
                "direction": seen.direction.as_str(),
                "level": seen.level,
                "number": seen.alert.0,
                "name": seen.alert.name(),
            })).collect::<Vec<_>>(),
            "bytes_received": failure.bytes.0,
            "bytes_sent": failure.bytes.1,
        })
    });
    let request = session.request.as_ref().map(|request| {
        json!({
            "authorities": request.authorities.iter().filter_map(|der| name_of_der(der)).collect::<Vec<_>>(),
            "total_authorities": request.total_authorities,
            "schemes": request.schemes.iter().map(|s| names::scheme(*s)).collect::<Vec<_>>(),
            "shown": session.shown == Shown::Chain,
        })
    });
    let known = session.version != 0;
    json!({
        "version": known.then(|| names::version(session.version)),
        "cipher": known.then(|| names::suite(session.suite)),
        "group": session.group.map(names::group),
        "alpn": session.alpn,
        "chain": session.chain.iter().filter_map(|der| certificate_json(der)).collect::<Vec<_>>(),
        "stapled": session.stapled,
        "tickets": session.tickets,
        "resumed": session.resumed,
        "certificate_request": request,
        "failure": failure,
    })
}

fn clear_text(clear: &Clear) -> (&'static str, String) {
    match clear {
        Clear::Refused => ("refused", "no answer in the clear".to_owned()),
        Clear::Silent => ("silent", String::new()),
        Clear::Answered(Foreign::PlainHttpRefused) => (
            "refused",
            "the server says that the port is for TLS".to_owned(),
        ),
        Clear::Answered(foreign) => ("answered", protocol(foreign)),
    }
}

fn judged_rows(judged: &Judgement) -> Vec<Row> {
    let Some(leaf) = judged.leaf() else {
        return Vec::new();
    };
    let date = super::super::findings::date;
    let path = judged.shape.path.iter();
    let path: Vec<&CertInfo> = path.filter_map(|i| judged.infos.get(*i)).collect();
    let strong =
        |i: &&CertInfo| !i.key().is_weak() && (i.is_self_signed() || !i.has_weak_signature());
    let names: Vec<&str> = leaf
        .dns_names()
        .iter()
        .map(String::as_str)
        .take(5)
        .collect();
    let fault = judged.path.as_ref().map(ToString::to_string);
    let stapled = if judged.stapled {
        "stapled"
    } else {
        "not stapled"
    };
    let validity = format!("{} to {}", date(leaf.not_before()), date(leaf.not_after()));
    let key = format!("{}, {}", leaf.key(), leaf.signature_algorithm());
    let mut rows = vec![
        judged_row(
            (Step::Chain, "order and completeness"),
            judged.shape.ordered,
            chain_text(judged, &path),
        ),
        judged_row(
            (Step::Trust, "path to a trusted CA"),
            fault.is_none(),
            fault.unwrap_or_default(),
        ),
        judged_row(
            (Step::Names, "the name wanted"),
            judged.covered == Covered::Yes,
            names.join(", "),
        ),
        judged_row(
            (Step::Dates, "validity"),
            leaf.is_valid_at(judged.now),
            validity,
        ),
        judged_row(
            (Step::Strength, "key and signature"),
            path.iter().all(strong),
            key,
        ),
        judged_row((Step::Staple, "OCSP"), true, stapled.to_owned()),
    ];
    rows.extend(judged.own.as_ref().map(own_row));
    rows
}

fn judged_row((step, tried): (Step, &str), good: bool, detail: String) -> Row {
    Row {
        step,
        tried: tried.to_owned(),
        result: if good { "ok" } else { "bad" },
        detail,
        elapsed: Duration::ZERO,
        evidence: Value::Null,
    }
}

/// `leaf < intermediate < root (not sent)`
fn chain_text(judged: &Judgement, path: &[&CertInfo]) -> String {
    let subjects: Vec<&str> = path.iter().map(|info| info.subject()).collect();
    let missing = judged.shape.missing_issuer.as_ref();
    let ends = missing.map_or_else(String::new, |missing| format!(" < {missing} (not sent)"));
    format!("{}{ends}", subjects.join(" < "))
}

fn own_row(own: &OwnChain) -> Row {
    let listed = match own.issuer_listed {
        Some(true) => "its issuer is among the CAs named",
        Some(false) => "its issuer is not among the CAs named",
        None => "no CAs are named",
    };
    let subjects: Vec<&str> = own.infos.iter().map(CertInfo::subject).collect();
    let detail = format!("{}: {listed}", subjects.join(" < "));
    let good = own.issuer_listed != Some(false);
    judged_row((Step::ClientCertificate, "our chain"), good, detail)
}
