//! One certificate against what openssl says of it, the bounds, and bytes that are no certificate.

use proptest::prelude::{ProptestConfig, any, proptest};
use rcgen::{
    CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, KeyPair,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SanType, SerialNumber,
};

use super::super::pki::{ca, named, openssl, root};
use super::{CertInfo, CertInfoError, KeyType, MOST_NAMES};

/// What `openssl x509` prints for one question, without its label.
fn asked(der: &[u8], question: &[&str]) -> String {
    let mut arguments = vec!["x509", "-inform", "DER", "-noout"];
    arguments.extend(question);
    let text = String::from_utf8(openssl(&arguments, der)).unwrap();
    let (_, answer) = text.trim_end().split_once('=').unwrap();
    answer.to_owned()
}

#[test]
fn names_are_written_as_openssl_writes_them() {
    let mut params = named("leaf.test");
    let name = &mut params.distinguished_name;
    name.push(DnType::CountryName, "DE");
    name.push(DnType::OrganizationName, r#"Example, "Inc." <x>; a+b\c"#);
    name.push(DnType::OrganizationalUnitName, "#1 unit ");
    name.push(DnType::LocalityName, " Köln");
    name.push(DnType::CustomDnType(vec![2, 5, 4, 5]), "HRB 1");
    let party = root(params);
    let info = party.info();
    let utf8 = ["-nameopt", "RFC2253,utf8,-esc_msb"];
    assert_eq!(
        info.subject(),
        asked(&party.der, &[&["-subject"], &utf8[..]].concat())
    );
    assert_eq!(
        info.subject(),
        r#"serialNumber=HRB 1,L=\ Köln,OU=\#1 unit\ ,O=Example\, \"Inc.\" \<x\>\; a\+b\\c,C=DE,CN=leaf.test"#
    );
    assert_eq!(info.issuer(), info.subject());
    assert_eq!(info.common_name(), Some("leaf.test"));
}

#[test]
fn numbers_dates_and_identifiers() {
    let authority = root(ca("Issuer"));
    let mut params = named("leaf.test");
    params.serial_number = Some(SerialNumber::from(vec![0x87, 0xbc, 0xa7]));
    params.subject_alt_names = vec![
        SanType::DnsName("a.test".try_into().unwrap()),
        SanType::IpAddress("2001:db8::1".parse().unwrap()),
        SanType::Rfc822Name("a@b.test".try_into().unwrap()),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let party = authority.issue(params);
    let info = party.info();
    assert_eq!(info.serial(), "87:bc:a7");
    assert_eq!(asked(&party.der, &["-serial"]), "87BCA7");
    let fingerprint = asked(&party.der, &["-fingerprint", "-sha256"]);
    assert_eq!(
        info.fingerprint(),
        fingerprint.replace(':', "").to_lowercase()
    );
    assert_eq!(
        (info.not_before(), info.not_after()),
        (1_577_836_800, 2_208_988_800)
    );
    assert_eq!(info.dns_names(), ["a.test"]);
    assert_eq!(
        info.ip_names(),
        ["2001:db8::1".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!((info.names_left_out(), info.version()), (0, 3));
    assert!(!info.has_no_names() && !info.is_ca() && !info.is_self_signed());
    assert_eq!(info.issuer(), "CN=Issuer");
    assert_eq!(info.authority_key_id(), authority.info().subject_key_id());
    assert!(info.authority_key_id().is_some_and(|id| id.len() == 59));
    assert!(info.names_as_issuer(&authority.info()) && !info.names_as_issuer(&info));
    assert!(info.purposes().allow_client() && !info.purposes().allow_server());
    let issuer = authority.info();
    assert!(issuer.is_ca() && issuer.is_self_signed() && issuer.has_no_names());
    assert!(issuer.purposes().allow_client() && issuer.purposes().allow_server());
}

#[test]
fn keys_and_signatures() {
    for (algorithm, key, name) in [
        (
            &rcgen::PKCS_ECDSA_P256_SHA256,
            "EC P-256",
            "SHA256withECDSA",
        ),
        (&PKCS_ECDSA_P384_SHA384, "EC P-384", "SHA384withECDSA"),
        (&PKCS_ED25519, "Ed25519", "Ed25519"),
        (&PKCS_RSA_SHA256, "RSA 2048 bits", "SHA256withRSA"),
    ] {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let cert = named("a.test").self_signed(&pair).unwrap();
        let info = CertInfo::of_der(cert.der()).unwrap();
        assert_eq!(
            (info.key().to_string().as_str(), info.signature_algorithm()),
            (key, name)
        );
        assert!(!info.key().is_weak() && !info.has_weak_signature());
    }
    assert!(KeyType::Rsa { bits: 2047 }.is_weak());
}

/// Old algorithms, as only openssl still makes them.
#[test]
fn old_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, root_cert, request) = (path("key"), path("root"), path("request"));
    openssl(&["genrsa", "-out", &key, "1024"], b"");
    let subject = ["-key", &key, "-subj", "/CN=old.test"];
    let make = [
        "req", "-x509", "-new", "-sha1", "-days", "36500", "-out", &root_cert,
    ];
    openssl(&[&make[..], &subject].concat(), b"");
    openssl(
        &[&["req", "-new", "-out", &request], &subject[..]].concat(),
        b"",
    );
    let sign = [
        "x509", "-req", "-sha1", "-in", &request, "-CA", &root_cert, "-CAkey", &key,
    ];
    let signed = |more: &[&str]| {
        let pem = openssl(&[&sign[..], &["-set_serial", "7"], more].concat(), b"");
        CertInfo::of_der(&openssl(&["x509", "-outform", "DER"], &pem)).unwrap()
    };
    let old = signed(&["-days", "36500"]);
    assert_eq!((old.version(), old.basic_constraints()), (1, None));
    assert_eq!(old.signature_algorithm(), "SHA1withRSA");
    assert_eq!(old.key(), &KeyType::Rsa { bits: 1024 });
    assert!(old.key().is_weak());
    // Subject and issuer are the same, so nothing tells that another key could have signed it.
    assert!(old.is_self_signed() && !old.has_weak_signature());
    assert!(old.not_after() > 4_102_444_800, "after 2100");
    let pss = signed(&["-sigopt", "rsa_padding_mode:pss", "-sha256"]);
    assert_eq!(pss.signature_algorithm(), "SHA256withRSASSA-PSS");
    let named = openssl(
        &[
            "req",
            "-x509",
            "-new",
            "-sha1",
            "-key",
            &key,
            "-subj",
            "/CN=a",
            "-set_serial",
            "1",
            "-outform",
            "DER",
        ],
        b"",
    );
    let weak = CertInfo {
        self_signed: false,
        ..CertInfo::of_der(&named).unwrap()
    };
    assert!(weak.has_weak_signature());
}

#[test]
fn texts_and_lists_are_bounded_and_harmless() {
    let mut params = named(&"é".repeat(300));
    params.subject_alt_names = (0..50)
        .map(|n| SanType::DnsName(format!("n{n}.test").try_into().unwrap()))
        .collect();
    let info = root(params).info();
    assert_eq!(
        (info.dns_names().len(), info.names_left_out()),
        (MOST_NAMES, 30)
    );
    for text in [info.subject(), info.common_name().unwrap()] {
        assert_eq!(text.chars().count(), 256);
        assert!(text.ends_with('…'));
    }
    let info = root(named("a\r\nb\u{1b}[31m\u{202e}c")).info();
    assert_eq!(info.subject(), r"CN=a\0D\0Ab\1B[31m\E2\80\AEc");
    assert_eq!(info.common_name(), Some(r"a\0D\0Ab\1B[31m\E2\80\AEc"));
}

#[test]
fn where_the_issuer_is() {
    // SEQUENCE { SEQUENCE { caIssuers, [6] "http://ca.test/i.crt" } }
    let url = b"http://ca.test/i.crt";
    let method = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2];
    let inner = [&method[..], &[0x86, url.len() as u8], url].concat();
    let one = [&[0x30, inner.len() as u8], &inner[..]].concat();
    let all = [&[0x30, one.len() as u8], &one[..]].concat();
    let mut params = named("a.test");
    let oid = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, all)];
    assert_eq!(
        root(params).info().issuer_url(),
        Some("http://ca.test/i.crt")
    );
    assert_eq!(root(named("a.test")).info().issuer_url(), None);
}

#[test]
fn as_apigee_shows_it() {
    let mut params = named("a.test");
    params.serial_number = Some(SerialNumber::from(vec![7, 0xbc]));
    params.subject_alt_names = vec![
        SanType::DnsName("a.test".try_into().unwrap()),
        SanType::IpAddress([192, 0, 2, 1].into()),
    ];
    let info = root(params).info();
    let expected = serde_json::json!({
        "basicConstraints": "CA:FALSE", "expiryDate": 2_208_988_800_000_i64, "isValid": "Yes",
        "issuer": "CN=a.test", "publicKey": "EC Public Key, P-256", "serialNumber": "07:bc",
        "sigAlgName": "SHA256withECDSA", "subject": "CN=a.test",
        "subjectAlternativeNames": ["a.test", "192.0.2.1"], "validFrom": 1_577_836_800_000_i64, "version": 3,
    });
    assert_eq!(info.apigee_json(1_577_836_800), expected);
    assert_eq!(info.apigee_json(1_577_836_799)["isValid"], "No");
    assert_eq!(info.apigee_json(2_208_988_800)["isValid"], "Yes");
    assert_eq!(info.apigee_json(2_208_988_801)["isValid"], "No");
    let rsa = KeyType::Rsa { bits: 2048 };
    assert_eq!(rsa.apigee(), "RSA Public Key, 2048 bits");
}

#[test]
fn what_is_no_certificate() {
    let whole = root(CertificateParams::default()).der;
    assert_eq!(
        CertInfo::of_der(&whole[..whole.len() - 1]),
        Err(CertInfoError::NotX509)
    );
    assert_eq!(
        CertInfo::of_der(&[&whole[..], &[0]].concat()),
        Err(CertInfoError::TrailingData)
    );
    assert_eq!(CertInfo::of_der(b""), Err(CertInfoError::NotX509));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A peer's bytes are never too much for us, nor what we keep of them.
    #[test]
    fn any_change_of_a_certificate_is_read_or_refused(at in any::<usize>(), byte in any::<u8>(), length in any::<u8>()) {
        static WHOLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| {
            let mut params = ca("Some Authority");
            params.subject_alt_names = vec![SanType::DnsName("a.test".try_into().unwrap())];
            root(ca("Root")).issue(params).der
        });
        let mut der = WHOLE.clone();
        let at = at % der.len();
        der.splice(at..at + 1, std::iter::repeat_n(byte, usize::from(length) % 3));
        if let Ok(info) = CertInfo::of_der(&der) {
            for text in [info.subject(), info.issuer(), info.serial(), info.signature_algorithm()] {
                assert!(text.chars().count() <= 256 && !text.chars().any(char::is_control), "{text:?}");
            }
        }
    }
}
