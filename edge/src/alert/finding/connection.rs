//! What is no TLS, or ended without a word: plaintext, PROXY headers, closed and reset connections, time, TCP.

use super::Said;
use super::scene::Scene;
use super::words;
use crate::alert::Hop;
use crate::alert::evidence::Phase;
use crate::handshake::{Foreign, names};

pub(super) fn plaintext(scene: &Scene<'_>) -> Said {
    let sent = sent(scene, "a plain HTTP request");
    match (scene.hop(), scene.serves()) {
        (_, true) => Said {
            detail: format!("{} sent {sent} to a port for TLS{}.", scene.the_peer(), own_port(scene)),
            fix: "Let the client use https:// (a load balancer before Sallyport: TLS pass-through, or HTTPS towards it); plain HTTP belongs to the \
                  --http port."
                .to_owned(),
        },
        (_, false) => Said {
            detail: format!("{} sent {sent} where TLS was expected.", scene.the_peer()),
            fix: format!("Point {} at the {}'s TLS port.", scene.upstream("nodes"), scene.kind()),
        },
    }
}

pub(super) fn tls_on_plain(scene: &Scene<'_>) -> Said {
    match scene.serves() {
        true => Said {
            detail: format!(
                "{} began TLS on a port for plain HTTP{}.",
                scene.the_peer(),
                own_port(scene)
            ),
            fix: "Let the client use the --https port, or http:// on this one.".to_owned(),
        },
        false => Said {
            detail: format!("{} speaks plain HTTP where we began TLS.", scene.the_peer()),
            fix: format!(
                "Set {} to http, or point nodes at the TLS port.",
                scene.upstream("scheme")
            ),
        },
    }
}

pub(super) fn proxy(scene: &Scene<'_>) -> Said {
    let sent = sent(scene, "a PROXY protocol header");
    Said {
        detail: format!("{} sent {sent} before TLS, which is not expected here.", scene.the_peer()),
        fix: match scene.serves() {
            true => "Switch the PROXY protocol off in the load balancer before this port (HAProxy: send-proxy, nginx: proxy_protocol on, AWS NLB: \
                     proxy protocol v2). Sallyport reads none."
                .to_owned(),
            false => format!("Point {} at a port of the {} that begins with TLS.", scene.upstream("nodes"), scene.kind()),
        },
    }
}

pub(super) fn not_tls(scene: &Scene<'_>) -> Said {
    let sent = sent(scene, "bytes that are no TLS");
    let detail = format!("{} sent {sent} where TLS was expected.", scene.the_peer());
    let fix = match (scene.hop(), scene.serves(), &scene.evidence.foreign) {
        (Hop::Internal, ..) => {
            "See what is at that address: nodes of a cluster speak QUIC to each other.".to_owned()
        }
        (_, true, _) => format!(
            "See what sends this{}; port scanners do. Nothing is to be done here.",
            own_port(scene)
        ),
        (_, _, Some(Foreign::HttpAnswer(_) | Foreign::HttpRequest | Foreign::Markup)) => format!(
            "The target speaks plain HTTP there: set {} to http, or point nodes at its TLS port.",
            scene.upstream("scheme")
        ),
        (_, _, Some(Foreign::PlainHttpRefused)) => format!(
            "Something before the target takes our TLS off and hands plain HTTP to its TLS port: point {} at the target itself, or mend what stands between.",
            scene.upstream("nodes")
        ),
        (_, _, Some(Foreign::Ssh | Foreign::Greeting(_) | Foreign::Mysql)) => {
            format!(
                "That is another service: correct host and port in {}.",
                scene.upstream("nodes")
            )
        }
        _ => format!(
            "Correct host and port in {}, or set scheme to http if the target has no TLS.",
            scene.upstream("nodes")
        ),
    };
    Said { detail, fix }
}

pub(super) fn closed(scene: &Scene<'_>) -> Said {
    let detail = format!(
        "{} closed the connection {}{}.",
        scene.the_peer(),
        moment(scene),
        warnings(scene)
    );
    let fix = match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => "See the log of the other node at that time: it was stopping, or refused this one.".to_owned(),
        (_, true) if scene.evidence.server_hello.is_some() => "The client left after it had seen our certificate: some refuse one without an alert. See its error \
             text, and whether it trusts the CA and the name."
            .to_owned(),
        (_, true) => "The client gave up: see its own log and timeout. Port scans and health checks that begin TLS and leave look the same.".to_owned(),
        (_, false) => format!(
            "See the target's log. Usual reasons: it speaks old TLS versions only, is a load balancer without a backend, knows no such server name, or the \
             port is not for TLS. `sallyport diagnose{}` tells them apart.",
            target(scene)
        ),
    };
    Said { detail, fix }
}

pub(super) fn reset(scene: &Scene<'_>) -> Said {
    let detail = format!(
        "{} reset the connection {}{}.",
        scene.the_peer(),
        moment(scene),
        warnings(scene)
    );
    let fix = match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => "See whether the other node crashed, and firewalls between the nodes.".to_owned(),
        (_, true) => "The client was ended or gave up, or something between cuts the connection (firewall, load balancer timeout): compare both ends' logs."
            .to_owned(),
        (_, false) => format!(
            "See firewalls and access lists before the target (some reset by server name or by the size of a hello), then its log. `sallyport diagnose{}` \
             shows whether another name or a smaller hello passes.",
            target(scene)
        ),
    };
    Said { detail, fix }
}

pub(super) fn timeout(scene: &Scene<'_>) -> Said {
    let detail = format!(
        "The handshake with {} was not done after {} ms: it ended {}.",
        scene.peer(),
        scene.evidence.elapsed.as_millis(),
        moment(scene)
    );
    let fix = match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => "See whether UDP passes between the nodes on the --hop port, and the other node's load.".to_owned(),
        (_, true) => "The client is slow, or stopped in the middle: see its log and the network between. --handshake-timeout is the bound.".to_owned(),
        (_, false) => format!(
            "See whether the target is overloaded, whether a firewall swallows packets, and whether the port waits for another protocol. `sallyport \
             diagnose{}` tries a smaller hello too. --handshake-timeout is the bound.",
            target(scene)
        ),
    };
    Said { detail, fix }
}

pub(super) fn not_connected(scene: &Scene<'_>) -> Said {
    let fix = match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => {
            "See whether the node runs, its --hop-advertise address, and firewalls for UDP."
                .to_owned()
        }
        (_, true) => "See the network between the client and this node.".to_owned(),
        (_, false) => format!(
            "See whether the target runs and listens there (refused), whether firewalls and routes lead there (no answer), and whether the name resolves. \
             The address stands in {}.",
            scene.upstream("nodes")
        ),
    };
    // The error names the addresses that were tried.
    let error = scene.error();
    let peer = match &scene.context.target {
        Some(target) if !error.is_empty() => format!("the target {}", words::name(target)),
        _ => scene.peer(),
    };
    Said {
        detail: format!("There is no connection to {peer}{error}."),
        fix,
    }
}

pub(super) fn no_data(scene: &Scene<'_>) -> Said {
    Said {
        detail: format!("{} connected and left without sending a byte.", scene.the_peer()),
        fix: "Nothing is to be done: load balancers' checks and port scans do that. They are counted apart.".to_owned(),
    }
}

/// What it sent, with its article.
fn sent(scene: &Scene<'_>, unless_known: &str) -> String {
    scene
        .evidence
        .foreign
        .as_ref()
        .map_or_else(|| unless_known.to_owned(), words::foreign)
}

fn own_port(scene: &Scene<'_>) -> String {
    scene
        .context
        .local
        .map_or_else(String::new, |local| format!(" ({local})"))
}

/// ` api.test:443`, if a shell takes it.
fn target(scene: &Scene<'_>) -> String {
    let target = scene.context.target.as_deref().and_then(words::shell);
    target.map_or_else(String::new, |target| format!(" {target}"))
}

/// How far it had come: `after its ServerHello, in phase server_cert`.
fn moment(scene: &Scene<'_>) -> String {
    let evidence = scene.evidence;
    let phase = evidence.phase.as_str();
    match (evidence.received.last(), evidence.sent.last()) {
        _ if evidence.phase == Phase::TcpConnect => format!("in phase {phase}"),
        (Some(theirs), _) => format!(
            "after its {}, in phase {phase}",
            names::message(theirs.kind)
        ),
        (None, Some(ours)) => format!(
            "after our {} and before any message of its, in phase {phase}",
            names::message(ours.kind)
        ),
        (None, None) if evidence.bytes.0 > 0 => {
            format!(
                "in phase {phase}, after {} bytes that are no whole message",
                evidence.bytes.0
            )
        }
        (None, None) => format!("in phase {phase}, before any message"),
    }
}

/// Alerts that came before, which did not end it.
fn warnings(scene: &Scene<'_>) -> String {
    let seen: Vec<String> = scene
        .evidence
        .alerts
        .iter()
        .map(|seen| format!("{} ({})", seen.alert.0, seen.alert.name()))
        .collect();
    if seen.is_empty() {
        return ", without an alert".to_owned();
    }
    format!("; alerts before that: {}", words::list(seen, 8))
}
