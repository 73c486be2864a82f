//! Cases against records: finds each case's record, judges it, prints the whole table and fails with every row that
//! differs.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;

use super::relay::Passed;
use super::want::{Confidence, Expect, Want};
use crate::http1;
use crate::node::Node;
use crate::wait::eventually;

/// Deadline for the last record to be there, once all cases have run.
const ALL_THERE: Duration = Duration::from_secs(12);
/// The most records that are asked for.
const MOST: usize = 1000;
/// Of a peer's words, what the table shows.
const WORDS: usize = 110;

/// What says which records are a case's.
#[derive(Clone, Debug)]
pub enum Key {
    /// The address that only its connections to the node come from.
    Source(Ipv4Addr),
    /// Id of its route.
    Route(String),
    /// Its peer, whatever that is for the hop.
    Peer(String),
}

/// What came back over HTTP.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// `fault.detail.errorcode`, if it is a fault.
    pub code: String,
    /// `fault.detail.reason`.
    pub reason: String,
}

/// A case that has run.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is wrong.
    pub case: String,
    /// The peer, and the version it was held to.
    pub peer: String,
    /// Hop the record must be of.
    pub hop: &'static str,
    /// What is to be there.
    pub expect: Expect,
    /// Which records are its own.
    pub key: Key,
    /// The peer's own words.
    pub said: String,
    /// The alerts a relay saw in the clear.
    pub passed: Vec<Passed>,
    /// What the client saw, if anything.
    pub reply: Option<Reply>,
}

impl Row {
    fn owns(&self, record: &Value) -> bool {
        if record["hop"] != self.hop {
            return false;
        }
        match &self.key {
            Key::Source(source) => {
                let peer = record["peer"].as_str().unwrap_or_default();
                let peer = peer.parse::<SocketAddr>();
                peer.is_ok_and(|peer| peer.ip() == *source)
            }
            Key::Route(id) => record["route"] == id.as_str(),
            Key::Peer(peer) => record["peer"] == peer.as_str(),
        }
    }

    /// What differs, if anything.
    fn differs(&self, records: &[&Value]) -> Vec<String> {
        let mut wrong = Vec::new();
        match &self.expect {
            Expect::Nothing(status, _) => {
                for record in records {
                    wrong.push(format!("a record: {}", brief(record)));
                }
                let got = self.reply.as_ref().map(|reply| reply.status);
                if got != *status {
                    wrong.push(format!("answer {got:?}, wanted {status:?}"));
                }
            }
            Expect::Record(want) => {
                if records.is_empty() {
                    wrong.push("no record".to_owned());
                }
                for record in records {
                    self.judge(want, record, &mut wrong);
                }
                self.judge_reply(want, records, &mut wrong);
            }
        }
        wrong
    }

    fn judge(&self, want: &Want, record: &Value, wrong: &mut Vec<String>) {
        let text = |field: &str| record[field].as_str().unwrap_or_default();
        if !want.causes.contains(&text("cause")) {
            wrong.push(format!(
                "cause {}, wanted {}",
                text("cause"),
                want.causes.join(" or ")
            ));
        }
        let got = raised(record);
        let right = match &got {
            None => want.alerts.is_empty() || want.or_no_alert,
            Some((number, direction)) => want
                .alerts
                .iter()
                .any(|alert| (u64::from(alert.0), alert.1) == (*number, direction)),
        };
        if !right {
            wrong.push(format!("alert {got:?}, wanted {:?}", want.alerts));
        }
        // The second witness: what passed in the clear is what must be on record.
        if let Some(fatal) = self.passed.iter().find(|passed| passed.level == 2) {
            let direction = if fatal.sent { "sent" } else { "received" };
            if got != Some((fatal.number.into(), direction.to_owned())) {
                wrong.push(format!("alert {got:?}, on the wire {fatal:?}"));
            }
        }
        if !want.owners.is_empty() && !want.owners.contains(&text("owner")) {
            wrong.push(format!(
                "owner {}, wanted {}",
                text("owner"),
                want.owners.join(" or ")
            ));
        }
        if Confidence::of(text("confidence")).is_none_or(|sure| sure < want.least) {
            wrong.push(format!(
                "confidence {}, wanted at least {:?}",
                text("confidence"),
                want.least
            ));
        }
        if want.phase.is_some_and(|phase| phase != text("phase")) {
            wrong.push(format!("phase {}, wanted {:?}", text("phase"), want.phase));
        }
        self.judge_place(record, wrong);
    }

    /// Whose part of TLS was ours, and where it was.
    fn judge_place(&self, record: &Value, wrong: &mut Vec<String>) {
        let text = |field: &str| record[field].as_str().unwrap_or_default();
        // Between nodes it is either.
        let role = match self.hop {
            "northbound" => Some("server"),
            "southbound" => Some("client"),
            _ => None,
        };
        if role.is_some_and(|role| role != text("role")) {
            wrong.push(format!("role {}, wanted {role:?}", text("role")));
        }
        let places: &[&str] = match self.hop {
            "southbound" => &["route", "upstream", "target"],
            _ => &[],
        };
        for field in ["time", "node", "role", "detail", "fix"]
            .iter()
            .chain(places)
        {
            if text(field).is_empty() {
                wrong.push(format!("no {field}"));
            }
        }
    }

    fn judge_reply(&self, want: &Want, records: &[&Value], wrong: &mut Vec<String>) {
        let (wanted, reply) = match (self.hop, want.answer, &self.reply) {
            ("northbound" | "internal", None, None) => return,
            (_, wanted, reply) => (wanted.unwrap_or((503, "SslHandshakeFailed")), reply),
        };
        let Some(reply) = reply else {
            wrong.push(format!("no answer, wanted {wanted:?}"));
            return;
        };
        if (reply.status, reply.code.as_str()) != wanted {
            wrong.push(format!("answer {reply:?}, wanted {wanted:?}"));
        }
        let revised = |record: &Value| record["cause_source"] == "probe";
        let told = |record: &&&Value| record["cause"] == reply.reason.as_str() || revised(record);
        if self.hop == "southbound" && records.iter().filter(told).count() < records.len() {
            wrong.push(format!("the answer's reason is {}", reply.reason));
        }
    }

    fn report(&self, wrong: &[String], records: &[&Value]) -> String {
        let seen = records.iter().map(|one| brief(one)).collect::<Vec<_>>();
        format!(
            "{}, {}: {}\n      said: {}\n      wire: {:?}\n      seen: {}",
            self.case,
            self.peer,
            wrong.join("; "),
            self.said,
            self.passed,
            seen.join("; ")
        )
    }

    fn line(&self, record: Option<&Value>, right: bool) -> String {
        let text = |field: &str| {
            record
                .map_or("-", |record| record[field].as_str().unwrap_or("-"))
                .to_owned()
        };
        let alert = record.and_then(raised).map_or_else(
            || "none".to_owned(),
            |(number, direction)| format!("{number} {direction}"),
        );
        let cause = match (&self.expect, record) {
            (Expect::Nothing(..), None) => "(no failure)".to_owned(),
            _ => text("cause"),
        };
        let answer = self.reply.as_ref().map_or_else(
            || "-".to_owned(),
            |reply| {
                format!("{} {}", reply.status, reply.reason)
                    .trim()
                    .to_owned()
            },
        );
        let said = self.said.replace('|', "/");
        let said = said.chars().take(WORDS).collect::<String>();
        let why = match &self.expect {
            Expect::Nothing(_, why) => why,
            Expect::Record(want) => want.why,
        };
        let mark = if right { "" } else { " **DIFFERS**" };
        format!(
            "| {}{mark} | {} | {cause} | {alert} | {} | {} | {} | {answer} | {said} | {why} |",
            self.case,
            self.peer,
            text("owner"),
            text("confidence"),
            text("phase"),
        )
    }
}

/// Number and direction of a record's alert.
fn raised(record: &Value) -> Option<(u64, String)> {
    let number = record["alert"]["number"].as_u64()?;
    let direction = record["alert"]["direction"].as_str().unwrap_or_default();
    Some((number, direction.to_owned()))
}

fn brief(record: &Value) -> String {
    let alert = raised(record);
    format!(
        "{} {alert:?} {} {}",
        record["cause"], record["phase"], record["detail"]
    )
}

/// All records of a node, newest first.
async fn records(node: &Node) -> Result<Vec<Value>, String> {
    let path = format!("/v1/tls/failures?limit={MOST}");
    let reply = http1::get(node.metrics, "localhost", &path)
        .await
        .map_err(|error| error.to_string())?;
    if reply.status() != 200 {
        return Err(format!("{path}: {} {}", reply.status(), reply.text()));
    }
    let body = reply.json();
    let list = body["list"].as_array().cloned().unwrap_or_default();
    let total = body["total"].as_u64().unwrap_or(0);
    if list.len() as u64 != total {
        return Err(format!("{total} records, {} of them listed", list.len()));
    }
    Ok(list)
}

/// What else happens on the node whose records are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Besides {
    /// Nothing: there is no record that is not a row's, and counters agree with the records.
    Nothing,
    /// It goes on trying what fails.
    Repeats,
}

/// Waits for the records of all rows, prints the table `title`, and fails if a row differs.
pub async fn judge(title: &str, node: &Node, rows: &[Row], besides: Besides) {
    let list = all_there(node, rows).await;
    let mut lines = String::new();
    let mut differing = Vec::new();
    for row in rows {
        let own = list.iter().filter(|one| row.owns(one)).collect::<Vec<_>>();
        let wrong = row.differs(&own);
        lines.push_str(&row.line(own.first().copied(), wrong.is_empty()));
        lines.push('\n');
        if !wrong.is_empty() {
            differing.push(row.report(&wrong, &own));
        }
    }
    println!(
        "\n### {title}: {} cases\n\n\
         | case | peer | cause | alert | owner | confidence | phase | answer | the peer's words | why |\n\
         |---|---|---|---|---|---|---|---|---|---|\n{lines}",
        rows.len()
    );
    if besides == Besides::Nothing {
        let stranger = |one: &&Value| !rows.iter().any(|row| row.owns(one));
        let strangers = list.iter().filter(stranger);
        differing.extend(strangers.map(|one| format!("a record of no case: {}", brief(one))));
        differing.extend(counted(node, &list).await);
    }
    assert!(
        differing.is_empty(),
        "{} of {} rows differ:\n  {}",
        differing.len(),
        rows.len(),
        differing.join("\n  ")
    );
}

/// The records, once every row that must have one has it; after some time in any case: the table says better than a
/// deadline what is missing.
async fn all_there(node: &Node, rows: &[Row]) -> Vec<Value> {
    let late = tokio::time::Instant::now() + ALL_THERE / 2;
    eventually("the failures can be read", ALL_THERE, || async {
        let list = records(node).await?;
        let lacks = |row: &&Row| {
            matches!(row.expect, Expect::Record(_)) && !list.iter().any(|one| row.owns(one))
        };
        match rows.iter().filter(lacks).count() {
            lacking if lacking > 0 && tokio::time::Instant::now() < late => {
                Err(format!("{lacking} records are missing"))
            }
            _ => Ok(list),
        }
    })
    .await
}

/// The counter of each kind of failure must say what the list says; what is only counted is left out.
async fn counted(node: &Node, list: &[Value]) -> Vec<String> {
    let mut tally = BTreeMap::<[String; 4], f64>::new();
    for record in list {
        let text = |field: &Value| field.as_str().unwrap_or("none").to_owned();
        // A probe's better cause is another counter's; the first one stays.
        if record["cause_source"] == "probe" {
            return Vec::new();
        }
        let labels = [
            text(&record["hop"]),
            text(&record["cause"]),
            text(&record["alert"]["name"]),
            text(&record["alert"]["direction"]),
        ];
        *tally.entry(labels).or_default() += 1.0;
    }
    let metrics = node.metrics().await;
    let mut wrong = Vec::new();
    for ([hop, cause, alert, direction], count) in tally {
        let labels = [
            ("hop", hop.as_str()),
            ("cause", &cause),
            ("alert", &alert),
            ("direction", &direction),
        ];
        let told = metrics.value("tls_handshake_failures_total", &labels);
        if (told - count).abs() > 0.5 {
            wrong.push(format!("{labels:?}: counted {told}, listed {count}"));
        }
    }
    wrong
}
