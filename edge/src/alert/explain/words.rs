//! A line of text as words: runs of ASCII letters and digits in lower case, with their place in the text. An identifier
//! is taken apart (`CertificateRequired`, `certificate_required` and `certificate required` are the same two words), so
//! that one table knows the spellings of all stacks. First stage of explaining; knows nothing of TLS.

/// One word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// In lower case.
    pub(super) text: String,
    /// Byte offset of its first letter in the line.
    pub(super) start: usize,
    /// Byte offset behind its last letter.
    pub(super) end: usize,
}

/// One line and its words.
pub(super) struct Line<'t> {
    /// As it was given.
    pub(super) text: &'t str,
    /// In order.
    pub(super) words: Vec<Word>,
}

impl<'t> Line<'t> {
    /// Takes a line apart.
    pub(super) fn of(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut words = Vec::new();
        let mut start = None;
        for at in 0..=bytes.len() {
            let inside = bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
            match start {
                None if inside => start = Some(at),
                Some(from) if !inside || splits(bytes, at) => {
                    words.push(word(text, from, at));
                    start = inside.then_some(at);
                }
                _ => {}
            }
        }
        Self { text, words }
    }

    /// The word at `at`, empty if there is none.
    pub(super) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", |word| &word.text)
    }

    /// What stands between word `at` and the next one; empty at the ends.
    pub(super) fn gap(&self, at: usize) -> &'t str {
        let range = self.words.get(at).zip(self.words.get(at + 1));
        range
            .and_then(|(this, next)| self.text.get(this.end..next.start))
            .unwrap_or_default()
    }

    /// True if the words from `at` on are those of `phrase`, which has one space between words.
    pub(super) fn has(&self, at: usize, phrase: &str) -> bool {
        phrase
            .split(' ')
            .zip(at..)
            .all(|(wanted, at)| self.word(at) == wanted)
    }
}

fn word(text: &str, start: usize, end: usize) -> Word {
    Word {
        text: text
            .get(start..end)
            .unwrap_or_default()
            .to_ascii_lowercase(),
        start,
        end,
    }
}

/// True if a new word of a CamelCase identifier begins at `at`: `UnknownCA`, `SSLHandshake`, `Tls12Not`; not
/// `TLSv1`.
fn splits(bytes: &[u8], at: usize) -> bool {
    let is = |at: usize, test: fn(&u8) -> bool| bytes.get(at).is_some_and(test);
    let before = at.checked_sub(1);
    let lower = before.is_some_and(|before| is(before, u8::is_ascii_lowercase));
    let upper_or_digit =
        before.is_some_and(|before| is(before, |b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    let next_is_lower = is(at + 1, u8::is_ascii_lowercase) && bytes.get(at + 1) != Some(&b'v');
    is(at, u8::is_ascii_uppercase) && (lower || upper_or_digit && next_is_lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let line = Line::of(text);
        let words: Vec<_> = line.words.iter().map(|word| word.text.as_str()).collect();
        words.join(" ")
    }

    #[test]
    fn identifiers_and_sentences_are_the_same_words() {
        for (text, expected) in [
            ("CertificateRequired", "certificate required"),
            ("certificate_required", "certificate required"),
            ("TLSV1_ALERT_UNKNOWN_CA", "tlsv1 alert unknown ca"),
            ("UnknownCA", "unknown ca"),
            ("SSLHandshakeException:", "ssl handshake exception"),
            ("UnexpectedEOFAtTarget", "unexpected eof at target"),
            ("Tls12NotOffered", "tls12 not offered"),
            ("TLSv1.3 (IN), TLS alert", "tlsv1 3 in tls alert"),
            ("SSL_read() é x509", "ssl read x509"),
            ("", ""),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn words_know_their_place() {
        let line = Line::of("curl: (35)");
        assert_eq!(line.gap(0), ": (");
        assert_eq!(line.gap(1), "");
        assert!(line.has(0, "curl 35"));
        assert!(!line.has(1, "35 more"));
    }
}
