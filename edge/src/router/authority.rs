//! The host a request is for: from the absolute target, the `:authority` or the Host line, read strictly. Pure.

use std::borrow::Cow;

use http::{HeaderValue, header, request};

use crate::fault::{Fault, FaultCode};

/// A judged authority.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authority {
    /// As the client wrote it, port included: what a target with `pass_host: pass` gets.
    pub(super) text: HeaderValue,
    /// Lower-case, no port, no trailing dot: what names and routes are matched with. Empty if the client named none.
    pub(super) host: String,
}

/// Finds and reads the authority of a request.
///
/// # Errors
/// 400 if it is missing where it must not be, malformed, or if two places differ.
pub(super) fn of_request(parts: &request::Parts) -> Result<Authority, Fault> {
    let bad = |what: &'static str| Fault::router(FaultCode::BadRequest, what);
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(bad("Host is given more than once"));
    }
    let target = parts.uri.authority().map(|a| a.as_str());
    let text = match (target, line) {
        (Some(target), Some(line)) if !line.as_bytes().eq_ignore_ascii_case(target.as_bytes()) => {
            return Err(bad(
                "the request target and Host name different authorities",
            ));
        }
        (_, Some(line)) => line.clone(),
        (Some(target), None) => {
            HeaderValue::from_str(target).map_err(|_| bad("the authority is malformed"))?
        }
        (None, None) if parts.version == http::Version::HTTP_10 => HeaderValue::from_static(""),
        (None, None) => return Err(bad("the request names no host")),
    };
    let host = host(text.as_bytes())
        .ok_or_else(|| bad("the host is malformed"))?
        .into_owned();
    if host.is_empty() && parts.version != http::Version::HTTP_10 {
        return Err(bad("the host is empty"));
    }
    Ok(Authority { text, host })
}

/// Reads `host[:port]`: a name of letters, digits, `-`, `_` and `.`, or a bracketed IPv6 address.
fn host(text: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(text).ok()?;
    let (name, port) = if text.starts_with('[') {
        let end = text.find(']')?;
        text[1..end].parse::<std::net::Ipv6Addr>().ok()?;
        (&text[..=end], &text[end + 1..])
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    if let Some(digits) = port.strip_prefix(':') {
        let plain = digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain || (!digits.is_empty() && digits.parse::<u16>().is_err()) {
            return None;
        }
    } else if !port.is_empty() {
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !name.starts_with('[')
        && (!name.bytes().all(plain)
            || name.starts_with('.')
            || name.ends_with('.')
            || name.contains("..")
            || name.len() > 253)
    {
        return None;
    }
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        return Some(Cow::Owned(name.to_ascii_lowercase()));
    }
    Some(Cow::Borrowed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly() {
        for (text, read) in [
            ("a", Some("a")),
            ("A.Example.:8443", Some("a.example")),
            ("a:", Some("a")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("under_score", Some("under_score")),
            ("", Some("")),
            ("u@a", None),
            ("a:b", None),
            ("a:70000", None),
            ("a:1:2", None),
            ("[::1", None),
            ("[x]", None),
            ("[::1]x", None),
            ("a b", None),
            ("a/b", None),
            ("a,b", None),
            (".a", None),
            ("a..b", None),
            ("a..", None),
            ("%61", None),
        ] {
            assert_eq!(host(text.as_bytes()).as_deref(), read, "{text}");
        }
    }

    #[test]
    fn two_places_must_agree() {
        let parts = |uri: &str, host: Option<&str>| {
            let mut request = http::Request::builder().uri(uri);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            request.body(()).unwrap().into_parts().0
        };
        assert_eq!(
            of_request(&parts("http://a.b:80/x", Some("A.b:80")))
                .unwrap()
                .host,
            "a.b"
        );
        assert_eq!(
            of_request(&parts("http://a.b/x", None)).unwrap().host,
            "a.b"
        );
        assert!(of_request(&parts("http://a.b/x", Some("c"))).is_err());
        assert!(of_request(&parts("/x", None)).is_err());
        assert!(of_request(&parts("/x", Some(""))).is_err());
    }
}
