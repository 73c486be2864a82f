//! Lines as real programs print them, each with what it must be taken for; and any text at all.

use proptest::prelude::*;

use super::{Explanation, MAX_EXPLANATIONS, MAX_QUOTE_CHARS, Side, advice, explain, meaning};
use crate::alert::{Alert, Cause, Direction};

/// A line, the names of what it says, and of the first: `server` or `client` if it shows who printed it, `sent` or
/// `received` if it shows which way the alert went, and the likeliest causes of the first reading.
struct Case {
    line: &'static str,
    names: &'static [&'static str],
    facts: &'static str,
    causes: &'static [&'static str],
}

const fn case(
    line: &'static str,
    names: &'static [&'static str],
    facts: &'static str,
    causes: &'static [&'static str],
) -> Case {
    Case {
        line,
        names,
        facts,
        causes,
    }
}

fn facts(of: &Explanation) -> String {
    let level = of.level.map(|level| level.as_str());
    let direction = of.direction.map(Direction::as_str);
    let side = of.side.map(Side::as_str);
    let facts: Vec<_> = [level, direction, side].into_iter().flatten().collect();
    facts.join(" ")
}

fn check(cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        let said = explain(case.line);
        let names: Vec<_> = said.iter().map(|one| one.name).collect();
        let facts = said.first().map(facts).unwrap_or_default();
        let causes: Vec<_> = said
            .first()
            .and_then(|one| one.readings.first())
            .into_iter()
            .flat_map(|reading| reading.likely.iter().map(|likely| likely.cause.as_str()))
            .take(case.causes.len())
            .collect();
        if names != case.names || facts != case.facts || causes != case.causes {
            wrong.push(format!("{}\n  {names:?} {facts:?} {causes:?}", case.line));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

mod numbers;
mod programs;
mod stacks;

#[test]
fn curls_alert_is_read_without_what_stands_before_it() {
    let said = explain("TLS alert, unknown (628)");
    assert_eq!(said[0].name, "certificate_required");
    let said = explain("TLS alert, internal error (592):");
    assert_eq!(said[0].name, "internal_error");
    assert!(explain("TLS alert, unknown (999999)").is_empty());
}

#[test]
fn a_whole_run_of_curl_is_one_thing() {
    let said = explain(
        "* TLSv1.3 (OUT), TLS handshake, Client hello (1):\n\
         * TLSv1.3 (IN), TLS alert, unknown (628):\n\
         * OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0\n\
         * Failed receiving HTTP2 data\n\
         * Closing connection 0\n\
         * TLSv1.2 (OUT), TLS alert, close notify (256):\n\
         curl: (56) OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0",
    );
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].name, "certificate_required");
    assert_eq!(facts(&said[0]), "fatal received client");
    assert_eq!(
        said[0].readings[0].likely[0].cause,
        Cause::ClientCertMissing
    );
}

#[test]
fn what_says_nothing_by_itself_yields_to_what_is_exact() {
    let frame = explain("SSL_do_handshake() failed");
    assert_eq!(frame[0].name, "handshake_failed");
    let exact = explain("curl: (35) failed\nremote error: tls: handshake failure");
    assert_eq!(exact.len(), 1);
    assert_eq!(exact[0].alert, Some(Alert::HANDSHAKE_FAILURE));
}

#[test]
fn the_same_alert_both_ways_is_two_things() {
    let said = explain("alert read:fatal:unknown CA\nalert write:fatal:unknown CA");
    let directions: Vec<_> = said.iter().map(|one| one.direction).collect();
    assert_eq!(
        directions,
        [Some(Direction::Received), Some(Direction::Sent)]
    );
}

#[test]
fn without_a_side_an_alert_is_read_both_ways() {
    let said = explain("48");
    let by: Vec<_> = said[0].readings.iter().map(|reading| reading.by).collect();
    assert_eq!(by, [Some(Side::Server), Some(Side::Client)]);
    let first = |at: usize| said[0].readings[at].likely[0].cause;
    assert_eq!(first(0), Cause::ClientCertUntrustedCa);
    assert_eq!(first(1), Cause::ServerCertChainIncomplete);
}

#[test]
fn who_printed_it_decides_whose_certificate_it_is() {
    let northbound = explain("client SSL certificate verify error: (10:certificate has expired)");
    assert_eq!(
        northbound[0].readings[0].likely[0].cause,
        Cause::ClientCertExpired
    );
    let southbound = explain("upstream SSL certificate verify error: (10:certificate has expired)");
    assert_eq!(
        southbound[0].readings[0].likely[0].cause,
        Cause::ServerCertExpired
    );
}

#[test]
fn many_errors_are_bounded() {
    let text = (0..=121)
        .map(|n| format!("alert number {n}\n"))
        .collect::<String>();
    assert_eq!(explain(&text).len(), MAX_EXPLANATIONS);
}

#[test]
fn only_the_first_64_kib_are_read() {
    let text = format!("{}\nalert 40", "é".repeat(40_000));
    assert!(explain(&text).is_empty());
    assert_eq!(explain(&format!("alert 40\n{text}")).len(), 1);
}

#[test]
fn a_quote_has_no_control_characters_and_an_end() {
    let said = explain("error:\u{1b}0A000438:SSL routines");
    assert!(
        !said.is_empty() && said.iter().all(|one| !one.quote.contains('\u{1b}')),
        "{said:?}"
    );
    let long = format!("TLSv1.3 (IN), TLS alert, {} (592)", "x".repeat(10_000));
    assert_eq!(explain(&long)[0].quote.chars().count(), MAX_QUOTE_CHARS);
}

#[test]
fn what_is_not_about_tls_is_not_understood() {
    for text in [
        "",
        "hello world",
        "HTTP/1.1 500 Internal Server Error",
        "an internal error occurred",
        "access denied for user root",
        "the certificate is fine",
        "cat > file <<EOF",
        "curl 7.88.1 (x86_64-pc-linux-gnu)",
        "error:00000000:lib(0)::reason(0)",
        "alert 300",
        "99999",
        "no processor",
        "route rejected by the committee",
    ] {
        assert!(explain(text).is_empty(), "{text}: {:?}", explain(text));
    }
}

#[test]
fn every_cause_id_is_explained() {
    for cause in Cause::ALL {
        let said = explain(&format!("{{\"reason\":\"{}\"}}", cause.as_str()));
        assert_eq!(said.len(), 1, "{}", cause.as_str());
        assert_eq!(said[0].name, cause.as_str());
        assert_eq!(said[0].readings[0].likely[0].why, advice::on(cause).means);
    }
}

#[test]
fn every_alert_is_explained_by_number_and_by_name() {
    for number in (0..=u8::MAX).filter(|n| Alert(*n).name() != "unassigned") {
        let name = Alert(number).name();
        for text in [
            number.to_string(),
            format!("SSL alert number {number}"),
            name.to_owned(),
            format!("TLS alert {}", name.replace('_', " ")),
        ] {
            let said = explain(&text);
            assert_eq!(said.len(), 1, "{text}");
            assert_eq!(said[0].alert, Some(Alert(number)), "{text}");
            assert_eq!(said[0].what, meaning::of(Alert(number)).what);
        }
    }
}

/// Pieces that occur in errors, so that random texts reach all branches.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("alert "),
        Just("TLSv1.3 (IN), TLS alert, "),
        Just("(592)"),
        Just("error:"),
        Just("0A000438"),
        Just("curl: ("),
        Just("60)"),
        Just("verify error:num="),
        Just("20"),
        Just("0x"),
        Just(":SSL routines:"),
        Just("268435581"),
        Just("unknown CA"),
        Just("CertificateRequired"),
        Just("\n"),
        Just("é\u{0}\u{1b}"),
        Just(">>> "),
        Just("number "),
        Just("4294967296"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_explained_within_bounds(text in prop_oneof![".*", pieces(), "(?s).{0,3000}"]) {
        let said = explain(&text);
        prop_assert!(said.len() <= MAX_EXPLANATIONS);
        for one in &said {
            prop_assert!(one.quote.chars().count() <= MAX_QUOTE_CHARS);
            prop_assert!(!one.quote.contains(char::is_control));
            prop_assert!((1..=2).contains(&one.readings.len()));
            prop_assert!(one.readings.iter().all(|reading| reading.likely.len() <= Cause::ALL.len()));
        }
    }
}
