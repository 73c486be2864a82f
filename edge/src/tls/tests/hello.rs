//! ClientHellos of rustls and of chance, split in every way.

use std::sync::Arc;

use proptest::prelude::*;
use rustls::ClientConnection;
use tokio::io::AsyncWriteExt;

use super::{name, pair, rustls_client, soon};
use crate::handshake::{ClientHello, TLS12, TLS13};
use crate::tls::hello::{self, HelloError, NoHello, read_bytes};

fn rustls_hello() -> Vec<u8> {
    let mut config = rustls_client(None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut session = ClientConnection::new(Arc::new(config), name("WWW.A.test")).unwrap();
    let mut wire = Vec::new();
    session.write_tls(&mut wire).unwrap();
    wire
}

/// The same message in records of the given lengths.
fn resplit(wire: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut message = &wire[5..];
    let mut lengths = lengths.iter().copied().cycle();
    let mut out = Vec::new();
    while !message.is_empty() {
        let length = lengths.next().unwrap_or(1).clamp(1, message.len());
        out.extend_from_slice(&[22, 3, 1]);
        out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        out.extend_from_slice(&message[..length]);
        message = &message[length..];
    }
    out
}

#[test]
fn a_rustls_hello_is_understood() {
    let facts = read_bytes(&rustls_hello()).unwrap().unwrap();
    assert_eq!(facts.legacy_version, TLS12);
    assert!(facts.offers(TLS12) && facts.offers(TLS13));
    assert_eq!(facts.best_version(), TLS13);
    assert_eq!(facts.sni.as_deref(), Some("www.a.test"));
    assert_eq!(facts.alpn, [Box::from(*b"h2"), Box::from(*b"http/1.1")]);
    assert!(facts.cipher_suites.contains(&0x1301));
    assert!(facts.groups.contains(&29) && facts.key_shares.is_some());
    assert!(facts.signature_schemes.unwrap().contains(&0x0403));
    assert!(!facts.fallback_scsv && !facts.resumption);
}

/// A hello with one extension.
fn with_extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut message = vec![3, 3];
    message.extend_from_slice(&[7; 32]);
    message.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0]);
    message.extend_from_slice(&u16::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    message.extend_from_slice(body);
    let mut hello = vec![1, 0];
    hello.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
    hello.extend_from_slice(&message);
    hello
}

fn with_name(name: &[u8]) -> Result<ClientHello, crate::handshake::ParseError> {
    let length = u8::try_from(name.len()).unwrap();
    let mut body = vec![0, length + 3, 0, 0, length];
    body.extend_from_slice(name);
    ClientHello::parse(&with_extension(0, &body))
}

#[test]
fn server_names_are_brought_to_one_form() {
    assert_eq!(
        with_name(b"A.Test.").unwrap().sni.as_deref(),
        Some("a.test")
    );
    assert_eq!(
        with_name(b"a_b.test").unwrap().sni.as_deref(),
        Some("a_b.test")
    );
    assert_eq!(with_name(b"192.0.2.1").unwrap().sni, None);
    for bad in [
        &b""[..],
        b"a\0.test",
        b"a b",
        b"a..test",
        b"a.test..",
        b".",
        b"\xc3\xa4.test",
    ] {
        assert!(with_name(bad).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn bytes_that_trickle_in_are_put_together() {
    let wire = resplit(&rustls_hello(), &[40]);
    let (mut near, mut far) = pair().await;
    near.set_nodelay(true).unwrap();
    let sent = wire.clone();
    let writer = tokio::spawn(async move {
        for byte in &sent {
            near.write_all(std::slice::from_ref(byte)).await.unwrap();
            tokio::task::yield_now().await;
        }
        near
    });
    let read = hello::read(&mut far, soon()).await.unwrap();
    assert_eq!(read.raw, wire);
    assert_eq!(read.facts.sni.as_deref(), Some("www.a.test"));
    drop(writer.await.unwrap());
}

#[tokio::test]
async fn ends_are_told_apart() {
    let (near, mut far) = pair().await;
    drop(near);
    assert!(matches!(
        hello::read(&mut far, soon()).await,
        Err(NoHello {
            why: HelloError::NoData,
            ..
        })
    ));

    let (mut near, mut far) = pair().await;
    near.write_all(&rustls_hello()[..100]).await.unwrap();
    drop(near);
    assert!(matches!(
        hello::read(&mut far, soon()).await,
        Err(NoHello {
            why: HelloError::Closed,
            ..
        })
    ));

    let (near, mut far) = pair().await;
    socket2::SockRef::from(&near)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(near);
    assert!(matches!(
        hello::read(&mut far, soon()).await,
        Err(NoHello {
            why: HelloError::Reset,
            ..
        })
    ));

    let (mut near, mut far) = pair().await;
    near.write_all(&rustls_hello()[..100]).await.unwrap();
    let now = tokio::time::Instant::now();
    // Bytes that are there are read first, whatever the time.
    far.readable().await.unwrap();
    let late = hello::read(&mut far, now).await.unwrap_err();
    assert!(matches!(late.why, HelloError::TimedOut));
    assert_eq!(late.raw.len(), 100);
}

#[test]
fn too_many_records_are_refused() {
    let wire = resplit(&rustls_hello(), &[1]);
    assert!(matches!(read_bytes(&wire), Err(HelloError::TooLarge)));
}

proptest! {
    #[test]
    fn nothing_makes_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = ClientHello::parse(&bytes);
        let _ = read_bytes(&bytes);
    }

    #[test]
    fn a_damaged_hello_makes_no_panic(at in 0usize..2000, with in any::<u8>(), cut in 0usize..2000) {
        let mut wire = rustls_hello();
        let at = at % wire.len();
        wire[at] = with;
        let _ = read_bytes(&wire);
        let cut = cut % wire.len();
        let _ = read_bytes(&wire[..cut]);
    }

    #[test]
    fn any_split_into_records_gives_the_same_facts(lengths in prop::collection::vec(30usize..3000, 1..8)) {
        let wire = rustls_hello();
        let whole = read_bytes(&wire).unwrap();
        let split = resplit(&wire, &lengths);
        prop_assert_eq!(&read_bytes(&split).unwrap(), &whole);
        for cut in 0..split.len() {
            prop_assert!(matches!(read_bytes(&split[..cut]), Ok(None)), "{} of {}", cut, split.len());
        }
    }

    #[test]
    fn what_follows_the_hello_changes_nothing(tail in prop::collection::vec(any::<u8>(), 0..50)) {
        let mut wire = rustls_hello();
        let whole = read_bytes(&wire).unwrap();
        wire.extend_from_slice(&tail);
        prop_assert_eq!(read_bytes(&wire).unwrap(), whole);
    }
}
