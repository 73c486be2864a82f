//! What the texts share: settings by their real names, dates, and openssl commands with their arguments quoted.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::asked::{Asked, Place};
use super::{Found, Severity, Topic};
use crate::alert::finding::Owner;
use crate::alert::{Cause, Confidence};

/// A finding without texts.
pub(super) fn found(topic: Topic, severity: Severity, confidence: Confidence) -> Found {
    Found {
        topic,
        severity,
        confidence,
        detail: String::new(),
        fix: String::new(),
        owner: Owner::Target,
        verify: None,
    }
}

/// A cause that fails the configured handshake.
pub(super) fn failing(cause: Cause, confidence: Confidence) -> Found {
    found(Topic::Cause(cause), Severity::Failing, confidence)
}

impl Found {
    pub(super) fn detail(mut self, text: impl Into<String>) -> Self {
        self.detail = text.into();
        self
    }

    pub(super) fn fix(mut self, text: impl Into<String>) -> Self {
        self.fix = text.into();
        self
    }

    pub(super) const fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    pub(super) fn verify(mut self, command: String) -> Self {
        self.verify = Some(command);
        self
    }
}

/// Whose server it is.
pub(super) const fn server_owner(asked: &Asked) -> Owner {
    match asked.place {
        Place::Ssl(_) => Owner::Gateway,
        Place::Flags | Place::Upstream(_) => Owner::Target,
    }
}

/// A setting of ours: the flag that was or was not given, or the field of the object.
pub(super) fn setting(asked: &Asked, flag: &str, field: &str) -> String {
    match &asked.place {
        Place::Flags => format!("{flag}, or `{field}` of an upstream"),
        Place::Upstream(id) => format!("`{field}` of {id}"),
        Place::Ssl(id) => format!("ssls/{id}"),
    }
}

/// Seconds since 1970 as RFC 3339.
pub(in crate::probe) fn date(unix: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(unix).ok();
    date.and_then(|date| date.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{unix} (unix)"))
}

/// A list in a sentence; after `most`, how many more there are.
pub(super) fn list<T: AsRef<str>>(items: &[T], most: usize) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(AsRef::as_ref).collect();
    let more = items.len().saturating_sub(most);
    match more {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

/// `openssl s_client` to the server with the configured name, and further options.
pub(super) fn s_client(asked: &Asked, options: &str) -> String {
    s_client_named(asked, asked.sni.as_deref(), options)
}

/// The same with another name.
pub(super) fn s_client_named(asked: &Asked, name: Option<&str>, options: &str) -> String {
    let name = match name {
        Some(name) => format!("-servername {}", quoted(name)),
        None => "-noservername".to_owned(),
    };
    let connect = quoted(&asked.target());
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(" {options}")
    };
    format!("openssl s_client -connect {connect} {name}{options} </dev/null")
}

/// The leaf's facts, by openssl.
pub(super) fn show_leaf(asked: &Asked) -> String {
    format!(
        "{} 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName,extendedKeyUsage",
        s_client(asked, "")
    )
}

/// One word of a shell command. What is not plainly harmless is put in quotes.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{date, list, quoted};

    #[test]
    fn words_of_a_command_cannot_become_two() {
        assert_eq!(quoted("a.test:443"), "a.test:443");
        assert_eq!(quoted("[::1]:443"), "'[::1]:443'");
        assert_eq!(quoted("a; rm -rf /"), "'a; rm -rf /'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("-x"), "'-x'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn dates_and_lists() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(i64::MAX), format!("{} (unix)", i64::MAX));
        assert_eq!(list(&["a", "b", "c"], 2), "a; b; and 1 more");
        assert_eq!(list::<&str>(&[], 2), "");
    }
}
