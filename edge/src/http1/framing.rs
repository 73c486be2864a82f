//! Where a request's body ends (RFC 9112 section 6), decided from its parsed head, and refusing whatever two parsers
//! could read in two ways.

use http::{HeaderMap, Version, header};

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// So many bytes, more than none.
    Length(u64),
    /// Chunked.
    Chunked,
}

/// Why framing was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Not plain decimal digits, or beyond 2^63.
    #[error("Content-Length is not a plain decimal number")]
    Length,
    /// Two values that differ.
    #[error("two Content-Length values differ")]
    LengthsDiffer,
    /// Not exactly one final `chunked`.
    #[error("Transfer-Encoding is not exactly one chunked")]
    Encoding,
    /// Transfer-Encoding in HTTP/1.0.
    #[error("Transfer-Encoding comes with HTTP/1.0")]
    EncodingInOld,
    /// Transfer-Encoding and Content-Length.
    #[error("both Transfer-Encoding and Content-Length are given")]
    Both,
    /// `Content_Length`, `Transfer.Encoding` and the like.
    #[error("a header name only looks like Content-Length or Transfer-Encoding")]
    LookAlike,
}

/// Decides the framing of a request; `headers` is left with at most one `content-length`.
///
/// # Errors
/// [`FramingError`]: answer 400 and close.
pub fn of_request(version: Version, headers: &mut HeaderMap) -> Result<Framing, FramingError> {
    no_look_alike(headers)?;
    let length = length(headers)?;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        if version != Version::HTTP_11 {
            return Err(FramingError::EncodingInOld);
        }
        chunked_only(headers)?;
        return if length.is_some() {
            Err(FramingError::Both)
        } else {
            Ok(Framing::Chunked)
        };
    }
    Ok(match length {
        None | Some(0) => Framing::None,
        Some(n) => Framing::Length(n),
    })
}

/// Refuses names that only look like a framing field; for HTTP/2 requests too, since they go on as HTTP/1.1.
///
/// # Errors
/// [`FramingError::LookAlike`].
pub fn no_look_alike(headers: &HeaderMap) -> Result<(), FramingError> {
    if headers.keys().any(|name| looks_like_framing(name.as_str())) {
        return Err(FramingError::LookAlike);
    }
    Ok(())
}

/// The one value of Content-Length, if given; equal repetitions become one line.
///
/// # Errors
/// [`FramingError::Length`], [`FramingError::LengthsDiffer`].
pub fn length(headers: &mut HeaderMap) -> Result<Option<u64>, FramingError> {
    let mut found: Option<u64> = None;
    let mut lines = 0;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let n = decimal(value.as_bytes()).ok_or(FramingError::Length)?;
        if found.is_some_and(|before| before != n) {
            return Err(FramingError::LengthsDiffer);
        }
        found = Some(n);
        lines += 1;
    }
    if lines > 1
        && let Some(one) = headers.get(header::CONTENT_LENGTH).cloned()
    {
        headers.insert(header::CONTENT_LENGTH, one);
    }
    Ok(found)
}

/// Checks that Transfer-Encoding is one line that says `chunked`.
///
/// # Errors
/// [`FramingError::Encoding`].
pub fn chunked_only(headers: &HeaderMap) -> Result<(), FramingError> {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let one = values
        .next()
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if one && values.next().is_none() {
        Ok(())
    } else {
        Err(FramingError::Encoding)
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        text.iter()
            .fold(0, |n, digit| n * 10 + u64::from(digit - b'0')),
    )
}

/// Names that a lenient parser behind us might take for a framing field: the same letters with other separators.
fn looks_like_framing(name: &str) -> bool {
    // Almost every name is sorted out by its length: the letters alone are 13 or 16.
    if !(13..=24).contains(&name.len()) || name == "content-length" || name == "transfer-encoding" {
        return false;
    }
    let letters = || name.bytes().filter(u8::is_ascii_alphanumeric);
    letters().eq(*b"contentlength") || letters().eq(*b"transferencoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(version: Version, lines: &[(&str, &str)]) -> Result<Framing, FramingError> {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        of_request(version, &mut map)
    }

    #[test]
    fn framing_follows_rfc_9112_and_refuses_what_is_ambiguous() {
        use FramingError as E;
        let (cl, te) = ("content-length", "transfer-encoding");
        let ok: [(&[(&str, &str)], Framing); 5] = [
            (&[], Framing::None),
            (&[(cl, "0")], Framing::None),
            (&[(cl, "5")], Framing::Length(5)),
            (&[(cl, "5"), (cl, "5")], Framing::Length(5)),
            (&[(te, "Chunked")], Framing::Chunked),
        ];
        for (lines, framing) in ok {
            assert_eq!(judge(Version::HTTP_11, lines), Ok(framing), "{lines:?}");
        }
        let bad: [(&[(&str, &str)], E); 14] = [
            (&[(cl, "+5")], E::Length),
            (&[(cl, "-5")], E::Length),
            (&[(cl, "0x5")], E::Length),
            (&[(cl, "5 5")], E::Length),
            (&[(cl, "5, 5")], E::Length),
            (&[(cl, "")], E::Length),
            (&[(cl, "99999999999999999999")], E::Length),
            (&[(cl, "5"), (cl, "6")], E::LengthsDiffer),
            (&[(te, "gzip, chunked")], E::Encoding),
            (&[(te, "chunked"), (te, "chunked")], E::Encoding),
            (&[(te, "identity")], E::Encoding),
            (&[(te, "chunked"), (cl, "5")], E::Both),
            (&[("content_length", "5")], E::LookAlike),
            (&[("transfer.encoding", "chunked")], E::LookAlike),
        ];
        for (lines, error) in bad {
            assert_eq!(judge(Version::HTTP_11, lines), Err(error), "{lines:?}");
        }
        assert_eq!(
            judge(Version::HTTP_10, &[(te, "chunked")]),
            Err(E::EncodingInOld)
        );
    }
}
