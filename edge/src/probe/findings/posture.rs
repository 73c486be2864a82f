//! What fails no handshake of ours, and is worth knowing: old versions and weak ciphers left on, servers behind one name that
//! differ, names that make no difference, large hellos, resumption.

use std::collections::BTreeSet;

use super::super::outcome::{Outcome, StepResult};
use super::super::trial::{Family, Offered, OtherName, Step, Trial, VERSIONS};
use super::words::{self, found, s_client, s_client_named, setting};
use super::{Case, Found, Severity, Topic};
use crate::alert::finding::Owner;
use crate::alert::{Cause, Confidence};
use crate::handshake::{TLS12, TLS13, names};

pub(super) fn findings(case: &Case<'_>) -> Vec<Found> {
    let mut all = Vec::new();
    all.extend(differ(case));
    if case.baseline().is_some_and(|s| s.failure.is_none()) {
        all.extend(server_name(case));
        all.extend(large_hello(case));
        all.extend(resumption(case));
        all.extend(http2(case));
    }
    all.extend(old_versions(case));
    all.extend(weak_ciphers(case));
    all.extend(renegotiation(case));
    for each in &mut all {
        if each.owner == Owner::Target {
            each.owner = words::server_owner(case.asked);
        }
    }
    all
}

/// The same handshake, several times: the same certificate, and the same end?
fn differ(case: &Case<'_>) -> Option<Found> {
    let same: Vec<&StepResult> = case
        .steps
        .iter()
        .filter(|step| matches!(step.trial, Trial::Baseline | Trial::Repeat(..)))
        .filter(|step| !matches!(step.outcome, Outcome::Skipped(_)))
        .collect();
    let leaves: BTreeSet<&[u8]> = same.iter().filter_map(|step| step.leaf()).collect();
    let failed = same.iter().filter(|step| !step.accepted()).count();
    let mixed = failed > 0 && failed < same.len();
    if leaves.len() < 2 && !mixed {
        return None;
    }
    let addresses: BTreeSet<String> = same
        .iter()
        .filter_map(|step| match step.trial {
            Trial::Repeat(address, _) => Some(address.to_string()),
            _ => None,
        })
        .collect();
    let among: Vec<String> = addresses.into_iter().collect();
    let mut detail = format!(
        "The same handshake does not always get the same answer from {} ({}).",
        case.asked.target(),
        words::list(&among, 4)
    );
    if leaves.len() > 1 {
        detail.push_str(&format!(
            " {} different certificates were presented.",
            leaves.len()
        ));
    }
    if mixed {
        detail.push_str(&format!(" {failed} of {} handshakes failed.", same.len()));
    }
    Some(
        found(Topic::AnswersDiffer, Severity::Warning, Confidence::Certain)
            .detail(detail)
            .fix("Bring all servers behind this name or address to the same certificate and settings.")
            .verify(words::show_leaf(case.asked)),
    )
}

fn server_name(case: &Case<'_>) -> Option<Found> {
    let baseline = case.of(Trial::Baseline)?;
    let tried = |name: OtherName| case.of(Trial::Name(name));
    let differs = |step: &StepResult| !step.accepted() || step.leaf() != baseline.leaf();
    let target = case.asked.target();
    if let Some(sent) = &case.asked.sni {
        let without = tried(OtherName::None).filter(|step| differs(step))?;
        let what = if without.accepted() {
            "presents another certificate"
        } else {
            "refuses the handshake"
        };
        return Some(
            found(
                Topic::Cause(Cause::SniMissing),
                Severity::Info,
                Confidence::Certain,
            )
            .detail(format!(
                "{target} needs a server name: without {sent} it {what}."
            ))
            .fix("Nothing here. Clients that send no server name fail with this server.")
            .verify(s_client_named(case.asked, None, "")),
        );
    }
    let name = case.asked.name_to_try()?;
    let with = tried(OtherName::Host).filter(|step| step.accepted() && differs(step))?;
    let judged = case.judged()?;
    let wrong = judged.covered == control::certificate::Covered::No && with.leaf().is_some();
    let severity = if wrong {
        Severity::Failing
    } else {
        Severity::Info
    };
    Some(
        found(Topic::Cause(Cause::SniMissing), severity, Confidence::High)
            .detail(format!(
                "{target} presents another certificate when it is sent the server name {name}; without one it presents a \
                 default."
            ))
            .fix(format!(
                "Send the name: {}.",
                setting(case.asked, "leave out --sni off", "tls.sni")
            ))
            .owner(Owner::Gateway)
            .verify(s_client_named(case.asked, Some(name), "")),
    )
}

fn large_hello(case: &Case<'_>) -> Option<Found> {
    let refused = |step: &&StepResult| {
        matches!(step.trial, Trial::LargeHello(_))
            && matches!(step.outcome, Outcome::Hello(_))
            && !step.accepted()
    };
    case.steps.iter().find(refused)?;
    Some(
        found(Topic::LargeHello, Severity::Warning, Confidence::High)
            .detail(format!(
                "{} does not answer a hello of {} bytes, though it answers smaller ones.",
                case.asked.target(),
                super::super::hello::LARGE
            ))
            .fix("Update the server or the device before it: hellos grow with post-quantum key shares.")
            .verify(s_client(case.asked, "")),
    )
}

fn resumption(case: &Case<'_>) -> Option<Found> {
    let tried: Vec<&StepResult> = [TLS12, TLS13]
        .into_iter()
        .filter_map(|version| case.of(Trial::Resume(version)))
        .filter(|step| step.accepted())
        .collect();
    let resumed = |step: &&StepResult| step.session().is_some_and(|session| session.resumed);
    if tried.is_empty() || tried.iter().any(resumed) {
        return None;
    }
    Some(
        found(Topic::NoResumption, Severity::Info, Confidence::High)
            .detail(format!(
                "{} resumes no session: every new connection costs a full handshake.",
                case.asked.target()
            ))
            .fix("Switch session tickets or a session cache on at the server; behind a load balancer share their keys.")
            .verify(s_client(case.asked, "-reconnect -tls1_2")),
    )
}

fn http2(case: &Case<'_>) -> Option<Found> {
    let agreed = case.of(Trial::Alpn(Offered::H2))?.session()?;
    (agreed.alpn.as_deref() == Some("h2") && !case.asked.h2).then(|| {
        found(Topic::Http2, Severity::Info, Confidence::Certain)
            .detail(format!("{} speaks HTTP/2 as well.", case.asked.target()))
            .fix("Nothing. An upstream with `scheme: grpcs` uses it.")
            .verify(s_client(case.asked, "-alpn h2"))
    })
}

fn old_versions(case: &Case<'_>) -> Option<Found> {
    let newer = case.takes(TLS12) || case.takes(TLS13);
    let old: Vec<String> = VERSIONS
        .into_iter()
        .filter(|version| *version < TLS12 && case.takes(*version))
        .map(names::version)
        .collect();
    if !newer || old.is_empty() {
        return None;
    }
    Some(
        found(Topic::OldVersion, Severity::Warning, Confidence::Certain)
            .detail(format!(
                "{} still takes {}.",
                case.asked.target(),
                old.join(", ")
            ))
            .fix("Switch them off at the server unless a client needs them (RFC 8996).")
            .verify(s_client(case.asked, "-tls1 -cipher 'ALL:@SECLEVEL=0'")),
    )
}

fn weak_ciphers(case: &Case<'_>) -> Option<Found> {
    let weak: Vec<String> = case
        .of_step(Step::Ciphers)
        .filter(|step| step.accepted())
        .filter_map(|step| match step.trial {
            Trial::Suites(family @ (Family::TripleDes | Family::Rc4), _) => Some(family.name()),
            _ => None,
        })
        .collect();
    if weak.is_empty() {
        return None;
    }
    Some(
        found(Topic::WeakCipher, Severity::Warning, Confidence::Certain)
            .detail(format!(
                "{} still takes {} (RFC 7465, RFC 8429).",
                case.asked.target(),
                weak.join(", ")
            ))
            .fix("Switch them off at the server.")
            .verify(s_client(
                case.asked,
                "-tls1_2 -cipher '3DES:RC4:@SECLEVEL=0'",
            )),
    )
}

fn renegotiation(case: &Case<'_>) -> Option<Found> {
    let hello = case.of(Trial::Version(TLS12))?.server_hello()?;
    (hello.version <= TLS12 && !hello.secure_renegotiation).then(|| {
        found(
            Topic::NoSecureRenegotiation,
            Severity::Info,
            Confidence::High,
        )
        .detail(format!(
            "{} does not support secure renegotiation (RFC 5746).",
            case.asked.target()
        ))
        .fix("Update the server's TLS software.")
        .verify(s_client(case.asked, "-tls1_2"))
    })
}
