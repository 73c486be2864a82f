//! Everything that is written can be read, whatever way it is cut; whatever else is read, nothing panics.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use proptest::prelude::*;

use super::*;
use crate::alert::Cause;
use crate::body::BodyError;
use crate::fault::{Fault, FaultCode, FaultSource};
use crate::hop::{Failure, TargetFacts, TargetTls};

/// The frames in `bytes`, given to the decoder in pieces of `cut` bytes.
fn pieces(bytes: &[u8], cut: usize) -> Result<Vec<Piece>, WireError> {
    let (mut decoder, mut buf) = (Decoder::default(), BytesMut::new());
    let mut all: Vec<Piece> = Vec::new();
    for part in bytes.chunks(cut.max(1)) {
        buf.extend_from_slice(part);
        while let Some(piece) = decoder.decode(&mut buf)? {
            match (all.last_mut(), piece) {
                (Some(Piece::Data(before)), Piece::Data(more)) => {
                    *before = [&before[..], &more].concat().into();
                }
                (_, piece) => all.push(piece),
            }
        }
    }
    Ok(all)
}

fn only(bytes: &[u8], kind: Kind) -> Bytes {
    match &pieces(bytes, usize::MAX).unwrap()[..] {
        [Piece::Frame(k, payload)] if *k == kind => payload.clone(),
        other => panic!("{other:?}"),
    }
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let line = ("[a-z][a-z0-9-]{0,12}", "[ -~\u{80}-\u{ff}]{0,40}");
    proptest::collection::vec(line, 0..12).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value: Vec<u8> = value.chars().map(|c| c as u8).collect();
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::from_bytes(&value).unwrap(),
            );
        }
        headers
    })
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Empty),
        (0..number::MOST).prop_map(Shape::Whole),
        Just(Shape::Stream(None)),
        (0..number::MOST).prop_map(|n| Shape::Stream(Some(n))),
    ]
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![
        Just(Version::HTTP_10),
        Just(Version::HTTP_11),
        Just(Version::HTTP_2),
        Just(Version::HTTP_3)
    ]
}

fn facts() -> impl Strategy<Value = TargetFacts> {
    let tls = proptest::option::of(("[a-z.]{1,20}", any::<bool>(), any::<bool>()));
    (
        proptest::option::of("[a-z/0-9]{0,20}"),
        proptest::option::of(".{0,20}"),
        proptest::option::of(any::<std::net::IpAddr>()),
        proptest::collection::vec(any::<u16>(), 0..5),
        any::<(u32, bool)>(),
        tls,
    )
        .prop_map(
            |(upstream, target, address, statuses, (retries, reused), tls)| {
                let tls = tls.map(|(sni, resumed, client_cert)| {
                    Arc::new(TargetTls {
                        version: "TLSv1.2",
                        cipher: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                        sni: resumed.then_some(sni),
                        resumed,
                        client_cert,
                    })
                });
                TargetFacts {
                    upstream: upstream.map(Arc::from),
                    target: target.map(Arc::from),
                    address,
                    tls,
                    statuses,
                    retries,
                    reused,
                }
            },
        )
}

fn terms() -> impl Strategy<Value = Terms> {
    let time = || (0..number::MOST).prop_map(Duration::from_micros);
    let n = || 0..number::MOST;
    (
        n(),
        n(),
        n(),
        time(),
        proptest::option::of(time()),
        shapes(),
    )
        .prop_map(
            |(revision, needs, route_version, age, remaining, body)| Terms {
                revision,
                needs,
                route_version,
                age,
                remaining,
                body,
            },
        )
}

proptest! {
    #[test]
    fn numbers(n in prop_oneof![0..300_u64, 16_000..17_000_u64, 0..=number::MOST]) {
        let mut out = Vec::new();
        number::put(&mut out, n);
        prop_assert_eq!(number::parse(&out), Some((n, out.len())));
        prop_assert_eq!(number::parse(&out[..out.len() - 1]), None);
    }

    #[test]
    fn requests(
        (terms, headers, version) in (terms(), headers(), versions()),
        (method, target) in ("[A-Z]{1,9}", "/[a-z0-9%/.~-]{0,30}(\\?[a-z=&]{0,9})?"),
        (route, path, client) in (".{0,20}", ".{0,30}", any::<std::net::SocketAddrV4>()),
        (upgrade, expects_continue) in any::<(bool, bool)>(),
    ) {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = Method::from_bytes(method.as_bytes()).unwrap();
        head.uri = Uri::try_from(target.as_str()).unwrap();
        head.version = version;
        head.headers = headers;
        let token = HeaderValue::from_static("websocket");
        let ask = Ask {
            terms,
            route: &route,
            head: &head,
            client: client.into(),
            path: &path,
            upgrade: upgrade.then_some(&token),
            expects_continue,
        };
        let mut out = Vec::new();
        request(&mut out, &ask).unwrap();
        let got = decode_request(only(&out, Kind::Request)).unwrap();
        prop_assert_eq!(got.terms, terms);
        prop_assert_eq!(&got.route, &route);
        prop_assert_eq!(&got.path, &path);
        prop_assert_eq!(got.client, client.into());
        prop_assert_eq!(got.upgrade.is_some(), upgrade);
        prop_assert_eq!(got.expects_continue, expects_continue);
        prop_assert_eq!((got.head.method, got.head.version), (head.method, version));
        prop_assert_eq!(got.head.uri.to_string(), target);
        prop_assert_eq!(got.head.headers, head.headers);
    }

    #[test]
    fn answers(
        (status, version, body) in (100..1000_u16, versions(), shapes()),
        (headers, target) in (headers(), facts()),
    ) {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = StatusCode::from_u16(status).unwrap();
        head.version = version;
        head.headers = headers;
        let mut out = Vec::new();
        answer(&mut out, &head, body, &target).unwrap();
        let got = decode_answer(only(&out, Kind::Answer)).unwrap();
        prop_assert_eq!((got.head.status, got.head.version, got.body), (head.status, version, body));
        prop_assert_eq!(got.head.headers, head.headers);
        prop_assert_eq!(format!("{:?}", got.target), format!("{target:?}"));
    }

    #[test]
    fn frames_however_they_are_cut(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..6),
        (fields, cut) in (headers(), 1..50_usize),
    ) {
        let mut out = Vec::new();
        simple(&mut out, Kind::Taken);
        for body in &bodies {
            data_header(&mut out, body.len());
            out.extend_from_slice(body);
            // Of a later release.
            out.extend_from_slice(&[0xff, 3, 1, 2, 3]);
        }
        trailers(&mut out, &fields).unwrap();
        simple(&mut out, Kind::End);
        let all = pieces(&out, cut).unwrap();
        let whole = bodies.concat();
        let data: Vec<_> = all.iter().filter_map(|p| match p {
            Piece::Data(data) => Some(&data[..]),
            Piece::Frame(..) => None,
        }).collect();
        prop_assert_eq!(data.concat(), whole);
        prop_assert_eq!(&all[0], &Piece::Frame(Kind::Taken, Bytes::new()));
        prop_assert_eq!(&all[all.len() - 1], &Piece::Frame(Kind::End, Bytes::new()));
        let Piece::Frame(Kind::Trailers, payload) = &all[all.len() - 2] else { panic!() };
        prop_assert_eq!(decode_trailers(payload.clone()).unwrap(), fields);
    }

    #[test]
    fn any_bytes_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 1..60_usize) {
        let _ = pieces(&bytes, cut);
        any_payload(&bytes);
    }

    #[test]
    fn good_bytes_gone_bad(
        (terms, headers, target) in (terms(), headers(), facts()),
        (at, to, end) in (any::<proptest::sample::Index>(), any::<u8>(), any::<proptest::sample::Index>()),
    ) {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.headers = headers;
        let ask = Ask {
            terms, route: "1", head: &head, client: ([1, 2, 3, 4], 5).into(), path: "/",
            upgrade: None, expects_continue: false,
        };
        let mut out = Vec::new();
        request(&mut out, &ask).unwrap();
        let (answer_head, ()) = http::Response::new(()).into_parts();
        answer(&mut out, &answer_head, terms.body, &target).unwrap();
        let i = at.index(out.len());
        out[i] = to;
        out.truncate(end.index(out.len()) + 1);
        for piece in pieces(&out, 7).unwrap_or_default() {
            if let Piece::Frame(_, payload) = piece {
                any_payload(&payload);
            }
        }
    }
}

fn any_payload(bytes: &[u8]) {
    let bytes = || Bytes::copy_from_slice(bytes);
    let _ = decode_request(bytes());
    let _ = decode_answer(bytes());
    let _ = decode_failed(bytes());
    let _ = decode_not_taken(bytes());
    let _ = decode_trailers(bytes());
    let _ = decode_broken(&bytes());
}

fn failure(code: FaultCode, reason: Option<Cause>) -> Failure {
    Failure {
        fault: Fault {
            code,
            source_role: FaultSource::Target,
            reason,
            detail: "it said “no”".into(),
        },
        target: TargetFacts::default(),
    }
}

#[test]
fn every_fault_passes_and_unknown_ones_become_their_like() {
    let mut out = Vec::new();
    for cause in Cause::ALL {
        out.clear();
        failed(
            &mut out,
            &failure(FaultCode::SslHandshakeFailed, Some(cause)),
        )
        .unwrap();
        let got = decode_failed(only(&out, Kind::Failed)).unwrap().fault;
        assert_eq!(
            (got.code, got.reason),
            (FaultCode::SslHandshakeFailed, Some(cause))
        );
        assert_eq!(
            (got.source_role, &*got.detail),
            (FaultSource::Target, "it said “no”")
        );
    }
    for (code, like) in [
        (FaultCode::GatewayTimeout, FaultCode::GatewayTimeout),
        (FaultCode::TargetUnreachable, FaultCode::BadTargetAnswer),
        (FaultCode::NoActiveTargets, FaultCode::Overloaded),
        (FaultCode::ClientCertificate, FaultCode::BadRequest),
    ] {
        out.clear();
        failed(&mut out, &failure(code, Some(Cause::SniMissing))).unwrap();
        let text = String::from_utf8_lossy(&only(&out, Kind::Failed)).into_owned();
        assert!(text.contains(code.as_str()));
        let payload: Vec<u8> = only(&out, Kind::Failed).into();
        let payload = replaced(payload, code.as_str());
        let payload = replaced(payload, "sni_missing");
        let got = decode_failed(payload.into()).unwrap().fault;
        assert_eq!((got.code, got.reason), (like, Some(Cause::Unknown)));
    }
}

/// The same with `text` made unknown.
fn replaced(mut bytes: Vec<u8>, text: &str) -> Vec<u8> {
    let at = bytes
        .windows(text.len())
        .position(|w| w == text.as_bytes())
        .unwrap();
    bytes[at] = b'?';
    bytes
}

#[test]
fn refusals_pass() {
    for why in [
        Refusal::Draining,
        Refusal::Behind,
        Refusal::Ahead,
        Refusal::Overloaded,
    ] {
        let mut out = Vec::new();
        not_taken(&mut out, why, u64::MAX);
        let got = decode_not_taken(only(&out, Kind::NotTaken)).unwrap();
        assert_eq!(got, (why, number::MOST));
    }
}

#[test]
fn bodies_break_for_the_same_reason() {
    for error in [
        BodyError::Malformed(""),
        BodyError::Truncated(String::new()),
        BodyError::TimedOut,
        BodyError::TooLarge(""),
    ] {
        let mut out = Vec::new();
        broken(&mut out, &error);
        let got = decode_broken(&only(&out, Kind::Broken));
        assert_eq!(std::mem::discriminant(&got), std::mem::discriminant(&error));
    }
}

#[test]
fn what_may_not_be_passed_over_is_an_error() {
    assert_eq!(pieces(&[99, 0], 9), Err(WireError::UnknownFrame(99)));
    assert_eq!(pieces(&[0x80 | 99, 0], 9), Ok(vec![]));
    let mut out = Vec::new();
    not_taken(&mut out, Refusal::Draining, 1);
    let payload: Vec<u8> = only(&out, Kind::NotTaken).into();
    let with = |tag: u8| Bytes::from([&payload[..], &[tag, 1, 0]].concat());
    assert_eq!(decode_not_taken(with(9)), Err(WireError::UnknownField(9)));
    assert_eq!(decode_not_taken(with(0x89)), Ok((Refusal::Draining, 1)));
}

#[test]
fn bounds_hold() {
    // A head of 3 MiB, trailers of 65 KiB, and an unknown frame of as much: refused by their length alone.
    for frame in [
        [1, 0x80, 0x30, 0, 0],
        [3, 0x80, 1, 4, 0],
        [0x90, 0x80, 1, 4, 0],
    ] {
        assert_eq!(pieces(&frame, 9), Err(WireError::TooLong("a frame")));
    }
    let mut long = HeaderMap::new();
    long.insert("x", HeaderValue::from_bytes(&vec![b'a'; 70_000]).unwrap());
    let mut out = vec![7];
    assert!(trailers(&mut out, &long).is_err());
    assert_eq!(out, [7]);
    let (mut head, ()) = http::Response::new(()).into_parts();
    for n in 0..=MOST_FIELDS {
        let name = HeaderName::try_from(format!("x{n}")).unwrap();
        head.headers.insert(name, HeaderValue::from_static(""));
    }
    let facts = TargetFacts::default();
    assert!(answer(&mut out, &head, Shape::Empty, &facts).is_err());
    assert_eq!(out, [7]);
}
