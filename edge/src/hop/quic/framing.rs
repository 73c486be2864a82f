//! Whether an answer's head and the body that a processor announces belong together. The router writes the head's
//! content-length to its client as it stands: with fewer or more bytes behind it, the client would take a part of one
//! answer for another's.

use http::{HeaderMap, Method, StatusCode, header};

use crate::hop::wire::{Answer, Shape, WireError};

const STATUS: WireError = WireError::Malformed("an answer's status");
const LENGTH: WireError = WireError::Malformed("an answer's content-length");

/// How the body of an answer to `method` comes: as announced, with its length if only the head has it.
pub(super) fn check(method: &Method, answer: &Answer) -> Result<Shape, WireError> {
    let status = answer.head.status;
    let is_switch = status == StatusCode::SWITCHING_PROTOCOLS;
    if status.is_informational() && !is_switch || is_switch != (answer.body == Shape::Tunnel) {
        return Err(STATUS);
    }
    let bodiless = is_switch
        || *method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let said = length(&answer.head.headers)?;
    let Some(said) = said.filter(|_| !bodiless) else {
        return Ok(answer.body);
    };
    match answer.body {
        Shape::Empty if said == 0 => Ok(answer.body),
        Shape::Whole(n) | Shape::Stream(Some(n)) if said == n => Ok(answer.body),
        Shape::Stream(None) => Ok(Shape::Stream(Some(said))),
        _ => Err(LENGTH),
    }
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, WireError> {
    let mut lines = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let text = line.to_str().map_err(|_| LENGTH)?;
    if lines.next().is_some() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(LENGTH);
    }
    text.parse().map(Some).map_err(|_| LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hop::TargetFacts;

    fn checked(method: &str, status: u16, lengths: &[&str], body: Shape) -> Option<Shape> {
        let mut head = http::Response::builder().status(status);
        for length in lengths {
            head = head.header("content-length", *length);
        }
        let answer = Answer {
            head: head.body(()).unwrap().into_parts().0,
            body,
            target: TargetFacts::default(),
        };
        check(&method.parse().unwrap(), &answer).ok()
    }

    #[test]
    fn the_body_is_as_long_as_the_head_says() {
        use Shape::{Empty, Stream, Tunnel, Whole};
        let same = [
            ("GET", 200, &["2"][..], Whole(2)),
            ("GET", 200, &["2"], Stream(Some(2))),
            ("GET", 200, &["0"], Empty),
            ("GET", 200, &[], Whole(2)),
            ("GET", 200, &[], Stream(None)),
            ("HEAD", 200, &["2"], Empty),
            ("GET", 304, &["2"], Empty),
            ("GET", 204, &[], Empty),
            ("GET", 101, &[], Tunnel),
        ];
        for (method, status, lengths, body) in same {
            let found = checked(method, status, lengths, body);
            assert_eq!(found, Some(body), "{method} {status} {lengths:?} {body:?}");
        }
        let found = checked("GET", 200, &["2"], Stream(None));
        assert_eq!(found, Some(Stream(Some(2))));
        let bad = [
            (200, &["2"][..], Empty),
            (200, &["2"], Whole(1)),
            (200, &["2"], Whole(3)),
            (200, &["2"], Stream(Some(3))),
            (200, &["2", "2"], Whole(2)),
            (200, &["+2"], Whole(2)),
            (200, &[""], Empty),
            (200, &["99999999999999999999"], Stream(None)),
            (200, &[], Tunnel),
            (100, &[], Empty),
            (103, &[], Whole(2)),
            (101, &[], Empty),
            (101, &[], Stream(None)),
        ];
        for (status, lengths, body) in bad {
            let found = checked("GET", status, lengths, body);
            assert_eq!(found, None, "{status} {lengths:?} {body:?}");
        }
    }
}
