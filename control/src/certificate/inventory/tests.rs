//! Where certificates are, from real objects.

#![expect(clippy::too_many_lines, reason = "a table of cases")]

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use super::super::pki::{Party, ca, named, root};
use super::{NodeCertificates, Use, entries};
use crate::object::{Kind, ReadContext, chain_not_after, read};
use crate::seal::Keyring;
use crate::snapshot::{Change, Snapshot};

fn snapshot(objects: &[(Kind, &str, Value)]) -> Snapshot {
    let keyring = Keyring::default();
    let context = ReadContext {
        keyring: &keyring,
        env: &|_| None,
    };
    let change = |(kind, id, value): &(Kind, &str, Value)| {
        let object = read(*kind, id, value.to_string().as_bytes(), &context).unwrap();
        Change::Set(*kind, (*id).into(), object, 1)
    };
    Snapshot::default().apply(1, objects.iter().map(change).collect())
}

/// PEM of a certificate that ends in `year`, behind it its issuer, and the key.
fn pair(issuer: &Party, name: &str, year: i32) -> (String, String) {
    let mut params: CertificateParams = named(name);
    params.not_after = date_time_ymd(year, 1, 1);
    let party = issuer.issue(params);
    (pem(&[&party, issuer]), party.key.serialize_pem())
}

fn pem(parties: &[&Party]) -> String {
    let block = |party: &&Party| {
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &party.der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    parties.iter().map(block).collect()
}

#[test]
fn every_place_once_and_the_first_to_end_first() {
    let mut old = ca("Old root");
    old.not_after = date_time_ymd(2021, 1, 1);
    let (old, young) = (root(old), root(ca("Young root")));
    let (cert, key) = pair(&old, "a.test", 2031);
    let (other, other_key) = pair(&old, "a.test", 2030);
    let (shown, shown_key) = pair(&old, "client", 2032);
    let (inline, inline_key) = pair(&old, "inline", 2033);
    let nodes = json!({"127.0.0.1:1": 1});
    let tls = json!({"client_cert": inline, "client_key": inline_key, "ca_certs": [pem(&[&young]), pem(&[&old])]});
    let snapshot = snapshot(&[
        (
            Kind::Ssl,
            "1",
            json!({"snis": ["a.test", "*.a.test"], "cert": cert, "key": key, "certs": [other], "keys": [other_key],
                   "client": {"ca": pem(&[&young])}}),
        ),
        (
            Kind::Ssl,
            "2",
            json!({"type": "client", "cert": shown, "key": shown_key}),
        ),
        (
            Kind::Ssl,
            "off",
            json!({"sni": "b.test", "status": 0, "cert": cert, "key": key}),
        ),
        (
            Kind::Upstream,
            "3",
            json!({"scheme": "https", "nodes": nodes, "tls": tls}),
        ),
        (
            Kind::Route,
            "4",
            json!({"uri": "/", "upstream": {"scheme": "https", "nodes": nodes,
                   "tls": {"ca_certs": [pem(&[&young])]}}}),
        ),
    ]);
    let node = young.certify(named("n1"), KeyPair::generate().unwrap());
    let own = NodeCertificates {
        hop: Some(("n1".to_owned(), vec![node.der.into()])),
        roots: Vec::new(),
    };
    let all = entries(&snapshot, &own);
    let seen: Vec<_> = all
        .iter()
        .map(|e| {
            (
                e.usage,
                e.id.as_str(),
                e.field.as_str(),
                e.names.clone(),
                e.certificates.len(),
            )
        })
        .collect();
    let names = || vec!["a.test", "*.a.test"];
    let expected = [
        // Of a set the first that ends counts, of a chain not the root.
        (Use::Ca, "upstreams/3", "tls.ca_certs", vec![], 2),
        (Use::Server, "ssls/1", "certs[0]", names(), 2),
        (Use::Server, "ssls/1", "cert", names(), 2),
        (Use::Client, "ssls/2", "cert", vec![], 2),
        (
            Use::UpstreamClient,
            "upstreams/3",
            "tls.client_cert",
            vec![],
            2,
        ),
        (Use::Ca, "routes/4", "upstream.tls.ca_certs", vec![], 1),
        (Use::Ca, "ssls/1", "client.ca", vec![], 1),
        (Use::Hop, "nodes/n1", "node.crt", vec!["n1"], 1),
    ];
    assert_eq!(seen, expected);
    assert!(all.is_sorted_by_key(|entry| entry.not_after));
    assert_eq!(all[1].not_after, 1_893_456_000);
}

#[test]
fn a_chain_ends_with_its_first_issuer_that_is_needed() {
    let ends = |name: &str, year: i32| {
        let mut params = ca(name);
        params.not_after = date_time_ymd(year, 1, 1);
        params
    };
    let old_root = root(ends("Root", 2021));
    let sub = old_root.issue(ends("Sub", 2030));
    let leaf = sub.issue(named("a.test"));
    let chain = [&leaf.der, &sub.der, &old_root.der];
    assert_eq!(chain_not_after(&chain), Some(1_893_456_000));
    assert_eq!(chain_not_after(&chain[..1]), Some(leaf.info().not_after()));
    assert_eq!(chain_not_after(&[b"no certificate"]), None);
}
