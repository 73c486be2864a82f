//! Host and path patterns of routes (reference: APISIX's radixtree_host_uri). Pure values; `snapshot` indexes them.

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
