//! The faults that clients' and servers' certificates have alike: dates, purposes, chains, revocation, other clusters.

use control::certificate::{CertInfo, chain};

use super::Said;
use super::scene::{MOST_NAMES, Scene, certificate, subject};
use super::words;
use crate::alert::{CertFault, Hop};

/// A fault that clients' and servers' certificates have alike.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Expired,
    NotYetValid,
    WrongPurpose,
    Revoked,
    Rejected,
    Incomplete,
    Disordered,
}

/// Of a client's certificate, or a server's.
pub(super) fn of_fault(scene: &Scene<'_>, clients: bool, fault: Fault) -> Said {
    let ours = scene.is_ours(clients);
    let who = if ours {
        format!(
            "{} ended the handshake {}: our {}",
            scene.the_peer(),
            scene.how(),
            scene.certificate(true)
        )
    } else {
        format!(
            "{} showed the {}, which",
            scene.the_peer(),
            scene.certificate(false)
        )
    };
    let (what, fix) = match fault {
        Fault::Expired => (past(scene, ours), renew(scene, clients, "Renew it")),
        Fault::NotYetValid => (early(scene, ours), renew(scene, clients, &clocks(scene))),
        Fault::WrongPurpose => (purpose(scene, ours, clients), reissue(scene, clients)),
        Fault::Revoked => (
            "is revoked by its issuer".to_owned(),
            renew(scene, clients, "Have a new one issued"),
        ),
        Fault::Rejected => (no_fault_found(scene, ours), ask_the_peer(scene, ours)),
        Fault::Incomplete => (gap(scene, ours), complete(scene, clients)),
        Fault::Disordered => (disorder(scene, ours), in_order(scene, ours)),
    };
    Said {
        detail: format!("{who} {what}."),
        fix,
    }
}

/// Between nodes: the other one's CA is another one.
pub(super) fn other_cluster(scene: &Scene<'_>, clients: bool) -> Said {
    let ours = scene.is_ours(clients);
    let who = if ours {
        format!("{} refused our", scene.the_peer())
    } else {
        format!("{} showed a", scene.the_peer())
    };
    Said {
        detail: format!("{who} {} that the hop CA of the verifying node has not signed: it is of another cluster or an old CA.", scene.certificate(ours)),
        fix: "Give all nodes the same ca.crt in the directory of --hop-tls and certificates of that CA (sallyport pki node); while the CA changes, both CAs in \
              ca.crt."
            .to_owned(),
    }
}

/// `expired at 2025-06-01T00:00:00Z (12 days ago)`, of the leaf or the issuer that did.
fn past(scene: &Scene<'_>, ours: bool) -> String {
    let at = scene.evidence.at;
    let chain = scene.chain(ours);
    let by_fact = chain.iter().position(|cert| cert.not_after() < at);
    let told = match scene.fault() {
        Some(CertFault::Expired(when)) => Some(*when),
        _ => None,
    };
    match (by_fact, told) {
        (Some(index), _) => {
            let cert = &chain[index];
            let which = part(index, cert);
            format!(
                "{which}expired at {}{}",
                words::date(cert.not_after()),
                scene.days(cert.not_after())
            )
        }
        (None, Some(when)) => format!("expired at {}{}", words::date(when), scene.days(when)),
        (None, None) => format!("has expired, by its own clock; here it is {}", scene.now()),
    }
}

/// `is not valid before …`, of the leaf or the issuer.
fn early(scene: &Scene<'_>, ours: bool) -> String {
    let at = scene.evidence.at;
    let chain = scene.chain(ours);
    let by_fact = chain.iter().position(|cert| cert.not_before() > at);
    let told = match scene.fault() {
        Some(CertFault::NotYetValid(when)) => Some(*when),
        _ => None,
    };
    match (by_fact, told) {
        (Some(index), _) => {
            let cert = &chain[index];
            format!(
                "{}is not valid before {}{}",
                part(index, cert),
                words::date(cert.not_before()),
                scene.days(cert.not_before())
            )
        }
        (None, Some(when)) => format!(
            "is not valid before {}{}",
            words::date(when),
            scene.days(when)
        ),
        (None, None) => format!("is not valid yet, by its clock; here it is {}", scene.now()),
    }
}

/// Names the certificate of the chain that is meant, unless it is the leaf.
fn part(index: usize, cert: &CertInfo) -> String {
    if index == 0 {
        return String::new();
    }
    format!("has an issuer in its chain, {}, that ", subject(cert))
}

fn clocks(scene: &Scene<'_>) -> String {
    format!(
        "Compare clocks: here it is {}. If they agree, use a certificate that is valid already",
        scene.now()
    )
}

fn purpose(scene: &Scene<'_>, ours: bool, clients: bool) -> String {
    let wanted = if clients { "clientAuth" } else { "serverAuth" };
    let stated = scene
        .leaf(ours)
        .map(CertInfo::purposes)
        .filter(|p| p.stated);
    match stated {
        Some(p) if p.server_auth && clients => {
            format!("is for servers (extended key usage serverAuth), not {wanted}")
        }
        Some(p) if p.client_auth && !clients => {
            format!("is for clients (extended key usage clientAuth), not {wanted}")
        }
        _ => format!("is not for this use: its extended key usage lacks {wanted}"),
    }
}

fn reissue(scene: &Scene<'_>, clients: bool) -> String {
    let wanted = if clients { "clientAuth" } else { "serverAuth" };
    renew(
        scene,
        clients,
        &format!("Have it issued anew with extendedKeyUsage = {wanted}"),
    )
}

/// What to do about a certificate that has to be another one.
fn renew(scene: &Scene<'_>, clients: bool, how: &str) -> String {
    let chain = "the certificate with its intermediates, and its key";
    match (scene.hop(), scene.is_ours(clients)) {
        (Hop::Internal, true) => format!(
            "{how}: sallyport pki node makes one; put it into the directory of --hop-tls. It is taken up without a restart."
        ),
        (Hop::Internal, false) => format!(
            "{how} on the other node: sallyport pki node makes one for the directory of its --hop-tls."
        ),
        (_, true) => format!(
            "{how}: put {chain}, into {}. It is live within a moment on every node.",
            scene.own_place()
        ),
        (_, false) => format!(
            "{how} on the {}'s side: install {chain}, there (Apigee: a new keystore with the same alias, then repoint the reference).",
            scene.kind()
        ),
    }
}

/// The peer complains, and nothing is seen to be wrong.
fn no_fault_found(scene: &Scene<'_>, ours: bool) -> String {
    match scene.leaf(ours) {
        Some(leaf) => format!(
            "was refused, and its dates ({} to {}), purpose and chain show no fault",
            words::date(leaf.not_before()),
            words::date(leaf.not_after())
        ),
        None => "was refused for a reason that was not said".to_owned(),
    }
}

fn ask_the_peer(scene: &Scene<'_>, ours: bool) -> String {
    let issuer = top_issuer(scene.chain(ours)).unwrap_or_else(|| "its CA".to_owned());
    let wanted = scene.wanted().map_or_else(String::new, |names| {
        format!(" It takes certificates issued by: {names}.")
    });
    format!(
        "See the log of the {}: Go and Java say one alert for every fault of a certificate. Check there that {issuer} is trusted, that the name is allowed, \
         and that its clock is right.{wanted}",
        scene.kind()
    )
}

fn gap(scene: &Scene<'_>, ours: bool) -> String {
    let all = scene.chain(ours);
    let missing = chain::judge(all).missing_issuer;
    let missing = missing.unwrap_or_else(|| "an intermediate".to_owned());
    match all.len() {
        0 | 1 => format!("is sent alone: its issuer {missing} is missing from the chain"),
        n => format!(
            "comes with a chain of {n} certificates that ends too early: {missing} is missing"
        ),
    }
}

fn complete(scene: &Scene<'_>, clients: bool) -> String {
    let ours = scene.is_ours(clients);
    let all = scene.chain(ours);
    let missing = chain::judge(all)
        .missing_issuer
        .unwrap_or_else(|| "the missing CA".to_owned());
    let from = all
        .last()
        .and_then(CertInfo::issuer_url)
        .map_or_else(String::new, |url| {
            format!(" (it is at {})", words::name(url))
        });
    if ours {
        return format!(
            "Append the certificate of {missing}{from} to the chain, leaf first: {}.",
            scene.own_place()
        );
    }
    format!(
        "Have the {} append the certificate of {missing}{from} to its own, leaf first. Until then it can be put into {}.",
        scene.kind(),
        scene.trust_place()
    )
}

fn disorder(scene: &Scene<'_>, ours: bool) -> String {
    let order = words::list(scene.chain(ours).iter().map(subject), MOST_NAMES);
    format!("comes with its chain in the wrong order: {order}")
}

fn in_order(scene: &Scene<'_>, ours: bool) -> String {
    let all = scene.chain(ours);
    let path = chain::judge(all).path;
    let right = words::list(
        path.iter().filter_map(|index| all.get(*index)).map(subject),
        MOST_NAMES,
    );
    let place = if ours {
        scene.own_place()
    } else {
        format!("the {}'s certificate file", scene.kind())
    };
    format!("Put the certificates in this order, each followed by its issuer: {right} ({place}).")
}

/// Issuer of the chain's top, which somebody has to trust.
pub(super) fn top_issuer(all: &[CertInfo]) -> Option<String> {
    let path = chain::judge(all).path;
    let top = path.last().and_then(|index| all.get(*index))?;
    Some(if top.issuer().is_empty() {
        certificate(top)
    } else {
        top.issuer().to_owned()
    })
}
