//! Tables: evidence, and the cause that it must lead to.

#![allow(
    clippy::too_many_lines,
    reason = "a table of cases reads best in one piece"
)]

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::alert::evidence::{Chain, Phase, Refusal, SeenAlert, Shown};
use crate::alert::{Alert, CertFault, Direction, Hop};
use crate::handshake::{CertificateRequest, ClientHello, ServerHello};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str, organisation: Option<&str>, names: &[&str]) -> CertificateParams {
    let names = names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(organisation) = organisation {
        let kind = DnType::OrganizationName;
        params.distinguished_name.push(kind, organisation);
    }
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    params
}

fn ca(name: &str, organisation: Option<&str>, by: Option<&Issuer>) -> Issuer {
    let mut params = params(name, organisation, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    match by {
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
        Some(by) => CertifiedIssuer::signed_by(params, key, by).unwrap(),
    }
}

fn leaf(params: &CertificateParams, by: &Issuer) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    params.signed_by(&key, by).unwrap().der().clone()
}

fn chain(certificates: &[&CertificateDer<'static>]) -> Chain {
    Chain::new(certificates.iter().map(|c| (*c).clone()).collect())
}

/// A root and an intermediate of one organisation, a root of another, and leaves.
struct Zoo {
    root: Issuer,
    middle: Issuer,
    other: Issuer,
}

impl Zoo {
    fn new() -> Self {
        let root = ca("Corp CA", Some("Corp"), None);
        let middle = ca("Corp Clients", Some("Corp"), Some(&root));
        let other = ca("Elsewhere", None, None);
        Self {
            root,
            middle,
            other,
        }
    }

    fn anchors(&self) -> Vec<String> {
        let facts = chain(&[self.root.der()]);
        vec![facts.facts()[0].subject().to_owned()]
    }

    fn good(&self) -> CertificateDer<'static> {
        leaf(&params("good", None, &["a.test"]), &self.middle)
    }
}

fn north() -> Evidence {
    let mut evidence = Evidence::new(Hop::Northbound, Side::Server);
    evidence.bytes = (500, 1500);
    evidence.hello = Some(ClientHello {
        sni: Some("a.test".into()),
        ..ClientHello::default()
    });
    evidence
}

fn south() -> Evidence {
    let mut evidence = north();
    (evidence.hop, evidence.side) = (Hop::Southbound, Side::Client);
    evidence
}

fn nameless(mut evidence: Evidence) -> Evidence {
    evidence.hello = Some(ClientHello::default());
    evidence
}

fn answered(mut evidence: Evidence) -> Evidence {
    evidence.server_hello = Some(ServerHello::default());
    evidence.phase = Phase::ServerCert;
    evidence
}

fn shows(mut evidence: Evidence, own: Chain) -> Evidence {
    evidence.own.chain = own;
    evidence.own.shown = Shown::Chain;
    answered(evidence)
}

fn asked_for_nothing(mut evidence: Evidence) -> Evidence {
    evidence.own.shown = Shown::Nothing;
    answered(evidence)
}

fn alerted(mut evidence: Evidence, number: u8) -> Evidence {
    evidence.end = End::Alerted;
    evidence.alerts.push(SeenAlert {
        direction: Direction::Received,
        level: 2,
        alert: Alert(number),
    });
    evidence
}

fn warned(evidence: Evidence, number: u8, end: End) -> Evidence {
    let mut evidence = alerted(evidence, number);
    evidence.alerts[0].level = 1;
    evidence.end = end;
    evidence
}

fn ended(mut evidence: Evidence, end: End) -> Evidence {
    evidence.end = end;
    evidence
}

fn refused(evidence: Evidence, refusal: Refusal) -> Evidence {
    evidence.refused(refusal, None)
}

#[track_caller]
fn check(table: Vec<(&str, Evidence, Verdict)>) {
    let wrong: Vec<_> = table
        .into_iter()
        .filter_map(|(what, evidence, expected)| {
            let found = classify(&evidence);
            (found != expected).then(|| format!("{what}: {found:?}, not {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_we_refuse_is_certain() {
    let row = |refusal: Refusal, cause| ("", refused(north(), refusal), certain(cause));
    check(vec![
        row(Refusal::Version, Cause::ProtocolVersionMismatch),
        row(Refusal::Fallback, Cause::FallbackRejected),
        row(Refusal::Cipher, Cause::NoSharedCipher),
        row(Refusal::Group, Cause::NoSharedGroup),
        row(Refusal::Scheme, Cause::NoSharedSignatureScheme),
        row(Refusal::Alpn, Cause::NoSharedAlpn),
        row(Refusal::SniMissing, Cause::SniMissing),
        row(Refusal::SniUnknown, Cause::SniUnknown),
        row(Refusal::MissingMaterial, Cause::ConfigMissingMaterial),
        row(Refusal::HostMismatch, Cause::SniHostMismatch),
        row(Refusal::NoClientCertificate, Cause::ClientCertMissing),
        row(Refusal::TlsOnPlainPort, Cause::TlsToPlaintextPort),
        row(Refusal::BadSignature, Cause::KeyCertMismatch),
        row(Refusal::Internal, Cause::InternalError),
    ]);
    let mut rsa_only = refused(north(), Refusal::Group);
    rsa_only.own.suites = vec![0xc02f];
    rsa_only.hello.as_mut().unwrap().cipher_suites = vec![0x009c];
    check(vec![(
        "a group is missing since only suites without one are offered",
        rsa_only,
        certain(Cause::NoSharedCipher),
    )]);
}

#[test]
fn a_refused_certificate_is_whose_it_is() {
    let faults = [
        (
            CertFault::Expired(1),
            Cause::ClientCertExpired,
            Cause::ServerCertExpired,
        ),
        (
            CertFault::NotYetValid(1),
            Cause::ClientCertNotYetValid,
            Cause::ServerCertNotYetValid,
        ),
        (
            CertFault::WrongPurpose,
            Cause::ClientCertWrongPurpose,
            Cause::ServerCertWrongPurpose,
        ),
        (
            CertFault::Revoked,
            Cause::ClientCertRevoked,
            Cause::ServerCertRevoked,
        ),
        (
            CertFault::SelfSigned,
            Cause::ClientCertUntrustedCa,
            Cause::ServerCertSelfSigned,
        ),
        (
            CertFault::TooDeep,
            Cause::ClientCertUntrustedCa,
            Cause::ServerCertUntrustedCa,
        ),
    ];
    for (fault, client, server) in faults {
        let refusal = || Refusal::Certificate(fault.clone());
        check(vec![
            ("client's", refused(north(), refusal()), certain(client)),
            ("target's", refused(south(), refusal()), certain(server)),
        ]);
    }
    let name = Refusal::Certificate(CertFault::WrongName(vec!["b.test".to_owned()]));
    check(vec![(
        "name",
        refused(south(), name),
        certain(Cause::ServerCertHostnameMismatch),
    )]);
}

#[test]
fn an_untrusted_chain_is_told_from_an_incomplete_one() {
    let zoo = Zoo::new();
    let with = |presented: Chain| {
        let mut evidence = refused(south(), Refusal::Certificate(CertFault::UntrustedCa));
        evidence.peer_chain = presented;
        evidence.own.anchors = zoo.anchors();
        evidence
    };
    let good = zoo.good();
    let stranger = leaf(&params("x", None, &["a.test"]), &zoo.other);
    let own_issuer = ca("Lone", None, None);
    let namesake = ca("Corp CA", Some("Corp"), None);
    let forged = leaf(&params("x", None, &["a.test"]), &namesake);
    let named = ca("Far Issuing CA 3", None, None);
    let below = leaf(&params("x", None, &["a.test"]), &named);
    let root_named = ca("Far Root X1", None, None);
    let below_root = leaf(&params("x", None, &["a.test"]), &root_named);
    check(vec![
        (
            "the leaf without the intermediate of a trusted organisation",
            with(chain(&[&good])),
            high(Cause::ServerCertChainIncomplete),
        ),
        (
            "an issuer that calls itself an intermediate",
            with(chain(&[&below])),
            high(Cause::ServerCertChainIncomplete),
        ),
        (
            "an issuer that calls itself a root",
            with(chain(&[&below_root])),
            high(Cause::ServerCertUntrustedCa),
        ),
        (
            "an issuer of which nothing is known",
            with(chain(&[&stranger])),
            medium(Cause::ServerCertUntrustedCa),
        ),
        (
            "the root shown along",
            with(chain(&[&stranger, zoo.other.der()])),
            certain(Cause::ServerCertUntrustedCa),
        ),
        (
            "a leaf that is its own issuer",
            with(chain(&[own_issuer.der()])),
            certain(Cause::ServerCertSelfSigned),
        ),
        (
            "a CA of a trusted name with another key",
            with(chain(&[&forged])),
            certain(Cause::ServerCertUntrustedCa),
        ),
        (
            "the leaf after its issuer",
            with(chain(&[zoo.middle.der(), &good])),
            certain(Cause::ServerCertChainDisordered),
        ),
        (
            "nothing",
            with(chain(&[])),
            low(Cause::ServerCertUntrustedCa),
        ),
    ]);
}

#[test]
fn a_targets_alert_is_read_by_what_we_showed() {
    let zoo = Zoo::new();
    let good = || chain(&[&zoo.good(), zoo.middle.der()]);
    let of = |change: fn(&mut CertificateParams)| {
        let mut params = params("odd", None, &[]);
        change(&mut params);
        chain(&[&leaf(&params, &zoo.middle), zoo.middle.der()])
    };
    let expired = of(|p| p.not_after = date_time_ymd(2021, 1, 1));
    let future = of(|p| p.not_before = date_time_ymd(2110, 1, 1));
    let server_only = of(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let mut asks_for_root = shows(south(), chain(&[&zoo.good()]));
    asks_for_root.request = Some(CertificateRequest {
        authorities: vec![subject_der(&zoo.root)],
        total_authorities: 1,
        schemes: Vec::new(),
    });
    let mut listed_another = shows(south(), good());
    listed_another.request = Some(CertificateRequest {
        authorities: vec![subject_der(&zoo.other)],
        total_authorities: 1,
        schemes: Vec::new(),
    });
    let mut listed_more = listed_another.clone();
    listed_more.request.as_mut().unwrap().total_authorities = 99;
    check(vec![
        (
            "46, the target takes other CAs",
            alerted(listed_another.clone(), 46),
            high(Cause::ClientCertUntrustedCa),
        ),
        (
            "49, the target takes other CAs",
            alerted(listed_another, 49),
            high(Cause::ClientCertUntrustedCa),
        ),
        (
            "46, the target takes CAs of which not all are known",
            alerted(listed_more, 46),
            low(Cause::ClientCertRejectedByPeer),
        ),
        (
            "70",
            alerted(south(), 70),
            certain(Cause::ProtocolVersionMismatch),
        ),
        ("86", alerted(south(), 86), certain(Cause::FallbackRejected)),
        ("120", alerted(south(), 120), certain(Cause::NoSharedAlpn)),
        ("71", alerted(south(), 71), high(Cause::NoSharedCipher)),
        (
            "112 to a name",
            alerted(south(), 112),
            certain(Cause::SniUnknown),
        ),
        (
            "112 to no name",
            alerted(nameless(south()), 112),
            certain(Cause::SniMissing),
        ),
        (
            "40 to no name",
            alerted(nameless(south()), 40),
            medium(Cause::SniMissing),
        ),
        (
            "49 to no name",
            alerted(nameless(south()), 49),
            medium(Cause::SniMissing),
        ),
        (
            "40 to the hello",
            alerted(south(), 40),
            medium(Cause::NoSharedCipher),
        ),
        (
            "80 to a name",
            alerted(south(), 80),
            medium(Cause::SniUnknown),
        ),
        (
            "49 to a name",
            alerted(south(), 49),
            medium(Cause::SniUnknown),
        ),
        (
            "0 to the hello",
            alerted(south(), 0),
            medium(Cause::PeerClosedDuringHandshake),
        ),
        (
            "116, none shown",
            alerted(asked_for_nothing(south()), 116),
            certain(Cause::ClientCertMissing),
        ),
        (
            "116, one shown",
            alerted(shows(south(), good()), 116),
            certain(Cause::ClientCertRejectedByPeer),
        ),
        (
            "40, asked, none shown",
            alerted(asked_for_nothing(south()), 40),
            high(Cause::ClientCertMissing),
        ),
        (
            "42, asked, none shown",
            alerted(asked_for_nothing(south()), 42),
            high(Cause::ClientCertMissing),
        ),
        (
            "50, asked, none shown (GnuTLS)",
            alerted(asked_for_nothing(south()), 50),
            high(Cause::ClientCertMissing),
        ),
        (
            "49, ours is expired (GnuTLS)",
            alerted(shows(south(), expired.clone()), 49),
            high(Cause::ClientCertExpired),
        ),
        (
            "49, ours is fine",
            alerted(shows(south(), good()), 49),
            medium(Cause::ClientCertRejectedByPeer),
        ),
        (
            "45, and another after it, ours is expired",
            alerted(alerted(shows(south(), expired.clone()), 45), 42),
            certain(Cause::ClientCertExpired),
        ),
        (
            "45, ours is expired",
            alerted(shows(south(), expired.clone()), 45),
            certain(Cause::ClientCertExpired),
        ),
        (
            "42, ours is expired",
            alerted(shows(south(), expired), 42),
            high(Cause::ClientCertExpired),
        ),
        (
            "45, ours is not yet valid",
            alerted(shows(south(), future.clone()), 45),
            high(Cause::ClientCertNotYetValid),
        ),
        (
            "42, ours is not yet valid",
            alerted(shows(south(), future), 42),
            high(Cause::ClientCertNotYetValid),
        ),
        (
            "45, ours is fine",
            alerted(shows(south(), good()), 45),
            medium(Cause::ClientCertRejectedByPeer),
        ),
        (
            "43, ours is for servers",
            alerted(shows(south(), server_only), 43),
            high(Cause::ClientCertWrongPurpose),
        ),
        (
            "44",
            alerted(shows(south(), good()), 44),
            high(Cause::ClientCertRevoked),
        ),
        (
            "48, intermediate not sent to one who trusts the root",
            alerted(asks_for_root, 48),
            high(Cause::ClientCertChainIncomplete),
        ),
        (
            "48, all sent",
            alerted(shows(south(), good()), 48),
            high(Cause::ClientCertUntrustedCa),
        ),
        (
            "51",
            alerted(shows(south(), good()), 51),
            medium(Cause::KeyCertMismatch),
        ),
        (
            "46, ours is fine",
            alerted(shows(south(), good()), 46),
            low(Cause::ClientCertRejectedByPeer),
        ),
        (
            "80, one shown",
            alerted(shows(south(), good()), 80),
            low(Cause::ClientCertRejectedByPeer),
        ),
        ("50", alerted(south(), 50), low(Cause::Unknown)),
    ]);
}

fn subject_der(issuer: &Issuer) -> Box<[u8]> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, cert) = X509Certificate::from_der(issuer.der()).unwrap();
    cert.subject().as_raw().into()
}

#[test]
fn a_clients_alert_is_read_by_what_we_served() {
    let zoo = Zoo::new();
    let of = |names: &[&str], change: fn(&mut CertificateParams)| {
        let mut params = params("odd", None, names);
        change(&mut params);
        let served = chain(&[&leaf(&params, &zoo.middle), zoo.middle.der()]);
        shows(north(), served)
    };
    let good = || of(&["a.test"], |_| {});
    let expired = || of(&["a.test"], |p| p.not_after = date_time_ymd(2021, 1, 1));
    let future = || of(&["a.test"], |p| p.not_before = date_time_ymd(2110, 1, 1));
    let wild = of(&["*.test"], |_| {});
    let for_clients = || {
        of(&["a.test"], |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    };
    let lone = ca("a.test", None, None);
    let alone = shows(north(), chain(&[lone.der()]));
    let issuing = ca("Corp Issuing CA", None, Some(&zoo.root));
    let bare = || {
        let bare = leaf(&params("odd", None, &["a.test"]), &issuing);
        shows(north(), chain(&[&bare]))
    };
    let swapped = {
        let served = leaf(&params("odd", None, &["a.test"]), &issuing);
        shows(north(), chain(&[&served, zoo.root.der(), issuing.der()]))
    };
    check(vec![
        (
            "45 expired",
            alerted(expired(), 45),
            certain(Cause::ServerCertExpired),
        ),
        (
            "42 expired",
            alerted(expired(), 42),
            high(Cause::ServerCertExpired),
        ),
        (
            "46 expired",
            alerted(expired(), 46),
            high(Cause::ServerCertExpired),
        ),
        (
            "45 future",
            alerted(future(), 45),
            high(Cause::ServerCertNotYetValid),
        ),
        (
            "42 future",
            alerted(future(), 42),
            high(Cause::ServerCertNotYetValid),
        ),
        (
            "42 name",
            alerted(of(&["b.test"], |_| {}), 42),
            high(Cause::ServerCertHostnameMismatch),
        ),
        (
            "46 name",
            alerted(of(&["b.test"], |_| {}), 46),
            high(Cause::ServerCertHostnameMismatch),
        ),
        (
            "42 no SAN",
            alerted(of(&[], |_| {}), 42),
            high(Cause::ServerCertHostnameMismatch),
        ),
        (
            "42 wildcard",
            alerted(wild, 42),
            low(Cause::ServerCertRejectedByPeer),
        ),
        (
            "43 purpose",
            alerted(for_clients(), 43),
            high(Cause::ServerCertWrongPurpose),
        ),
        (
            "46 purpose",
            alerted(for_clients(), 46),
            high(Cause::ServerCertWrongPurpose),
        ),
        (
            "48 self-signed",
            alerted(alone, 48),
            high(Cause::ServerCertSelfSigned),
        ),
        (
            "48 bare leaf",
            alerted(bare(), 48),
            high(Cause::ServerCertChainIncomplete),
        ),
        (
            "42 bare leaf",
            alerted(bare(), 42),
            high(Cause::ServerCertChainIncomplete),
        ),
        (
            "48 swapped",
            alerted(swapped, 48),
            high(Cause::ServerCertChainDisordered),
        ),
        (
            "48 complete",
            alerted(good(), 48),
            high(Cause::ServerCertUntrustedCa),
        ),
        (
            "42 fine",
            alerted(good(), 42),
            low(Cause::ServerCertRejectedByPeer),
        ),
        (
            "0",
            alerted(good(), 0),
            medium(Cause::PeerClosedDuringHandshake),
        ),
        ("80", alerted(good(), 80), low(Cause::Unknown)),
    ]);
}

#[test]
fn between_nodes_alerts_mean_what_they_say() {
    let of = |side| {
        let mut evidence = Evidence::new(Hop::Internal, side);
        evidence.bytes = (1, 1);
        evidence
    };
    let (router, processor) = (|| of(Side::Client), || of(Side::Server));
    check(vec![
        (
            "",
            alerted(router(), 116),
            certain(Cause::ClientCertMissing),
        ),
        (
            "",
            alerted(router(), 48),
            high(Cause::ClientCertUntrustedCa),
        ),
        (
            "",
            alerted(processor(), 48),
            high(Cause::ServerCertUntrustedCa),
        ),
        (
            "",
            alerted(processor(), 51),
            high(Cause::ServerCertUntrustedCa),
        ),
        ("", alerted(router(), 45), high(Cause::ClientCertExpired)),
        (
            "",
            alerted(router(), 43),
            high(Cause::ClientCertWrongPurpose),
        ),
        (
            "",
            alerted(processor(), 49),
            high(Cause::ServerCertWrongPurpose),
        ),
    ]);
}

#[test]
fn an_end_without_a_word_is_a_symptom() {
    let zoo = Zoo::new();
    let mut silent = Evidence::new(Hop::Northbound, Side::Server);
    silent.end = End::Closed;
    let mut half = silent.clone();
    half.bytes = (20, 0);
    let fine = shows(south(), chain(&[&zoo.good(), zoo.middle.der()]));
    let mut connecting = ended(south(), End::TimedOut);
    connecting.phase = Phase::TcpConnect;
    let mut expired = params("odd", None, &["a.test"]);
    expired.not_after = date_time_ymd(2021, 1, 1);
    let expired = shows(
        north(),
        chain(&[&leaf(&expired, &zoo.middle), zoo.middle.der()]),
    );
    check(vec![
        ("no byte", silent.clone(), certain(Cause::ProbeNoData)),
        (
            "no byte, reset",
            ended(silent, End::Reset),
            certain(Cause::ProbeNoData),
        ),
        ("half a hello", half, high(Cause::PeerClosedDuringHandshake)),
        (
            "after an expired certificate",
            ended(expired, End::Closed),
            medium(Cause::ServerCertExpired),
        ),
        (
            "a target, after the hello",
            ended(south(), End::Closed),
            medium(Cause::PeerClosedDuringHandshake),
        ),
        (
            "a target, reset",
            ended(south(), End::Reset),
            medium(Cause::PeerResetDuringHandshake),
        ),
        (
            "a target that asked in vain",
            ended(asked_for_nothing(south()), End::Closed),
            high(Cause::ClientCertMissing),
        ),
        (
            "a target that did not like ours",
            ended(fine, End::Reset),
            medium(Cause::ClientCertRejectedByPeer),
        ),
        (
            "a warning about the name, then the end",
            warned(south(), 112, End::Closed),
            high(Cause::SniUnknown),
        ),
        (
            "a warning close_notify, then the end",
            warned(south(), 0, End::Closed),
            medium(Cause::PeerClosedDuringHandshake),
        ),
        (
            "a slow client",
            ended(north(), End::TimedOut),
            certain(Cause::HandshakeTimeout),
        ),
        (
            "a silent target",
            ended(south(), End::TimedOut),
            medium(Cause::HandshakeTimeout),
        ),
        (
            "no connection in time",
            connecting,
            certain(Cause::TcpConnectFailed),
        ),
        (
            "no connection",
            ended(south(), End::NotConnected),
            certain(Cause::TcpConnectFailed),
        ),
        (
            "something else",
            ended(south(), End::Other),
            low(Cause::Unknown),
        ),
    ]);
}

#[test]
fn what_is_not_tls_is_named() {
    let with = |mut evidence: Evidence, foreign| {
        evidence.foreign = Some(foreign);
        evidence
    };
    check(vec![
        (
            "",
            with(north(), Foreign::HttpRequest),
            certain(Cause::PlaintextToTlsPort),
        ),
        (
            "",
            with(north(), Foreign::Proxy(2)),
            certain(Cause::ProxyProtocolMismatch),
        ),
        (
            "",
            with(north(), Foreign::Sslv2),
            certain(Cause::ProtocolVersionMismatch),
        ),
        ("", with(north(), Foreign::Ssh), certain(Cause::PeerNotTls)),
        (
            "",
            with(south(), Foreign::HttpAnswer(Some(400))),
            certain(Cause::PeerNotTls),
        ),
    ]);
}

#[test]
fn chains_are_read_once_and_shared() {
    let zoo = Zoo::new();
    let der: Arc<[_]> = Arc::from([zoo.good()]);
    let chain = Chain::new(Arc::clone(&der));
    assert_eq!(chain.facts().len(), 1);
    assert_eq!(Arc::strong_count(&der), 2);
}
