//! Names of certificates as one line of text: distinguished names in RFC 4514's form, and any other text of a
//! certificate made safe to print. Owns escaping and the bound; `info` says which names there are.

use std::fmt::Write;

use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The longest text taken from a certificate, in characters: names of the web are at most 253, and whoever reads a
/// finding reads no more.
pub(super) const MOST_TEXT: usize = 256;

/// What ends a text that was cut.
const CUT: char = '…';

const UTF8_STRING: u32 = 12;
const NUMERIC_STRING: u32 = 18;
const PRINTABLE_STRING: u32 = 19;
const TELETEX_STRING: u32 = 20;
const IA5_STRING: u32 = 22;
const BMP_STRING: u32 = 30;

/// `CN=leaf,O=Example,C=DE`: the last relative name first (RFC 4514), as `openssl x509 -nameopt RFC2253` prints it.
/// Empty for an empty name.
pub(super) fn line(name: &X509Name<'_>) -> String {
    let parts: Vec<&_> = name.iter_rdn().collect();
    let mut text = String::new();
    for (number, part) in parts.iter().rev().enumerate() {
        for (at, attribute) in part.iter().enumerate() {
            if at > 0 {
                text.push('+');
            } else if number > 0 {
                text.push(',');
            }
            let value = value(attribute);
            // Writing to a String does not fail.
            let _ = write!(text, "{}={value}", type_name(attribute));
        }
        if text.len() > MOST_TEXT * 4 {
            break;
        }
    }
    bounded(&text)
}

/// As [`line`], of a name in DER and nothing after it.
pub(super) fn of_der(der: &[u8]) -> Option<String> {
    let (rest, name) = X509Name::from_der(der).ok()?;
    rest.is_empty().then(|| line(&name))
}

/// `text` without anything that could move a cursor, end a line or turn its direction, and of bounded length.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len().min(MOST_TEXT * 4));
    for letter in text.chars().take(MOST_TEXT + 1) {
        push_safe(&mut safe, letter);
    }
    bounded(&safe)
}

/// An attribute's value as plain text, if it is of a string type.
pub(super) fn plain_value(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let bytes = attribute.as_slice();
    match attribute.attr_value().tag().0 {
        UTF8_STRING | NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING => {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
        // Written as Latin-1 wherever it is still written.
        TELETEX_STRING => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        BMP_STRING => {
            let units = bytes
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            Some(
                char::decode_utf16(units)
                    .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// RFC 4514, 2.4: what would end the value is escaped; what is no text is `#` and hexadecimal.
fn value(attribute: &AttributeTypeAndValue<'_>) -> String {
    let Some(plain) = plain_value(attribute) else {
        let mut hex = String::from("#");
        for byte in attribute.as_slice().iter().take(MOST_TEXT / 2) {
            let _ = write!(hex, "{byte:02x}");
        }
        return hex;
    };
    let mut text = String::with_capacity(plain.len().min(MOST_TEXT * 4));
    let last = plain.chars().count().saturating_sub(1);
    for (at, letter) in plain.chars().take(MOST_TEXT + 1).enumerate() {
        let special = matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        let at_an_end = letter == ' ' && (at == 0 || at == last) || letter == '#' && at == 0;
        if special || at_an_end {
            text.push('\\');
        }
        push_safe(&mut text, letter);
    }
    text
}

/// RFC 4514, 3, and the types seen in certificates beside those; any other by its number.
fn type_name(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let name = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return oid,
    };
    name.to_owned()
}

/// Control characters and those that change the direction of text become `\XX` for each of their bytes.
fn push_safe(text: &mut String, letter: char) {
    let unsafe_to_print = letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if !unsafe_to_print {
        return text.push(letter);
    }
    for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(text, "\\{byte:02X}");
    }
}

/// At most [`MOST_TEXT`] characters, the last one a mark if there were more.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        None => text.to_owned(),
        Some(_) => text.chars().take(MOST_TEXT - 1).chain([CUT]).collect(),
    }
}
