//! Our certificate: wanted and not shown, shown and refused, or not needed.

use control::certificate::name_of_der;

use super::super::judge::OwnChain;
use super::super::outcome::StepResult;
use super::super::session::Session;
use super::super::trial::Trial;
use super::words::{date, failing, found, list, s_client, setting};
use super::{Case, Found, Severity, Topic};
use crate::alert::evidence::{Evidence, Shown};
use crate::alert::finding::Owner;
use crate::alert::{Alert, Cause, Confidence, rules};
use crate::handshake::CertificateRequest;

/// Acceptable CAs that are named.
const MOST_NAMED: usize = 10;

/// What is to be said of a handshake that succeeded.
pub(super) fn findings(case: &Case<'_>) -> Option<Found> {
    let session = case.baseline()?;
    if session.failure.is_some() {
        return None;
    }
    let target = case.asked.target();
    match (&session.request, &case.asked.identity) {
        (None, Some(_)) => Some(
            found(
                Topic::ClientCertificateNotAsked,
                Severity::Info,
                Confidence::Certain,
            )
            .detail(format!(
                "{target} asks for no client certificate; the one configured is not shown."
            ))
            .fix("Nothing, unless the server should know who asks: then switch client authentication on there.")
            .verify(s_client(case.asked, "")),
        ),
        (Some(request), None) => Some(
            found(
                Topic::ClientCertificateOptional,
                Severity::Info,
                Confidence::High,
            )
            .detail(format!(
                "{target} asks for a client certificate and shakes hands without one. {}",
                accepted(request)
            ))
            .fix(
                "Nothing, if anonymous requests are to be served. Some servers refuse them over HTTP instead, nginx with status \
                 400 \"No required SSL certificate was sent\": then configure a client certificate.",
            )
            .verify(s_client(case.asked, "")),
        ),
        (Some(_), Some(_)) => without_is_enough(case),
        (None, None) => None,
    }
}

fn without_is_enough(case: &Case<'_>) -> Option<Found> {
    let without = case.of(Trial::NoCertificate)?;
    without.accepted().then(|| {
        found(
            Topic::ClientCertificateOptional,
            Severity::Info,
            Confidence::High,
        )
        .detail(format!(
            "{} takes our certificate and shakes hands without it too.",
            case.asked.target()
        ))
        .fix("Nothing.")
        .verify(s_client(case.asked, ""))
    })
}

/// The handshake failed and the server had asked for a certificate.
pub(super) fn refused(case: &Case<'_>, session: &Session, failure: &Evidence) -> Found {
    let request = session.request.clone().unwrap_or_default();
    let target = case.asked.target();
    let field = setting(
        case.asked,
        "--client-cert FILE --client-key FILE",
        "tls.client_cert_id",
    );
    let alert = failure.decisive_alert().map_or_else(String::new, |seen| {
        format!(" Its alert: {} ({}).", seen.alert.0, seen.alert.name())
    });
    let verify = s_client(case.asked, "-cert CERT.pem -key KEY.pem");
    match session.shown {
        Shown::NotAsked | Shown::Nothing if case.asked.identity.is_some() => {
            failing(Cause::NoSharedSignatureScheme, Confidence::High)
                .detail(format!(
                    "{target} wants a client certificate and takes no signature that our key can make.{alert}"
                ))
                .fix("Use a client certificate with another kind of key (RSA, or ECDSA P-256).")
                .owner(Owner::Gateway)
                .verify(verify)
        }
        Shown::NotAsked | Shown::Nothing => failing(Cause::ClientCertMissing, missing(failure))
            .detail(format!(
                "{target} demands a client certificate and got none.{alert} {}",
                accepted(&request)
            ))
            .fix(format!(
                "Show a certificate that one of these CAs issued: {field}."
            ))
            .owner(Owner::Gateway)
            .verify(verify),
        Shown::Chain => shown(case, failure, &request, &alert).verify(verify),
    }
}

/// An alert that only this explains leaves no doubt.
fn missing(failure: &Evidence) -> Confidence {
    let alert = failure.decisive_alert().map(|seen| seen.alert);
    match alert {
        Some(Alert::CERTIFICATE_REQUIRED | Alert::HANDSHAKE_FAILURE | Alert::BAD_CERTIFICATE) => {
            Confidence::Certain
        }
        _ => Confidence::High,
    }
}

/// Ours was shown and refused: what is wrong with it, by what we know of it ourselves.
fn shown(case: &Case<'_>, failure: &Evidence, request: &CertificateRequest, alert: &str) -> Found {
    let target = case.asked.target();
    let (now, own) = match case.judged() {
        Some(judged) => (judged.now, judged.own.as_ref()),
        None => (0, None),
    };
    if let Some(found) = own.and_then(|own| fault(own, now, request, &target, alert)) {
        return found.owner(Owner::Gateway);
    }
    let verdict = rules::classify(failure);
    let alone = case
        .of(Trial::NoCertificate)
        .is_some_and(StepResult::accepted);
    let more = if alone {
        " Without a certificate it shakes hands."
    } else {
        ""
    };
    let cause = match verdict.cause {
        Cause::Unknown => Cause::ClientCertRejectedByPeer,
        cause => cause,
    };
    failing(cause, verdict.confidence.max(Confidence::Medium))
        .detail(format!(
            "{target} refuses our certificate, in which nothing is wrong by itself.{alert}{more} {}",
            accepted(request)
        ))
        .fix("Add the CA of our certificate, with its intermediates, to the server's trusted CAs, and look at the server's log for its reason.")
        .owner(Owner::Target)
}

fn fault(
    own: &OwnChain,
    now: i64,
    request: &CertificateRequest,
    target: &str,
    alert: &str,
) -> Option<Found> {
    let leaf = own.infos.first()?;
    let subject = leaf.subject();
    let of = |cause, confidence, detail: String, fix: &str| {
        Some(
            failing(cause, confidence)
                .detail(format!("{target} refuses our certificate: {detail}{alert}"))
                .fix(fix),
        )
    };
    if now > leaf.not_after() {
        let detail = format!("{subject} expired at {}.", date(leaf.not_after()));
        return of(
            Cause::ClientCertExpired,
            Confidence::Certain,
            detail,
            "Renew our client certificate.",
        );
    }
    if now < leaf.not_before() {
        let detail = format!("{subject} is not valid before {}.", date(leaf.not_before()));
        return of(
            Cause::ClientCertNotYetValid,
            Confidence::Certain,
            detail,
            "Correct the clock that is wrong, or wait.",
        );
    }
    if !leaf.purposes().allow_client() {
        let detail = format!("the extended key usage of {subject} leaves out clientAuth.");
        return of(
            Cause::ClientCertWrongPurpose,
            Confidence::High,
            detail,
            "Reissue it with the extended key usage clientAuth.",
        );
    }
    if own.issuer_listed == Some(false) {
        let bare = own.shape.is_bare_leaf();
        let confidence = if bare {
            Confidence::Medium
        } else {
            Confidence::High
        };
        let detail = format!(
            "its issuer {} is not among the CAs that the server names. {}",
            leaf.issuer(),
            accepted(request)
        );
        let fix = if bare {
            "Use a certificate of one of these CAs. If one of them stands above the issuer, add the issuer's certificate to ours: \
             the server cannot find the way without it."
        } else {
            "Use a certificate of one of these CAs, or add our CA to the server's trusted CAs."
        };
        return of(Cause::ClientCertUntrustedCa, confidence, detail, fix);
    }
    None
}

/// The CAs a server takes certificates of.
fn accepted(request: &CertificateRequest) -> String {
    let names: Vec<String> = request
        .authorities
        .iter()
        .map(|der| name_of_der(der).unwrap_or_else(|| "an unreadable name".to_owned()))
        .collect();
    if names.is_empty() {
        return "It does not say which CAs it takes.".to_owned();
    }
    let hidden = request.total_authorities.saturating_sub(names.len());
    let more = if hidden > 0 {
        format!(" (of {})", request.total_authorities)
    } else {
        String::new()
    };
    format!(
        "It takes certificates of: {}{more}.",
        list(&names, MOST_NAMED)
    )
}
