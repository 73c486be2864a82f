//! Host and path patterns of routes (reference: APISIX's radixtree_host_uri) and the names of SSL objects. Pure
//! values; `snapshot` indexes them.

/// A host pattern: exact, a suffix after a leading `*` that may span labels, or any host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// No host given, or `*`.
    Any,
    /// Lower-case name, no port, no trailing dot.
    Exact(Box<str>),
    /// What follows the leading `*`: `*.foo.com` keeps `.foo.com`, `*foo.com` keeps `foo.com`.
    Suffix(Box<str>),
}

impl HostPattern {
    /// Reads a pattern; the text is lower-cased and one trailing dot is dropped.
    pub fn parse(text: &str) -> Self {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some("") => Self::Any,
            Some(rest) => Self::Suffix(rest.into()),
            None => Self::Exact(text.into()),
        }
    }

    /// Reads a pattern that may be wrong.
    ///
    /// # Errors
    /// The text APISIX gives for a pattern that does not match its schema.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        checked(text).map(Self::parse)
    }
}

/// APISIX's schema of a host or TLS name: `^\*$|^\*?[0-9a-zA-Z-._\[\]:]+$`. Beyond it, a text that is nothing but dots
/// after its `*` is refused, since dropping the trailing dot would turn it into a catch-all.
fn checked(text: &str) -> Result<&str, String> {
    let rest = text.strip_prefix('*').unwrap_or(text);
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'[' | b']' | b':');
    if text != "*" && (!rest.bytes().all(allowed) || rest.bytes().all(|b| b == b'.')) {
        return Err(format!(
            r#"failed to match pattern "^\*$|^\*?[0-9a-zA-Z-._\[\]:]+$" with "{text}""#
        ));
    }
    Ok(text)
}

/// A name of an SSL object: lower-cased, one trailing dot dropped; exact, `*.x` for one label, or `*`.
pub(super) fn tls_name(text: &str) -> Result<Box<str>, String> {
    let text = checked(text)?;
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if let Some(rest) = name.strip_prefix('*')
        && !rest.is_empty()
        && !rest.starts_with('.')
    {
        return Err(format!(
            "a wildcard stands for one whole label: write \"*.{rest}\" instead of \"{text}\""
        ));
    }
    Ok(name.into())
}

/// A path pattern.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// `/foo`: that path only.
    Exact(Box<str>),
    /// `/foo*` keeps `/foo`: every path that starts with it.
    Prefix(Box<str>),
    /// `/a/*/b`: a `*` in the middle; `prefix` is what precedes the first one, `regex` is anchored at both ends.
    Glob {
        /// Literal text before the first `*`.
        prefix: Box<str>,
        /// The whole pattern.
        regex: regex::Regex,
    },
}

/// What a compiled glob may take, in bytes.
const GLOB_SIZE: usize = 1 << 20;

impl PathPattern {
    /// Reads a pattern: `/foo` exact, `/foo*` prefix, any other `*` spans whatever stands there, slashes too.
    ///
    /// # Errors
    /// A sentence, if the text does not start with `/` (and is not `*`) or is too large.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') && text != "*" {
            return Err(format!("a path starts with /, found \"{text}\""));
        }
        let Some((prefix, rest)) = text.split_once('*') else {
            return Ok(Self::Exact(text.into()));
        };
        if rest.is_empty() {
            return Ok(Self::Prefix(prefix.into()));
        }
        let literals: Vec<String> = text.split('*').map(regex::escape).collect();
        let regex = regex::RegexBuilder::new(&format!(r"\A{}\z", literals.join("(?s:.*)")))
            .size_limit(GLOB_SIZE)
            .build();
        let regex = regex.map_err(|_| "the pattern is too large".to_owned())?;
        Ok(Self::Glob {
            prefix: prefix.into(),
            regex,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{HostPattern, PathPattern, tls_name};

    #[test]
    fn hosts() {
        assert_eq!(HostPattern::read("*"), Ok(HostPattern::Any));
        assert_eq!(
            HostPattern::read("A.Test."),
            Ok(HostPattern::Exact("a.test".into()))
        );
        assert_eq!(
            HostPattern::read("*.a.test"),
            Ok(HostPattern::Suffix(".a.test".into()))
        );
        assert_eq!(
            HostPattern::read("*a.test"),
            Ok(HostPattern::Suffix("a.test".into()))
        );
        for bad in ["", ".", "*.", "*..", "a.*.com", "a b", "a/b", "é", "**"] {
            assert!(HostPattern::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tls_names() {
        for (text, name) in [
            ("A.Test.", "a.test"),
            ("*.A.test", "*.a.test"),
            ("*", "*"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(tls_name(text).as_deref(), Ok(name));
        }
        for bad in ["", "*foo.com", "*.", "*..", ".", "a.*.com", "a b"] {
            assert!(tls_name(bad).is_err(), "{bad}");
        }
        assert!(tls_name("*foo.com").unwrap_err().contains("\"*.foo.com\""));
    }

    #[test]
    fn paths() {
        assert!(matches!(PathPattern::parse("/a").unwrap(), PathPattern::Exact(p) if &*p == "/a"));
        assert!(
            matches!(PathPattern::parse("/a*").unwrap(), PathPattern::Prefix(p) if &*p == "/a")
        );
        assert!(matches!(PathPattern::parse("*").unwrap(), PathPattern::Prefix(p) if p.is_empty()));
        let PathPattern::Glob { prefix, regex } = PathPattern::parse("/a.b/*/c*").unwrap() else {
            panic!()
        };
        assert_eq!(&*prefix, "/a.b/");
        for (path, matches) in [
            ("/a.b/x/c", true),
            ("/a.b/x/y\n/cd", true),
            ("/a.b//c", true),
            ("/aXb/x/c", false),
            ("/a.b/c", false),
            ("x/a.b/x/c", false),
        ] {
            assert_eq!(regex.is_match(path), matches, "{path}");
        }
        for bad in ["", "a", "*a", "**"] {
            assert!(PathPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
