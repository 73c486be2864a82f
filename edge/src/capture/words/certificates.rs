//! Words for certificates: those that the other side did not take, and what is wrong with those that can be seen.

use control::certificate::{CertInfo, chain};

use super::super::conversation::Conversation;
use super::super::flows::Party;
use super::{Words, s_client, shown, time};
use crate::alert::Cause;
use crate::alert::rules::Flaw;

/// Shows what a certificate says.
const SHOW: &str =
    "openssl x509 -in cert.pem -noout -subject -issuer -dates -ext subjectAltName,extendedKeyUsage";

pub(super) fn words(one: &Conversation, cause: Cause) -> Option<Words> {
    if let Some(flaw) = of_server(cause) {
        return Some(self::flaw(one, Party::Server, flaw));
    }
    if let Some(flaw) = of_client(cause) {
        return Some(self::flaw(one, Party::Client, flaw));
    }
    Some(match cause {
        Cause::ClientCertMissing => Words::new(
            Party::Client,
            format!(
                "The server asked for a client certificate and got none.{}",
                wanted(one)
            ),
            "Give the client a certificate, its chain and its key, of one of the CAs that the server names. Java and Go clients show \
             none if its issuer is not among them.",
        ),
        Cause::ClientCertRejectedByPeer => rejected(one, Party::Client),
        Cause::ServerCertRejectedByPeer => rejected(one, Party::Server),
        Cause::ClientCertUntrustedCa => untrusted(one, Party::Client),
        Cause::ServerCertUntrustedCa => untrusted(one, Party::Server),
        Cause::ClientCertRevoked => revoked(one, Party::Client),
        Cause::ServerCertRevoked => revoked(one, Party::Server),
        Cause::KeyCertMismatch => Words::new(
            one.ended_by?.other(),
            "A signature or Finished did not verify: most often a private key that does not belong to the certificate.",
            "Compare the two: openssl x509 -in cert.pem -noout -pubkey | openssl sha256, and openssl pkey -in key.pem -pubout | openssl sha256.",
        ),
        _ => return None,
    })
}

const fn of_server(cause: Cause) -> Option<Flaw> {
    Some(match cause {
        Cause::ServerCertExpired => Flaw::Expired,
        Cause::ServerCertNotYetValid => Flaw::NotYetValid,
        Cause::ServerCertSelfSigned => Flaw::SelfSigned,
        Cause::ServerCertChainIncomplete => Flaw::Incomplete,
        Cause::ServerCertChainDisordered => Flaw::Disordered,
        Cause::ServerCertHostnameMismatch => Flaw::WrongName,
        Cause::ServerCertWrongPurpose => Flaw::WrongPurpose,
        _ => return None,
    })
}

const fn of_client(cause: Cause) -> Option<Flaw> {
    Some(match cause {
        Cause::ClientCertExpired => Flaw::Expired,
        Cause::ClientCertNotYetValid => Flaw::NotYetValid,
        Cause::ClientCertChainIncomplete => Flaw::Incomplete,
        Cause::ClientCertWrongPurpose => Flaw::WrongPurpose,
        _ => return None,
    })
}

/// What is wrong with the certificates that `whose` showed.
pub(in crate::capture) fn flaw(one: &Conversation, whose: Party, flaw: Flaw) -> Words {
    let chain = shown(one, whose).facts();
    let (detail, fix) = match flaw {
        Flaw::Expired | Flaw::NotYetValid => not_now(one, whose, chain),
        Flaw::WrongName | Flaw::NoSan => wrong_name(one, chain.first()),
        Flaw::WrongPurpose => wrong_purpose(whose, chain.first()),
        Flaw::SelfSigned => self_signed(whose, chain.first()),
        Flaw::Incomplete => incomplete(whose, chain),
        Flaw::Disordered => disordered(whose, chain),
    };
    Words::new(whose, detail, fix).verified_by(s_client(one))
}

/// A new certificate for `whose`.
fn renew(whose: Party) -> String {
    format!(
        "Put a new certificate with its whole chain, leaf first, into the {}'s keystore. Look at it before: {SHOW}",
        whose.as_str()
    )
}

/// Expired, or not yet valid.
fn not_now(one: &Conversation, whose: Party, chain: &[CertInfo]) -> (String, String) {
    let (who, at) = (whose.as_str(), one.evidence.at);
    if let Some(early) = chain.iter().find(|cert| cert.not_before() > at) {
        let from = time(early.not_before());
        return (
            format!(
                "The {who}'s certificate {} is valid only from {from} on.",
                called(Some(early))
            ),
            format!(
                "Set the clocks right (date -u); if they are, wait or have it issued anew. {}",
                renew(whose)
            ),
        );
    }
    let old = chain.iter().find(|cert| cert.not_after() < at);
    let end = old.map_or_else(String::new, |cert| time(cert.not_after()));
    (
        format!("The {who}'s certificate {} expired at {end}.", called(old)),
        renew(whose),
    )
}

fn wrong_purpose(whose: Party, leaf: Option<&CertInfo>) -> (String, String) {
    let who = whose.as_str();
    let usage = match whose {
        Party::Server => "serverAuth",
        Party::Client => "clientAuth",
    };
    (
        format!(
            "The {who}'s certificate {} is not meant for a TLS {who} (extended key usage).",
            called(leaf)
        ),
        format!(
            "Have it issued with the extended key usage {usage}. {}",
            renew(whose)
        ),
    )
}

fn self_signed(whose: Party, leaf: Option<&CertInfo>) -> (String, String) {
    (
        format!(
            "The {}'s certificate {} is its own issuer.",
            whose.as_str(),
            called(leaf)
        ),
        format!(
            "Put this very certificate into the truststore of the {}, or get one of a CA that it trusts.",
            whose.other().as_str()
        ),
    )
}

fn disordered(whose: Party, chain: &[CertInfo]) -> (String, String) {
    (
        format!(
            "The {} sent its certificates in the wrong order: {}.",
            whose.as_str(),
            subjects(chain)
        ),
        format!(
            "Write the file anew, the leaf first, then each one's issuer: {}.",
            right_order(chain)
        ),
    )
}

/// `"CN=leaf"`
fn called(cert: Option<&CertInfo>) -> String {
    cert.map_or_else(String::new, |cert| match cert.subject() {
        "" => format!("with the serial number {}", cert.serial()),
        subject => format!("\"{subject}\""),
    })
}

fn wrong_name(one: &Conversation, leaf: Option<&CertInfo>) -> (String, String) {
    let asked = one
        .evidence
        .hello
        .as_ref()
        .and_then(|hello| hello.sni.as_deref());
    let asked = asked.unwrap_or("the host");
    let names = leaf.map_or_else(String::new, |leaf| {
        let addresses = leaf.ip_names().iter().map(ToString::to_string);
        let all: Vec<String> = leaf.dns_names().iter().cloned().chain(addresses).collect();
        match (all.is_empty(), leaf.common_name()) {
            (false, _) => format!("is for {}", all.join(", ")),
            (true, Some(name)) => format!(
                "names {name} as its common name only, which Go, rustls and browsers do not look at"
            ),
            (true, None) => "has no name in it".to_owned(),
        }
    });
    (
        format!("The client asked for {asked}; the server's certificate {names}."),
        format!(
            "Let the client use a name that is in the certificate, or have it issued with the subject alternative name DNS:{asked} (or a \
             wildcard one label above), and put it with its whole chain into the server's keystore."
        ),
    )
}

fn incomplete(whose: Party, chain: &[CertInfo]) -> (String, String) {
    let who = whose.as_str();
    let shape = chain::judge(chain);
    let missing = shape.missing_issuer.unwrap_or_default();
    let last = shape.path.last().and_then(|at| chain.get(*at));
    let source = match last.and_then(CertInfo::issuer_url) {
        Some(url) => format!("it is at {url}"),
        None => "the CA has it".to_owned(),
    };
    (
        format!(
            "The {who} sent {} and not the certificate of its issuer \"{missing}\".",
            subjects(chain)
        ),
        format!(
            "Append that certificate ({source}) to the {who}'s. The chain is whole if this says OK: openssl verify -CAfile root.pem \
             -untrusted intermediates.pem leaf.pem"
        ),
    )
}

fn subjects(chain: &[CertInfo]) -> String {
    let names: Vec<String> = chain.iter().map(|cert| called(Some(cert))).collect();
    names.join(", ")
}

fn right_order(chain: &[CertInfo]) -> String {
    let shape = chain::judge(chain);
    let path = shape.path.iter().filter_map(|at| chain.get(*at));
    let names: Vec<String> = path.map(|cert| called(Some(cert))).collect();
    names.join(", ")
}

/// The CAs that the server named.
fn wanted(one: &Conversation) -> String {
    let names = &one.evidence.own.anchors;
    let request = one.evidence.request.as_ref();
    let from_request = request.into_iter().flat_map(|request| &request.authorities);
    let mut all: Vec<String> = from_request
        .filter_map(|der| control::certificate::name_of_der(der))
        .collect();
    if all.is_empty() {
        all.clone_from(names);
    }
    all.truncate(super::MOST_LISTED);
    if all.is_empty() {
        String::new()
    } else {
        format!(" It names the CAs {}.", all.join("; "))
    }
}

fn rejected(one: &Conversation, whose: Party) -> Words {
    let (who, other) = (whose.as_str(), whose.other().as_str());
    let chain = shown(one, whose).facts();
    let detail = match (chain.is_empty(), one.hidden.is_some()) {
        (false, _) => format!(
            "The {who} had shown {}, with which nothing is wrong to see.",
            subjects(chain)
        ),
        (true, true) => {
            format!("It came right after the {who}'s certificate, and most likely refused that.")
        }
        (true, false) => unseen(who),
    };
    Words::new(
        whose.other(),
        detail,
        format!(
            "The {other} knows why: look at its log, and see that its truststore has the CA of the {who}'s certificate. With TLSv1.2 a \
             capture shows the certificates and the alert."
        ),
    )
    .verified_by(s_client(one))
}

fn untrusted(one: &Conversation, whose: Party) -> Words {
    let (who, other) = (whose.as_str(), whose.other().as_str());
    let chain = shown(one, whose).facts();
    if chain.is_empty() {
        return unseen_untrusted(one, whose);
    }
    let top = chain::judge(chain)
        .path
        .last()
        .and_then(|at| chain.get(*at));
    let issuer = top.map_or("the issuer", CertInfo::issuer);
    let named = if whose == Party::Client {
        wanted(one)
    } else {
        String::new()
    };
    Words::new(
        whose.other(),
        format!("The {who} showed {}, and the {other} does not trust \"{issuer}\".{named}", subjects(chain)),
        format!("Put the certificate of \"{issuer}\" into the truststore of the {other}, or give the {who} a certificate of a CA that is in it."),
    )
    .verified_by(s_client(one))
}

fn unseen(who: &str) -> String {
    format!("The {who}'s certificates cannot be seen: TLSv1.3 encrypts them.")
}

/// Without the chain a missing intermediate and a CA that is not trusted are the same.
fn unseen_untrusted(one: &Conversation, whose: Party) -> Words {
    let (who, other) = (whose.as_str(), whose.other().as_str());
    Words::new(
        whose.other(),
        unseen(who),
        format!(
            "Either the {who} does not send its intermediate certificates, or the {other} does not trust its CA: look at what the \
             {who} sends, complete its chain, or put the root into the truststore of the {other}."
        ),
    )
    .verified_by(s_client(one))
}

fn revoked(one: &Conversation, whose: Party) -> Words {
    let chain = shown(one, whose).facts();
    let who = whose.as_str();
    Words::new(
        whose,
        format!(
            "The {who}'s certificate {} is revoked, says the {}.",
            called(chain.first()),
            whose.other().as_str()
        ),
        format!("Put a new certificate into the {who}'s keystore."),
    )
}
