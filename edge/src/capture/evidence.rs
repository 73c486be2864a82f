//! Evidence out of a capture: the handshake as it looks from the side that did not end it, so that the rules for our own
//! handshakes can judge it. Nobody's policy is known here, only what was said.

use std::sync::Arc;
use std::time::Duration;

use control::certificate::name_of_der;
use rustls_pki_types::CertificateDer;

use super::conversation::{Ending, Facts};
use super::flows::Party;
use super::hidden::ClientFlight;
use crate::alert::evidence::{Chain, End, Evidence, Own, Phase, SeenAlert, Shown, Side};
use crate::alert::rules::{self, Confidence, Verdict};
use crate::alert::{Alert, Cause, Direction, Hop};
use crate::handshake::transcript::{PlainAlert, Transcript};
use crate::handshake::{ClientHello, TLS13};

const HELLO: u8 = 1;
const NANOSECONDS: u64 = 1_000_000_000;

/// The evidence of an ending.
pub(super) fn of(facts: &Facts<'_>, ending: &Ending) -> Evidence {
    let side = match ending.by {
        Party::Server => Side::Client,
        Party::Client => Side::Server,
    };
    // The rules know no bystander: who accepts is north of a gateway, who connects south of it.
    let (hop, ours, theirs) = match side {
        Side::Server => (Hop::Northbound, &facts.server, &facts.client),
        Side::Client => (Hop::Southbound, &facts.client, &facts.server),
    };
    let flow = facts.flow;
    let close = flow.close.map_or(flow.started, |close| close.at);
    let (received, sent) = match side {
        Side::Server => (&flow.from_client, &flow.from_server),
        Side::Client => (&flow.from_server, &flow.from_client),
    };
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Evidence {
        phase: phase(facts, ending),
        end: ending.end.clone(),
        alerts: alerts(&ours.alerts, Direction::Sent)
            .chain(alerts(to_the_end(theirs, ending), Direction::Received))
            .collect(),
        sent: ours.messages.clone(),
        received: theirs.messages.clone(),
        foreign: theirs.foreign.clone(),
        hello: facts.client.client_hello.clone(),
        server_hello: facts.server.server_hello.clone(),
        peer_chain: chain(theirs),
        request: facts.server.request.clone(),
        own: own(facts, side, ours),
        at: i64::try_from(flow.started / NANOSECONDS).unwrap_or(0),
        elapsed: Duration::from_nanos(close.saturating_sub(flow.started)),
        bytes: (length(received.data()), length(sent.data())),
        ..Evidence::new(hop, side)
    }
}

/// The evidence where the end was said in encrypted records.
pub(super) fn hidden(facts: &Facts<'_>, by: Party, flight: ClientFlight) -> Evidence {
    let ending = Ending {
        by,
        end: End::Closed,
        alert: None,
    };
    let mut evidence = of(facts, &ending);
    (evidence.phase, evidence.own.shown) = match (by, flight) {
        (Party::Client, _) => (Phase::ServerCert, Shown::Chain),
        (Party::Server, ClientFlight::NoCertificate) => (Phase::ClientCert, Shown::Nothing),
        (Party::Server, ClientFlight::Certificate) => (Phase::ClientCert, Shown::Chain),
        (Party::Server, _) => (Phase::PostHandshake, Shown::NotAsked),
    };
    evidence
}

/// What encrypted records of an alert's length mean, by who sent one and what came before.
pub(super) const fn of_hidden(by: Party, flight: ClientFlight) -> Verdict {
    let (cause, confidence) = match (by, flight) {
        (Party::Client, _) => (Cause::ServerCertRejectedByPeer, Confidence::Medium),
        (Party::Server, ClientFlight::NoCertificate) => {
            (Cause::ClientCertMissing, Confidence::High)
        }
        (Party::Server, ClientFlight::Certificate) => {
            (Cause::ClientCertRejectedByPeer, Confidence::Medium)
        }
        (Party::Server, _) => (Cause::Unknown, Confidence::Low),
    };
    Verdict { cause, confidence }
}

/// The cause, by the rules for handshakes of ours.
pub(super) fn classify(evidence: &Evidence) -> Verdict {
    rules::classify(evidence)
}

fn alerts(list: &[PlainAlert], direction: Direction) -> impl Iterator<Item = SeenAlert> {
    list.iter().map(move |seen| SeenAlert {
        direction,
        level: seen.level,
        alert: Alert(seen.number),
    })
}

/// Alerts up to the one that ended it: what follows, such as close_notify, says nothing more.
fn to_the_end<'a>(transcript: &'a Transcript, ending: &Ending) -> &'a [PlainAlert] {
    let list = &transcript.alerts;
    let last = list.iter().position(|alert| Some(*alert) == ending.alert);
    last.and_then(|at| list.get(..=at)).unwrap_or(list)
}

fn chain(transcript: &Transcript) -> Chain {
    let certificates = transcript.certificates.iter().flatten();
    let der: Vec<CertificateDer<'static>> = certificates
        .map(|der| CertificateDer::from(der.clone()))
        .collect();
    Chain::new(Arc::from(der))
}

fn own(facts: &Facts<'_>, side: Side, ours: &Transcript) -> Own {
    let own = Own {
        chain: chain(ours),
        ..Own::default()
    };
    match side {
        Side::Server => Own {
            shown: Shown::Chain,
            anchors: authorities(facts),
            client_auth: facts.server.request.is_some(),
            ..own
        },
        Side::Client => offered(facts, own),
    }
}

/// What a client's hello says of its policy.
fn offered(facts: &Facts<'_>, own: Own) -> Own {
    let shown = match (&facts.server.request, &facts.client.certificates) {
        (None, _) => Shown::NotAsked,
        (Some(_), Some(chain)) if !chain.is_empty() => Shown::Chain,
        (Some(_), _) => Shown::Nothing,
    };
    let Some(hello) = &facts.client.client_hello else {
        return Own { shown, ..own };
    };
    Own {
        versions: versions(hello),
        suites: hello.cipher_suites.clone(),
        groups: hello.groups.clone(),
        schemes: hello.signature_schemes.clone().unwrap_or_default(),
        alpn: texts(&hello.alpn),
        verify_name: hello.sni.as_deref().map(str::to_owned),
        verify: true,
        shown,
        ..own
    }
}

/// Versions that a hello offers, ascending.
pub(super) fn versions(hello: &ClientHello) -> Vec<u16> {
    let known = 0x0300..=TLS13;
    let highest = hello.best_version();
    match &hello.supported_versions {
        Some(_) => known.filter(|version| hello.offers(*version)).collect(),
        // Without the list a hello says only which is its highest.
        None => vec![highest],
    }
}

/// ALPN protocols for people.
pub(super) fn texts(alpn: &[Box<[u8]>]) -> Vec<String> {
    let names = alpn.iter().map(|name| name.escape_ascii().to_string());
    names.collect()
}

/// The CAs that the server's CertificateRequest names.
fn authorities(facts: &Facts<'_>) -> Vec<String> {
    let request = facts.server.request.iter();
    request
        .flat_map(|request| &request.authorities)
        .filter_map(|der| name_of_der(der))
        .collect()
}

/// The step that did not succeed.
fn phase(facts: &Facts<'_>, ending: &Ending) -> Phase {
    let (client, server) = (&facts.client, &facts.server);
    let beyond_hello = client.messages.iter().any(|m| m.kind != HELLO);
    match ending.end {
        End::NotConnected => Phase::TcpConnect,
        End::TimedOut if facts.flow.server_packets == 0 => Phase::TcpConnect,
        _ if server.server_hello.is_none() => Phase::ClientHello,
        _ if client.change_cipher && client.encrypted => match ending.by {
            Party::Server if client.certificates.is_some() => Phase::ClientCert,
            _ => Phase::Finished,
        },
        _ if ending.by == Party::Server && beyond_hello => Phase::ClientCert,
        _ if ending.by == Party::Server && server.request.is_some() => Phase::ClientCert,
        _ if server.certificates.is_some() || server.encrypted => Phase::ServerCert,
        _ => Phase::ServerHello,
    }
}
