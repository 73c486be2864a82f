//! `GET /v1/tls/failures`: the failed handshakes of all nodes, newest first, filtered as each node filters its own. Both ends
//! of the hop between nodes are ours: their two records of one handshake become one, told by the end that knows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::AdminState;
use super::answer::Answer;
use super::gather::{self, Said};

/// How long one node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The two ends of one handshake note its failure within this time of each other; the clocks of nodes may differ a little.
const APART: time::Duration = time::Duration::seconds(5);
/// Records in an answer where no limit is asked for.
const LIMIT: usize = 100;

type Record = Map<String, Value>;

#[derive(Serialize)]
struct View {
    total: u64,
    list: Vec<Record>,
    /// Nodes whose failures are not in the list, and why.
    unreachable: Vec<Value>,
}

/// See the module. The query is checked by the nodes.
pub(super) async fn failures(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Result<Answer, Answer> {
    let query = query.unwrap_or_default();
    let path = path(&query);
    let members = state.members.borrow().clone();
    let answers = gather::ask(&members, &path, PATIENCE).await;
    // Thousands of records of many nodes are not for the runtime's one thread, which brings the configuration too.
    tokio::task::spawn_blocking(move || merged(answers, limit(&query)))
        .await
        .map_err(|e| Answer::error(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?
}

/// The answers of the nodes as one, of at most `limit` records.
fn merged(answers: Vec<(String, Said)>, limit: usize) -> Result<Answer, Answer> {
    let mut view = View {
        total: 0,
        list: Vec::new(),
        unreachable: Vec::new(),
    };
    for (node, said) in answers {
        match said {
            Said::Page(page) => {
                view.total += page.get("total").and_then(Value::as_u64).unwrap_or(0);
                view.list.extend(records(page));
            }
            Said::Refused(StatusCode::BAD_REQUEST, why) => return Err(Answer::bad(why)),
            Said::Refused(status, why) => view.unreachable.push(
                json!({"node": node, "error": format!("answered {} {why}", status.as_u16()).trim_end()}),
            ),
            Said::Silent(why) => view.unreachable.push(json!({"node": node, "error": why})),
        }
    }
    let joined = join(&mut view.list);
    view.total = view.total.saturating_sub(joined);
    view.list
        .sort_by_cached_key(|record| std::cmp::Reverse(time_of(record)));
    view.list.truncate(limit);
    Ok(Answer::json(StatusCode::OK, &view))
}

/// What the nodes are asked. The caller's key stays here: between nodes nothing is encrypted, and they have no use for it.
fn path(query: &str) -> String {
    let asked = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "api_key");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(asked)
        .finish();
    match query.as_str() {
        "" => "/v1/tls/failures".to_owned(),
        query => format!("/v1/tls/failures?{query}"),
    }
}

fn records(mut page: Value) -> Vec<Record> {
    let list = page.get_mut("list").map(Value::take);
    let Some(Value::Array(list)) = list else {
        return Vec::new();
    };
    list.into_iter()
        .filter_map(|record| match record {
            Value::Object(record) => Some(record),
            _ => None,
        })
        .collect()
}

/// The nodes have refused a limit that is none.
fn limit(query: &str) -> usize {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "limit")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(LIMIT)
}

/// Makes one record of the two of one handshake between nodes; how many went.
fn join(list: &mut Vec<Record>) -> u64 {
    let mut processors = processors(list);
    let mut gone = Vec::new();
    for router in 0..list.len() {
        if !is_end(&list[router], "client") {
            continue;
        }
        let Some(other) = take_nearest(&list[router], &mut processors) else {
            continue;
        };
        // The end that raised the alert knows why.
        let (knows, told) = if raised(&list[router]) {
            (router, other)
        } else {
            (other, router)
        };
        let heard = list[told].clone();
        unite(&mut list[knows], heard);
        gone.push(told);
    }
    gone.sort_unstable();
    for at in gone.iter().rev() {
        list.swap_remove(*at);
    }
    gone.len() as u64
}

/// Records of processors, their time and place in the list, by the router's address that they saw. There can be thousands of
/// both ends: comparing each to each takes seconds.
type Processors = HashMap<String, Vec<(OffsetDateTime, usize)>>;

fn processors(list: &[Record]) -> Processors {
    let mut found = Processors::new();
    for (at, record) in list.iter().enumerate() {
        if is_end(record, "server")
            && let Some(time) = time_of(record)
        {
            let peer = text(record, "peer").to_owned();
            found.entry(peer).or_default().push((time, at));
        }
    }
    found
}

fn is_end(record: &Record, role: &str) -> bool {
    text(record, "hop") == "internal" && text(record, "role") == role
}

/// The processor's record of the handshake that `router` is of, no longer among `processors`: the nearest in time that saw the
/// router's address.
fn take_nearest(router: &Record, processors: &mut Processors) -> Option<usize> {
    let local = router
        .get("evidence")
        .and_then(|evidence| evidence.get("local"));
    let (at, address) = (time_of(router)?, local.and_then(Value::as_str)?);
    let saw = processors.get_mut(address)?;
    let apart = saw
        .iter()
        .enumerate()
        .map(|(number, (time, other))| ((*time - at).abs(), *other, number));
    let (_, other, number) = apart.filter(|(apart, ..)| *apart <= APART).min()?;
    saw.swap_remove(number);
    Some(other)
}

fn raised(record: &Record) -> bool {
    let direction = record.get("alert").and_then(|alert| alert.get("direction"));
    direction.and_then(Value::as_str) == Some("sent")
}

/// Adds to the record of the end that knows what the other end heard.
fn unite(known: &mut Record, heard: Record) {
    if raised(known) {
        known.insert("confidence".to_owned(), "certain".into());
    }
    let kept = [
        "node",
        "role",
        "time",
        "peer",
        "cause",
        "confidence",
        "alert",
        "phase",
    ];
    let other: Map<_, _> = heard
        .into_iter()
        .filter(|(field, _)| kept.contains(&field.as_str()))
        .collect();
    known.insert("other_end".to_owned(), Value::Object(other));
}

fn text<'r>(record: &'r Record, field: &str) -> &'r str {
    record
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn time_of(record: &Record) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text(record, "time"), &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: Value) -> Record {
        match value {
            Value::Object(record) => record,
            other => panic!("{other}"),
        }
    }

    fn end(
        role: &str,
        peer: &str,
        local: &str,
        time: &str,
        direction: &str,
        cause: &str,
    ) -> Record {
        record(json!({
            "node": role, "hop": "internal", "role": role, "peer": peer, "evidence": {"local": local}, "time": time,
            "cause": cause, "confidence": "high", "alert": {"number": 48, "direction": direction},
        }))
    }

    #[test]
    fn the_callers_key_is_not_passed_on() {
        assert_eq!(path(""), "/v1/tls/failures");
        assert_eq!(path("api_key=secret"), "/v1/tls/failures");
        assert_eq!(path("api%5Fkey=secret&api_key=x"), "/v1/tls/failures");
        let asked = path("hop=internal&api_key=secret&sni=a%26b&since=2030-01-01T00:00:00%2B01:00");
        let expected =
            "/v1/tls/failures?hop=internal&sni=a%26b&since=2030-01-01T00%3A00%3A00%2B01%3A00";
        assert_eq!(asked, expected);
    }

    const ROUTER: &str = "10.0.0.1:4000";
    const PROCESSOR: &str = "10.0.0.2:9444";

    #[test]
    fn two_ends_become_one_told_by_the_one_that_knows() {
        let mut list = vec![
            end(
                "client",
                PROCESSOR,
                ROUTER,
                "2030-01-01T00:00:01Z",
                "received",
                "unknown",
            ),
            end(
                "server",
                ROUTER,
                PROCESSOR,
                "2030-01-01T00:00:00Z",
                "sent",
                "client_cert_expired",
            ),
        ];
        assert_eq!(join(&mut list), 1);
        assert_eq!(list.len(), 1);
        assert_eq!(list[0]["cause"], "client_cert_expired");
        assert_eq!(list[0]["confidence"], "certain");
        assert_eq!(list[0]["other_end"]["role"], "client");
        assert_eq!(list[0]["other_end"]["cause"], "unknown");
    }

    #[test]
    fn ends_of_different_handshakes_stay_apart() {
        let client = |time| end("client", PROCESSOR, ROUTER, time, "received", "unknown");
        let server = |peer, time| end("server", peer, PROCESSOR, time, "sent", "unknown");
        for other in [
            server("10.0.0.3:4000", "2030-01-01T00:00:00Z"),
            server(ROUTER, "2030-01-01T00:01:00Z"),
        ] {
            let mut list = vec![client("2030-01-01T00:00:00Z"), other];
            assert_eq!(join(&mut list), 0);
            assert_eq!(list.len(), 2);
        }
        // Each of the processor's is of one handshake of the router's.
        let mut list = vec![
            client("2030-01-01T00:00:00Z"),
            client("2030-01-01T00:00:02Z"),
            server(ROUTER, "2030-01-01T00:00:02Z"),
        ];
        assert_eq!(join(&mut list), 1);
        assert_eq!(list.len(), 2);
    }
}
