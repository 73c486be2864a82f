//! What is wrong with the chain that the server presents.

use control::certificate::{CertInfo, Covered};

use super::super::judge::Judgement;
use super::words::{self, date, failing, found, list, s_client, setting, show_leaf};
use super::{Case, Found, Severity, Topic};
use crate::alert::finding::Owner;
use crate::alert::rules::{Gap, gap_of};
use crate::alert::{Cause, CertFault, Confidence};

const DAY: i64 = 86_400;
/// Time left in which a certificate is surely being renewed by hand too late.
const URGENT: i64 = 7 * DAY;
/// Time left in which automatic renewal should have happened: ACME clients renew at 30 days.
const SOON: i64 = 30 * DAY;

pub(super) fn findings(case: &Case<'_>) -> Vec<Found> {
    let Some(judged) = case.judged() else {
        return Vec::new();
    };
    let Some(leaf) = judged.leaf() else {
        return Vec::new();
    };
    let mut all = Vec::new();
    all.extend(dates(case, judged, leaf));
    all.extend(issuer_dates(case, judged));
    all.extend(name(case, judged, leaf));
    all.extend(purpose(case, leaf));
    all.extend(trust(case, judged, leaf));
    all.extend(order(case, judged));
    all.extend(strength(case, judged));
    for each in &mut all {
        each.owner = match each.topic {
            Topic::Cause(Cause::ServerCertUntrustedCa) => each.owner,
            _ => words::server_owner(case.asked),
        };
        if !case.asked.verify && each.severity == Severity::Failing {
            each.severity = Severity::Warning;
            each.detail
                .push_str(" The configuration lets it pass (verify: false).");
        }
    }
    all
}

fn dates(case: &Case<'_>, judged: &Judgement, leaf: &CertInfo) -> Option<Found> {
    let now = judged.now;
    let verify = show_leaf(case.asked);
    let subject = leaf.subject();
    if now > leaf.not_after() {
        let days = (now - leaf.not_after()) / DAY;
        return Some(
            failing(Cause::ServerCertExpired, Confidence::Certain)
                .detail(format!(
                    "The server's certificate {subject} expired at {} ({days} days ago).",
                    date(leaf.not_after())
                ))
                .fix(format!(
                    "Renew it at {}, install the new one with its chain at the server, and reload the server.",
                    leaf.issuer()
                ))
                .verify(verify),
        );
    }
    if now < leaf.not_before() {
        return Some(
            failing(Cause::ServerCertNotYetValid, Confidence::Certain)
                .detail(format!(
                    "The server's certificate {subject} is not valid before {}; it is now {} here.",
                    date(leaf.not_before()),
                    date(now)
                ))
                .fix("Correct the clock that is wrong, here or where it was issued, or wait.")
                .verify(verify),
        );
    }
    let left = leaf.not_after() - now;
    if left > SOON {
        return None;
    }
    let how = if left > URGENT { "soon" } else { "now" };
    Some(
        found(
            Topic::CertificateExpiresSoon,
            Severity::Warning,
            Confidence::Certain,
        )
        .detail(format!(
            "The server's certificate {subject} expires at {} (in {} days).",
            date(leaf.not_after()),
            left / DAY
        ))
        .fix(format!("Renew it {how}."))
        .verify(verify),
    )
}

fn issuer_dates(case: &Case<'_>, judged: &Judgement) -> Option<Found> {
    let bad = judged.shape.issuers_not_valid_at(&judged.infos, judged.now);
    let issuer = judged.infos.get(*bad.first()?)?;
    // A path around it may exist, as with cross-signed roots.
    let fails = matches!(
        judged.path,
        Some(CertFault::Expired(_) | CertFault::NotYetValid(_))
    );
    let severity = if fails {
        Severity::Failing
    } else {
        Severity::Warning
    };
    Some(
        found(
            Topic::Cause(Cause::ServerCertExpired),
            severity,
            Confidence::Certain,
        )
        .detail(format!(
            "The chain has an issuer that is not valid now: {} (valid from {} to {}).",
            issuer.subject(),
            date(issuer.not_before()),
            date(issuer.not_after())
        ))
        .fix("Install the issuer's current certificate in the server's chain.")
        .verify(s_client(case.asked, "-showcerts")),
    )
}

fn name(case: &Case<'_>, judged: &Judgement, leaf: &CertInfo) -> Option<Found> {
    let wanted = &case.asked.verify_name;
    let addresses = leaf.ip_names().iter().map(ToString::to_string);
    let names: Vec<String> = leaf.dns_names().iter().cloned().chain(addresses).collect();
    let detail = match judged.covered {
        Covered::Yes => return None,
        Covered::ByCommonName => format!(
            "The server's certificate has {wanted} only as its common name, which Sallyport, Go and browsers do not look at."
        ),
        Covered::No if names.is_empty() => {
            format!(
                "The server's certificate {} has no names at all.",
                leaf.subject()
            )
        }
        Covered::No => format!(
            "The server's certificate is not for {wanted}; it is for {}.",
            list(&names, 10)
        ),
    };
    let field = setting(case.asked, "--sni NAME", "tls.sni");
    Some(
        failing(Cause::ServerCertHostnameMismatch, Confidence::Certain)
            .detail(detail)
            .fix(format!(
                "Ask for a name that the certificate has ({field}), or reissue it with {wanted} as a subject alternative name."
            ))
            .verify(show_leaf(case.asked)),
    )
}

fn purpose(case: &Case<'_>, leaf: &CertInfo) -> Option<Found> {
    if leaf.purposes().allow_server() {
        return None;
    }
    Some(
        failing(Cause::ServerCertWrongPurpose, Confidence::Certain)
            .detail(format!(
                "The extended key usage of the server's certificate {} leaves out serverAuth.",
                leaf.subject()
            ))
            .fix("Reissue it with the extended key usage serverAuth.")
            .verify(show_leaf(case.asked)),
    )
}

fn trust(case: &Case<'_>, judged: &Judgement, leaf: &CertInfo) -> Option<Found> {
    let fault = judged.path.as_ref()?;
    let shape = &judged.shape;
    let untrusted = matches!(
        fault,
        CertFault::UntrustedCa | CertFault::SelfSigned | CertFault::NotAnIssuer
    );
    if !untrusted {
        return other_fault(case, judged, fault);
    }
    if leaf.is_self_signed() {
        return Some(
            failing(Cause::ServerCertSelfSigned, Confidence::Certain)
                .detail(format!(
                    "The server's certificate {} is signed by itself and is not among {}.",
                    leaf.subject(),
                    anchors(case)
                ))
                .fix(format!(
                    "Trust this very certificate ({}), or let a CA issue the server's certificate.",
                    setting(case.asked, "--ca FILE", "tls.ca_certs")
                ))
                .verify(s_client(case.asked, "-showcerts")),
        );
    }
    // The rule that a record of this failure follows, so that the two agree; other connections may have shown what is missing.
    let gap = gap_of(&judged.infos, &case.asked.trust.subjects);
    let incomplete = judged.completed || gap == Gap::Intermediate;
    Some(match shape.missing_issuer.as_deref() {
        Some(missing) if incomplete => missing_issuer(case, judged, leaf, missing),
        _ => distrusted(case, judged, gap),
    })
}

/// The way from the leaf ends at an issuer that was not sent.
fn missing_issuer(case: &Case<'_>, judged: &Judgement, leaf: &CertInfo, missing: &str) -> Found {
    let confidence = if judged.completed {
        Confidence::Certain
    } else {
        Confidence::High
    };
    let source = leaf.issuer_url().map_or_else(String::new, |url| {
        format!(" (its CA publishes it at {url})")
    });
    let sent = if judged.shape.is_bare_leaf() {
        "its certificate alone"
    } else {
        "a part of its chain"
    };
    let field = setting(case.asked, "--ca FILE", "tls.ca_certs");
    failing(Cause::ServerCertChainIncomplete, confidence)
        .detail(format!(
            "The server sends {sent} and not its issuer {missing}, which is not among {} either.",
            anchors(case)
        ))
        .fix(format!(
            "Install the chain at the server, its own certificate first, then {missing}{source}. If {missing} is a root \
             itself, trust it: {field}."
        ))
        .verify(s_client(case.asked, "-showcerts"))
}

/// The way leads to a CA that we do not trust.
fn distrusted(case: &Case<'_>, judged: &Judgement, gap: Gap) -> Found {
    let top = judged.shape.path.last();
    let top = top.and_then(|last| judged.infos.get(*last));
    let root = top.map_or("its issuer", |top| {
        if top.is_self_signed() {
            top.subject()
        } else {
            top.issuer()
        }
    });
    let platform = if judged.platform_trusts {
        " The platform's roots do trust it."
    } else {
        ""
    };
    let field = setting(case.asked, "--ca FILE", "tls.ca_certs");
    let (confidence, between) = match gap {
        Gap::Unclear => (
            Confidence::Medium,
            format!(
                " If {root} is an intermediate, install its certificate at the server, after the server's own."
            ),
        ),
        _ => (Confidence::High, String::new()),
    };
    failing(Cause::ServerCertUntrustedCa, confidence)
        .detail(format!(
            "The server's chain leads to {root}, which is not among {}.{platform}",
            anchors(case)
        ))
        .fix(format!(
            "If {root} is to be trusted, add its certificate: {field}.{between} Otherwise install a certificate of a trusted CA \
             at the server."
        ))
        .owner(Owner::Gateway)
        .verify(s_client(case.asked, "-showcerts"))
}

fn other_fault(case: &Case<'_>, judged: &Judgement, fault: &CertFault) -> Option<Found> {
    let dates = matches!(fault, CertFault::Expired(_) | CertFault::NotYetValid(_));
    let told = !judged
        .shape
        .issuers_not_valid_at(&judged.infos, judged.now)
        .is_empty();
    if dates && told {
        return None;
    }
    Some(
        failing(fault.server_cause(), Confidence::Certain)
            .detail(format!("The server's chain is refused: {fault}."))
            .fix("Have the certificate and its chain issued anew.")
            .verify(s_client(case.asked, "-showcerts")),
    )
}

fn anchors(case: &Case<'_>) -> String {
    let trust = &case.asked.trust;
    if trust.platform {
        "the platform's roots".to_owned()
    } else {
        format!("the trusted CAs ({})", list(&trust.subjects, 5))
    }
}

fn order(case: &Case<'_>, judged: &Judgement) -> Vec<Found> {
    let shape = &judged.shape;
    let mut all = Vec::new();
    let verify = s_client(case.asked, "-showcerts");
    if !shape.ordered {
        let right: Vec<String> = shape.path.iter().map(|i| (i + 1).to_string()).collect();
        let cause = Topic::Cause(Cause::ServerCertChainDisordered);
        all.push(
            found(cause, Severity::Warning, Confidence::Certain)
                .detail(format!(
                    "The server's chain is not in order; the certificates should be sent in the order {}. Sallyport finds its \
                     way, some clients do not.",
                    right.join(", ")
                ))
                .fix("Put the server's own certificate first in its file, then each issuer after what it issued.")
                .verify(verify.clone()),
        );
    }
    let more = shape.extra.len() + shape.duplicates.len();
    let root = shape.root_included && shape.path.len() > 1;
    if more > 0 || root {
        let what = match (more, root) {
            (0, _) => "the root, which clients have already".to_owned(),
            (more, false) => format!("{more} certificates that lead nowhere"),
            (more, true) => format!("the root and {more} certificates that lead nowhere"),
        };
        all.push(
            found(Topic::ChainHasMore, Severity::Info, Confidence::Certain)
                .detail(format!("The server's chain also has {what}."))
                .fix("Leave that out: it costs every handshake its size.")
                .verify(verify),
        );
    }
    all
}

fn strength(case: &Case<'_>, judged: &Judgement) -> Option<Found> {
    let path = judged
        .shape
        .path
        .iter()
        .filter_map(|i| judged.infos.get(*i));
    let weak: Vec<String> = path
        .filter_map(|info| {
            let signature = info.has_weak_signature() && !info.is_self_signed();
            match (info.key().is_weak(), signature) {
                (true, _) => Some(format!("{} has a key of {}", info.subject(), info.key())),
                (_, true) => {
                    let by = info.signature_algorithm();
                    Some(format!("{} is signed with {by}", info.subject()))
                }
                _ => None,
            }
        })
        .collect();
    if weak.is_empty() {
        return None;
    }
    Some(
        found(
            Topic::WeakCertificate,
            Severity::Warning,
            Confidence::Certain,
        )
        .detail(format!("The server's chain is weak: {}.", list(&weak, 5)))
        .fix("Reissue with SHA-256 and RSA of 2048 bits or ECDSA P-256.")
        .verify(show_leaf(case.asked)),
    )
}
