//! `GET /v1/certs`: every certificate in use, where, and what is wrong with it, those that end first at the top. Owns the
//! filters, the paging and the shape of the answer; `certificate` says what there is to say.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{RawQuery, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::AdminState;
use super::answer::Answer;
use super::request::Args;
use crate::certificate::assess::{Assessed, KnownRoots, assess};
use crate::certificate::finding::{Finding, FindingKind, Severity};
use crate::certificate::inventory::{Entry, NodeCertificates, Use, entries};
use crate::certificate::{CertInfo, time};
use crate::snapshot::Snapshot;

/// Entries on one page: as many as are read at once, and never more than a client can be sent of 100,000.
const PAGE_SIZE: usize = 100;
const MOST_PAGE_SIZE: usize = 500;
/// Certificates and names shown of one entry; a bundle of all public roots has 150.
const MOST_SHOWN: usize = 20;
/// `api_key` is how a key may be given; the rest are filters and paging.
const ARGUMENTS: [&str; 7] = [
    "api_key",
    "finding",
    "kind",
    "page",
    "page_size",
    "severity",
    "within",
];

/// The list, from what is served now.
pub(super) async fn certs(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Answer> {
    let asked = Asked::parse(&Args::parse(query.as_deref().unwrap_or_default()))?;
    let snapshot = state.snapshot.load_full();
    let certificates = Arc::clone(&state.certificates);
    // Reading a hundred thousand certificates takes seconds, which are not the runtime's to wait.
    let listed = tokio::task::spawn_blocking(move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| {
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        });
        answer(&snapshot, &certificates(), &asked, now)
    });
    listed
        .await
        .map_err(|e| Answer::error(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
}

/// What to list.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    usage: Option<Use>,
    finding: Option<FindingKind>,
    /// At least this severe.
    severity: Option<Severity>,
    /// Ends within so many seconds from now, or has ended.
    within: Option<i64>,
    /// From 1.
    page: usize,
    page_size: usize,
}

impl Asked {
    fn parse(args: &Args) -> Result<Self, Answer> {
        if let Some(unknown) = args.names().find(|name| !ARGUMENTS.contains(name)) {
            let known = ARGUMENTS[1..].join(", ");
            return Err(Answer::bad(format!(
                "unknown argument {unknown:?}: /v1/certs takes {known}"
            )));
        }
        Ok(Self {
            usage: one_of(args, "kind", Use::from_name)?,
            finding: one_of(args, "finding", FindingKind::from_name)?,
            severity: one_of(args, "severity", Severity::from_name)?,
            within: one_of(args, "within", span)?,
            page: number(args, "page", usize::MAX)?.unwrap_or(1),
            page_size: number(args, "page_size", MOST_PAGE_SIZE)?.unwrap_or(PAGE_SIZE),
        })
    }

    fn passes(&self, entry: &Entry<'_>, now: i64) -> bool {
        let kind = self.usage.is_none_or(|usage| usage == entry.usage);
        let within = |span: i64| entry.not_after <= now.saturating_add(span);
        kind && self.within.is_none_or(within)
    }

    /// Whether the findings have to be known to tell what is listed.
    const fn needs_findings(&self) -> bool {
        self.finding.is_some() || self.severity.is_some()
    }

    fn wants(&self, findings: &[Finding]) -> bool {
        findings.iter().any(|found| {
            self.finding.is_none_or(|kind| kind == found.kind)
                && self.severity.is_none_or(|least| found.severity >= least)
        })
    }
}

fn one_of<T>(
    args: &Args,
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Answer> {
    let Some(text) = args.get(name) else {
        return Ok(None);
    };
    match read(text) {
        Some(value) => Ok(Some(value)),
        None => Err(Answer::bad(format!("invalid argument {name}: {text:?}"))),
    }
}

/// A whole number from 1 to `most`.
fn number(args: &Args, name: &str, most: usize) -> Result<Option<usize>, Answer> {
    let read = |text: &str| text.parse().ok().filter(|n| (1..=most).contains(n));
    one_of(args, name, read)
}

/// `30d`, `12h`, or seconds with `s`.
fn span(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        'd' => 86_400,
        'h' => 3_600,
        's' => 1,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok()?;
    (count >= 0).then(|| count.saturating_mul(unit))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    kind: Use,
    id: &'a str,
    field: &'a str,
    names: &'a [&'a str],
    names_total: usize,
    cert_info: Vec<Value>,
    certificates_total: usize,
    not_after: String,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct View<'a> {
    total: usize,
    list: Vec<Row<'a>>,
}

fn answer(snapshot: &Snapshot, own: &NodeCertificates, asked: &Asked, now: i64) -> Answer {
    let all = entries(snapshot, own);
    let roots = KnownRoots::of(&all, own);
    let passing: Vec<&Entry<'_>> = all
        .iter()
        .filter(|entry| asked.passes(entry, now))
        .collect();
    let page = (asked.page - 1).saturating_mul(asked.page_size);
    let page = page..page.saturating_add(asked.page_size);
    let (mut total, mut list) = (0, Vec::new());
    for entry in passing {
        let on_page = page.contains(&total);
        if asked.needs_findings() {
            let assessed = assess(entry, &roots, now);
            if !asked.wants(&assessed.findings) {
                continue;
            }
            if on_page {
                list.push(row(entry, assessed, now));
            }
        } else if on_page {
            list.push(row(entry, assess(entry, &roots, now), now));
        }
        total += 1;
    }
    Answer::json(StatusCode::OK, &View { total, list })
}

fn row<'a>(entry: &'a Entry<'a>, assessed: Assessed, now: i64) -> Row<'a> {
    let infos: &[CertInfo] = &assessed.certificates;
    Row {
        kind: entry.usage,
        id: &entry.id,
        field: &entry.field,
        names: &entry.names[..entry.names.len().min(MOST_SHOWN)],
        names_total: entry.names.len(),
        cert_info: infos
            .iter()
            .take(MOST_SHOWN)
            .map(|info| info.apigee_json(now))
            .collect(),
        certificates_total: entry.certificates.len(),
        not_after: time(entry.not_after),
        findings: assessed.findings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, u16> {
        Asked::parse(&Args::parse(query)).map_err(|refused| refused.status().as_u16())
    }

    #[test]
    fn what_can_be_asked() {
        let all = Asked {
            usage: None,
            finding: None,
            severity: None,
            within: None,
            page: 1,
            page_size: PAGE_SIZE,
        };
        assert_eq!(asked(""), Ok(all));
        let some = Asked {
            usage: Some(Use::UpstreamClient),
            finding: Some(FindingKind::ExpiresSoon),
            severity: Some(Severity::Warning),
            within: Some(30 * 86_400),
            page: 3,
            page_size: 500,
        };
        let query = "kind=upstream_client&finding=expires_soon&severity=warning&within=30d&page=3&page_size=500";
        assert_eq!(asked(query), Ok(some));
        assert_eq!(
            asked("within=2h&api_key=x").map(|a| a.within),
            Ok(Some(7_200))
        );
        assert_eq!(asked("within=0s").map(|a| a.within), Ok(Some(0)));
        for bad in [
            "kinds=ca",
            "kind=CA",
            "finding=",
            "severity=bad",
            "within=30",
            "within=d",
            "within=-1d",
            "within=3é",
            "page=0",
            "page=x",
            "page_size=501",
            "page_size=0",
        ] {
            assert_eq!(asked(bad), Err(400), "{bad}");
        }
    }
}
