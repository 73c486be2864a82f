//! A server's certificate at fault (northbound our own, southbound the target's), and the faults that certificates of both
//! sides have in common: dates, purposes, chains, revocation.

use control::certificate::{CertInfo, chain};

use super::Said;
use super::scene::{MOST_NAMES, Scene, certificate, subject};
use super::words;
use crate::alert::rules::{Flaw, flaws};
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

pub(super) fn expired(scene: &Scene<'_>) -> Said {
    of_fault(scene, false, Fault::Expired)
}

pub(super) fn not_yet_valid(scene: &Scene<'_>) -> Said {
    of_fault(scene, false, Fault::NotYetValid)
}

pub(super) fn wrong_purpose(scene: &Scene<'_>) -> Said {
    of_fault(scene, false, Fault::WrongPurpose)
}

pub(super) fn revoked(scene: &Scene<'_>) -> Said {
    of_fault(scene, false, Fault::Revoked)
}

pub(super) fn rejected(scene: &Scene<'_>) -> Said {
    of_fault(scene, false, Fault::Rejected)
}

pub(super) fn incomplete(scene: &Scene<'_>) -> Said {
    of_fault(scene, false, Fault::Incomplete)
}

pub(super) fn disordered(scene: &Scene<'_>) -> Said {
    of_fault(scene, false, Fault::Disordered)
}

pub(super) fn untrusted(scene: &Scene<'_>) -> Said {
    let ours = scene.is_ours(false);
    if scene.hop() == Hop::Internal {
        return other_cluster(scene, false);
    }
    let top = top_issuer(scene.chain(ours)).unwrap_or_else(|| "its CA".to_owned());
    if ours {
        return Said {
            detail: format!(
                "{} does not trust {top}, the CA of our {}: it refused it {}.",
                scene.the_peer(),
                scene.certificate(true),
                scene.how()
            ),
            fix: format!(
                "Have the client trust that CA (curl --cacert, Java trust store, Apigee TrustStore), or serve a certificate of a CA that it trusts already \
                 ({}). If {top} is an intermediate, append its certificate there.",
                scene.own_place()
            ),
        };
    }
    let place = scene.trust_place();
    let fix = match scene.fault() {
        Some(CertFault::NotAnIssuer) => "Have the target's owner get a certificate from a CA whose own certificate is one (CA:TRUE, keyCertSign).".to_owned(),
        Some(CertFault::TooLarge | CertFault::Malformed(_)) => {
            "Have the target's owner send the leaf and its intermediates only, issued with RSA and SHA-256 or ECDSA.".to_owned()
        }
        _ => format!("If {top} is to be trusted, put its CA certificate into {place}. Else have the target's owner use a certificate of a CA that is trusted."),
    };
    Said {
        detail: format!(
            "{} showed the {}, which is not signed by {}{}.",
            scene.the_peer(),
            scene.certificate(false),
            scene.trusted(),
            scene.error()
        ),
        fix,
    }
}

pub(super) fn self_signed(scene: &Scene<'_>) -> Said {
    if scene.is_ours(false) {
        return Said {
            detail: format!(
                "{} ended the handshake {}: our {} is self-signed.",
                scene.the_peer(),
                scene.how(),
                scene.certificate(true)
            ),
            fix: format!(
                "Serve a certificate of a CA that clients trust ({}), or have them trust this very certificate (curl --cacert, Java trust store).",
                scene.own_place()
            ),
        };
    }
    Said {
        detail: format!(
            "{} showed the self-signed {}, which is not among {}.",
            scene.the_peer(),
            scene.certificate(false),
            scene.trusted()
        ),
        fix: format!(
            "If this very certificate is to be trusted, put it into {}. Else have the target's owner use one of a CA.",
            scene.trust_place()
        ),
    }
}

pub(super) fn hostname(scene: &Scene<'_>) -> Said {
    let ours = scene.is_ours(false);
    let names = scene
        .leaf(ours)
        .map_or_else(|| "other names".to_owned(), names_of);
    if ours {
        let name = scene
            .sni()
            .unwrap_or_else(|| "the name it called".to_owned());
        let no_names = flaws(scene.evidence).contains(&Flaw::NoSan);
        let why = if no_names {
            "has a common name only, which Go, rustls and browsers take for no name".to_owned()
        } else {
            format!("is for {names}, not for {name}")
        };
        return Said {
            detail: format!(
                "{} ended the handshake {}: our {} {why}.",
                scene.the_peer(),
                scene.how(),
                scene.certificate(true)
            ),
            fix: format!(
                "Have a certificate issued with {name} as subject alternative name (DNS), or a wildcard that covers it, and put it with its chain into {}.",
                scene.own_place()
            ),
        };
    }
    let expected = scene.expected().unwrap_or_else(|| "the host".to_owned());
    Said {
        detail: format!(
            "{} showed the {}, which is for {names}, not for {expected}.",
            scene.the_peer(),
            scene.certificate(false)
        ),
        fix: format!(
            "If one of these is the target's right name, set {} to it (without that field it is the Host that the target gets). Else have the target's owner \
             add {expected} as subject alternative name.",
            scene.upstream("tls.sni")
        ),
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
fn top_issuer(all: &[CertInfo]) -> Option<String> {
    let path = chain::judge(all).path;
    let top = path.last().and_then(|index| all.get(*index))?;
    Some(if top.issuer().is_empty() {
        certificate(top)
    } else {
        top.issuer().to_owned()
    })
}

fn names_of(leaf: &CertInfo) -> String {
    let addresses = leaf.ip_names().iter().map(ToString::to_string);
    let names: Vec<String> = leaf.dns_names().iter().cloned().chain(addresses).collect();
    match (names.is_empty(), leaf.common_name()) {
        (false, _) => words::list(names, MOST_NAMES),
        (true, Some(name)) => format!("the common name {name} alone"),
        (true, None) => "no name".to_owned(),
    }
}
