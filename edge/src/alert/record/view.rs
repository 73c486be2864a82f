//! A record's JSON: what README promises, and the evidence in words. Made when somebody reads; everything is bounded, and
//! text from the network is made printable.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Record;
use super::seen::Seen;
use crate::alert::evidence::SeenAlert;
use crate::alert::words;

/// A record as it is shown.
#[derive(Debug, Serialize)]
pub struct View<'a> {
    id: u64,
    time: String,
    node: &'a str,
    hop: &'static str,
    role: &'static str,
    peer: Option<String>,
    sni: Option<String>,
    ssl: Option<&'a str>,
    route: Option<&'a str>,
    upstream: Option<&'a str>,
    target: Option<&'a str>,
    cause: &'static str,
    confidence: &'static str,
    cause_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revised: Option<Revised>,
    alert: Option<AlertView>,
    phase: &'static str,
    detail: String,
    fix: String,
    owner: &'static str,
    verify: Option<String>,
    evidence: Seen,
}

/// The verdict before a probe.
#[derive(Debug, Serialize)]
struct Revised {
    cause: &'static str,
    confidence: &'static str,
    note: String,
}

/// An alert with all that is known of it.
#[derive(Debug, Serialize)]
pub(super) struct AlertView {
    number: u8,
    name: &'static str,
    direction: &'static str,
    level: &'static str,
}

impl AlertView {
    pub(super) const fn of(seen: &SeenAlert) -> Self {
        Self {
            number: seen.alert.0,
            name: seen.alert.name(),
            direction: seen.direction.as_str(),
            level: match seen.level {
                1 => "warning",
                _ => "fatal",
            },
        }
    }
}

impl<'a> View<'a> {
    /// Of a record of `node`.
    pub fn of(record: &'a Record, node: &'a str) -> Self {
        let (context, evidence) = (&record.context, &*record.evidence);
        let finding = record.finding();
        let time = OffsetDateTime::from(record.time).format(&Rfc3339);
        Self {
            id: record.id,
            time: time.unwrap_or_default(),
            node,
            hop: evidence.hop.as_str(),
            role: evidence.side.as_str(),
            peer: context.peer.map(|peer| peer.to_string()),
            sni: context.sni.as_deref().map(words::name),
            ssl: context.ssl.as_deref(),
            route: context.route.as_deref(),
            upstream: context.upstream.as_deref(),
            target: context.target.as_deref(),
            cause: record.verdict.cause.as_str(),
            confidence: record.verdict.confidence.as_str(),
            cause_source: record.source.as_str(),
            revised: record.revision.as_ref().map(|revision| Revised {
                cause: revision.was.cause.as_str(),
                confidence: revision.was.confidence.as_str(),
                note: words::plain(&revision.note, 1000),
            }),
            alert: evidence.decisive_alert().as_ref().map(AlertView::of),
            phase: evidence.phase.as_str(),
            detail: finding.detail,
            fix: finding.fix,
            owner: finding.owner.as_str(),
            verify: finding.verify,
            evidence: Seen::of(context, evidence),
        }
    }
}
