//! Trials with hellos made by hand: versions, suites, groups and signatures that the TLS library does not offer. A connection ends
//! after the server's first flight: no keys are derived.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::asked::Asked;
use super::connect;
use super::outcome::{Answer, Ending, Outcome};
use super::trial::{Family, OtherName, Schemes, Trial, VERSIONS};
use crate::handshake::make::{self, Offer};
use crate::handshake::{TLS12, TLS13, Transcript, transcript};

/// Bytes read of an answer: a chain of ten certificates fits.
const MOST_READ: usize = 64 << 10;
/// Size of the large hello: more than one TCP segment on Ethernet, as every hello with a post-quantum key share is.
pub(super) const LARGE: usize = 1800;
/// A name that no server has (RFC 2606).
pub(super) const BOGUS_NAME: &str = "sallyport-probe.invalid";
/// Type of ServerHelloDone, the end of a server's first flight before TLS 1.3 (RFC 5246, 7.4.5).
const SERVER_HELLO_DONE: u8 = 14;

/// What is offered for a trial; `None` if the trial is not made with a hello of this kind.
pub(super) fn offer(asked: &Asked, trial: Trial) -> Option<Offer> {
    let sni = asked.sni.clone();
    let of = |version: u16, suites: Vec<u16>| Offer {
        legacy_version: version.min(TLS12),
        versions: (version == TLS13).then_some(TLS13).into_iter().collect(),
        suites,
        groups: vec![0x001d, 0x0017, 0x0018, 0x0019],
        schemes: all_schemes(),
        sni: sni.clone(),
        bare: version == VERSIONS[0],
        ..Offer::default()
    };
    Some(match trial {
        Trial::Version(version) => of(version, all_suites(version)),
        Trial::OldName(name, version) => Offer {
            sni: other_name(asked, name),
            ..of(version, all_suites(version))
        },
        Trial::Suites(family, version) => of(version, family.suites()),
        Trial::Group(group, version) => Offer {
            groups: vec![group],
            // Others would make do without the group.
            suites: if version == TLS13 {
                all_suites(version)
            } else {
                let families = [
                    Family::EcdsaAead,
                    Family::RsaAead,
                    Family::ChaCha,
                    Family::EcdheCbc,
                ];
                families.into_iter().flat_map(Family::suites).collect()
            },
            ..of(version, Vec::new())
        },
        Trial::LargeHello(version) => Offer {
            pad_to: LARGE,
            ..of(version, all_suites(version))
        },
        Trial::Signatures(schemes, version) => Offer {
            schemes: schemes.list().to_vec(),
            ..of(version, signed_suites(version))
        },
        Trial::Fallback => Offer {
            fallback: true,
            ..of(TLS12, all_suites(TLS12))
        },
        _ => return None,
    })
}

/// The name sent instead.
pub(super) fn other_name(asked: &Asked, name: OtherName) -> Option<String> {
    match name {
        OtherName::None => None,
        OtherName::Bogus => Some(BOGUS_NAME.to_owned()),
        OtherName::Host => asked.name_to_try().map(str::to_owned),
    }
}

/// Every suite tried anywhere that may be used in a version.
fn all_suites(version: u16) -> Vec<u16> {
    let families: &[Family] = if version == TLS13 {
        &Family::NEW
    } else {
        &Family::OLD
    };
    families.iter().flat_map(|f| f.suites()).collect()
}

/// Suites in which the server signs: static RSA would do without.
fn signed_suites(version: u16) -> Vec<u16> {
    let mut suites = all_suites(version);
    let unsigned = Family::StaticRsa.suites();
    suites.retain(|suite| !unsigned.contains(suite) && !matches!(suite, 0x000a | 0x0004 | 0x0005));
    suites
}

/// ECDSA, EdDSA, RSA-PSS, PKCS#1, SHA-1 last.
fn all_schemes() -> Vec<u16> {
    let mut schemes = vec![0x0807];
    for kind in [Schemes::Ecdsa, Schemes::Pss, Schemes::Pkcs1, Schemes::Sha1] {
        schemes.extend_from_slice(kind.list());
    }
    schemes
}

/// Sends the trial's hello and reads the answer.
pub(super) async fn ask(asked: &Asked, address: SocketAddr, offer: &Offer) -> Outcome {
    let mut stream = match connect::tcp(asked, address).await {
        Ok(stream) => stream,
        Err(error) => return Outcome::NotConnected(error.to_string()),
    };
    let deadline = Instant::now() + asked.timeout;
    let (mut random, mut session) = ([0; 32], [0; 32]);
    // Nothing is protected with them: they only have to look like a client's.
    fastrand::fill(&mut random);
    fastrand::fill(&mut session);
    let hello = make::client_hello(offer, &random, &session);
    let mut bytes = Vec::with_capacity(4096);
    let ending = match stream.write_all(&hello).await {
        Err(_) => Ending::Reset,
        Ok(()) => loop {
            match timeout_at(deadline, stream.read_buf(&mut bytes)).await {
                Err(_) => break Ending::Silent,
                Ok(Ok(0)) => break Ending::Closed,
                Ok(Err(_)) => break Ending::Reset,
                Ok(Ok(_)) if bytes.len() >= MOST_READ => break Ending::Answered,
                Ok(Ok(_)) if complete(&transcript::read(&bytes)) => break Ending::Answered,
                Ok(Ok(_)) => {}
            }
        },
    };
    Outcome::Hello(Box::new(Answer {
        transcript: transcript::read(&bytes),
        ending,
    }))
}

/// Nothing more is to be learned.
fn complete(seen: &Transcript) -> bool {
    let fatal = seen.alerts.iter().any(|alert| alert.level == 2);
    let new = seen
        .server_hello
        .as_ref()
        .is_some_and(|hello| hello.version >= TLS13 || hello.retry);
    let done = seen.messages.iter().any(|m| m.kind == SERVER_HELLO_DONE);
    fatal || new || done || seen.foreign.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_without_a_signature_are_left_out_where_signatures_are_tried() {
        let suites = signed_suites(TLS12);
        assert!(!suites.contains(&0x002f) && !suites.contains(&0x000a));
        assert!(suites.contains(&0xc02f) && suites.contains(&0x0016));
    }

    #[test]
    fn an_answer_is_complete_when_nothing_more_can_be_learned() {
        let read = |server_hello, kinds: &[u8], alert| Transcript {
            server_hello,
            messages: kinds
                .iter()
                .map(|kind| crate::handshake::Message {
                    kind: *kind,
                    length: 0,
                })
                .collect(),
            alerts: Option::into_iter(alert)
                .map(|level| crate::handshake::PlainAlert {
                    level,
                    number: 40,
                    after: 0,
                })
                .collect(),
            ..Transcript::default()
        };
        let hello = |version| {
            Some(crate::handshake::ServerHello {
                version,
                ..Default::default()
            })
        };
        assert!(!complete(&read(None, &[], None)));
        assert!(!complete(&read(None, &[], Some(1))), "a warning");
        assert!(complete(&read(None, &[], Some(2))));
        assert!(!complete(&read(hello(TLS12), &[2, 11], None)));
        assert!(complete(&read(hello(TLS12), &[2, 11, 12, 14], None)));
        assert!(complete(&read(hello(TLS13), &[2], None)));
    }
}
