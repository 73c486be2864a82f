//! A server's certificate at fault: northbound our own, southbound the target's.

use control::certificate::CertInfo;

use super::Said;
use super::fault::{self, Fault, of_fault};
use super::scene::{MOST_NAMES, Scene};
use super::words;
use crate::alert::rules::{Flaw, flaws};
use crate::alert::{CertFault, Hop};

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
        return fault::other_cluster(scene, false);
    }
    let top = fault::top_issuer(scene.chain(ours)).unwrap_or_else(|| "its CA".to_owned());
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
            "{} showed the {}, which is not signed by {}.",
            scene.the_peer(),
            scene.certificate(false),
            scene.trusted()
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

fn names_of(leaf: &CertInfo) -> String {
    let addresses = leaf.ip_names().iter().map(ToString::to_string);
    let names: Vec<String> = leaf.dns_names().iter().cloned().chain(addresses).collect();
    match (names.is_empty(), leaf.common_name()) {
        (false, _) => words::list(names, MOST_NAMES),
        (true, Some(name)) => format!("the common name {name} alone"),
        (true, None) => "no name".to_owned(),
    }
}
