//! Clients' certificates, judged as OpenSSL would.

use std::path::Path;
use std::process::Command;

use control::object::Ssl;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::pki::{
    self, Ca, Leaf, expired, expired_before_it_began, future, openssl, root, root_with,
};
use super::{client_json, ssl};
use crate::alert::{Alert, Cause};
use crate::tls::verify::CertFault;
use crate::tls::verify::client::ClientVerifier;

fn verifier_of(ssl: &Ssl) -> ClientVerifier {
    let algorithms =
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    ClientVerifier::new(ssl.client().unwrap(), algorithms)
}

/// A verifier for a CA list (PEM) and a depth.
fn verifier(ca: &str, depth: u32) -> ClientVerifier {
    let server = root("server").server("a.test");
    verifier_of(&ssl("1", &server, &client_json(ca, depth, "")))
}

fn check(verifier: &ClientVerifier, chain: &[CertificateDer<'_>]) -> Result<i64, CertFault> {
    verifier.check(&chain[0], &chain[1..], UnixTime::now())
}

fn refused(verifier: &ClientVerifier, leaf: &Leaf) -> CertFault {
    check(verifier, &leaf.chain).unwrap_err()
}

/// What `openssl verify` says of a chain, to hold our verdict against.
fn openssl_accepts(ca: &str, depth: u32, leaf: &Leaf) -> bool {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca"), ca).unwrap();
    std::fs::write(dir.path().join("chain"), &leaf.pem).unwrap();
    let run = Command::new("openssl")
        .args([
            "verify",
            "-purpose",
            "sslclient",
            "-no-CApath",
            "-no-CAstore",
            "-CAfile",
            "ca",
        ])
        .args([
            "-verify_depth",
            &depth.to_string(),
            "-untrusted",
            "chain",
            "chain",
        ])
        .current_dir(dir.path())
        .output()
        .unwrap();
    run.status.success()
}

/// Our verdict and OpenSSL's are the same; returns ours.
fn agree(ca: &str, depth: u32, leaf: &Leaf) -> Result<i64, CertFault> {
    let ours = check(&verifier(ca, depth), &leaf.chain);
    assert_eq!(
        ours.is_ok(),
        openssl_accepts(ca, depth, leaf),
        "ours: {ours:?}"
    );
    ours
}

#[test]
fn the_ordinary_case_passes_and_holds_until_the_leaf_expires() {
    let ca = root("ca");
    let leaf = ca.leaf("c", |p| p.not_after = rcgen::date_time_ymd(2035, 1, 1));
    assert_eq!(agree(&ca.pem, 1, &leaf), Ok(2_051_222_400));
}

#[test]
fn an_unknown_ca_is_refused_even_with_the_same_name() {
    let (ca, other) = (root("ca"), root("ca"));
    let fault = agree(&ca.pem, 1, &other.client("c")).unwrap_err();
    assert_eq!(
        (fault.alert(), fault.client_cause()),
        (Alert(48), Cause::ClientCertUntrustedCa)
    );
    // The impostor's root sent along is no help.
    assert!(agree(&ca.pem, 3, &other.client("c").with(&[&other])).is_err());
}

#[test]
fn dates_are_asked_for_everywhere() {
    let ca = root("ca");
    let check = |leaf: &Leaf| agree(&ca.pem, 1, leaf).unwrap_err();
    let fault = check(&ca.leaf("c", expired));
    assert_eq!(
        (fault.alert(), fault.client_cause()),
        (Alert(45), Cause::ClientCertExpired)
    );
    let fault = check(&ca.leaf("c", expired_before_it_began));
    assert_eq!(
        (fault.alert(), fault.client_cause()),
        (Alert(45), Cause::ClientCertExpired)
    );
    let fault = check(&ca.leaf("c", future));
    assert_eq!(
        (fault.alert(), fault.client_cause()),
        (Alert(42), Cause::ClientCertNotYetValid)
    );
    let old = ca.sub_with("sub", expired);
    assert_eq!(check(&old.client("c").with(&[&old])).alert(), Alert(45));
    let old_root = root_with("old", expired);
    assert_eq!(
        agree(&old_root.pem, 1, &old_root.client("c"))
            .unwrap_err()
            .alert(),
        Alert(45)
    );
}

#[test]
fn purpose_is_asked_for_where_stated() {
    let ca = root("ca");
    let server = ca.leaf("c", |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    let fault = agree(&ca.pem, 1, &server).unwrap_err();
    assert_eq!(
        (fault.alert(), fault.client_cause()),
        (Alert(43), Cause::ClientCertWrongPurpose)
    );
    let usage = |usage| ca.leaf("c", move |p| p.key_usages = vec![usage]);
    assert_eq!(
        agree(&ca.pem, 1, &usage(KeyUsagePurpose::CrlSign)),
        Err(CertFault::WrongPurpose)
    );
    agree(&ca.pem, 1, &usage(KeyUsagePurpose::DigitalSignature)).unwrap();
    agree(&ca.pem, 1, &ca.leaf("c", |_| {})).unwrap();
}

#[test]
fn depth_counts_the_intermediates_of_the_path() {
    let ca = root("ca");
    let (one, two) = (ca.sub("one"), ca.sub("one").sub("x"));
    drop(two);
    let two = one.sub("two");
    for depth in 0..3 {
        let verdict = |leaf: &Leaf| agree(&ca.pem, depth, leaf).is_ok();
        assert!(verdict(&ca.client("c")));
        assert!(
            verdict(&ca.client("c").with(&[&one, &two, &ca])),
            "what is sent but not used does not count"
        );
        assert_eq!(verdict(&one.client("c").with(&[&one])), depth >= 1);
        assert_eq!(verdict(&two.client("c").with(&[&two, &one])), depth >= 2);
        assert_eq!(
            verdict(&two.client("c").with(&[&one, &two])),
            depth >= 2,
            "order does not matter"
        );
    }
    let fault = refused(&verifier(&ca.pem, 0), &one.client("c").with(&[&one]));
    assert_eq!(
        (fault.clone(), fault.alert()),
        (CertFault::TooDeep, Alert(48))
    );
}

#[test]
fn intermediates_in_the_list_help_but_do_not_end_a_path() {
    let ca = root("ca");
    let sub = ca.sub("sub");
    let leaf = sub.client("c");
    assert_eq!(agree(&sub.pem, 1, &leaf).unwrap_err().alert(), Alert(48));
    assert_eq!(
        agree(&sub.pem, 1, &sub.client("c").with(&[&sub, &ca]))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    agree(&format!("{}{}", sub.pem, ca.pem), 1, &leaf).unwrap();
    assert!(agree(&format!("{}{}", sub.pem, ca.pem), 0, &leaf).is_err());
}

#[test]
fn a_leaf_in_the_list_is_trusted_byte_for_byte() {
    let leaf = pki::self_signed("c", |_| {});
    agree(&leaf.pem, 1, &leaf).unwrap();
    let twin = pki::self_signed("c", |_| {});
    assert_eq!(agree(&leaf.pem, 1, &twin).unwrap_err().alert(), Alert(48));
    let old = pki::self_signed("c", expired);
    assert_eq!(agree(&old.pem, 1, &old).unwrap_err().alert(), Alert(45));
    // It vouches for itself alone.
    let params = rcgen::CertificateParams::default();
    let key = KeyPair::from_pem(&leaf.key).unwrap();
    let fake = Ca {
        der: leaf.der().clone(),
        pem: leaf.pem.clone(),
        params: named("c", params),
        key,
    };
    assert_eq!(
        agree(&leaf.pem, 3, &fake.client("victim"))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    // One that another CA signed is not an end of a path.
    let ca = root("ca");
    let issued = ca.client("c");
    assert_eq!(
        agree(&issued.pem, 1, &issued).unwrap_err().alert(),
        Alert(48)
    );
}

fn named(name: &str, mut params: rcgen::CertificateParams) -> rcgen::CertificateParams {
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params
}

#[test]
fn issuers_must_be_allowed_to_issue() {
    let ca = root("ca");
    let no_ca = ca.sub_with("sub", |p| p.is_ca = IsCa::ExplicitNoCa);
    assert_eq!(
        agree(&ca.pem, 3, &no_ca.client("c").with(&[&no_ca]))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    let no_sign = ca.sub_with("sub", |p| {
        p.key_usages = vec![KeyUsagePurpose::DigitalSignature]
    });
    assert_eq!(
        agree(&ca.pem, 3, &no_sign.client("c").with(&[&no_sign]))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    let short = ca.sub_with("sub", |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
    });
    let below = short.sub("below");
    assert_eq!(
        agree(&ca.pem, 3, &below.client("c").with(&[&below, &short]))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    let short_root = root_with("short", |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
    });
    let sub = short_root.sub("sub");
    assert_eq!(
        agree(&short_root.pem, 3, &sub.client("c").with(&[&sub]))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    let mute = root_with("mute", |p| {
        p.key_usages = vec![KeyUsagePurpose::DigitalSignature]
    });
    assert!(agree(&mute.pem, 3, &mute.client("c")).is_err());
}

#[test]
fn of_cross_signed_paths_the_one_that_fits_is_taken() {
    let (known, unknown) = (root("known"), root("unknown"));
    let key = KeyPair::generate().unwrap();
    let copy = || KeyPair::from_pem(&key.serialize_pem()).unwrap();
    let by_known = known.certify("sub", copy(), |_| {});
    let by_unknown = unknown.certify("sub", copy(), |_| {});
    let leaf = by_known.client("c").with(&[&by_unknown, &by_known]);
    check(&verifier(&known.pem, 1), &leaf.chain).unwrap();
    // The long way round is too deep, the short one is not.
    let detour = known.sub("detour");
    let by_detour = detour.certify("sub", copy(), |_| {});
    let leaf = by_known.client("c").with(&[&by_detour, &detour, &by_known]);
    check(&verifier(&known.pem, 1), &leaf.chain).unwrap();
    let leaf = by_known.client("c").with(&[&by_detour, &detour]);
    assert_eq!(refused(&verifier(&known.pem, 1), &leaf), CertFault::TooDeep);
}

#[test]
fn what_is_presented_is_bounded() {
    let ca = root("ca");
    let verifier = verifier(&ca.pem, 1);
    let mut leaf = ca.client("c");
    leaf.chain.extend(std::iter::repeat_n(ca.der.clone(), 9));
    check(&verifier, &leaf.chain).unwrap();
    leaf.chain.push(ca.der.clone());
    assert_eq!(refused(&verifier, &leaf), CertFault::TooLarge);
    let huge = [
        ca.client("c").der().clone(),
        CertificateDer::from(vec![0; 64 << 10]),
    ];
    assert_eq!(check(&verifier, &huge), Err(CertFault::TooLarge));
    assert!(matches!(
        check(&verifier, &[CertificateDer::from(vec![48, 0])]),
        Err(CertFault::Malformed(_))
    ));
}

/// A root and, with it, what `script` asks openssl for.
fn by_openssl(dir: &Path, script: &[&str]) {
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        dir,
        &format!("req -x509 {KEY} -keyout ca.key -out ca.crt -subj /CN=ca -days 30"),
    );
    for line in script {
        openssl(dir, &line.replace("KEY", KEY));
    }
}

#[test]
fn v1_leaves_as_apisix_guides_make_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    by_openssl(
        dir,
        &[
            "req KEY -keyout c.key -out c.csr -subj /CN=client",
            "x509 -req -in c.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out c.crt -days 30",
            "x509 -req -in c.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out old.crt -days -1",
            "req -x509 KEY -keyout other.key -out other.crt -subj /CN=ca -days 30",
            "x509 -req -in c.csr -CA other.crt -CAkey other.key -CAcreateserial -out foreign.crt -days 30",
            // A v1 certificate that issues: never between leaf and anchor.
            "req KEY -keyout d.key -out d.csr -subj /CN=below",
            "x509 -req -in d.csr -CA c.crt -CAkey c.key -CAcreateserial -out d.crt -days 30",
        ],
    );
    let ca = std::fs::read_to_string(dir.join("ca.crt")).unwrap();
    let leaf = pki::read(dir, "c.crt", "c.key");
    let parsed = crate::tls::verify::cert::Cert::parse(leaf.der()).unwrap();
    assert!(parsed.is_v1());
    agree(&ca, 1, &leaf).unwrap();
    agree(&ca, 0, &leaf).unwrap();
    assert_eq!(
        agree(&ca, 1, &pki::read(dir, "old.crt", "c.key"))
            .unwrap_err()
            .alert(),
        Alert(45)
    );
    assert_eq!(
        agree(&ca, 1, &pki::read(dir, "foreign.crt", "c.key"))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    let mut below = pki::read(dir, "d.crt", "d.key");
    below.chain.push(leaf.der().clone());
    below.pem.push_str(&leaf.pem);
    assert_eq!(agree(&ca, 3, &below).unwrap_err().alert(), Alert(48));
    // A bent signature, and a bent body.
    for at in [leaf.der().len() - 3, 40] {
        let mut bent = leaf.der().to_vec();
        bent[at] ^= 1;
        assert!(check(&verifier(&ca, 1), &[CertificateDer::from(bent)]).is_err());
    }
}

#[test]
fn ca_true_leaves_as_apisix_guides_make_them() {
    let ca = root("ca");
    let sub = ca.sub("sub");
    let cert = |issuer: &Ca, change: fn(&mut rcgen::CertificateParams)| {
        issuer.leaf("c", move |p| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            change(p);
        })
    };
    agree(&ca.pem, 0, &cert(&ca, |_| {})).unwrap();
    agree(&ca.pem, 1, &cert(&sub, |_| {}).with(&[&sub])).unwrap();
    assert_eq!(
        agree(&ca.pem, 0, &cert(&sub, |_| {}).with(&[&sub])),
        Err(CertFault::TooDeep)
    );
    assert_eq!(
        agree(&ca.pem, 1, &cert(&ca, expired)).unwrap_err().alert(),
        Alert(45)
    );
    assert_eq!(
        agree(&ca.pem, 1, &cert(&ca, future)).unwrap_err().alert(),
        Alert(42)
    );
    assert_eq!(
        agree(&ca.pem, 1, &cert(&root("ca"), |_| {}))
            .unwrap_err()
            .alert(),
        Alert(48)
    );
    let server = cert(&ca, |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]
    });
    assert_eq!(agree(&ca.pem, 1, &server), Err(CertFault::WrongPurpose));
    let signer = cert(&ca, |p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    assert_eq!(agree(&ca.pem, 1, &signer), Err(CertFault::WrongPurpose));
    let no_sign = ca.sub_with("sub", |p| {
        p.key_usages = vec![KeyUsagePurpose::DigitalSignature]
    });
    assert_eq!(
        agree(&ca.pem, 1, &cert(&no_sign, |_| {}).with(&[&no_sign])),
        Err(CertFault::NotAnIssuer)
    );
    let short = ca.sub_with("sub", |p| {
        p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
    });
    let below = short.sub("below");
    assert!(agree(&ca.pem, 3, &cert(&below, |_| {}).with(&[&below, &short])).is_err());
    // Self-signed as `openssl req -x509` makes it: by itself unknown, in the list trusted.
    let own = pki::self_signed("c", |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(agree(&ca.pem, 1, &own), Err(CertFault::SelfSigned));
    agree(&own.pem, 1, &own).unwrap();
}

#[test]
fn a_verdict_is_recalled_only_for_the_same_chain_and_only_while_it_holds() {
    let ca = root("root");
    let (good, other) = (ca.client("good"), root("elsewhere").client("good"));
    let (good, other) = (good.der(), other.der());
    let verifier = verifier(&ca.pem, 1);
    let now = UnixTime::now();
    let until = verifier.recall_or_check(good, &[], now).unwrap();
    assert_eq!(verifier.recall_or_check(good, &[], now), Ok(until));
    assert!(verifier.recall_or_check(other, &[], now).is_err());
    assert!(
        verifier
            .recall_or_check(other, std::slice::from_ref(good), now)
            .is_err()
    );
    let after = std::time::Duration::from_secs(u64::try_from(until).unwrap() + 1);
    let after = UnixTime::since_unix_epoch(after);
    assert!(matches!(
        verifier.recall_or_check(good, &[], after),
        Err(CertFault::Expired(_))
    ));
}
