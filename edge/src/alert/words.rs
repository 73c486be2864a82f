//! How names, dates and lists from a handshake are written: on one line, bounded, without anything that moves a cursor, and
//! quoted where a shell will read them. For [`super::finding`] and [`super::record`].

use std::fmt::Write;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::handshake::Foreign;

/// Characters of one text from the network: a DNS name has at most 253.
const MOST_TEXT: usize = 260;

/// Unix seconds as RFC 3339; the number itself where no calendar has it.
pub(super) fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| seconds.to_string())
}

/// At most `most` characters of `text`, with `…` for what is left out; control characters and those that change the
/// direction of text become `\XX` for each of their bytes, as in distinguished names (RFC 4514).
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(most));
    for (number, letter) in text.chars().enumerate() {
        if number == most {
            safe.push('…');
            break;
        }
        let turns = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if !turns && !letter.is_control() {
            safe.push(letter);
            continue;
        }
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a String does not fail.
            let _ = write!(safe, "\\{byte:02X}");
        }
    }
    safe
}

/// A name from the network.
pub(super) fn name(text: &str) -> String {
    plain(text, MOST_TEXT)
}

/// Bytes that should be text.
pub(super) fn bytes(text: &[u8]) -> String {
    let shown = &text[..text.len().min(MOST_TEXT)];
    plain(&shown.escape_ascii().to_string(), MOST_TEXT)
}

/// `a, b, c and 7 more`: at most `most` of them; `none` if there are none.
pub(super) fn list<T: AsRef<str>>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut more = 0_usize;
    for item in items {
        if shown.len() < most {
            shown.push(match item.as_ref() {
                "" => "(empty)".to_owned(),
                text => name(text),
            });
        } else {
            more += 1;
        }
    }
    match (shown.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => shown.join(", "),
        (false, _) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `text` as one word of a POSIX shell, if it can be one without surprises: letters, digits and what stands in host names,
/// addresses, paths and distinguished names.
pub(super) fn shell(text: &str) -> Option<String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || ".-_:/[]*=,+@% ".contains(c);
    let fits = !text.is_empty()
        && text.len() <= MOST_TEXT
        && text.chars().all(harmless)
        && !text.starts_with('-');
    let bare = |c: char| c.is_ascii_alphanumeric() || ".-_:/".contains(c);
    match (fits, text.chars().all(bare)) {
        (false, _) => None,
        (true, true) => Some(text.to_owned()),
        (true, false) => Some(format!("'{text}'")),
    }
}

/// What speaks there, with its article.
pub(super) fn foreign(what: &Foreign) -> String {
    match what {
        Foreign::HttpRequest => "a plain HTTP request".to_owned(),
        Foreign::HttpAnswer(Some(status)) => format!("a plain HTTP answer with status {status}"),
        Foreign::HttpAnswer(None) => "a plain HTTP answer".to_owned(),
        Foreign::PlainHttpRefused => {
            "an HTTP answer that says that plain HTTP was sent to a port for TLS".to_owned()
        }
        Foreign::Proxy(version) => format!("a PROXY protocol header, version {version}"),
        Foreign::Sslv2 => "an SSL 2.0 hello".to_owned(),
        Foreign::Ssh => "an SSH greeting".to_owned(),
        Foreign::Greeting(code) => {
            format!("a greeting that begins with {code}, as SMTP and FTP servers send it")
        }
        Foreign::Mysql => "a MySQL greeting".to_owned(),
        Foreign::Markup => "HTML or XML".to_owned(),
        Foreign::Other(first, length) => {
            let shown = first.iter().take(usize::from(*length));
            let hex: Vec<String> = shown.map(|byte| format!("{byte:02x}")).collect();
            format!("bytes that are no TLS ({})", hex.join(" "))
        }
    }
}
