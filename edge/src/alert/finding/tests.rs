//! Every cause has its words everywhere, and the commonest ones read as they should.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SerialNumber,
    date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::*;
use crate::alert::evidence::{Chain, End, Phase, Refusal, SeenAlert, Shown, Side};
use crate::alert::rules::Confidence;
use crate::alert::{Alert, CertFault, Direction, Hop};
use crate::handshake::{CertificateRequest, ClientHello, Foreign, Message, ServerHello};

/// 2026-06-01T00:00:00Z.
const NOW: i64 = 1_780_272_000;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str, serial: u8, names: &[&str]) -> CertificateParams {
    let names = names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(vec![0x0a, serial]));
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
    params
}

fn ca(name: &str, serial: u8, by: Option<&Issuer>) -> Issuer {
    let mut params = params(name, serial, &[]);
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

/// A client at our door, for ssls/7.
fn north() -> (Context, Evidence) {
    let context = Context {
        peer: Some("192.0.2.9:50001".parse().unwrap()),
        local: Some("198.51.100.1:9443".parse().unwrap()),
        sni: Some("api.example.com".to_owned()),
        ssl: Some("7".into()),
        ..Context::default()
    };
    let mut evidence = Evidence::new(Hop::Northbound, Side::Server);
    evidence.at = NOW;
    evidence.bytes = (517, 0);
    evidence.own.versions = vec![0x0303, 0x0304];
    evidence.own.suites = vec![0x1301, 0xc02b, 0xc02f];
    evidence.own.anchors = vec!["CN=Corp CA".to_owned(), "CN=Partner CA".to_owned()];
    evidence.hello = Some(ClientHello {
        legacy_version: 0x0303,
        sni: Some("api.example.com".into()),
        cipher_suites: vec![0x0a0a, 0xc030, 0x002f, 0x00ff],
        ..ClientHello::default()
    });
    (context, evidence)
}

/// A target of upstreams/3.
fn south() -> (Context, Evidence) {
    let (mut context, mut evidence) = north();
    context.peer = Some("203.0.113.5:443".parse().unwrap());
    context.upstream = Some("upstreams/3".into());
    context.target = Some("api.example.com:443".to_owned());
    context.ssl = None;
    (evidence.hop, evidence.side) = (Hop::Southbound, Side::Client);
    evidence.own.verify_name = Some("api.example.com".to_owned());
    (context, evidence)
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

fn refused(evidence: Evidence, refusal: Refusal) -> Evidence {
    evidence.refused(refusal, None)
}

fn finding(context: &Context, evidence: &Evidence, cause: Cause) -> Finding {
    let confidence = Confidence::Certain;
    describe(context, evidence, Verdict { cause, confidence })
}

/// The whole finding, as it is to read.
fn reads((context, evidence): &(Context, Evidence), cause: Cause, wanted: &str) {
    let found = finding(context, evidence, cause);
    let text = format!(
        "{}\nFix: {}\nOwner: {}\nVerify: {}",
        found.detail,
        found.fix,
        found.owner.as_str(),
        found.verify.as_deref().unwrap_or("-")
    );
    let wanted: Vec<&str> = wanted.trim().lines().map(str::trim).collect();
    assert_eq!(text, wanted.join("\n"), "\n{text}\n");
}

/// What a peer may send to spoil a text: control characters, quotes, a terminal's escape, and much of it.
fn hostile() -> String {
    format!("a\u{1b}[2J\r\n'\"`$(reboot)\u{202e}{}", "x".repeat(3000))
}

/// Evidence of all sorts, for every hop and side.
fn all_scenes() -> Vec<(Context, Evidence)> {
    let (chains, ends) = (odd_chains(), all_ends());
    let mut scenes = Vec::new();
    for hop in [Hop::Northbound, Hop::Internal, Hop::Southbound] {
        for side in [Side::Server, Side::Client] {
            for (chain, end) in chains.iter().flat_map(|c| ends.iter().map(move |e| (c, e))) {
                let bare = (Context::default(), Evidence::new(hop, side));
                for (context, mut evidence) in [bare, (full_context(), full_evidence())] {
                    (evidence.hop, evidence.side) = (hop, side);
                    evidence.end = end.clone();
                    evidence.peer_chain = Chain::new(chain.shared());
                    evidence.own.chain = Chain::new(chain.shared());
                    scenes.push((context, evidence));
                }
            }
        }
    }
    scenes
}

fn odd_chains() -> [Chain; 6] {
    let root = ca("Corp Root", 1, None);
    let middle = ca("Corp Issuing", 2, Some(&root));
    let hostile = hostile().replace('\r', "");
    let odd = leaf(&params(&hostile, 3, &["*.example.com"]), &middle);
    let many: Vec<String> = (0..50)
        .map(|n| format!("{n}.{}.example", "l".repeat(60)))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let wide = leaf(&params(&"n".repeat(5000), 4, &many), &middle);
    [
        Chain::default(),
        chain(&[&odd]),
        chain(&[&wide, middle.der(), root.der()]),
        chain(&[&odd, root.der(), middle.der()]),
        chain(&[root.der()]),
        chain(&[&CertificateDer::from(vec![1, 2, 3])]),
    ]
}

fn all_ends() -> Vec<End> {
    let faults = [
        CertFault::Expired(i64::MIN),
        CertFault::TooDeep,
        CertFault::NotAnIssuer,
        CertFault::NotYetValid(i64::MAX),
        CertFault::Malformed(hostile()),
        CertFault::WrongName(vec![hostile()]),
    ];
    let refusals = faults.map(Refusal::Certificate).into_iter();
    let refusals = refusals.chain([Refusal::Version, Refusal::BadSignature]);
    let others = [
        End::Alerted,
        End::Closed,
        End::Reset,
        End::TimedOut,
        End::NotConnected,
        End::Other,
    ];
    refusals.map(End::Refused).chain(others).collect()
}

fn full_context() -> Context {
    Context {
        sni: Some(hostile()),
        ssl: Some(hostile().into()),
        upstream: Some(format!("routes/{}", hostile()).into()),
        target: Some(hostile()),
        request: Some(hostile()),
        ..north().0
    }
}

fn full_evidence() -> Evidence {
    let (_, mut evidence) = south();
    evidence.error = hostile();
    evidence.foreign = Some(Foreign::Other([0, 13, 27, 255], 4));
    evidence.sent = vec![Message { kind: 1, length: 9 }];
    evidence.received = vec![Message {
        kind: 200,
        length: 9,
    }];
    evidence.server_hello = Some(ServerHello::default());
    evidence.own.anchors = vec![hostile(); 20];
    evidence.own.verify_name = Some(hostile());
    evidence.own.alpn = vec![hostile(); 20];
    evidence.own.groups = (0..200).collect();
    evidence.own.shown = Shown::Nothing;
    evidence.request = Some(CertificateRequest {
        authorities: vec![vec![0x30, 0].into(); 50],
        total_authorities: 50,
        schemes: (0..200).collect(),
    });
    if let Some(hello) = &mut evidence.hello {
        hello.cipher_suites = (0..5000).collect();
        hello.groups = (0..5000).collect();
        hello.signature_schemes = Some((0..5000).collect());
        hello.alpn = vec![hostile().into_bytes().into(); 30];
    }
    alerted(evidence, 42)
}

#[test]
fn every_cause_has_bounded_and_harmless_words_everywhere() {
    for (context, evidence) in all_scenes() {
        for cause in Cause::ALL {
            let found = finding(&context, &evidence, cause);
            let place = format!(
                "{cause:?} {:?} {:?} {:?}",
                evidence.hop, evidence.side, evidence.end
            );
            let texts = [Some(&found.detail), Some(&found.fix), found.verify.as_ref()];
            for text in texts.into_iter().flatten() {
                assert!(text.len() > 5, "{place}: {text}");
                assert!(text.chars().count() <= 1000, "{place}: {text}");
                assert!(
                    !text.contains('{') && !text.contains("  "),
                    "{place}: {text}"
                );
                assert!(
                    !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
                    "{place}: {text}"
                );
                assert!(
                    !text.contains("-----BEGIN") && !text.contains("PRIVATE KEY"),
                    "{place}: {text}"
                );
            }
            assert!(
                found.detail.starts_with(char::is_uppercase),
                "{place}: {}",
                found.detail
            );
            assert!(
                found.fix.starts_with(char::is_uppercase) || found.fix.starts_with('`'),
                "{place}: {}",
                found.fix
            );
            assert!(
                found.verify.is_none_or(|v| !v.contains("reboot")),
                "{place}"
            );
            if evidence.hop == Hop::Internal {
                assert_eq!(found.owner, Owner::Gateway, "{place}");
            }
        }
    }
}

#[test]
fn the_fault_of_a_certificate_is_its_owners() {
    let of =
        |(context, evidence): (Context, Evidence), cause| finding(&context, &evidence, cause).owner;
    for cause in Cause::ALL {
        let (north, south) = (of(north(), cause), of(south(), cause));
        match owner::belongs_to(cause) {
            Some(owner::Party::Client) => {
                assert_eq!((north, south), (Owner::Client, Owner::Gateway), "{cause:?}")
            }
            Some(owner::Party::Server) => {
                assert_eq!((north, south), (Owner::Gateway, Owner::Target), "{cause:?}")
            }
            None => {}
        }
    }
    assert_eq!(of(south(), Cause::SniMissing), Owner::Gateway);
    assert_eq!(of(north(), Cause::SniMissing), Owner::Client);
    assert_eq!(of(north(), Cause::KeyCertMismatch), Owner::Gateway);
    let (context, evidence) = north();
    assert_eq!(
        of(
            (context, refused(evidence, Refusal::BadSignature)),
            Cause::KeyCertMismatch
        ),
        Owner::Client
    );
}

#[test]
fn a_version_too_old() {
    let (context, mut evidence) = north();
    evidence.hello.as_mut().unwrap().legacy_version = 0x0302;
    reads(
        &(context, refused(evidence, Refusal::Version)),
        Cause::ProtocolVersionMismatch,
        r#"
        The client 192.0.2.9:50001 offers at most TLSv1.1; ssls/7 allows TLSv1.2, TLSv1.3.
        Fix: Let the client speak TLS 1.2 or newer: upgrade its TLS library (OpenSSL 1.0.1, Java 8, .NET 4.6 and newer have it) or lift a setting that pins an old version. Sallyport speaks TLS 1.2 and 1.3 only.
        Owner: client
        Verify: openssl s_client -connect 198.51.100.1:9443 -servername api.example.com -tls1_2 </dev/null; openssl s_client -connect 198.51.100.1:9443 -servername api.example.com -tls1_3 </dev/null
        "#,
    );
}

#[test]
fn a_version_that_the_object_leaves_out() {
    let (context, mut evidence) = north();
    evidence.own.versions = vec![0x0304];
    reads(
        &(context, refused(evidence, Refusal::Version)),
        Cause::ProtocolVersionMismatch,
        r#"
        The client 192.0.2.9:50001 offers at most TLSv1.2; ssls/7 allows TLSv1.3.
        Fix: Add TLSv1.2 to ssls/7 field ssl_protocols, or let the client speak what is allowed there.
        Owner: client
        Verify: openssl s_client -connect 198.51.100.1:9443 -servername api.example.com -tls1_2 </dev/null; openssl s_client -connect 198.51.100.1:9443 -servername api.example.com -tls1_3 </dev/null
        "#,
    );
}

#[test]
fn no_cipher_and_the_smallest_change() {
    let (context, evidence) = north();
    reads(
        &(context, refused(evidence, Refusal::Cipher)),
        Cause::NoSharedCipher,
        r#"
        The client 192.0.2.9:50001 offers the cipher suites TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_RSA_WITH_AES_128_CBC_SHA; ssls/7 allows TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256.
        Fix: Add TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 to ssls/7 field ciphers: the client offers it (and its version to ssl_protocols, if that is narrowed).
        Owner: client
        Verify: openssl s_client -connect 198.51.100.1:9443 -servername api.example.com -tls1_2 -cipher ECDHE+AESGCM </dev/null
        "#,
    );
}

#[test]
fn a_cipher_that_the_certificates_key_rules_out() {
    let (context, mut evidence) = north();
    evidence.hello.as_mut().unwrap().cipher_suites = vec![0xc02f];
    evidence.own.chain = chain(&[&leaf(
        &params("api.example.com", 5, &["api.example.com"]),
        &ca("Corp CA", 1, None),
    )]);
    reads(
        &(context, refused(evidence, Refusal::Cipher)),
        Cause::NoSharedCipher,
        r#"
        The client 192.0.2.9:50001 shares TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 with ssls/7, but no suite of these works with the certificate there, which has an EC P-256 key.
        Fix: Add a second certificate with an RSA key to ssls/7 (fields certs and keys): each client gets the one that fits. Or let the client offer the suites for an EC P-256 key.
        Owner: client
        Verify: openssl s_client -connect 198.51.100.1:9443 -servername api.example.com -tls1_2 -cipher ECDHE+AESGCM </dev/null
        "#,
    );
}

#[test]
fn a_name_that_nobody_serves() {
    let (context, evidence) = north();
    reads(
        &(context, refused(evidence, Refusal::SniUnknown)),
        Cause::SniUnknown,
        r#"
        The client 192.0.2.9:50001 asked for the name api.example.com, and no ssl object has it.
        Fix: If api.example.com is to be served, add it to the field snis of an ssl object with a certificate for it (a wildcard *.example.com covers one label). Else correct the host name in the client, or the DNS entry that leads it here.
        Owner: client
        Verify: openssl s_client -connect 198.51.100.1:9443 -servername api.example.com </dev/null
        "#,
    );
}

#[test]
fn no_client_certificate() {
    let (context, evidence) = north();
    reads(
        &(context, refused(evidence, Refusal::NoClientCertificate)),
        Cause::ClientCertMissing,
        r#"
        The client 192.0.2.9:50001 sent no client certificate, and ssls/7 requires one issued by any of the 2 CAs of ssls/7 field client.ca: CN=Corp CA, CN=Partner CA.
        Fix: Give the client a certificate of such a CA with its intermediates and key (curl --cert and --key, nginx proxy_ssl_certificate, Java key store, Apigee ClientAuthEnabled with KeyStore and KeyAlias). A client that has one and sends none (Java, Go, browsers) found no CA of the list that issued it: complete its chain, or add the CA to ssls/7 field client.ca. Paths that need none: client.skip_mtls_uri_regex.
        Owner: client
        Verify: openssl s_client -connect 198.51.100.1:9443 -servername api.example.com -cert client.crt -key client.key </dev/null
        "#,
    );
}

#[test]
fn no_client_certificate_for_a_target() {
    let (context, mut evidence) = south();
    evidence.own.shown = Shown::Nothing;
    evidence.request = Some(CertificateRequest {
        authorities: vec![name_der("Partner CA")],
        total_authorities: 1,
        schemes: Vec::new(),
    });
    reads(
        &(context, alerted(evidence, 116)),
        Cause::ClientCertMissing,
        r#"
        The target api.example.com:443 (203.0.113.5:443) demands a client certificate and none is configured for it; it ended the handshake with alert 116 (certificate_required). It takes certificates issued by: CN=Partner CA.
        Fix: Set upstreams/3 field tls.client_cert and tls.client_key to a certificate issued by one of these CAs, with its intermediates; or tls.client_cert_id to an ssl object of type client.
        Owner: gateway
        Verify: openssl s_client -connect api.example.com:443 -servername api.example.com </dev/null 2>&1 | grep -A 20 'Acceptable client'
        "#,
    );
}

fn name_der(name: &str) -> Box<[u8]> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let ca = ca(name, 1, None);
    let (_, cert) = X509Certificate::from_der(ca.der()).unwrap();
    cert.subject().as_raw().into()
}

#[test]
fn plain_http_is_sent_again_to_see_the_answer() {
    let (context, evidence) = north();
    let found = finding(&context, &evidence, Cause::PlaintextToTlsPort);
    let command = "curl -sv --max-time 5 http://198.51.100.1:9443/";
    assert_eq!(found.verify.as_deref(), Some(command));
}

#[test]
fn a_clients_certificate_of_another_ca() {
    let (context, mut evidence) = north();
    evidence.peer_chain = chain(&[&leaf(
        &params("app1", 5, &[]),
        &ca("Elsewhere Root", 1, None),
    )]);
    let evidence = refused(evidence, Refusal::Certificate(CertFault::UntrustedCa));
    reads(
        &(context, evidence),
        Cause::ClientCertUntrustedCa,
        r#"
        The client 192.0.2.9:50001 showed the certificate CN=app1 (issuer CN=Elsewhere Root, serial 0a:05), which is not signed by any of the 2 CAs of ssls/7 field client.ca: CN=Corp CA, CN=Partner CA.
        Fix: Give the client a certificate of such a CA. If CN=Elsewhere Root is to be trusted, add its CA certificate to ssls/7 field client.ca.
        Owner: client
        Verify: openssl verify -purpose sslclient -CAfile client-ca.crt -untrusted client.crt client.crt
        "#,
    );
}

#[test]
fn an_expired_client_certificate() {
    let (context, mut evidence) = north();
    let mut params = params("app1", 5, &[]);
    params.not_after = date_time_ymd(2026, 5, 20);
    evidence.peer_chain = chain(&[&leaf(&params, &ca("Corp CA", 1, None))]);
    let evidence = refused(evidence, Refusal::Certificate(CertFault::Expired(0)));
    reads(
        &(context, evidence),
        Cause::ClientCertExpired,
        r#"
        The client 192.0.2.9:50001 showed the certificate CN=app1 (issuer CN=Corp CA, serial 0a:05), which expired at 2026-05-20T00:00:00Z (12 days ago).
        Fix: Renew it on the client's side: install the certificate with its intermediates, and its key, there (Apigee: a new keystore with the same alias, then repoint the reference).
        Owner: client
        Verify: openssl x509 -in client.crt -noout -subject -issuer -serial -dates -ext extendedKeyUsage
        "#,
    );
}

#[test]
fn an_expired_target() {
    let (context, mut evidence) = south();
    let mut params = params("api", 5, &["api.example.com"]);
    params.not_after = date_time_ymd(2026, 5, 31);
    evidence.peer_chain = chain(&[&leaf(&params, &ca("Corp CA", 1, None))]);
    let evidence = refused(evidence, Refusal::Certificate(CertFault::Expired(0)));
    reads(
        &(context, evidence),
        Cause::ServerCertExpired,
        r#"
        The target api.example.com:443 (203.0.113.5:443) showed the certificate CN=api (issuer CN=Corp CA, serial 0a:05), which expired at 2026-05-31T00:00:00Z (1 day ago).
        Fix: Renew it on the target's side: install the certificate with its intermediates, and its key, there (Apigee: a new keystore with the same alias, then repoint the reference).
        Owner: target
        Verify: openssl s_client -connect api.example.com:443 -servername api.example.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -serial -dates -ext subjectAltName,extendedKeyUsage
        "#,
    );
}

#[test]
fn a_target_of_another_ca() {
    let (context, mut evidence) = south();
    evidence.own.anchors.truncate(1);
    evidence.peer_chain = chain(&[&leaf(
        &params("api", 5, &["api.example.com"]),
        &ca("Elsewhere Root", 1, None),
    )]);
    let evidence = refused(evidence, Refusal::Certificate(CertFault::UntrustedCa));
    reads(
        &(context, evidence),
        Cause::ServerCertUntrustedCa,
        r#"
        The target api.example.com:443 (203.0.113.5:443) showed the certificate CN=api (issuer CN=Elsewhere Root, serial 0a:05), which is not signed by the CA of upstreams/3 field tls.ca_certs: CN=Corp CA.
        Fix: If CN=Elsewhere Root is to be trusted, put its CA certificate into upstreams/3 field tls.ca_certs. Else have the target's owner use a certificate of a CA that is trusted.
        Owner: target
        Verify: openssl s_client -connect api.example.com:443 -servername api.example.com -showcerts </dev/null
        "#,
    );
}

#[test]
fn a_target_with_other_names() {
    let (context, mut evidence) = south();
    evidence.peer_chain = chain(&[&leaf(
        &params("other", 5, &["other.example.com", "www.example.com"]),
        &ca("Corp CA", 1, None),
    )]);
    let evidence = refused(
        evidence,
        Refusal::Certificate(CertFault::WrongName(Vec::new())),
    );
    reads(
        &(context, evidence),
        Cause::ServerCertHostnameMismatch,
        r#"
        The target api.example.com:443 (203.0.113.5:443) showed the certificate CN=other (issuer CN=Corp CA, serial 0a:05), which is for other.example.com, www.example.com, not for api.example.com.
        Fix: If one of these is the target's right name, set upstreams/3 field tls.sni to it (without that field it is the Host that the target gets). Else have the target's owner add api.example.com as subject alternative name.
        Owner: target
        Verify: openssl s_client -connect api.example.com:443 -servername api.example.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -serial -dates -ext subjectAltName,extendedKeyUsage
        "#,
    );
}

#[test]
fn a_target_without_its_intermediate() {
    let (context, mut evidence) = south();
    let middle = ca("Corp Issuing CA", 2, Some(&ca("Corp Root", 1, None)));
    evidence.own.platform_roots = true;
    evidence.peer_chain = chain(&[&leaf(&params("api", 5, &["api.example.com"]), &middle)]);
    let evidence = refused(evidence, Refusal::Certificate(CertFault::UntrustedCa));
    reads(
        &(context, evidence),
        Cause::ServerCertChainIncomplete,
        r#"
        The target api.example.com:443 (203.0.113.5:443) showed the certificate CN=api (issuer CN=Corp Issuing CA, serial 0a:05), which is sent alone: its issuer CN=Corp Issuing CA is missing from the chain.
        Fix: Have the target append the certificate of CN=Corp Issuing CA to its own, leaf first. Until then it can be put into upstreams/3 field tls.ca_certs.
        Owner: target
        Verify: openssl s_client -connect api.example.com:443 -servername api.example.com -showcerts </dev/null
        "#,
    );
}

#[test]
fn a_target_that_is_not_there() {
    let (context, evidence) = south();
    let tried = "203.0.113.5:443: Connection refused (os error 111); [2001:db8::5]:443: no answer";
    let found = finding(&context, &evidence.because(tried), Cause::TcpConnectFailed);
    let detail = format!("There is no connection to the target api.example.com:443 ({tried}).");
    assert_eq!(found.detail, detail);
}

#[test]
fn a_plaintext_target() {
    let (context, mut evidence) = south();
    evidence.foreign = Some(Foreign::HttpAnswer(Some(400)));
    reads(
        &(context, evidence),
        Cause::PeerNotTls,
        r#"
        The target api.example.com:443 (203.0.113.5:443) sent a plain HTTP answer with status 400 where TLS was expected.
        Fix: The target speaks plain HTTP there: set upstreams/3 field scheme to http, or point nodes at its TLS port.
        Owner: target
        Verify: curl -sv --max-time 5 http://api.example.com:443/
        "#,
    );
}

#[test]
fn our_certificate_without_the_name() {
    let (context, mut evidence) = north();
    evidence.own.chain = chain(&[&leaf(
        &params("www", 5, &["www.example.com"]),
        &ca("Corp CA", 1, None),
    )]);
    reads(
        &(context, alerted(evidence, 42)),
        Cause::ServerCertHostnameMismatch,
        r#"
        The client 192.0.2.9:50001 ended the handshake with alert 42 (bad_certificate): our certificate CN=www (issuer CN=Corp CA, serial 0a:05) is for www.example.com, not for api.example.com.
        Fix: Have a certificate issued with api.example.com as subject alternative name (DNS), or a wildcard that covers it, and put it with its chain into ssls/7 fields cert and key.
        Owner: gateway
        Verify: openssl s_client -connect 198.51.100.1:9443 -servername api.example.com </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -serial -dates -ext subjectAltName,extendedKeyUsage
        "#,
    );
}

#[test]
fn a_target_that_closes_after_our_hello() {
    let (context, mut evidence) = south();
    evidence.sent = vec![Message {
        kind: 1,
        length: 500,
    }];
    (evidence.phase, evidence.end, evidence.bytes) = (Phase::ServerHello, End::Closed, (0, 505));
    reads(
        &(context, evidence),
        Cause::PeerClosedDuringHandshake,
        r#"
        The target api.example.com:443 (203.0.113.5:443) closed the connection after our ClientHello and before any message of its, in phase server_hello, without an alert.
        Fix: See the target's log. Usual reasons: it speaks old TLS versions only, is a load balancer without a backend, knows no such server name, or the port is not for TLS. `sallyport diagnose api.example.com:443` tells them apart.
        Owner: target
        Verify: openssl s_client -connect api.example.com:443 -servername api.example.com </dev/null
        "#,
    );
}

#[test]
fn words_for_a_shell_are_quoted_or_left_out() {
    assert_eq!(
        words::shell("api.test:443").as_deref(),
        Some("api.test:443")
    );
    assert_eq!(words::shell("[::1]:443").as_deref(), Some("'[::1]:443'"));
    assert_eq!(words::shell("CN=a b").as_deref(), Some("'CN=a b'"));
    for bad in [
        "",
        "-x",
        "a'b",
        "$(x)",
        "a`b",
        "a\"b",
        "a\nb",
        "a;b",
        "a&b",
        "é",
        &"a".repeat(300),
    ] {
        assert_eq!(words::shell(bad), None, "{bad}");
    }
}

#[test]
fn lists_say_what_they_leave_out() {
    assert_eq!(words::list(["a", "b"], 2), "a, b");
    assert_eq!(words::list(["a", "b", "c", "d"], 2), "a, b and 2 more");
    assert_eq!(words::list([""; 0], 2), "none");
    assert_eq!(words::plain("abcd", 2), "ab…");
}
