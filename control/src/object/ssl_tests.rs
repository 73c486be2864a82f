//! Table tests of SSL objects: what is read, what is refused in which words, what a refused one closes.

#![expect(clippy::too_many_lines, reason = "tables of cases")]

use std::process::Command;

use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    SignatureAlgorithm,
};
use serde_json::{Value, json};

use super::super::tests::{context, pair};
use super::{Ssl, Usage, read};
use crate::object::AuthFailure;
use crate::rejection::{Closes, Refusal};

fn ssl(value: &Value) -> Result<Ssl, Refusal> {
    read("1", &serde_json::to_vec(value).unwrap(), &context())
}

fn refusal(value: &Value) -> (String, String) {
    let refusal = ssl(value).unwrap_err();
    assert!(
        !refusal.reason.contains("MIG") && !refusal.reason.contains("BEGIN"),
        "{}",
        refusal.reason
    );
    (refusal.field, refusal.reason)
}

/// A server object with `changes` laid over it; null takes a member away.
fn server(changes: &Value) -> Value {
    let (cert, key) = pair();
    let mut object = json!({"sni": "a.test", "cert": cert, "key": key});
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

fn of_type(algorithm: &'static SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let cert = CertificateParams::new(["a.test".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (cert.pem(), key.serialize_pem())
}

/// What the openssl command line prints.
fn openssl(arguments: &str, input: &str) -> String {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments.split(' '))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_minimal_server_object() {
    let ssl = ssl(&server(&json!({}))).unwrap();
    assert_eq!(
        (ssl.id().as_ref(), ssl.usage(), ssl.is_enabled()),
        ("1", Usage::Server, true)
    );
    assert_eq!(ssl.names(), [Box::from("a.test")]);
    assert!(
        ssl.protocols().tls12
            && ssl.protocols().tls13
            && ssl.ciphers().is_empty()
            && ssl.client().is_none()
    );
    let material = &ssl.material()[0];
    assert!(material.certified_key().is_some() && material.not_after() > 0);
    assert_eq!(material.leaf_names().1, ["a.test"]);
}

#[test]
fn names_are_lower_cased_and_kept_once() {
    let names = |snis: Value| -> Vec<String> {
        let ssl = ssl(&server(&json!({"sni": null, "snis": snis}))).unwrap();
        ssl.names()
            .iter()
            .map(|name| String::from(&**name))
            .collect()
    };
    assert_eq!(
        names(json!(["B.test.", "b.TEST", "*.b.test", "*", "[::1]"])),
        ["b.test", "*.b.test", "*", "[::1]"]
    );
}

#[test]
fn key_types_and_their_encodings() {
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
        let (cert, key) = of_type(algorithm);
        ssl(&server(&json!({"cert": cert, "key": key}))).unwrap();
    }
    let (cert, key) = pair();
    let parameters = openssl("ecparam -name prime256v1", "");
    let sec1 = parameters + &openssl("ec", key);
    assert!(sec1.contains("BEGIN EC PRIVATE KEY"));
    ssl(&server(
        &json!({"cert": format!("text before\n{cert}\ntext: after"), "key": sec1}),
    ))
    .unwrap();
    let (cert, key) = of_type(&PKCS_RSA_SHA256);
    let pkcs1 = openssl("rsa -traditional", &key);
    assert!(pkcs1.contains("BEGIN RSA PRIVATE KEY"));
    let both = server(&json!({"certs": [cert], "keys": [pkcs1]}));
    assert_eq!(ssl(&both).unwrap().material().len(), 2);
}

#[test]
fn odd_certificates_are_read() {
    let (_, key) = pair();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    std::fs::write(&path, key).unwrap();
    let path = path.display();
    let century = openssl(
        &format!("req -x509 -new -key {path} -subj /CN=a.test -days 36500"),
        "",
    );
    let read = ssl(&server(&json!({"cert": century}))).unwrap();
    assert!(read.material()[0].not_after() > 4_000_000_000);
    assert_eq!(read.material()[0].leaf_names().0.as_deref(), Some("a.test"));
    let request = openssl(&format!("req -new -key {path} -subj /CN=v1.test"), "");
    let version1 = openssl(&format!("x509 -req -signkey {path} -days 1"), &request);
    let read = ssl(&server(
        &json!({"cert": version1, "client": {"ca": version1}}),
    ))
    .unwrap();
    assert_eq!(
        read.material()[0].leaf_names().0.as_deref(),
        Some("v1.test")
    );
    let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2001, 2, 3);
    let expired = params
        .self_signed(&KeyPair::from_pem(key).unwrap())
        .unwrap()
        .pem();
    assert_eq!(
        ssl(&server(&json!({"cert": expired}))).unwrap().material()[0].not_after(),
        981_158_400
    );
}

#[test]
fn short_rsa_keys_are_refused_saying_so() {
    let key = openssl("genrsa 1024", "");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    std::fs::write(&path, &key).unwrap();
    let cert = openssl(
        &format!("req -x509 -new -key {} -subj /CN=a.test", path.display()),
        "",
    );
    let (field, reason) = refusal(&server(&json!({"cert": cert, "key": key})));
    assert_eq!(field, "key");
    assert!(
        reason.contains("RSA key of 1024 bits is too short"),
        "{reason}"
    );
}

#[test]
fn refusals_in_apisix_words() {
    let (cert, key) = pair();
    let (other, _) = of_type(&PKCS_ECDSA_P384_SHA384);
    let cut = cert.replace("-----END CERTIFICATE-----", "");
    let half = format!("{cert}-----BEGIN CERTIFICATE-----\nMIIB");
    let noise = "x".repeat(200);
    let then = "invalid configuration: then clause did not match";
    let no_cert = "failed to parse cert: PEM_read_bio_X509_AUX() failed";
    let sealed = "failed to decrypt previous encrypted key";
    let no_key = "failed to parse key: PEM_read_bio_PrivateKey() failed";
    for (changes, field, reason) in [
        (json!({"sni": null}), "sni", then),
        (json!({"snis": ["b.test"]}), "snis", then),
        (json!({"cert": null}), "cert", then),
        (json!({"key": null}), "key", then),
        (
            json!({"sni": null, "snis": []}),
            "snis",
            "invalid configuration: property \"snis\" validation failed: expect array to have at least 1 items",
        ),
        (
            json!({"client": {}}),
            "client.ca",
            "invalid configuration: property \"client\" validation failed: property \"ca\" is required",
        ),
        (
            json!({"labels": {"env": {}}}),
            "labels.env",
            "invalid configuration: property \"labels\" validation failed: failed to validate env (matching \".*\"): \
             wrong type: expected string, got table",
        ),
        (
            json!({"certs": ["-----BEGIN CERTIFICATE-----\nx"], "keys": [key]}),
            "certs[0]",
            "invalid configuration: property \"certs\" validation failed: failed to validate item 1: string too short, \
             expected at least 128, got 29",
        ),
        (
            json!({"validity_end": 1}),
            "validity_end",
            "invalid configuration: additional properties forbidden, found validity_end",
        ),
        (
            json!({"id": "a b"}),
            "id",
            "invalid configuration: property \"id\" validation failed: object matches none of the required",
        ),
        (json!({"cert": noise}), "cert", no_cert),
        (json!({"key": noise}), "key", sealed),
        (json!({"cert": key}), "cert", no_cert),
        (json!({"key": cert}), "key", no_key),
        (json!({"cert": cut}), "cert", no_cert),
        (json!({"cert": half}), "cert", no_cert),
        (
            json!({"cert": other}),
            "key",
            "the private key does not match the certificate's public key",
        ),
        (
            json!({"certs": [cert]}),
            "keys",
            "mismatched number of certs and keys",
        ),
        (
            json!({"certs": [cert], "keys": [noise]}),
            "keys[0]",
            "failed to handle cert-key pair[1]: failed to decrypt previous encrypted key",
        ),
        (
            json!({"client": {"ca": noise}}),
            "client.ca",
            "failed to validate client_cert: failed to parse cert: PEM_read_bio_X509_AUX() failed",
        ),
    ] {
        let changes = server(&changes);
        let (found_field, found) = refusal(&changes);
        assert_eq!(found_field, field, "{found}");
        assert!(found.starts_with(reason), "{found}");
    }
}

#[test]
fn refusals_in_our_words() {
    let (cert, _) = pair();
    for (changes, field, says) in [
        (
            json!({"ssl_protocols": ["TLSv1.1"]}),
            "ssl_protocols[0]",
            "does not speak TLSv1.1",
        ),
        (
            json!({"ssl_protocols": ["TLSv1.2", "TLSv1.1"]}),
            "ssl_protocols[1]",
            "does not speak TLSv1.1",
        ),
        (
            json!({"ssl_protocols": ["TLSv1.0"]}),
            "ssl_protocols[0]",
            "item 1: matches none of the enum values",
        ),
        (
            json!({"ssl_protocols": ["TLSv1.2", "TLSv1.2"]}),
            "ssl_protocols",
            "expected unique items",
        ),
        (
            json!({"ssl_protocols": ["SSLv3"]}),
            "ssl_protocols[0]",
            "none of the enum values",
        ),
        (
            json!({"ciphers": ["RC4-MD5"]}),
            "ciphers[0]",
            "the cipher RC4-MD5 is not one",
        ),
        (
            json!({"ciphers": ["TLS_AES_128_GCM_SHA256"], "ssl_protocols": ["TLSv1.2"]}),
            "ciphers",
            "none of the ciphers can be used",
        ),
        (json!({"sni": "*foo.com"}), "sni", "write \"*.foo.com\""),
        (json!({"sni": "a.*.com"}), "sni", "failed to match pattern"),
        (json!({"type": "both"}), "type", "none of the enum values"),
        (json!({"status": 2}), "status", "none of the enum values"),
        (
            json!({"cert": "$secret://vault/1/a/b"}),
            "cert",
            "$secret:// references are not implemented",
        ),
        (
            json!({"cert": "$env://NOT_SET"}),
            "cert",
            "the environment variable NOT_SET is not set",
        ),
        (
            json!({"cert": "$env://PAIR/none"}),
            "cert",
            "PAIR has no text under none",
        ),
        (
            json!({"cert": "$env://CERT/cert"}),
            "cert",
            "CERT does not hold JSON",
        ),
        (
            json!({"client": {"ca": cert, "skip_mtls_uri_regex": ["(?!a)"]}}),
            "client.skip_mtls_uri_regex[0]",
            "look-around",
        ),
        (
            json!({"client": {"ca": cert, "skip_mtls_uri_regex": []}}),
            "client.skip_mtls_uri_regex",
            "at least 1 items",
        ),
        (
            json!({"client": {"ca": cert, "skip_mtls_uri_regex": ["a", "a"]}}),
            "client.skip_mtls_uri_regex",
            "unique",
        ),
        (
            json!({"client": {"ca": cert, "depth": -1}}),
            "client.depth",
            "expected -1 to be at least 0",
        ),
        (
            json!({"client": {"ca": cert, "auth_failure": "x"}}),
            "client.auth_failure",
            "none of the enum values",
        ),
    ] {
        let (found_field, found) = refusal(&server(&changes));
        assert_eq!(found_field, field, "{found}");
        assert!(found.contains(says), "{found}");
    }
}

#[test]
fn references_to_the_environment() {
    for changes in [
        json!({"cert": "$env://CERT", "key": "$ENV://KEY"}),
        json!({"cert": "$env://PAIR/cert", "key": "$Env://PAIR/key", "client": {"ca": "$env://CERT"}}),
    ] {
        ssl(&server(&changes)).unwrap();
    }
}

#[test]
fn protocols_and_ciphers() {
    let read = |changes: Value| ssl(&server(&changes)).unwrap();
    let only13 = read(json!({"ssl_protocols": ["TLSv1.3"]})).protocols();
    assert!(only13.tls13 && !only13.tls12);
    assert!(read(json!({"ssl_protocols": []})).protocols().tls12);
    let suites =
        json!({"ciphers": ["TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]});
    let numbers: Vec<u16> = read(suites)
        .ciphers()
        .iter()
        .map(|suite| u16::from(*suite))
        .collect();
    assert_eq!(numbers, [0x1302, 0xC02F]);
}

#[test]
fn client_authentication() {
    let (ca, _) = pair();
    let (other, _) = of_type(&PKCS_ED25519);
    let read = |client: Value| ssl(&server(&json!({"client": client}))).unwrap();
    let plain = read(json!({"ca": ca}));
    let client = plain.client().unwrap();
    assert_eq!(
        (client.depth(), client.failure(), client.ca().len()),
        (1, AuthFailure::Alert, 1)
    );
    assert!(client.skip().is_none());
    let skip =
        read(json!({"ca": ca, "skip_mtls_uri_regex": ["/anything.*"], "auth_failure": "alert"}));
    let skip = skip.client().unwrap();
    assert_eq!(skip.failure(), AuthFailure::Http400);
    assert!(skip.skip().unwrap().is_match("/x/anything"));
    let policy = |value: Value| *read(value).client().unwrap().policy();
    assert_eq!(
        &policy(json!({"ca": ca, "depth": 1.0, "auth_failure": "http_400"})),
        skip.policy()
    );
    assert_eq!(
        policy(json!({"ca": format!("{ca}{other}")})),
        policy(json!({"ca": format!("{other}{ca}{ca}")}))
    );
    assert_ne!(policy(json!({"ca": ca})), policy(json!({"ca": other})));
    assert_ne!(
        policy(json!({"ca": ca})),
        policy(json!({"ca": ca, "depth": 2}))
    );
    assert_ne!(
        policy(json!({"ca": ca})),
        policy(json!({"ca": ca, "auth_failure": "http_400"}))
    );
}

#[test]
fn an_object_of_type_client_needs_only_a_pair() {
    let client = ssl(&server(&json!({"type": "client", "sni": null}))).unwrap();
    assert_eq!((client.usage(), client.names().len()), (Usage::Client, 0));
    assert!(
        ssl(&server(&json!({"type": "client"})))
            .unwrap()
            .names()
            .is_empty()
    );
    let (field, reason) = refusal(&server(&json!({"type": "client", "key": null})));
    assert_eq!(
        (field.as_str(), reason.as_str()),
        ("key", "invalid configuration: else clause did not match")
    );
}

#[test]
fn the_version_follows_the_meaning() {
    let version = |changes: Value| *ssl(&server(&changes)).unwrap().version();
    let (ca, _) = pair();
    let base = version(json!({}));
    assert_eq!(
        base,
        version(json!({"desc": "x", "labels": {"a": "b"}, "create_time": 1, "status": 1}))
    );
    assert_eq!(
        base,
        version(json!({"sni": null, "snis": ["A.test"], "type": "server", "ssl_protocols": []}))
    );
    let (cert, key) = of_type(&PKCS_ED25519);
    for changes in [
        json!({"sni": "b.test"}),
        json!({"status": 0}),
        json!({"ssl_protocols": ["TLSv1.3"]}),
        json!({"ciphers": ["TLS_AES_256_GCM_SHA384"]}),
        json!({"cert": cert, "key": key}),
        json!({"certs": [cert], "keys": [key]}),
        json!({"client": {"ca": ca}}),
        json!({"client": {"ca": ca, "skip_mtls_uri_regex": ["a"]}}),
        json!({"client": {"ca": ca, "skip_mtls_uri_regex": ["b"]}}),
    ] {
        assert_ne!(base, version(changes.clone()), "{changes}");
    }
}

#[test]
fn a_refused_object_closes_its_names() {
    let closed = |value: &[u8]| match read("1", value, &context()).unwrap_err().closes {
        Closes::Names(names) => names,
        Closes::Nothing => Vec::new(),
        Closes::Route(_) => panic!("an SSL object closes no route"),
    };
    assert_eq!(closed(b"{\"sni\": \"A.test\"}"), ["a.test"]);
    assert_eq!(
        closed(b"{\"snis\": [\"*.b.test\", 1, \"a b\", \"B.test.\"]}"),
        ["*.b.test", "b.test"]
    );
    assert_eq!(
        closed(b"{\"sni\": \"a.test\", \"type\": \"oops\", \"status\": \"1\"}"),
        ["a.test"]
    );
    for nothing in [
        "{\"sni\": \"a.test\", \"status\": 0}",
        "{\"sni\": \"a.test\", \"type\": \"client\"}",
        "{",
        "[]",
        "{}",
    ] {
        assert!(closed(nothing.as_bytes()).is_empty(), "{nothing}");
    }
}
