//! Bounds, fairness and filters of what is kept and told.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls_pki_types::CertificateDer;

use super::filter::Filter;
use super::ring::{MOST_BYTES, MOST_RECORDS, Ring};
use super::told::Told;
use super::{Failures, RecordId};
use crate::alert::evidence::{Chain, End, Evidence, Refusal, SeenAlert, Side};
use crate::alert::finding::Context;
use crate::alert::record::View;
use crate::alert::rules::{Confidence, Verdict};
use crate::alert::{Alert, Cause, CertFault, Direction, Failure, Hop, Record};
use crate::handshake::ClientHello;
use crate::metrics::Metrics;

fn verdict(cause: Cause) -> Verdict {
    Verdict {
        cause,
        confidence: Confidence::Certain,
    }
}

fn failure(hop: Hop, cause: Cause) -> Failure {
    let evidence = Evidence::new(hop, Side::Server);
    Failure {
        verdict: verdict(cause),
        evidence: Box::new(evidence.refused(Refusal::SniUnknown, Some(Alert::UNRECOGNIZED_NAME))),
    }
}

fn from(peer: &str, sni: &str) -> Context {
    Context {
        peer: Some(peer.parse().unwrap()),
        sni: Some(sni.to_owned()),
        ..Context::default()
    }
}

fn failures() -> (Arc<Failures>, Arc<Metrics>) {
    let metrics = Metrics::new();
    (Failures::new("n1", Arc::clone(&metrics)), metrics)
}

fn asked(failures: &Failures, query: &str) -> (usize, Vec<u64>) {
    let filter = Filter::parse(query, SystemTime::now()).unwrap();
    let found = failures.query(&filter);
    (found.total, found.list.iter().map(|r| r.id).collect())
}

#[test]
fn noted_failures_are_found_newest_first_by_every_filter() {
    let (failures, _) = failures();
    let note = |hop, cause, sni| failures.note(from("192.0.2.1:5", sni), failure(hop, cause));
    let first = note(Hop::Northbound, Cause::SniUnknown, "a.example");
    note(Hop::Southbound, Cause::SniUnknown, "b.example");
    note(Hop::Northbound, Cause::NoSharedCipher, "a.example");
    assert_eq!(first, RecordId(1));
    assert_eq!(asked(&failures, ""), (3, vec![3, 2, 1]));
    assert_eq!(asked(&failures, "hop=northbound"), (2, vec![3, 1]));
    assert_eq!(asked(&failures, "cause=sni_unknown"), (2, vec![2, 1]));
    assert_eq!(asked(&failures, "sni=B.example."), (1, vec![2]));
    assert_eq!(asked(&failures, "limit=1"), (3, vec![3]));
    assert_eq!(
        asked(&failures, "hop=northbound&sni=b.example&cause="),
        (0, vec![])
    );
    assert_eq!(asked(&failures, "since=1m"), (3, vec![3, 2, 1]));
    let later = Filter {
        since: Some(SystemTime::now() + Duration::from_secs(1)),
        ..Filter::default()
    };
    assert_eq!(failures.query(&later).total, 0);
}

#[test]
fn a_filter_that_is_not_understood_is_refused_by_name() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100_000);
    let bad = |query: &str| Filter::parse(query, now).unwrap_err().to_string();
    assert!(bad("hop=east").starts_with("hop: "));
    assert!(bad("cause=bad_luck").starts_with("cause: "));
    assert!(bad("since=yesterday").starts_with("since: "));
    assert!(bad("since=m").starts_with("since: "));
    assert!(bad("limit=0").starts_with("limit: "));
    assert!(bad("limit=1001").starts_with("limit: "));
    assert!(bad("hop=internal&hop=internal").starts_with("hop: given twice"));
    assert!(bad("host=x").starts_with("host: unknown"));
    assert!(bad(&format!("%0a{}=x", "x".repeat(1000))).len() < 120);
    let since = |text: &str| {
        let filter = Filter::parse(&format!("since={text}"), now).unwrap();
        let since = filter.since.unwrap();
        since
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    assert_eq!(since("100"), 99_900);
    assert_eq!(since("15m"), 99_100);
    assert_eq!(since("1d"), 13_600);
    assert_eq!(since("1970-01-01T00:10:00Z"), 600);
    assert_eq!(since("1970-01-01T01:10:00+01:00"), 600);
    assert_eq!(since("1970-01-01T01%3A10%3A00%2B01:00"), 600);
}

#[test]
fn a_connection_without_a_byte_is_counted_and_not_kept() {
    let (failures, metrics) = failures();
    failures.note(
        from("192.0.2.1:5", "a"),
        failure(Hop::Northbound, Cause::ProbeNoData),
    );
    assert_eq!(asked(&failures, ""), (0, vec![]));
    assert!(metrics.encode().contains(r#"cause="probe_no_data""#));
}

#[test]
fn a_probe_revises_the_record_and_the_first_counter_stays() {
    let (failures, metrics) = failures();
    let id = failures.note(Context::default(), failure(Hop::Southbound, Cause::Unknown));
    assert!(failures.revise(id, verdict(Cause::SniMissing), "with a name it answers"));
    assert!(!failures.revise(RecordId(99), verdict(Cause::SniMissing), ""));
    assert_eq!(asked(&failures, "cause=sni_missing"), (1, vec![1]));
    assert_eq!(asked(&failures, "cause=unknown"), (0, vec![]));
    let page = metrics.encode();
    assert!(
        page.contains(
            r#"sallyport_tls_diagnosis_revised_total{from="unknown",to="sni_missing"} 1"#
        )
    );
    assert!(page.contains(r#"cause="unknown",direction="sent",hop="southbound"} 1"#));
}

#[test]
fn a_probe_that_confirms_the_cause_counts_no_correction() {
    let (failures, metrics) = failures();
    let cause = Cause::PeerClosedDuringHandshake;
    let id = failures.note(Context::default(), failure(Hop::Southbound, cause));
    assert!(failures.revise(id, verdict(cause), "it closes after any hello"));
    let found = failures.query(&Filter::default());
    assert_eq!(found.list[0].source.as_str(), "probe");
    let page = metrics.encode();
    assert!(
        !page.contains("sallyport_tls_diagnosis_revised_total{"),
        "{page}"
    );
}

#[test]
fn a_million_failures_leave_a_bounded_ring_and_a_bounded_table() {
    let (failures, metrics) = failures();
    let rare = failures.note(
        from("198.51.100.1:1", "rare"),
        failure(Hop::Southbound, Cause::ServerCertExpired),
    );
    for n in 0..1_000_000_u32 {
        let mut context = from("192.0.2.1:5", "a.example");
        context.peer = Some((std::net::Ipv4Addr::from(n), 1).into());
        failures.note(context, failure(Hop::Northbound, Cause::SniUnknown));
    }
    let (count, bytes) = super::lock(&failures.ring).size();
    assert_eq!(count, MOST_RECORDS);
    assert!(bytes <= MOST_BYTES);
    let kept = failures.query(&Filter {
        limit: 1000,
        ..Filter::default()
    });
    assert_eq!(kept.list.first().map(|r| r.id), Some(1_000_001));
    assert_eq!(
        kept.list.last().map(|r| r.id),
        Some(rare.0),
        "the flood pushed out itself"
    );
    let told = super::lock(&failures.told[0]);
    assert!(told.remembered() <= told.room());
    drop(told);
    let suppressed = metrics.encode();
    let suppressed = suppressed
        .lines()
        .find_map(|l| l.strip_prefix("sallyport_tls_failure_log_lines_suppressed_total "));
    assert!(
        suppressed
            .and_then(|n| n.parse::<u64>().ok())
            .is_some_and(|n| n > 900_000)
    );
}

#[test]
fn large_records_are_bounded_together_and_each() {
    let der: Arc<[_]> = (0..10)
        .map(|_| CertificateDer::from(vec![0x30; 60_000]))
        .collect();
    let mut ring = Ring::default();
    for id in 0..1_000 {
        let mut failure = failure(Hop::Northbound, Cause::Unknown);
        failure.evidence.peer_chain = Chain::new(Arc::clone(&der));
        failure.evidence.error = "é".repeat(100_000);
        failure.evidence.hello = Some(ClientHello {
            cipher_suites: vec![0x1301; 30_000],
            alpn: vec![b"h2".as_slice().into(); 10_000],
            ..ClientHello::default()
        });
        let record = Record::new(id, SystemTime::now(), Context::default(), failure);
        assert_eq!(record.evidence.peer_chain.der().len(), 1, "the leaf alone");
        assert!(record.weight() < 64 << 10, "{}", record.weight());
        ring.keep(record);
    }
    let (count, bytes) = ring.size();
    assert!(count > 100 && bytes <= MOST_BYTES, "{count} {bytes}");
}

#[test]
fn what_goes_on_is_told_of_once_a_minute() {
    let mut told = Told::new(3);
    let start = Instant::now();
    let mut tell = |what, seconds| told.tell(what, start + Duration::from_secs(seconds));
    assert_eq!(tell("a", 0), Some(0));
    assert_eq!(tell("a", 1), None);
    assert_eq!(tell("a", 59), None);
    assert_eq!(tell("b", 59), Some(0), "another thing");
    assert_eq!(tell("a", 60), Some(2));
    assert_eq!(tell("a", 61), None);
}

#[test]
fn many_things_are_neither_remembered_nor_told_of_without_bound() {
    let mut told = Told::new(3);
    let start = Instant::now();
    let mut lines = 0;
    for n in 0..100_000_u64 {
        lines += usize::from(told.tell(n, start + Duration::from_millis(n)).is_some());
        assert!(told.remembered() <= told.room());
    }
    assert_eq!(lines, 300, "three a second");
}

/// What README promises of a record.
const FIELDS: &str = "id time node hop role peer sni ssl route upstream target cause confidence cause_source alert phase detail fix \
                      owner verify evidence";

/// The records as they are read.
fn shown(failures: &Failures) -> Vec<serde_json::Value> {
    let found = failures.query(&Filter::default());
    let view = |record| serde_json::to_value(View::of(record, failures.node())).unwrap();
    found.list.iter().map(view).collect()
}

#[test]
fn a_record_has_every_promised_field() {
    let (failures, _) = failures();
    failures.note(
        from("192.0.2.1:5", "a.example"),
        failure(Hop::Northbound, Cause::SniUnknown),
    );
    let mut closed = Evidence::new(Hop::Southbound, Side::Client);
    (closed.end, closed.error) = (End::Closed, "a\u{1b}[2J".to_owned());
    failures.note(Context::default(), Failure::of(closed));
    let shown = shown(&failures);
    for record in &shown {
        for field in FIELDS.split_whitespace() {
            assert!(record.get(field).is_some(), "{field}: {record}");
        }
        let time = record["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        assert!(!record.to_string().contains("\\u001b"), "{record}");
    }
    let alert = serde_json::json!({"number": 112, "name": "unrecognized_name", "direction": "sent", "level": "fatal"});
    assert_eq!(shown[1]["alert"], alert);
    for (field, value) in [
        ("role", "server"),
        ("node", "n1"),
        ("peer", "192.0.2.1:5"),
        ("cause_source", "passive"),
    ] {
        assert_eq!(shown[1][field], value);
    }
    for field in ["alert", "peer", "sni", "ssl", "upstream"] {
        assert!(shown[0][field].is_null(), "{field}");
    }
}

#[test]
fn a_revised_record_shows_both_verdicts() {
    let (failures, _) = failures();
    let mut closed = Evidence::new(Hop::Southbound, Side::Client);
    closed.end = End::Closed;
    let id = failures.note(Context::default(), Failure::of(closed));
    assert!(shown(&failures)[0].get("revised").is_none());
    failures.revise(id, verdict(Cause::SniMissing), "with a name it answers");
    let record = &shown(&failures)[0];
    assert_eq!(
        (&record["cause"], &record["cause_source"]),
        (&"sni_missing".into(), &"probe".into())
    );
    assert_eq!(record["revised"]["cause"], "peer_closed_during_handshake");
    assert_eq!(record["revised"]["note"], "with a name it answers");
}

#[test]
fn the_alert_that_ended_it_is_kept() {
    let (failures, _) = failures();
    let mut evidence = Evidence::new(Hop::Southbound, Side::Client);
    let warning = SeenAlert {
        direction: Direction::Received,
        level: 1,
        alert: Alert::USER_CANCELED,
    };
    evidence.alerts = vec![warning; 9];
    let refused = evidence.refused(Refusal::Protocol, Some(Alert::UNEXPECTED_MESSAGE));
    failures.note(Context::default(), Failure::of(refused));
    let record = &shown(&failures)[0];
    assert_eq!(record["alert"]["number"], 10, "{record}");
    let seen = record["evidence"]["alerts"].as_array().unwrap();
    assert_eq!(seen.len(), 8);
}

#[test]
fn names_of_a_refused_certificate_weigh() {
    let heavy = |names: Vec<String>| {
        let evidence = Evidence::new(Hop::Southbound, Side::Client);
        let refusal = Refusal::Certificate(CertFault::WrongName(names));
        let failure = Failure::of(evidence.refused(refusal, None));
        Record::new(1, SystemTime::now(), Context::default(), failure).weight()
    };
    let names = vec!["x".repeat(250); 20];
    assert!(heavy(names) >= heavy(Vec::new()) + 20 * 250);
}
