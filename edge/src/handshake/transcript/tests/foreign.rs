//! First bytes of what is not TLS.

use proptest::prelude::*;

use super::super::{Foreign, foreign, read};

const NGINX: &[u8] = b"HTTP/1.1 400 Bad Request\r\nServer: nginx/1.22.1\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n";

fn cases() -> Vec<(&'static [u8], Foreign)> {
    vec![
        (b"GET / HTTP/1.1\r\n", Foreign::HttpRequest),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Foreign::HttpRequest),
        (b"CONNECT a.test:443 HTTP/1.1\r\n", Foreign::HttpRequest),
        (NGINX, Foreign::PlainHttpRefused),
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            Foreign::PlainHttpRefused,
        ),
        (
            b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title>",
            Foreign::PlainHttpRefused,
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n",
            Foreign::HttpAnswer(Some(502)),
        ),
        (b"HTTP/1.1 banana\r\n", Foreign::HttpAnswer(None)),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Foreign::Proxy(1)),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Foreign::Proxy(2)),
        (b"\x80\x2e\x01\0\x02\0\x15\0\0\0\x10", Foreign::Sslv2),
        (b"\x80\x67\x01\x03\x01\0\x4e\0\0\0\x10", Foreign::Sslv2),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", Foreign::Ssh),
        (b"220 mail.example ESMTP\r\n", Foreign::Greeting(220)),
        (b"220-FTP server\r\n", Foreign::Greeting(220)),
        (b"554 no SMTP service here\r\n", Foreign::Greeting(554)),
        (b"\x4a\0\0\0\x0a8.0.33\0\x0b", Foreign::Mysql),
        (b"\x45\0\0\0\xff\x6a\x04Host is blocked", Foreign::Mysql),
        (b"<!DOCTYPE html>", Foreign::Markup),
        (b"\r\n<?xml version=\"1.0\"?>", Foreign::Markup),
        (b"-ERR unknown command", Foreign::Other(*b"-ERR", 4)),
        (b"E\0\0\0\x90SFATAL", Foreign::Other([b'E', 0, 0, 0], 4)),
        (b"600 what", Foreign::Other(*b"600 ", 4)),
        (b"\x16\x02\x01\x00", Foreign::Other([22, 2, 1, 0], 4)),
    ]
}

#[test]
fn other_protocols_are_known_by_their_first_bytes() {
    for (bytes, expected) in cases() {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(foreign(bytes), Some(expected.clone()), "{text:?}");
        let seen = read(bytes);
        assert_eq!(seen.foreign, Some(expected), "{text:?}");
        assert_eq!((seen.record_version, seen.encrypted), (None, false));
    }
}

#[test]
fn tls_and_too_little_are_nothing_else() {
    for bytes in [
        &b""[..],
        b"\x16",
        b"\x16\x03",
        b"\x16\x03\x01\x02\x00",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"P",
        b"22",
        b"\x80\x2e\x01",
        b"\r\n",
    ] {
        assert_eq!(foreign(bytes), None, "{bytes:?}");
    }
}

/// What a longer text makes sure may not contradict what a shorter one said, save that an answer turns out a refusal.
#[test]
fn more_bytes_only_say_more() {
    for (bytes, expected) in cases() {
        for cut in 0..bytes.len() {
            match foreign(&bytes[..cut]) {
                None | Some(Foreign::HttpAnswer(_) | Foreign::Markup) => {}
                Some(Foreign::Other(_, count)) => {
                    assert!(matches!(expected, Foreign::Other(..)) && usize::from(count) <= cut);
                }
                Some(other) => assert_eq!(other, expected, "cut at {cut}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_it_is_it_is_said_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let said = foreign(&bytes);
        prop_assert!(bytes.len() < 12 || said.is_some() || matches!(bytes[..], [20..=24, 3, ..]) || bytes.trim_ascii_start().len() < 2);
    }
}
