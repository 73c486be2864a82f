//! No connection, or no TLS at the other end of it.

use std::net::SocketAddr;

use super::super::asked::Asked;
use super::super::connect::protocol;
use super::super::outcome::{Clear, Outcome, StepResult};
use super::super::trial::{Step, Trial};
use super::words::{failing, found, s_client};
use super::{Case, Found, Severity, Topic};
use crate::alert::{Cause, Confidence};
use crate::handshake::Foreign;

pub(super) fn findings(case: &Case<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    all.extend(unresolved(case));
    all.extend(unconnected(case));
    all.extend(not_tls(case));
    all
}

fn unresolved(case: &Case<'_>) -> Option<Found> {
    let Outcome::NotResolved(why) = &case.of(Trial::Resolve)?.outcome else {
        return None;
    };
    let host = &case.asked.host;
    let found = failing(Cause::TcpConnectFailed, Confidence::Certain)
        .detail(format!("The name {host} leads to no address: {why}."))
        .fix(format!(
            "Correct the host name, or let the DNS server of this machine know {host}."
        ))
        .verify(format!("getent ahosts {host}"));
    // A name with other characters was not looked up under this command.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    Some(if host.chars().all(plain) {
        found
    } else {
        Found {
            verify: None,
            ..found
        }
    })
}

fn unconnected(case: &Case<'_>) -> Option<Found> {
    let tried = |step: &StepResult| match (step.trial, &step.outcome) {
        (Trial::Connect(address), Outcome::NotConnected(why)) => Some((address, why.clone())),
        _ => None,
    };
    let failed: Vec<(SocketAddr, String)> = case.of_step(Step::Connect).filter_map(tried).collect();
    if failed.is_empty() {
        return None;
    }
    let all = failed.len() == case.of_step(Step::Connect).count();
    let each: Vec<String> = failed
        .iter()
        .map(|(address, why)| format!("{address}: {why}"))
        .collect();
    let each = each.join("; ");
    let severity = if all {
        Severity::Failing
    } else {
        Severity::Warning
    };
    let detail = if all {
        format!("No TCP connection: {each}.")
    } else {
        format!("Some addresses of the name cannot be connected to: {each}.")
    };
    Some(
        found(
            Topic::Cause(Cause::TcpConnectFailed),
            severity,
            Confidence::Certain,
        )
        .detail(detail)
        .fix(advice(&failed))
        .owner(super::words::server_owner(case.asked)),
    )
}

fn advice(failed: &[(SocketAddr, String)]) -> &'static str {
    if failed.iter().all(|(_, why)| why.contains("refused")) {
        "Nothing listens there: start the server, or correct the port."
    } else {
        "Let a firewall between here and there pass the port, or correct the address."
    }
}

fn not_tls(case: &Case<'_>) -> Option<Found> {
    let greeting = case.of_step(Step::Connect).find_map(StepResult::foreign);
    let answer = case.of(Trial::Baseline).and_then(StepResult::foreign);
    let (spoken, when) = match (greeting, answer) {
        (Some(greeting), _) => (greeting, "greets before any byte of ours"),
        (None, Some(answer)) => (answer, "answers a TLS hello"),
        (None, None) => (
            in_the_clear(case)?,
            "answers a request in the clear, and no hello,",
        ),
    };
    Some(
        failing(Cause::PeerNotTls, Confidence::Certain)
            .detail(format!(
                "The server does not speak TLS on this port: it {when} with {}.",
                protocol(spoken)
            ))
            .fix(remedy(case.asked, spoken))
            .owner(crate::alert::finding::Owner::Gateway)
            .verify(s_client(case.asked, "")),
    )
}

/// What answered a request in the clear, where no hello of any kind was answered with TLS.
fn in_the_clear<'a>(case: &Case<'a>) -> Option<&'a Foreign> {
    let Outcome::Clear(Clear::Answered(foreign)) = &case.of(Trial::Plaintext)?.outcome else {
        return None;
    };
    let tls = |step: &StepResult| match &step.outcome {
        Outcome::Hello(answer) => answer.server_hello().is_some() || answer.alert().is_some(),
        Outcome::Session(session) => session
            .failure
            .as_ref()
            .is_none_or(|failure| failure.server_hello.is_some() || !failure.alerts.is_empty()),
        _ => false,
    };
    let speaks_tls = *foreign == Foreign::PlainHttpRefused || case.steps.iter().any(tls);
    (!speaks_tls).then_some(foreign)
}

fn remedy(asked: &Asked, spoken: &Foreign) -> String {
    let scheme = match &asked.place {
        super::super::asked::Place::Upstream(id) => {
            format!("Set `scheme` of {id} to http")
        }
        _ => "Ask it in the clear (for an upstream: `scheme: http`)".to_owned(),
    };
    match spoken {
        Foreign::HttpAnswer(_) | Foreign::Markup | Foreign::HttpRequest => {
            format!("{scheme}, use the server's port for TLS, or switch TLS on at the server.")
        }
        _ => "Use the port on which the server speaks TLS from the first byte.".to_owned(),
    }
}
