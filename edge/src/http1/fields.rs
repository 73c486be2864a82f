//! Field lines (RFC 9110 section 5, RFC 9112 section 5): strict reading, writing, and what is hop-by-hop. Shared by
//! heads and trailers of both directions; framing fields are judged in [`super::framing`].

use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// Most field lines that one message or trailer section may have, whatever the configured bound.
pub const MAX_LINES: usize = 256;

/// Why a field section was refused. Each is one sentence for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A line ends in LF without CR.
    #[error("a line ends in a bare LF")]
    BareLf,
    /// Not `name: value`, a control byte, a fold, or a space before the colon.
    #[error("a header line is malformed")]
    Malformed,
    /// More lines than allowed.
    #[error("too many header lines")]
    TooMany,
}

/// Whether every LF in `block` follows a CR: parsers that take a bare LF for a line end open the way to smuggling.
pub fn lines_end_in_crlf(block: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', block).all(|at| at > 0 && block[at - 1] == b'\r')
}

/// Reads a trailer section: field lines and the empty line that ends them, all of `block`.
///
/// # Errors
/// [`FieldError`].
pub fn parse_trailers(block: &Bytes, most: usize) -> Result<HeaderMap, FieldError> {
    if !lines_end_in_crlf(block) {
        return Err(FieldError::BareLf);
    }
    let mut lines = [httparse::EMPTY_HEADER; MAX_LINES];
    let parsed = httparse::parse_headers(block, &mut lines);
    let lines = match parsed {
        Ok(httparse::Status::Complete((_, lines))) => lines,
        Err(httparse::Error::TooManyHeaders) => return Err(FieldError::TooMany),
        Ok(httparse::Status::Partial) | Err(_) => return Err(FieldError::Malformed),
    };
    collect(block, lines, most)
}

/// Turns parsed lines into a map whose values share `block`'s memory.
///
/// # Errors
/// [`FieldError`] for more than `most` lines, or a value with a control byte.
pub fn collect(
    block: &Bytes,
    lines: &[httparse::Header<'_>],
    most: usize,
) -> Result<HeaderMap, FieldError> {
    if lines.len() > most {
        return Err(FieldError::TooMany);
    }
    let mut map = HeaderMap::with_capacity(lines.len() + 8);
    for line in lines {
        let name =
            HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| FieldError::Malformed)?;
        let value = HeaderValue::from_maybe_shared(block.slice_ref(line.value))
            .map_err(|_| FieldError::Malformed)?;
        map.append(name, value);
    }
    Ok(map)
}

/// Writes field lines, without the empty line that ends a section.
pub fn write(map: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in map {
        line(out, name.as_str().as_bytes(), value.as_bytes());
    }
}

/// Writes one field line.
pub fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Fields that concern one connection only (RFC 9110 section 7.6.1) besides those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes hop-by-hop fields and those that `Connection` names. `Host` and `Content-Length` stay whatever Connection
/// says: a peer must not be able to take away what routing and framing stand on. `TE` is reduced to `trailers`, which
/// an HTTP/2 target needs to see; the HTTP/1.1 client codec drops it.
pub fn strip_hop_by_hop(map: &mut HeaderMap) {
    if map.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = map
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
            .filter(|name| !matches!(*name, header::HOST | header::CONTENT_LENGTH | header::TE))
            .collect();
        for name in named {
            map.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        map.remove(name);
    }
    if let Some(te) = map.get(header::TE) {
        let trailers = te
            .as_bytes()
            .split(|b| *b == b',')
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(b"trailers"));
        map.remove(header::TE);
        if trailers {
            map.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Whether a field says who a client is: what only we may tell a target, in its head or its trailers. Every spelling
/// counts, since targets that fold what is no letter or digit into `-` or `_` must not be fooled.
pub fn is_claim(name: &str) -> bool {
    if !matches!(name.as_bytes().first(), Some(b'x' | b'c' | b'f')) {
        return false;
    }
    let folded = || {
        name.bytes()
            .map(|b| if b.is_ascii_alphanumeric() { b } else { b'-' })
    };
    let is = |wanted: &str| name.len() == wanted.len() && folded().eq(wanted.bytes());
    let prefix = "x-forwarded-";
    is("forwarded")
        || is("x-real-ip")
        || is("client-cert")
        || is("client-cert-chain")
        || folded().take(prefix.len()).eq(prefix.bytes())
}

/// Removes every spelling of the fields that say who a client is.
pub fn strip_claims(map: &mut HeaderMap) {
    let claims: Vec<HeaderName> = map
        .keys()
        .filter(|name| is_claim(name.as_str()))
        .cloned()
        .collect();
    for name in claims {
        map.remove(name);
    }
}

/// Whether a trailer section names a field that decides about framing or routing: a target that merges trailers into
/// its header section would act on it.
pub fn has_forbidden_trailer(map: &HeaderMap) -> bool {
    let forbidden = [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::HOST,
        header::CONNECTION,
    ];
    forbidden.iter().any(|name| map.contains_key(name))
        || super::framing::no_look_alike(map).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn connection_names_are_stripped_but_not_what_framing_stands_on() {
        let mut m = map(&[
            ("connection", "close, x-secret , Host, content-length"),
            ("x-secret", "1"),
            ("host", "a"),
            ("content-length", "3"),
            ("keep-alive", "5"),
            ("te", "gzip, trailers"),
            ("x-other", "2"),
        ]);
        strip_hop_by_hop(&mut m);
        let mut left: Vec<_> = m.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "te", "x-other"]);
        assert_eq!(m["te"], "trailers");
    }

    #[test]
    fn claims_are_known_in_every_spelling() {
        for claim in [
            "client-cert",
            "client_cert",
            "client.cert",
            "x-real~ip",
            "x_forwarded.for",
            "x-forwarded-anything",
            "forwarded",
        ] {
            assert!(is_claim(claim), "{claim}");
        }
        for other in ["cookie", "x-custom", "x-forwarded", "client-certificate"] {
            assert!(!is_claim(other), "{other}");
        }
    }

    #[test]
    fn trailer_sections_are_read_strictly() {
        let ok =
            parse_trailers(&Bytes::from_static(b"grpc-status: 0\r\nX-A:b\r\n\r\n"), 10).unwrap();
        assert_eq!(ok["grpc-status"], "0");
        for (block, error) in [
            (&b"a: b\n\r\n"[..], FieldError::BareLf),
            (b"a : b\r\n\r\n", FieldError::Malformed),
            (b"a: b\r\n c\r\n\r\n", FieldError::Malformed),
            (b"a: \x01\r\n\r\n", FieldError::Malformed),
            (b"a: 1\r\nb: 2\r\nc: 3\r\n\r\n", FieldError::TooMany),
        ] {
            assert_eq!(
                parse_trailers(&Bytes::copy_from_slice(block), 2).unwrap_err(),
                error,
                "{block:?}"
            );
        }
    }
}
