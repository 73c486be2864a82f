//! Tables of cases for the findings: outcomes as servers give them, and the first finding.

use std::net::SocketAddr;
use std::time::Duration;

use control::certificate::{CertInfo, CertNames, chain};
use control::object::{Protocols, SniChoice};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use super::super::asked::{Asked, Place, Trust};
use super::super::judge::{Judgement, OwnChain};
use super::super::outcome::{Answer, Clear, Ending, Outcome, StepResult};
use super::super::session::Session;
use super::super::trial::{Family, GROUPS, OtherName, Schemes, Trial, VERSIONS};
use super::{Found, Severity, findings};
use crate::alert::evidence::{End, Refusal, SeenAlert, Shown, Side};
use crate::alert::{Alert, CertFault, Confidence, Direction, Evidence, Hop};
use crate::handshake::{
    CertificateRequest, Foreign, PlainAlert, ServerHello, TLS12, TLS13, Transcript,
};

const NAME: &str = "a.test";
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn asked() -> Asked {
    Asked::new(NAME, 443, &SniChoice::Host, Trust::given(&[]))
}

fn step(trial: Trial, outcome: Outcome) -> StepResult {
    StepResult {
        trial,
        outcome,
        elapsed: Duration::ZERO,
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 443))
}

fn reached() -> Vec<StepResult> {
    vec![
        step(Trial::Resolve, Outcome::Resolved(vec![address()])),
        step(Trial::Connect(address()), Outcome::Connected(None)),
    ]
}

fn took(version: u16) -> Outcome {
    Outcome::Hello(Box::new(Answer {
        transcript: Transcript {
            server_hello: Some(ServerHello {
                version,
                cipher_suite: 0xc02f,
                secure_renegotiation: true,
                ..ServerHello::default()
            }),
            ..Transcript::default()
        },
        ending: Ending::Answered,
    }))
}

fn alerted(number: u8) -> Outcome {
    let alert = PlainAlert {
        level: 2,
        number,
        after: 0,
    };
    Outcome::Hello(Box::new(Answer {
        transcript: Transcript {
            alerts: vec![alert],
            ..Transcript::default()
        },
        ending: Ending::Answered,
    }))
}

fn ended(ending: Ending) -> Outcome {
    Outcome::Hello(Box::new(Answer {
        transcript: Transcript::default(),
        ending,
    }))
}

/// A handshake that succeeded.
fn good() -> Session {
    Session {
        version: TLS13,
        suite: 0x1301,
        ..Session::default()
    }
}

/// One that the server ended with an alert, or otherwise.
fn failed(end: End, alert: Option<u8>) -> Session {
    let mut evidence = Evidence::new(Hop::Southbound, Side::Client);
    evidence.end = end;
    evidence.alerts.extend(alert.map(|number| SeenAlert {
        direction: Direction::Received,
        level: 2,
        alert: Alert(number),
    }));
    evidence.own.suites = vec![0x1301, 0x1302, 0xc02b, 0xc02f];
    evidence.own.alpn = vec!["http/1.1".to_owned()];
    Session {
        failure: Some(Box::new(evidence)),
        ..Session::default()
    }
}

fn session(trial: Trial, session: Session) -> StepResult {
    step(trial, Outcome::Session(Box::new(session)))
}

/// What a server answers whose versions are these, and everything else refused with 70.
fn versions(taken: &[u16]) -> Vec<StepResult> {
    let answer = |version: u16| {
        if taken.contains(&version) {
            took(version)
        } else {
            alerted(70)
        }
    };
    VERSIONS
        .into_iter()
        .map(|version| step(Trial::Version(version), answer(version)))
        .collect()
}

fn first(steps: &[StepResult], asked: &Asked) -> Found {
    let mut found = findings(steps, asked);
    assert!(!found.is_empty(), "nothing found");
    found.remove(0)
}

#[track_caller]
fn assert_first(steps: &[StepResult], asked: &Asked, cause: &str, sure: Confidence, says: &str) {
    let found = first(steps, asked);
    assert_eq!(
        (found.topic.as_str(), found.confidence),
        (cause, sure),
        "{found:?}"
    );
    let all = format!("{} {}", found.detail, found.fix);
    assert!(all.contains(says), "{says:?} is not in {all:?}");
}

fn with(parts: &[&[StepResult]]) -> Vec<StepResult> {
    parts.concat()
}

#[test]
fn no_connection() {
    let steps = [step(
        Trial::Resolve,
        Outcome::NotResolved("no such host".to_owned()),
    )];
    assert_first(
        &steps,
        &asked(),
        "tcp_connect_failed",
        Confidence::Certain,
        "no such host",
    );
    let refused = || Outcome::NotConnected("Connection refused".to_owned());
    let steps = [
        step(Trial::Resolve, Outcome::Resolved(vec![address()])),
        step(Trial::Connect(address()), refused()),
    ];
    assert_first(
        &steps,
        &asked(),
        "tcp_connect_failed",
        Confidence::Certain,
        "Nothing listens",
    );
    let other = SocketAddr::from(([192, 0, 2, 2], 443));
    let steps = with(&[
        &reached(),
        &[
            step(Trial::Connect(other), refused()),
            session(Trial::Baseline, good()),
        ],
    ]);
    let found = first(&steps, &asked());
    assert_eq!(
        found.severity,
        Severity::Warning,
        "the other address answers"
    );
    assert!(found.detail.contains("192.0.2.2"), "{found:?}");
}

#[test]
fn no_tls() {
    let greeted = [
        step(Trial::Resolve, Outcome::Resolved(vec![address()])),
        step(
            Trial::Connect(address()),
            Outcome::Connected(Some(Foreign::Ssh)),
        ),
    ];
    assert_first(
        &greeted,
        &asked(),
        "peer_not_tls",
        Confidence::Certain,
        "SSH",
    );
    let mut answered = failed(End::Refused(Refusal::Protocol), None);
    if let Some(failure) = &mut answered.failure {
        failure.foreign = Some(Foreign::HttpAnswer(Some(400)));
    }
    let steps = with(&[&reached(), &[session(Trial::Baseline, answered)]]);
    let upstream = Asked {
        place: Place::Upstream("upstreams/7".into()),
        ..asked()
    };
    assert_first(
        &steps,
        &upstream,
        "peer_not_tls",
        Confidence::Certain,
        "`scheme` of upstreams/7",
    );
    let silent = || session(Trial::Baseline, failed(End::TimedOut, None));
    let clear = |foreign| step(Trial::Plaintext, Outcome::Clear(Clear::Answered(foreign)));
    let steps = with(&[
        &reached(),
        &[silent(), clear(Foreign::HttpAnswer(Some(200)))],
    ]);
    assert_first(
        &steps,
        &asked(),
        "peer_not_tls",
        Confidence::Certain,
        "status 200",
    );
    let steps = with(&[&reached(), &[silent(), clear(Foreign::PlainHttpRefused)]]);
    assert_ne!(first(&steps, &asked()).topic.as_str(), "peer_not_tls");
}

#[test]
fn versions_apart() {
    let fails = || vec![session(Trial::Baseline, failed(End::Alerted, Some(70)))];
    let cause = "protocol_version_mismatch";
    let steps = with(&[&reached(), &fails(), &versions(&[0x0300, 0x0301])]);
    assert_first(
        &steps,
        &asked(),
        cause,
        Confidence::Certain,
        "SSLv3, TLSv1.0 only",
    );
    // A server may answer an offer of TLS 1.2 with an older version.
    let mut steps = with(&[&reached(), &fails(), &versions(&[])]);
    steps.push(step(Trial::Version(TLS12), took(0x0301)));
    assert_first(&steps, &asked(), cause, Confidence::Certain, "TLSv1.0 only");
    let only13 = Asked {
        protocols: Protocols {
            tls12: false,
            tls13: true,
        },
        place: Place::Upstream("upstreams/7".into()),
        ..asked()
    };
    let steps = with(&[&reached(), &fails(), &versions(&[TLS12])]);
    assert_first(
        &steps,
        &only13,
        cause,
        Confidence::Certain,
        "`tls.protocols` of upstreams/7",
    );
}

#[test]
fn parameters_apart() {
    let base = |alert: u8| {
        let fails = vec![session(Trial::Baseline, failed(End::Alerted, Some(alert)))];
        with(&[&reached(), &fails, &versions(&[TLS12])])
    };
    let suites = |taken: &[Family]| -> Vec<StepResult> {
        Family::OLD
            .into_iter()
            .map(|family| {
                let outcome = if taken.contains(&family) {
                    took(TLS12)
                } else {
                    alerted(40)
                };
                step(Trial::Suites(family, TLS12), outcome)
            })
            .collect()
    };
    let certain = Confidence::Certain;
    let steps = with(&[&base(40), &suites(&[Family::StaticRsa, Family::EcdheCbc])]);
    assert_first(
        &steps,
        &asked(),
        "no_shared_cipher",
        certain,
        "AES-CBC, static RSA",
    );
    let steps = with(&[&base(40), &suites(&[Family::ChaCha])]);
    assert_first(
        &steps,
        &asked(),
        "no_shared_cipher",
        certain,
        "`tls.ciphers`",
    );
    let groups = |taken: &[u16]| -> Vec<StepResult> {
        GROUPS
            .into_iter()
            .map(|group| {
                let outcome = if taken.contains(&group) {
                    took(TLS12)
                } else {
                    alerted(40)
                };
                step(Trial::Group(group, TLS12), outcome)
            })
            .collect()
    };
    let shared = suites(&[Family::RsaAead]);
    let steps = with(&[&base(40), &shared, &groups(&[0x0019])]);
    assert_first(&steps, &asked(), "no_shared_group", certain, "secp521r1");
    let schemes = |taken: &[Schemes]| -> Vec<StepResult> {
        Schemes::ALL
            .into_iter()
            .map(|kind| {
                let outcome = if taken.contains(&kind) {
                    took(TLS12)
                } else {
                    alerted(40)
                };
                step(Trial::Signatures(kind, TLS12), outcome)
            })
            .collect()
    };
    let steps = with(&[
        &base(40),
        &shared,
        &groups(&[0x001d]),
        &schemes(&[Schemes::Sha1]),
    ]);
    assert_first(
        &steps,
        &asked(),
        "no_shared_signature_scheme",
        certain,
        "SHA-1 only",
    );
    // Nothing is amiss in any of them: the alert alone is left.
    let all = schemes(&[Schemes::Pss, Schemes::Sha1]);
    let steps = with(&[&base(80), &shared, &groups(&[0x001d]), &all]);
    assert!(first(&steps, &asked()).confidence < certain);
    let steps = with(&[&base(120), &shared]);
    assert_first(&steps, &asked(), "no_shared_alpn", certain, "http/1.1");
}

#[test]
fn names_apart() {
    let fails = || session(Trial::Baseline, failed(End::Alerted, Some(112)));
    let off = Asked::new(NAME, 443, &SniChoice::Off, Trust::given(&[]));
    let other = session(Trial::Name(OtherName::Host), good());
    let steps = with(&[&reached(), &[fails()], &versions(&[]), &[other]]);
    assert_first(&steps, &off, "sni_missing", Confidence::Certain, "a.test");
    let without = step(Trial::OldName(OtherName::None, TLS12), took(TLS12));
    let steps = with(&[&reached(), &[fails()], &versions(&[]), &[without]]);
    assert_first(&steps, &asked(), "sni_unknown", Confidence::High, "a.test");
    // A default certificate that is another one, and a wrong one.
    let leaf = certificate(&["default.test"], |_| {});
    let mut plain = good();
    plain.chain = vec![leaf.clone()];
    let mut named = good();
    named.chain = vec![certificate(&[NAME], |_| {})];
    let steps = with(&[
        &reached(),
        &[
            session(Trial::Baseline, plain),
            session(Trial::Name(OtherName::Host), named),
            judged(&[leaf], &off, None),
        ],
    ]);
    let found = findings(&steps, &off);
    let sni = found.iter().find(|f| f.topic.as_str() == "sni_missing");
    assert_eq!(sni.map(|f| f.severity), Some(Severity::Failing));
}

#[test]
fn silence_and_ends() {
    let steps = |end: End, ending: Ending| {
        let hellos: Vec<_> = VERSIONS
            .map(|v| step(Trial::Version(v), ended(ending)))
            .to_vec();
        with(&[
            &reached(),
            &[session(Trial::Baseline, failed(end, None))],
            &hellos,
        ])
    };
    for (end, ending, cause) in [
        (End::TimedOut, Ending::Silent, "handshake_timeout"),
        (End::Closed, Ending::Closed, "peer_closed_during_handshake"),
        (End::Reset, Ending::Reset, "peer_reset_during_handshake"),
    ] {
        assert_first(
            &steps(end, ending),
            &asked(),
            cause,
            Confidence::High,
            "hello",
        );
    }
    let lost = with(&[
        &reached(),
        &[session(Trial::Baseline, failed(End::TimedOut, None))],
        &versions(&[TLS12, TLS13]),
        &[step(Trial::LargeHello(TLS13), ended(Ending::Silent))],
    ]);
    assert_first(
        &lost,
        &asked(),
        "handshake_timeout",
        Confidence::High,
        "two TCP segments",
    );
}

fn certificate(names: &[&str], change: impl Fn(&mut CertificateParams)) -> CertificateDer<'static> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let at = |unix: i64| OffsetDateTime::from_unix_timestamp(unix).unwrap();
    params.not_before = at(NOW - 100 * DAY);
    params.not_after = at(NOW + 100 * DAY);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn judged(chain: &[CertificateDer<'static>], asked: &Asked, path: Option<CertFault>) -> StepResult {
    let infos: Vec<CertInfo> = chain
        .iter()
        .map(|der| CertInfo::of_der(der).unwrap())
        .collect();
    let judgement = Judgement {
        now: NOW,
        shape: chain::judge(&infos),
        covered: CertNames::of_der(&chain[0]).cover(&asked.verify_name),
        infos,
        path,
        platform_trusts: false,
        completed: false,
        stapled: false,
        own: None,
    };
    step(Trial::Judge, Outcome::Judged(Box::new(judgement)))
}

#[test]
fn certificates_of_servers() {
    let until = |days: i64| {
        move |params: &mut CertificateParams| {
            params.not_after = OffsetDateTime::from_unix_timestamp(NOW + days * DAY).unwrap();
        }
    };
    let client = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let (failing, warning) = (Severity::Failing, Severity::Warning);
    for (leaf, path, cause, severity) in [
        (
            certificate(&[NAME], until(-1)),
            None,
            "server_cert_expired",
            failing,
        ),
        (
            certificate(&[NAME], until(5)),
            None,
            "certificate_expires_soon",
            warning,
        ),
        (
            certificate(&[NAME], until(29)),
            None,
            "certificate_expires_soon",
            warning,
        ),
        (
            certificate(&["b.test"], |_| {}),
            None,
            "server_cert_hostname_mismatch",
            failing,
        ),
        (
            certificate(&[NAME], client),
            None,
            "server_cert_wrong_purpose",
            failing,
        ),
        (
            certificate(&[NAME], |_| {}),
            Some(CertFault::SelfSigned),
            "server_cert_self_signed",
            failing,
        ),
    ] {
        let steps = |asked: &Asked| {
            let judged = judged(std::slice::from_ref(&leaf), asked, path.clone());
            with(&[&reached(), &[session(Trial::Baseline, good()), judged]])
        };
        let found = first(&steps(&asked()), &asked());
        assert_eq!((found.topic.as_str(), found.severity), (cause, severity));
        assert!(
            found
                .verify
                .is_some_and(|command| command.starts_with("openssl "))
        );
        let lax = Asked {
            verify: false,
            ..asked()
        };
        let found = first(&steps(&lax), &lax);
        assert_eq!(found.severity, warning, "verify: false lets {cause} pass");
    }
    let leaf = certificate(&[NAME], until(31));
    let steps = with(&[
        &reached(),
        &[
            session(Trial::Baseline, good()),
            judged(&[leaf], &asked(), None),
        ],
    ]);
    assert_eq!(findings(&steps, &asked()), []);
}

#[test]
fn a_missing_issuer_is_told_as_the_record_of_the_failure_tells_it() {
    for (issuer, cause, confidence) in [
        ("Other CA", "server_cert_untrusted_ca", Confidence::Medium),
        (
            "Corp Issuing CA",
            "server_cert_chain_incomplete",
            Confidence::High,
        ),
        ("Corp Root", "server_cert_untrusted_ca", Confidence::High),
    ] {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, issuer);
        let issuer = Issuer::new(params, KeyPair::generate().unwrap());
        let mut leaf = CertificateParams::new([NAME.to_owned()]).unwrap();
        leaf.not_after = OffsetDateTime::from_unix_timestamp(NOW + 100 * DAY).unwrap();
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer);
        let judged = judged(
            &[leaf.unwrap().der().clone()],
            &asked(),
            Some(CertFault::UntrustedCa),
        );
        let steps = with(&[&reached(), &[session(Trial::Baseline, good()), judged]]);
        assert_first(&steps, &asked(), cause, confidence, "not among");
    }
}

#[test]
fn client_certificates() {
    let request = CertificateRequest {
        authorities: Vec::new(),
        total_authorities: 0,
        schemes: vec![0x0403],
    };
    let refused = |alert: u8, shown: Shown| {
        let failure = failed(End::Alerted, Some(alert));
        session(
            Trial::Baseline,
            Session {
                request: Some(request.clone()),
                shown,
                ..failure
            },
        )
    };
    let base = |alert: u8, shown: Shown| {
        with(&[
            &reached(),
            &[refused(alert, shown)],
            &versions(&[TLS12, TLS13]),
        ])
    };
    let certain = Confidence::Certain;
    for alert in [116, 40, 42] {
        let steps = base(alert, Shown::Nothing);
        assert_first(&steps, &asked(), "client_cert_missing", certain, "got none");
    }
    assert_first(
        &base(80, Shown::Nothing),
        &asked(),
        "client_cert_missing",
        Confidence::High,
        "80",
    );
    let own = |days: i64, listed| {
        let leaf = certificate(&["app"], |params| {
            params.not_after = OffsetDateTime::from_unix_timestamp(NOW + days * DAY).unwrap();
        });
        let server = certificate(&[NAME], |_| {});
        let infos = vec![CertInfo::of_der(&leaf).unwrap()];
        let mut judged = judged(&[server], &asked(), None);
        if let Outcome::Judged(judgement) = &mut judged.outcome {
            judgement.own = Some(OwnChain {
                shape: chain::judge(&infos),
                infos,
                issuer_listed: listed,
            });
        }
        judged
    };
    for (own, cause) in [
        (own(-1, Some(true)), "client_cert_expired"),
        (own(9, Some(false)), "client_cert_untrusted_ca"),
    ] {
        let steps = with(&[&base(42, Shown::Chain), &[own]]);
        assert_eq!(first(&steps, &asked()).topic.as_str(), cause);
    }
    let steps = with(&[&base(42, Shown::Chain), &[own(9, None)]]);
    let found = first(&steps, &asked());
    assert!(
        found.topic.as_str().starts_with("client_cert_"),
        "{found:?}"
    );
}

#[test]
fn what_fails_nothing() {
    let base = |more: &[StepResult]| {
        with(&[
            &reached(),
            &[session(Trial::Baseline, good())],
            &versions(&[TLS12, TLS13]),
            more,
        ])
    };
    assert_eq!(findings(&base(&[]), &asked()), []);
    let old = step(Trial::Version(0x0301), took(0x0301));
    let rc4 = step(Trial::Suites(Family::Rc4, TLS12), took(TLS12));
    let large = step(Trial::LargeHello(TLS13), ended(Ending::Silent));
    let repeat = session(Trial::Repeat(address(), 1), failed(End::Reset, None));
    for (more, topic) in [
        (old, "old_version_enabled"),
        (rc4, "weak_cipher_enabled"),
        (large, "large_hello_refused"),
        (repeat, "answers_differ"),
    ] {
        let found = first(&base(&[more]), &asked());
        assert_eq!(
            (found.topic.as_str(), found.severity),
            (topic, Severity::Warning)
        );
    }
}
