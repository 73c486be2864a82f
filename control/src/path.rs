//! Request paths, brought to the one form that routes are matched with, and the stricter test that exemptions need.
//! Pure; knows nothing of routes. In the line: the router calls [`normalise`] before
//! [`Snapshot::route`](crate::snapshot::Snapshot::route), and [`is_canonical`] before it grants an mTLS exemption.

use std::borrow::Cow;

/// Why a path cannot be matched: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `..` leads above the root.
    #[error("the path leads above the root")]
    AboveRoot,
    /// A `%` without two hexadecimal digits.
    #[error("the path has a % that is not followed by two hexadecimal digits")]
    Encoding,
    /// A NUL, encoded or not.
    #[error("the path contains a NUL")]
    Nul,
    /// Neither empty nor starting with `/`.
    #[error("the path does not start with /")]
    Relative,
}

/// The path as nginx's `$uri` has it: percent-decoded once, `//` merged, `.` and `..` segments resolved. The empty path
/// is `/`. The caller has cut the query off: a `?` or `#` here, encoded or not, is an ordinary character.
///
/// Decoded bytes that are not UTF-8 stay as `%XX` (upper case), so that nothing is lost and the rest still matches.
/// A path without anything to change is borrowed.
///
/// # Errors
/// [`PathError`]: the request is answered with 400.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathError> {
    if path.is_empty() {
        return Ok(Cow::Borrowed("/"));
    }
    if !path.starts_with('/') {
        return Err(PathError::Relative);
    }
    if is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(path.as_bytes())?;
    resolve(&decoded).map(|bytes| Cow::Owned(text(&bytes)))
}

/// Whether a raw path (no query) means one thing to everyone who reads it. True only if [`normalise`] would change
/// nothing *and* it has no `%`, `\`, `;`, `?`, `#`, control, space or non-ASCII character, no empty and no dot segment.
/// A target behind us may decode, split or fold those differently; in doubt the answer is no.
pub fn is_canonical(raw: &str) -> bool {
    let allowed =
        |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b';' | b'?' | b'#');
    let Some(rest) = raw.strip_prefix('/') else {
        return false;
    };
    let mut segments = rest.split('/').peekable();
    raw.as_bytes().iter().all(allowed)
        && std::iter::from_fn(|| {
            segments
                .next()
                .map(|segment| (segment, segments.peek().is_none()))
        })
        .all(|(segment, is_last)| {
            (is_last || !segment.is_empty()) && segment != "." && segment != ".."
        })
}

/// Nothing to decode, merge or resolve. A name that only starts with a dot goes the long way, to the same result.
fn is_plain(path: &[u8]) -> bool {
    let mut after_slash = false;
    for byte in path {
        match byte {
            b'%' | 0 => return false,
            b'/' | b'.' if after_slash => return false,
            _ => after_slash = *byte == b'/',
        }
    }
    true
}

fn decode(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.iter();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let high = hex(bytes.next())?;
                high << 4 | hex(bytes.next())?
            }
            _ => *byte,
        };
        if byte == 0 {
            return Err(PathError::Nul);
        }
        decoded.push(byte);
    }
    Ok(decoded)
}

fn hex(digit: Option<&u8>) -> Result<u8, PathError> {
    match digit {
        Some(d @ b'0'..=b'9') => Ok(d - b'0'),
        Some(d @ b'a'..=b'f') => Ok(d - b'a' + 10),
        Some(d @ b'A'..=b'F') => Ok(d - b'A' + 10),
        _ => Err(PathError::Encoding),
    }
}

/// Merges slashes, then resolves dot segments, as nginx does: `/a//../b` is `/b`.
fn resolve(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut resolved = Vec::with_capacity(path.len());
    let mut ends_in_slash = true;
    for segment in path.split(|byte| *byte == b'/') {
        ends_in_slash = true;
        match segment {
            b"" | b"." => {}
            b".." => {
                let parent = resolved
                    .iter()
                    .rposition(|byte| *byte == b'/')
                    .ok_or(PathError::AboveRoot)?;
                resolved.truncate(parent);
            }
            name => {
                resolved.push(b'/');
                resolved.extend_from_slice(name);
                ends_in_slash = false;
            }
        }
    }
    if ends_in_slash {
        resolved.push(b'/');
    }
    Ok(resolved)
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push('%');
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ok(path: &str) -> String {
        normalise(path).unwrap().into_owned()
    }

    #[test]
    fn as_nginx_reads_them() {
        for (raw, expected) in [
            ("", "/"),
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a//b///c", "/a/b/c"),
            ("/a/./b/.", "/a/b/"),
            ("/a/b/../c", "/a/c"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/a//../b", "/b"),
            ("/%61", "/a"),
            ("/a%2Fb", "/a/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a%2f%2e%2e%2fb", "/b"),
            ("/%2541", "/%41"),
            ("/a%3Fb%23c", "/a?b#c"),
            ("/a?b", "/a?b"),
            ("/%C3%A9", "/é"),
            ("/é", "/é"),
            ("/a%ffb%C3", "/a%FFb%C3"),
            ("/...", "/..."),
            ("/.well-known/x", "/.well-known/x"),
            ("/a/..b/.c", "/a/..b/.c"),
            ("/a\\..\\b", "/a\\..\\b"),
            ("/a;x=1/../b", "/b"),
        ] {
            assert_eq!(ok(raw), expected, "{raw}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (raw, error) in [
            ("/..", PathError::AboveRoot),
            ("/a/../..", PathError::AboveRoot),
            ("/%2e%2e/x", PathError::AboveRoot),
            ("/a%00", PathError::Nul),
            ("/a\0", PathError::Nul),
            ("/%", PathError::Encoding),
            ("/%4", PathError::Encoding),
            ("/%g0", PathError::Encoding),
            ("/%+1", PathError::Encoding),
            ("*", PathError::Relative),
            ("a/b", PathError::Relative),
        ] {
            assert_eq!(normalise(raw), Err(error), "{raw}");
        }
    }

    #[test]
    fn nothing_to_do_is_borrowed() {
        assert!(matches!(normalise("/api/v1/things"), Ok(Cow::Borrowed(_))));
        assert!(matches!(normalise("/a.b/"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn canonical_is_narrow() {
        for yes in [
            "/",
            "/a",
            "/a/b/",
            "/.well-known/x",
            "/a..b",
            "/a=b&c,d:e@f~",
        ] {
            assert!(is_canonical(yes), "{yes}");
        }
        let no = [
            "", "*", "a", "//", "/a//b", "/./a", "/a/.", "/..", "/a/../b", "/%61", "/a\\b", "/a;b",
            "/a?b", "/a#b", "/a\0", "/a b", "/a\tb", "/é", "/a\x7f", "/..;/a",
        ];
        for no in no {
            assert!(!is_canonical(no), "{no}");
        }
    }

    /// Pieces that make trouble, more often than a uniform string would have them.
    fn awkward() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("/".to_owned()),
            Just(".".to_owned()),
            Just("..".to_owned()),
            Just("%2e".to_owned()),
            Just("%2F".to_owned()),
            Just("%25".to_owned()),
            Just("%ff".to_owned()),
            Just("\\".to_owned()),
            Just(";".to_owned()),
            "[a-z%.é]{0,3}",
            any::<String>(),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn output_is_normal(path in awkward()) {
            let Ok(normal) = normalise(&path) else { return Ok(()) };
            prop_assert!(normal.starts_with('/') && !normal.contains("//") && !normal.contains('\0'));
            prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".."));
            if !normal.contains('%') {
                prop_assert_eq!(normalise(&normal), Ok(normal.clone()));
            }
        }

        #[test]
        fn canonical_changes_nothing(path in prop_oneof![awkward(), "/[a-z./;]{0,8}", any::<String>()]) {
            if is_canonical(&path) {
                prop_assert_eq!(normalise(&path), Ok(Cow::Borrowed(path.as_str())));
                prop_assert!(!path.contains(['%', '\\', ';', '?', '#']) && path.is_ascii());
            }
        }
    }
}
