//! What is written is read back, and real servers take it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::handshake::client_hello::ClientHello;
use crate::handshake::transcript::{self, Transcript};

const RANDOM: [u8; 32] = [7; 32];
const SESSION: [u8; 32] = [8; 32];

fn written(offer: &Offer) -> Vec<u8> {
    client_hello(offer, &RANDOM, &SESSION)
}

fn modern() -> Offer {
    Offer {
        legacy_version: 0x0303,
        versions: vec![0x0304, 0x0303],
        suites: vec![0x1301, 0x1302, 0xc02b, 0xc02f, 0x009c],
        groups: vec![29, 23, 24],
        schemes: vec![0x0403, 0x0804, 0x0401, 0x0201],
        sni: Some("www.example.com".to_owned()),
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        ..Offer::default()
    }
}

fn old(version: u16) -> Offer {
    Offer {
        legacy_version: version,
        suites: vec![0xc014, 0xc013, 0xc00a, 0xc009, 0x0035, 0x002f, 0x000a],
        groups: vec![23, 24],
        sni: Some("www.example.com".to_owned()),
        ..Offer::default()
    }
}

fn read_back(wire: &[u8]) -> ClientHello {
    let seen = transcript::read(wire);
    assert!(!seen.truncated && !seen.broken && seen.messages.len() == 1);
    seen.client_hello.expect("it can be read")
}

#[test]
fn a_bare_hello_has_no_extensions() {
    let offer = Offer {
        legacy_version: 0x0300,
        suites: vec![0x0005, 0x000a],
        bare: true,
        ..modern()
    };
    let wire = written(&offer);
    assert_eq!(wire[..3], [22, 3, 0]);
    let hello = read_back(&wire);
    assert_eq!(hello.cipher_suites, [0x0005, 0x000a, 0x00ff]);
    assert_eq!(hello.supported_versions, None);
    assert_eq!(wire.len(), 5 + 4 + 2 + 32 + 1 + 2 + 6 + 2);
}

#[test]
fn a_key_share_is_shown_only_where_there_is_one() {
    let shares = |groups: &[u16]| {
        let offer = Offer {
            groups: groups.to_vec(),
            ..modern()
        };
        read_back(&written(&offer)).key_shares
    };
    assert_eq!(shares(&[23, 29]), Some(vec![23]));
    assert_eq!(shares(&[0x11ec, 29]), Some(Vec::new()));
    assert_eq!(shares(&[]), None);
}

proptest! {
    #[test]
    fn what_is_offered_is_read_back(
        legacy_version in 0x0300u16..=0x0303,
        versions in prop::collection::vec(0x0300u16..=0x0304, 0..4),
        suites in prop::collection::vec(any::<u16>(), 1..200),
        groups in prop::collection::vec(0x0001u16..0x0300, 0..20),
        schemes in prop::collection::vec(any::<u16>(), 0..20),
        sni in prop::option::of("[a-z]{1,20}\\.test"),
        alpn in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 0..5),
        fallback in any::<bool>(),
        pad_to in 0usize..20_000,
    ) {
        let offer = Offer { legacy_version, versions, suites, groups, schemes, sni, alpn, fallback, bare: false, pad_to };
        let wire = written(&offer);
        let hello = read_back(&wire);
        let listed = |list: &[u16]| (!list.is_empty()).then(|| list.to_vec());
        let mut suites = offer.suites.clone();
        suites.extend(offer.fallback.then_some(FALLBACK_SCSV));
        prop_assert_eq!(hello.legacy_version, offer.legacy_version);
        prop_assert_eq!(hello.fallback_scsv, suites.contains(&FALLBACK_SCSV));
        prop_assert_eq!(hello.cipher_suites, suites);
        prop_assert_eq!(hello.supported_versions, listed(&offer.versions));
        prop_assert_eq!(hello.signature_schemes, listed(&offer.schemes));
        prop_assert_eq!(hello.key_shares.is_some(), offer.versions.contains(&TLS13) && !offer.groups.is_empty());
        prop_assert_eq!(hello.groups, offer.groups);
        prop_assert_eq!(hello.sni.as_deref(), offer.sni.as_deref());
        prop_assert_eq!(hello.alpn.iter().map(|p| p.to_vec()).collect::<Vec<_>>(), offer.alpn);
        prop_assert!(!hello.resumption);
        let message: usize = transcript::records(&wire).map(|r| r.length).sum();
        prop_assert!(message >= offer.pad_to);
    }
}

/// A server program, ended when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(args: &[&str]) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
    let (cert_path, key_path) = (dir.path().join("a.crt"), dir.path().join("a.key"));
    std::fs::write(&cert_path, key.cert.pem()).unwrap();
    std::fs::write(&key_path, key.signing_key.serialize_pem()).unwrap();
    let mut child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-cert"])
        .arg(&cert_path)
        .arg("-key")
        .arg(&key_path)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    let address = said
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.parse().ok())
        .expect("s_server says where it listens");
    Server {
        child,
        address,
        _dir: dir,
    }
}

/// What a server answers to an offer: its first flight, or all until it closes.
fn answer(server: &Server, offer: &Offer) -> Transcript {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(&written(offer)).unwrap();
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let seen = transcript::read(&bytes);
        let done = seen.server_hello.is_some() || !seen.alerts.is_empty() || seen.foreign.is_some();
        if done {
            return seen;
        }
        let count = stream.read(&mut chunk).unwrap();
        if count == 0 {
            return seen;
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}

#[test]
fn openssl_answers_modern_hellos() {
    let server = openssl(&[]);
    let chosen = |offer: &Offer| answer(&server, offer).server_hello.expect("a ServerHello");
    for group in [23, 24, 25, 29, 30] {
        let offer = Offer {
            groups: vec![group],
            ..modern()
        };
        let hello = chosen(&offer);
        assert_eq!(
            (hello.version, hello.group, hello.retry),
            (0x0304, Some(group), false)
        );
        assert_eq!(hello.session_id, 32);
    }
    let tls12 = Offer {
        versions: vec![0x0303],
        pad_to: 1500,
        ..modern()
    };
    let hello = chosen(&tls12);
    assert_eq!((hello.version, hello.cipher_suite), (0x0303, 0xc02b));
    assert!(hello.secure_renegotiation);
}

#[test]
fn an_empty_list_of_shares_asks_for_a_retry() {
    let server = openssl(&["-groups", "P-256:X25519"]);
    let offer = Offer {
        groups: vec![0x11ec, 29, 23],
        ..modern()
    };
    let hello = answer(&server, &offer)
        .server_hello
        .expect("a retry request");
    assert!(hello.retry && matches!(hello.group, Some(23 | 29)));
}

#[test]
fn openssl_answers_old_hellos() {
    for (option, version) in [("-tls1_2", 0x0303), ("-tls1_1", 0x0302), ("-tls1", 0x0301)] {
        let server = openssl(&[option, "-cipher", "ALL:@SECLEVEL=0"]);
        let hello = answer(&server, &old(version)).server_hello;
        assert_eq!(hello.expect(option).version, version);
    }
}

#[test]
fn a_refusal_is_an_alert() {
    let server = openssl(&["-tls1_2"]);
    let numbers = |offer: &Offer| {
        let alerts = answer(&server, offer).alerts;
        alerts.iter().map(|a| a.number).collect::<Vec<_>>()
    };
    let no_suite = Offer {
        suites: vec![0x0005],
        ..old(0x0303)
    };
    assert_eq!(numbers(&no_suite), [40]);
    let ssl3 = Offer {
        bare: true,
        ..old(0x0300)
    };
    // SSLv3 has no alert 70.
    assert_eq!(numbers(&ssl3), [40]);
    let fallback = Offer {
        fallback: true,
        versions: Vec::new(),
        ..old(0x0302)
    };
    assert_eq!(numbers(&fallback), [70]);
}
