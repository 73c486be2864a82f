//! Why the configured handshake fails, where the server's answers to other hellos tell; where they do not, what the rules of
//! passive diagnosis make of the failure itself.

use super::super::outcome::{Ending, Outcome, StepResult};
use super::super::trial::{Family, GROUPS, OUR_GROUPS, OtherName, Schemes, Step, Trial, VERSIONS};
use super::words::{self, failing, s_client, s_client_named, setting};
use super::{Case, Found, client_certificate};
use crate::alert::evidence::{End, Evidence, Refusal};
use crate::alert::finding::{self, Context, Owner};
use crate::alert::{Alert, Cause, Confidence, rules};
use crate::handshake::{TLS12, TLS13, names};

pub(super) fn findings(case: &Case<'_>) -> Option<Found> {
    let Some(session) = case.baseline() else {
        return disconnected(case);
    };
    let failure = session.failure.as_deref()?;
    name(case)
        .or_else(|| version(case))
        .or_else(|| large_hello(case, failure))
        .or_else(|| alpn(case, failure))
        .or_else(|| {
            session.request.as_ref()?;
            Some(client_certificate::refused(case, session, failure))
        })
        .or_else(|| cipher(case, failure))
        .or_else(|| group(case))
        .or_else(|| signatures(case))
        .or_else(|| silence(case))
        .or_else(|| Some(by_the_rules(case, failure)))
}

/// The baseline found no connection although one was made before.
fn disconnected(case: &Case<'_>) -> Option<Found> {
    let Outcome::NotConnected(why) = &case.of(Trial::Baseline)?.outcome else {
        return None;
    };
    Some(
        failing(Cause::TcpConnectFailed, Confidence::High)
            .detail(format!(
                "The first TCP connection succeeded, the next did not: {why}."
            ))
            .fix("Look for a limit of connections at the server or a firewall before it.")
            .owner(words::server_owner(case.asked)),
    )
}

/// Another server name is answered.
fn name(case: &Case<'_>) -> Option<Found> {
    let accepted = |name: OtherName| {
        let mut trials = case.of_step(Step::ServerName);
        trials.any(|step| match step.trial {
            Trial::Name(tried) | Trial::OldName(tried, _) => tried == name && step.accepted(),
            _ => false,
        })
    };
    let asked = case.asked;
    let target = asked.target();
    if let Some(sent) = &asked.sni {
        // Where versions are taken under the configured name, the name is not the reason.
        if VERSIONS.into_iter().any(|v| case.takes(v)) {
            return None;
        }
        if !(accepted(OtherName::None) || accepted(OtherName::Bogus)) {
            return None;
        }
        let field = setting(asked, "--sni", "tls.sni");
        return Some(
            failing(Cause::SniUnknown, Confidence::High)
                .detail(format!(
                    "{target} refuses the server name {sent} and answers without it or with another."
                ))
                .fix(format!(
                    "Send a name that the server knows ({field}), or add {sent} to the server's names."
                ))
                .owner(Owner::Gateway)
                .verify(s_client_named(asked, None, "")),
        );
    }
    let name = asked.name_to_try()?;
    if !accepted(OtherName::Host) {
        return None;
    }
    Some(
        failing(Cause::SniMissing, Confidence::Certain)
            .detail(format!(
                "{target} refuses a hello without a server name and answers one with {name}."
            ))
            .fix(format!(
                "Send the name: {}.",
                setting(asked, "leave out --sni off", "tls.sni")
            ))
            .owner(Owner::Gateway)
            .verify(s_client_named(asked, Some(name), "")),
    )
}

fn version(case: &Case<'_>) -> Option<Found> {
    let taken: Vec<u16> = VERSIONS.into_iter().filter(|v| case.takes(*v)).collect();
    if taken.is_empty() {
        return None;
    }
    let allowed = |version: u16| match version {
        TLS13 => case.asked.protocols.tls13,
        TLS12 => case.asked.protocols.tls12,
        _ => false,
    };
    if taken.iter().any(|version| allowed(*version)) {
        return None;
    }
    let theirs: Vec<String> = taken.iter().map(|v| names::version(*v)).collect();
    let found = failing(Cause::ProtocolVersionMismatch, Confidence::Certain);
    let target = case.asked.target();
    if taken.iter().any(|version| *version >= TLS12) {
        let field = setting(case.asked, "the policy", "tls.protocols");
        return Some(
            found
                .detail(format!(
                    "{target} takes {} only, which the configuration does not allow.",
                    theirs.join(", ")
                ))
                .fix(format!("Allow one of these versions: {field}."))
                .owner(Owner::Gateway)
                .verify(s_client(case.asked, "")),
        );
    }
    Some(
        found
            .detail(format!(
                "{target} takes {} only. Sallyport speaks TLSv1.2 and TLSv1.3 and nothing older.",
                theirs.join(", ")
            ))
            .fix(
                "Upgrade the server to TLSv1.2 or TLSv1.3. Until then it needs a proxy of its own that speaks the old version.",
            )
            .owner(words::server_owner(case.asked))
            .verify(s_client(case.asked, "-tls1 -cipher 'ALL:@SECLEVEL=0'")),
    )
}

/// Small hellos are answered, large ones are not.
fn large_hello(case: &Case<'_>, failure: &Evidence) -> Option<Found> {
    let lost = matches!(failure.end, End::TimedOut | End::Reset | End::Closed);
    let refused = case
        .steps
        .iter()
        .find(|step| matches!(step.trial, Trial::LargeHello(_)))?;
    let small = VERSIONS.into_iter().any(|v| v >= TLS12 && case.takes(v));
    if !lost || refused.accepted() || !small {
        return None;
    }
    Some(
        failing(Cause::HandshakeTimeout, Confidence::High)
            .detail(format!(
                "{} answers small hellos and not large ones: a hello with a post-quantum key share needs two TCP \
                 segments, which the server or a device before it does not put together.",
                case.asked.target()
            ))
            .fix("Update the server or the firewall, load balancer or inspection device before it.")
            .owner(words::server_owner(case.asked))
            .verify(s_client(case.asked, "-groups X25519")),
    )
}

fn alpn(case: &Case<'_>, failure: &Evidence) -> Option<Found> {
    let ours = failure.end == End::Refused(Refusal::Alpn);
    let theirs = failure.decisive_alert().map(|seen| seen.alert);
    if !ours && theirs != Some(Alert::NO_APPLICATION_PROTOCOL) {
        return None;
    }
    let wanted = failure.own.alpn.join(", ");
    Some(
        failing(Cause::NoSharedAlpn, Confidence::Certain)
            .detail(format!(
                "{} does not agree on the application protocol {wanted}.",
                case.asked.target()
            ))
            .fix(format!(
                "Let the server offer {wanted} by ALPN, or change the upstream's `scheme` (grpcs asks for h2, https for http/1.1)."
            ))
            .owner(words::server_owner(case.asked))
            .verify(s_client(case.asked, &format!("-alpn {wanted}"))),
    )
}

fn cipher(case: &Case<'_>, failure: &Evidence) -> Option<Found> {
    let taken: Vec<Family> = case
        .of_step(Step::Ciphers)
        .filter(|step| step.accepted())
        .filter_map(|step| match step.trial {
            Trial::Suites(family, _) => Some(family),
            _ => None,
        })
        .collect();
    let shared = |family: &Family| {
        let suites = family.suites();
        suites
            .iter()
            .any(|suite| failure.own.suites.contains(suite))
    };
    if taken.is_empty() || taken.iter().any(shared) {
        return None;
    }
    let theirs: Vec<String> = taken.iter().map(|family| family.name()).collect();
    let configured = taken.iter().any(|family| family.ours());
    let detail = format!(
        "{} takes these cipher suites only: {}. {}",
        case.asked.target(),
        theirs.join(", "),
        if configured {
            "The configuration allows none of them."
        } else {
            "Sallyport's TLS library has none of them: it speaks ECDHE with AES-GCM or ChaCha20-Poly1305."
        }
    );
    let found = failing(Cause::NoSharedCipher, Confidence::Certain)
        .detail(detail)
        .verify(s_client(case.asked, "-tls1_2 -cipher ECDHE+AESGCM"));
    Some(if configured {
        let field = setting(case.asked, "the policy", "tls.ciphers");
        found
            .fix(format!("Allow one of them: {field}."))
            .owner(Owner::Gateway)
    } else {
        found
            .fix(
                "Enable ECDHE with AES-GCM at the server, for its kind of key: ECDHE-RSA-AES128-GCM-SHA256 or \
                 ECDHE-ECDSA-AES128-GCM-SHA256.",
            )
            .owner(words::server_owner(case.asked))
    })
}

fn group(case: &Case<'_>) -> Option<Found> {
    let taken: Vec<u16> = GROUPS
        .into_iter()
        .filter(|group| {
            let mut trials = case.of_step(Step::Groups);
            trials.any(|s| matches!(s.trial, Trial::Group(g, _) if g == *group) && s.accepted())
        })
        .collect();
    if taken.is_empty() || taken.iter().any(|group| OUR_GROUPS.contains(group)) {
        return None;
    }
    let name = |groups: &[u16]| -> String {
        let all: Vec<String> = groups.iter().map(|group| names::group(*group)).collect();
        all.join(", ")
    };
    Some(
        failing(Cause::NoSharedGroup, Confidence::Certain)
            .detail(format!(
                "{} takes these groups only: {}. Sallyport offers {}.",
                case.asked.target(),
                name(&taken),
                name(&OUR_GROUPS)
            ))
            .fix("Enable X25519 or P-256 at the server.")
            .owner(words::server_owner(case.asked))
            .verify(s_client(case.asked, "-groups X25519:P-256:P-384")),
    )
}

fn signatures(case: &Case<'_>) -> Option<Found> {
    let taken: Vec<Schemes> = case
        .of_step(Step::Schemes)
        .filter(|step| step.accepted())
        .filter_map(|step| match step.trial {
            Trial::Signatures(schemes, _) => Some(schemes),
            _ => None,
        })
        .collect();
    if taken != [Schemes::Sha1] {
        return None;
    }
    Some(
        failing(Cause::NoSharedSignatureScheme, Confidence::Certain)
            .detail(format!(
                "{} signs the handshake with SHA-1 only, which Sallyport does not accept.",
                case.asked.target()
            ))
            .fix("Let the server sign with SHA-256: newer TLS software, or a certificate whose key allows it.")
            .owner(words::server_owner(case.asked))
            .verify(s_client(case.asked, "-tls1_2 -sigalgs RSA+SHA256:ECDSA+SHA256")),
    )
}

/// No version gets an answer.
fn silence(case: &Case<'_>) -> Option<Found> {
    let hellos: Vec<&StepResult> = case.of_step(Step::Versions).collect();
    let all = |ending: Ending| {
        let same = |step: &&StepResult| match &step.outcome {
            Outcome::Hello(answer) => {
                answer.ending == ending && answer.transcript.alerts.is_empty()
            }
            _ => false,
        };
        !hellos.is_empty() && hellos.iter().all(same)
    };
    let target = case.asked.target();
    let (cause, detail, fix) = if all(Ending::Silent) {
        (
            Cause::HandshakeTimeout,
            format!(
                "{target} accepts connections and answers no hello of any version within {:?}.",
                case.asked.timeout
            ),
            "Look at the server: it hangs, waits for another protocol (a greeting in the clear, a PROXY header), or a firewall \
             drops what we send.",
        )
    } else if all(Ending::Closed) {
        (
            Cause::PeerClosedDuringHandshake,
            format!("{target} closes the connection after any hello, without an alert."),
            "Look at the server's log: a load balancer without a backend, a service that does not speak TLS, or a filter on the \
             server name or our address.",
        )
    } else if all(Ending::Reset) {
        (
            Cause::PeerResetDuringHandshake,
            format!("{target} resets the connection after any hello."),
            "Look for a firewall or an inspection device that refuses our address or the server name, or a server that \
             crashes.",
        )
    } else {
        return None;
    };
    Some(
        failing(cause, Confidence::High)
            .detail(detail)
            .fix(fix)
            .owner(words::server_owner(case.asked))
            .verify(s_client(case.asked, "-msg")),
    )
}

/// What passive diagnosis says of the failure.
fn by_the_rules(case: &Case<'_>, failure: &Evidence) -> Found {
    let verdict = rules::classify(failure);
    let context = Context {
        sni: case.asked.sni.clone(),
        target: Some(case.asked.target()),
        ..Context::default()
    };
    let told = finding::describe(&context, failure, verdict);
    Found {
        verify: told.verify.or_else(|| Some(s_client(case.asked, "-msg"))),
        ..failing(verdict.cause, verdict.confidence)
            .detail(told.detail)
            .fix(told.fix)
            .owner(told.owner)
    }
}
