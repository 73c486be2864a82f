//! Nothing in common in the hello: versions, suites, groups, signature schemes, ALPN. Both sides' lists, and the smallest
//! change that makes them meet.

use control::certificate::KeyType;

use super::Said;
use super::scene::{MOST_NUMBERS, Scene};
use super::words;
use crate::alert::Hop;
use crate::handshake::{ClientHello, FALLBACK_SCSV, Foreign, TLS12, TLS13, names};

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` (RFC 5746): a signal, no suite.
const RENEGOTIATION_SCSV: u16 = 0x00ff;
/// Suites that Sallyport has, with the kind of key that they need in TLS 1.2: `None` in TLS 1.3.
const HAD: [(u16, Option<&str>); 9] = [
    (0x1301, None),
    (0x1302, None),
    (0x1303, None),
    (0xc02f, Some("RSA")),
    (0xc030, Some("RSA")),
    (0xcca8, Some("RSA")),
    (0xc02b, Some("EC")),
    (0xc02c, Some("EC")),
    (0xcca9, Some("EC")),
];
const WHAT_WE_SPEAK: &str = "Sallyport speaks TLS 1.2 and 1.3 only.";

pub(super) fn version(scene: &Scene<'_>) -> Said {
    match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => Said {
            detail: format!("{} and this node have no TLS version in common. Nodes speak TLS 1.3.", scene.the_peer()),
            fix: "Run the same release of Sallyport on all nodes, and let no proxy stand between them.".to_owned(),
        },
        (_, true) => clients_version(scene),
        (_, false) => targets_version(scene),
    }
}

fn clients_version(scene: &Scene<'_>) -> Said {
    let (peer, ssl) = (scene.the_peer(), scene.ssl());
    let allowed = numbers(&scene.evidence.own.versions, names::version);
    let offered = match &scene.evidence.hello {
        Some(hello) => offered_versions(hello),
        None if scene.evidence.foreign == Some(Foreign::Sslv2) => "an SSL 2.0 hello".to_owned(),
        None => "other versions".to_owned(),
    };
    let detail = if scene.refused() || scene.evidence.foreign.is_some() {
        format!("{peer} offers {offered}; {ssl} allows {allowed}.")
    } else {
        format!(
            "{peer} offered {offered} and refused our answer {}; {ssl} allows {allowed}.",
            scene.how()
        )
    };
    let ours = |version| {
        scene
            .evidence
            .hello
            .as_ref()
            .is_some_and(|hello| hello.offers(version))
    };
    let fix = if ours(TLS12) || ours(TLS13) {
        let version = if ours(TLS13) { TLS13 } else { TLS12 };
        let name = names::version(version);
        format!(
            "Add {name} to {ssl} field ssl_protocols, or let the client speak what is allowed there."
        )
    } else {
        format!(
            "Let the client speak TLS 1.2 or newer: upgrade its TLS library (OpenSSL 1.0.1, Java 8, .NET 4.6 and newer have it) or \
             lift a setting that pins an old version. {WHAT_WE_SPEAK}"
        )
    };
    Said { detail, fix }
}

/// The versions in a client's hello.
fn offered_versions(hello: &ClientHello) -> String {
    match &hello.supported_versions {
        Some(versions) => numbers(versions, names::version),
        None => format!("at most {}", names::version(hello.legacy_version)),
    }
}

fn targets_version(scene: &Scene<'_>) -> Said {
    let offered = numbers(&scene.evidence.own.versions, names::version);
    let answered = scene.evidence.server_hello.as_ref();
    let detail = match answered.filter(|_| scene.refused()) {
        Some(hello) => {
            format!(
                "{} answered with {}; we offered {offered}.",
                scene.the_peer(),
                names::version(hello.version)
            )
        }
        None => format!(
            "{} refused our hello {}; we offered {offered}.",
            scene.the_peer(),
            scene.how()
        ),
    };
    let field = scene.upstream("tls.protocols");
    Said {
        detail,
        fix: format!(
            "Enable TLS 1.2 on the target. Where it takes TLS 1.2 but no hello that offers TLS 1.3 too, set {field} to [\"TLSv1.2\"]; \
             where that field pins one version, widen it. {WHAT_WE_SPEAK} `sallyport diagnose` shows what the target speaks."
        ),
    }
}

pub(super) fn cipher(scene: &Scene<'_>) -> Said {
    let ours = numbers(&scene.evidence.own.suites, names::suite);
    if !scene.serves() {
        return Said {
            detail: format!(
                "{} refused our hello {}, most likely because it has none of the cipher suites that we offered: {ours}.",
                scene.the_peer(),
                scene.how()
            ),
            fix: format!(
                "Enable one of these on the target (OpenSSL, nginx: ECDHE+AESGCM:ECDHE+CHACHA20). If {} narrows the offer, widen it. \
                 Sallyport has no suites with static RSA, DHE, CBC, 3DES or RC4. `sallyport diagnose` shows what the target takes.",
                scene.upstream("tls.ciphers")
            ),
        };
    }
    let Some(hello) = &scene.evidence.hello else {
        return Said {
            detail: format!(
                "{} and {} have no cipher suite in common: ours are {ours}.",
                scene.the_peer(),
                scene.ssl()
            ),
            fix: "Let the client offer one of them.".to_owned(),
        };
    };
    let theirs = numbers(&real_suites(hello), names::suite);
    let shared: Vec<u16> = scene
        .evidence
        .own
        .suites
        .iter()
        .copied()
        .filter(|s| hello.cipher_suites.contains(s) && fits(hello, *s))
        .collect();
    match shared.is_empty() {
        true => Said {
            detail: format!(
                "{} offers the cipher suites {theirs}; {} allows {ours}.",
                scene.the_peer(),
                scene.ssl()
            ),
            fix: nearest_suite(scene, hello),
        },
        false => wrong_key(scene, &shared),
    }
}

/// Suites are shared, and none fits the certificate's key.
fn wrong_key(scene: &Scene<'_>, shared: &[u16]) -> Said {
    let (ssl, common) = (scene.ssl(), numbers(shared, names::suite));
    let key = scene.leaf(true).map_or_else(
        || "a key".to_owned(),
        |leaf| format!("an {} key", leaf.key()),
    );
    let other = match scene.leaf(true).map(|leaf| leaf.key()) {
        Some(KeyType::Rsa { .. }) => "an EC",
        Some(_) => "an RSA",
        None => "another",
    };
    Said {
        detail: format!(
            "{} shares {common} with {ssl}, but no suite of these works with the certificate there, which has {key}.",
            scene.the_peer()
        ),
        fix: format!(
            "Add a second certificate with {other} key to {ssl} (fields certs and keys): each client gets the one that fits. Or let the \
             client offer the suites for {key}."
        ),
    }
}

/// The suite that takes the smallest change.
fn nearest_suite(scene: &Scene<'_>, hello: &ClientHello) -> String {
    let key = scene.leaf(true).map(|leaf| match leaf.key() {
        KeyType::Rsa { .. } => "RSA",
        _ => "EC",
    });
    let works = |(suite, needs): &(u16, Option<&str>)| {
        hello.cipher_suites.contains(suite)
            && fits(hello, *suite)
            && (needs.is_none() || key.is_none() || *needs == key)
    };
    match HAD.iter().find(|had| works(had)) {
        Some((suite, _)) => format!(
            "Add {} to {} field ciphers: the client offers it (and its version to ssl_protocols, if that is narrowed).",
            names::suite(*suite),
            scene.ssl()
        ),
        None => "Let the client offer an ECDHE suite with AES-GCM or ChaCha20 (OpenSSL: ECDHE+AESGCM; Java 8: update 161 or newer, or the \
                 unlimited strength policy files). Sallyport has no suites with static RSA, DHE, CBC, 3DES or RC4."
            .to_owned(),
    }
}

/// Whether the client offers the version that a suite is for.
fn fits(hello: &ClientHello, suite: u16) -> bool {
    hello.offers(if suite >> 8 == 0x13 { TLS13 } else { TLS12 })
}

fn real_suites(hello: &ClientHello) -> Vec<u16> {
    let real = |suite: &u16| !matches!(*suite, FALLBACK_SCSV | RENEGOTIATION_SCSV);
    hello.cipher_suites.iter().copied().filter(real).collect()
}

pub(super) fn group(scene: &Scene<'_>) -> Said {
    let ours = numbers(&scene.evidence.own.groups, names::group);
    let theirs = scene
        .evidence
        .hello
        .as_ref()
        .map(|hello| numbers(&hello.groups, names::group));
    match (scene.serves(), theirs) {
        (true, Some(theirs)) => Said {
            detail: format!("{} offers the key exchange groups {theirs}; we have {ours}.", scene.the_peer()),
            fix: "Let the client offer x25519 or secp256r1 (P-256) besides its own; every current TLS library has them (OpenSSL: \
                  -groups X25519:P-256, Java: jdk.tls.namedGroups)."
                .to_owned(),
        },
        _ => Said {
            detail: format!(
                "{} has none of the key exchange groups that we have, and ended the handshake {}: {ours}.",
                scene.the_peer(),
                scene.how()
            ),
            fix: format!(
                "Enable x25519 or secp256r1 (P-256) on the {} (nginx: ssl_ecdh_curve, Java: jdk.tls.namedGroups).",
                scene.kind()
            ),
        },
    }
}

pub(super) fn scheme(scene: &Scene<'_>) -> Said {
    let ours = numbers(&scene.evidence.own.schemes, names::scheme);
    if !scene.serves() {
        return Said {
            detail: format!(
                "{} signs with, or wants from us, a signature scheme that is not among ours{}: {ours}.",
                scene.the_peer(),
                scene.error()
            ),
            fix: format!(
                "Give the {} a certificate whose key and signatures use RSA with SHA-256 or ECDSA P-256; SHA-1 is not taken. If it is about \
                 our client certificate, show one with another kind of key ({}).",
                scene.kind(),
                scene.own_place()
            ),
        };
    }
    let hello = scene.evidence.hello.as_ref();
    let theirs = hello.and_then(|hello| hello.signature_schemes.as_deref());
    let key = scene.leaf(true).map_or_else(
        || "our key".to_owned(),
        |leaf| format!("our {} key", leaf.key()),
    );
    let detail = match theirs {
        Some(theirs) => format!(
            "{} takes the signature schemes {}; {key} makes {ours}.",
            scene.the_peer(),
            numbers(theirs, names::scheme)
        ),
        None => format!(
            "{} names no signature schemes; {key} makes {ours}.",
            scene.the_peer()
        ),
    };
    Said {
        detail,
        fix: format!(
            "Let the client take one of these: clients that know SHA-1 only must be upgraded. Or add a certificate with another kind of key to \
             {} (fields certs and keys).",
            scene.ssl()
        ),
    }
}

pub(super) fn alpn(scene: &Scene<'_>) -> Said {
    let ours = words::list(&scene.evidence.own.alpn, MOST_NUMBERS);
    match (scene.hop(), scene.serves()) {
        (Hop::Internal, _) => Said {
            detail: format!("{} does not speak the protocol of this node's hop ({ours}).", scene.the_peer()),
            fix: "Run releases of Sallyport that know each other on all nodes; point nothing else at the --hop port.".to_owned(),
        },
        (_, true) => {
            let hello = scene.evidence.hello.as_ref();
            let theirs = hello.map_or_else(Vec::new, |h| h.alpn.iter().map(|name| words::bytes(name)).collect());
            Said {
                detail: format!(
                    "{} offers the application protocols {}; we have {ours}.",
                    scene.the_peer(),
                    words::list(theirs, MOST_NUMBERS)
                ),
                fix: "Let the client offer h2 or http/1.1, or send no ALPN at all.".to_owned(),
            }
        }
        (_, false) => Said {
            detail: format!("{} did not agree on the application protocol that we need ({ours}){}.", scene.the_peer(), scene.error()),
            fix: format!(
                "Enable HTTP/2 with ALPN on the target (gRPC needs it), or set {} to https, which speaks HTTP/1.1.",
                scene.upstream("scheme")
            ),
        },
    }
}

pub(super) fn fallback(scene: &Scene<'_>) -> Said {
    let best = scene
        .evidence
        .hello
        .as_ref()
        .map_or(0, ClientHello::best_version);
    match scene.serves() {
        true => Said {
            detail: format!(
                "{} retries with at most {} and says so (TLS_FALLBACK_SCSV), while {} allows {}: an attempt with a newer version must have \
                 failed before.",
                scene.the_peer(),
                names::version(best),
                scene.ssl(),
                numbers(&scene.evidence.own.versions, names::version)
            ),
            fix: "Find out why the client's first attempt failed: see the records before this one from the same address, and middleboxes \
                  between. Switch its retry with older versions off."
                .to_owned(),
        },
        false => Said {
            detail: format!("{} took our hello for a downgraded retry and refused it {}.", scene.the_peer(), scene.how()),
            fix: format!(
                "Sallyport sends no downgraded retries: look for a middlebox between that changes hellos, or widen {}.",
                scene.upstream("tls.protocols")
            ),
        },
    }
}

/// Numbers by name, GREASE left out.
fn numbers(all: &[u16], name: fn(u16) -> String) -> String {
    let known = all
        .iter()
        .copied()
        .filter(|number| !names::is_grease(*number));
    words::list(known.map(name), MOST_NUMBERS)
}
