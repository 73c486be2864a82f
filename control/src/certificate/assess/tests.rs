//! Findings on made-to-measure chains: which, how severe, and in which words.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use rcgen::{CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use rustls_pki_types::CertificateDer;

use super::super::finding::FindingKind::{self, *};
use super::super::finding::Severity::{self, Error, Info, Warning};
use super::super::inventory::{Entry, NodeCertificates, Use};
use super::super::pki::{Party, ca, named, openssl, root};
use super::{Assessed, DAY, Finding, KnownRoots, assess};

/// 2030-01-01: in the middle of what `pki` makes.
const NOW: i64 = 1_893_456_000;

fn served(names: &[&str]) -> CertificateParams {
    let mut params = named(names[0]);
    params.subject_alt_names = names
        .iter()
        .map(|name| SanType::DnsName((*name).try_into().unwrap()))
        .collect();
    params
}

fn ders(parties: &[&Party]) -> Vec<CertificateDer<'static>> {
    parties.iter().map(|p| p.der.clone().into()).collect()
}

fn entry<'a>(
    usage: Use,
    names: &[&'a str],
    certificates: &'a [CertificateDer<'static>],
) -> Entry<'a> {
    Entry {
        usage,
        id: "ssls/1".to_owned(),
        field: if usage == Use::Ca {
            "client.ca"
        } else {
            "cert"
        }
        .to_owned(),
        names: names.to_vec(),
        certificates,
        not_after: 0,
    }
}

fn at(now: i64, usage: Use, names: &[&str], parties: &[&Party]) -> Vec<Finding> {
    let certificates = ders(parties);
    let found = assess(
        &entry(usage, names, &certificates),
        &KnownRoots::default(),
        now,
    );
    assert_eq!(found.certificates.len(), parties.len());
    found.findings
}

fn kinds(findings: &[Finding]) -> Vec<(FindingKind, Severity)> {
    findings.iter().map(|f| (f.kind, f.severity)).collect()
}

/// An extension that says where the issuer can be had.
fn issuer_at(url: &str) -> CustomExtension {
    let wrap = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
    let method = wrap(6, &[0x2b, 6, 1, 5, 5, 7, 0x30, 2]);
    let location = wrap(0x86, url.as_bytes());
    let all = wrap(0x30, &wrap(0x30, &[method, location].concat()));
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], all)
}

#[test]
fn nothing_is_found_about_good_ones() {
    let authority = root(ca("Root"));
    let sub = authority.issue(ca("Sub"));
    let leaf = sub.issue(served(&["a.test", "*.b.test"]));
    let names = ["a.test", "x.b.test", "*.b.test", "*"];
    assert_eq!(at(NOW, Use::Server, &names, &[&leaf, &sub]), []);
    assert_eq!(at(NOW, Use::Server, &names, &[&leaf, &sub, &authority]), []);
    assert_eq!(at(NOW, Use::Client, &[], &[&leaf, &sub]), []);
    assert_eq!(at(NOW, Use::Ca, &[], &[&authority, &sub]), []);
}

#[test]
fn dates() {
    let authority = root(ca("Root"));
    let sub = authority.issue(ca("Sub"));
    let leaf = sub.issue(served(&["a.test"]));
    let end = leaf.info().not_after();
    let start = leaf.info().not_before();
    for (now, expected) in [
        (end + 1, vec![(Expired, Error)]),
        (end, vec![(ExpiresSoon, Error)]),
        (end - 7 * DAY + 1, vec![(ExpiresSoon, Error)]),
        (end - 7 * DAY, vec![(ExpiresSoon, Warning)]),
        (end - 30 * DAY + 1, vec![(ExpiresSoon, Warning)]),
        (end - 30 * DAY, vec![]),
        (start, vec![]),
        (start - 1, vec![(NotYetValid, Error)]),
    ] {
        // Leaf and issuer have the same dates, and are told apart below.
        let found = at(now, Use::Hop, &[], &[&leaf]);
        assert_eq!(kinds(&found), expected, "{}", now - end);
    }
    let found = &at(end + 3 * DAY, Use::Server, &["a.test"], &[&leaf, &sub])[0];
    assert_eq!(
        found.detail,
        "\"CN=a.test\" expired at 2040-01-01T00:00:00Z, 3 days ago"
    );
    assert!(
        found.fix.contains("into cert and key of ssls/1"),
        "{}",
        found.fix
    );
    assert!(
        found.fix.contains("openssl x509 -in new.pem -noout"),
        "{}",
        found.fix
    );
    let found = &at(start - 7_200, Use::Client, &[], &[&leaf, &sub])[0];
    assert_eq!(
        found.detail,
        "\"CN=a.test\" is valid from 2020-01-01T00:00:00Z on, in 2 hours"
    );
    assert!(found.fix.contains("date -u"), "{}", found.fix);
}

#[test]
fn issuers_that_are_sent_end_too() {
    let authority = root(ca("Root"));
    let mut short = ca("Sub");
    short.not_after = date_time_ymd(2029, 12, 30);
    let sub = authority.issue(short);
    let leaf = sub.issue(served(&["a.test"]));
    let found = at(NOW, Use::Server, &["a.test"], &[&leaf, &sub]);
    assert_eq!(kinds(&found), [(Expired, Error)]);
    assert_eq!(
        found[0].detail,
        "\"CN=Sub\" expired at 2029-12-30T00:00:00Z, 2 days ago"
    );
    assert!(found[0].fix.contains("openssl verify"), "{}", found[0].fix);
    // A root that nobody needs to be sent may be as old as it likes.
    let mut old = ca("Old");
    old.not_after = date_time_ymd(2029, 12, 30);
    let old = root(old);
    let leaf = old.issue(served(&["a.test"]));
    assert_eq!(at(NOW, Use::Server, &["a.test"], &[&leaf, &old]), []);
}

#[test]
fn chains() {
    let authority = root(ca("Root"));
    let sub = authority.issue(ca("Sub"));
    let issuing = sub.issue(ca("Issuing"));
    let leaf = issuing.issue(served(&["a.test"]));
    let server = |parties: &[&Party]| at(NOW, Use::Server, &["a.test"], parties);

    let found = server(&[&leaf, &sub, &issuing]);
    assert_eq!(kinds(&found), [(ChainDisordered, Warning)]);
    assert!(
        found[0]
            .detail
            .contains("\"CN=a.test\" > \"CN=Issuing\" > \"CN=Sub\" (certificates 1, 3, 2 of cert)")
    );
    assert!(
        found[0].fix.contains("in the order 1, 3, 2"),
        "{}",
        found[0].fix
    );

    let found = server(&[&leaf]);
    assert_eq!(kinds(&found), [(ChainIncomplete, Info)]);
    assert!(
        found[0]
            .detail
            .starts_with("the issuer \"CN=Issuing\" is not sent")
    );
    let mut public = served(&["a.test"]);
    public.custom_extensions = vec![issuer_at("http://ca.test/i.crt")];
    let public = issuing.issue(public);
    let found = server(&[&public]);
    assert_eq!(kinds(&found), [(ChainIncomplete, Warning)]);
    assert!(
        found[0].fix.contains("http://ca.test/i.crt"),
        "{}",
        found[0].fix
    );

    // The issuer is a root that is trusted somewhere, or is one of the platform's.
    let bare = authority.issue(served(&["a.test"]));
    let (bare, anchors) = (ders(&[&bare]), ders(&[&authority, &sub]));
    let entries = [
        entry(Use::Ca, &[], &anchors),
        entry(Use::Server, &["a.test"], &bare),
    ];
    let own = NodeCertificates::default();
    let trusted = KnownRoots::of(&entries, &own);
    assert_eq!(assess(&entries[1], &trusted, NOW).findings, []);
    let own = NodeCertificates {
        roots: anchors.clone(),
        hop: None,
    };
    let platform = KnownRoots::of(&entries[1..], &own);
    assert_eq!(assess(&entries[1], &platform, NOW).findings, []);
    // An intermediate that somebody trusts is not what everybody has.
    let by_sub = ders(&[&sub.issue(served(&["a.test"]))]);
    let found = assess(&entry(Use::Server, &["a.test"], &by_sub), &trusted, NOW);
    assert_eq!(kinds(&found.findings), [(ChainIncomplete, Info)]);

    let alone = root(served(&["a.test"]));
    assert_eq!(kinds(&server(&[&alone])), [(SelfSigned, Warning)]);
}

#[test]
fn names_of_servers() {
    let authority = root(ca("Root"));
    let leaf = authority.issue(served(&["a.test", "b.test"]));
    let found = at(
        NOW,
        Use::Server,
        &["a.test", "c.test", "*.b.test"],
        &[&leaf, &authority],
    );
    assert_eq!(kinds(&found), [(NameMismatch, Error)]);
    assert_eq!(
        found[0].detail,
        "\"CN=a.test\" is served for c.test, *.b.test and is not for that name; it is for a.test, b.test"
    );
    assert!(
        found[0].fix.contains("DNS:c.test,DNS:*.b.test"),
        "{}",
        found[0].fix
    );
    // A client's names are nobody's matter.
    assert_eq!(at(NOW, Use::Client, &[], &[&leaf, &authority]), []);

    let plain = authority.issue(named("cn.test"));
    let found = at(NOW, Use::Server, &["cn.test"], &[&plain, &authority]);
    assert_eq!(kinds(&found), [(NoSan, Warning)]);
    assert!(
        found[0]
            .detail
            .contains("Go, rustls and browsers refuse it")
    );
    let found = at(NOW, Use::Server, &["a.test"], &[&plain, &authority]);
    assert_eq!(kinds(&found), [(NameMismatch, Error), (NoSan, Warning)]);
    assert!(
        found[0]
            .detail
            .ends_with("it is for cn.test by its common name")
    );
}

#[test]
fn purposes() {
    let authority = root(ca("Root"));
    let with = |usages: &[ExtendedKeyUsagePurpose]| {
        let mut params = served(&["a.test"]);
        params.extended_key_usages = usages.to_vec();
        authority.issue(params)
    };
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    for (usages, server, client) in [
        (vec![], true, true),
        (vec![ServerAuth], true, false),
        (vec![ClientAuth], false, true),
        (vec![ServerAuth, ClientAuth], true, true),
        (vec![Any], false, false),
    ] {
        let leaf = with(&usages);
        for (usage, good) in [
            (Use::Server, server),
            (Use::Client, client),
            (Use::UpstreamClient, client),
        ] {
            let found = at(NOW, usage, &["a.test"], &[&leaf, &authority]);
            let expected = if good {
                vec![]
            } else {
                vec![(WrongPurpose, Error)]
            };
            assert_eq!(kinds(&found), expected, "{usages:?} {usage:?}");
        }
    }
    let mut params = ca("Clients only");
    params.extended_key_usages = vec![ClientAuth];
    let sub = authority.issue(params);
    let leaf = sub.issue(served(&["a.test"]));
    let found = at(NOW, Use::Server, &["a.test"], &[&leaf, &sub]);
    assert_eq!(
        found[0].detail,
        "\"CN=Clients only\" is not for TLS servers: its extended key usage does not name serverAuth"
    );
}

#[test]
fn weak_keys_and_signatures() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, ca_cert, request) = (path("key"), path("ca"), path("request"));
    openssl(&["genrsa", "-out", &key, "1024"], b"");
    openssl(
        &[
            "req",
            "-x509",
            "-new",
            "-sha1",
            "-days",
            "36500",
            "-key",
            &key,
            "-subj",
            "/CN=Old CA",
            "-out",
            &ca_cert,
        ],
        b"",
    );
    openssl(
        &[
            "req",
            "-new",
            "-key",
            &key,
            "-subj",
            "/CN=old.test",
            "-out",
            &request,
        ],
        b"",
    );
    let sign = [
        "x509",
        "-req",
        "-sha1",
        "-days",
        "36500",
        "-set_serial",
        "7",
        "-in",
        &request,
    ];
    let leaf = openssl(
        &[&sign[..], &["-CA", &ca_cert, "-CAkey", &key]].concat(),
        b"",
    );
    let der = |pem: &[u8]| CertificateDer::from(openssl(&["x509", "-outform", "DER"], pem));
    let chain = [der(&leaf), der(&std::fs::read(&ca_cert).unwrap())];
    let found = |usage, chain: &[CertificateDer<'static>]| {
        assess(
            &entry(usage, &["old.test"], chain),
            &KnownRoots::default(),
            NOW,
        )
        .findings
    };
    let server = found(Use::Server, &chain);
    assert_eq!(
        kinds(&server),
        [
            (WeakKey, Warning),
            (WeakSignature, Warning),
            (NoSan, Warning)
        ]
    );
    assert!(
        server[0]
            .detail
            .starts_with("the key of \"CN=old.test\" is RSA 1024 bits")
    );
    assert!(
        server[1]
            .detail
            .starts_with("\"CN=old.test\" is signed with SHA1withRSA")
    );
    // What a root is signed with, nobody verifies.
    assert_eq!(kinds(&found(Use::Ca, &chain[1..])), [(WeakKey, Warning)]);
}

#[test]
fn anchors_end_one_by_one() {
    let mut short = ca("Short");
    short.not_after = date_time_ymd(2029, 1, 1);
    let (short, long) = (root(short), root(ca("Long")));
    let found = at(NOW, Use::Ca, &[], &[&long, &short]);
    assert_eq!(kinds(&found), [(Expired, Warning)]);
    assert!(
        found[0]
            .fix
            .starts_with("Add the authority's new certificate to client.ca of ssls/1")
    );
    assert_eq!(kinds(&at(NOW, Use::Ca, &[], &[&short])), [(Expired, Error)]);
    let all = [&short, &short, &short, &short];
    assert!(
        at(NOW, Use::Ca, &[], &all)[0]
            .detail
            .contains("\"CN=Short\" and 1 more expired")
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let whole = root(served(&["a.test"]));
    let chain = [whole.der.into(), CertificateDer::from(vec![0x30, 0])];
    let Assessed {
        certificates,
        findings,
    } = assess(
        &entry(Use::Server, &["a.test"], &chain),
        &KnownRoots::default(),
        NOW,
    );
    assert_eq!(
        (certificates.len(), kinds(&findings)),
        (1, vec![(Unreadable, Error)])
    );
}
