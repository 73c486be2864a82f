//! What programs say by number: OpenSSL's and BoringSSL's packed error codes, curl's alerts and exit codes, verify
//! results, alert numbers. A number counts only where its neighbours say what it is, or alone on a line.

use super::conditions::{Condition, certificate, connection, material, negotiation};
use super::meaning::Side;
use super::phrases::{Hint, Level, Source, Subject};
use super::words::Line;
use crate::alert::{Alert, Direction};

/// OpenSSL adds this to an alert's number to make the reason for having received it.
const ALERT_REASON: u32 = 1000;

/// QUIC adds this to an alert's number to make a connection error (RFC 9001, 4.8).
const QUIC_CRYPTO_ERROR: u32 = 0x100;

/// How many words curl may have between `TLS alert` and the number: the longest name has six.
const MAX_ALERT_NAME_WORDS: usize = 8;

/// A number that was understood, over `words` words.
pub(super) struct Numbered {
    pub(super) subject: Subject,
    pub(super) hint: Hint,
    pub(super) words: usize,
}

type Code = (Subject, Hint);

/// What the words from `at` on say by number.
pub(super) fn find(line: &Line<'_>, at: usize) -> Option<Numbered> {
    let next = line.word(at + 1);
    let over = |words: usize| {
        move |(subject, hint): Code| Numbered {
            subject,
            hint,
            words,
        }
    };
    match line.word(at) {
        "error" if is_code(next) => packed(next).map(over(2)),
        "in" | "out" if line.has(at + 1, "tls alert") => curl_alert(line, at),
        "tls" if line.has(at + 1, "alert") => curl_code_after(line, at, 2),
        "alert" => alert_number(line, at),
        "crypto" if next == "error" => quic(line.word(at + 2)).map(over(3)),
        "curl" if line.gap(at).contains('(') => curl_exit(next).map(over(2)),
        "verify" if next == "result" => verify_result(line.word(at + 2)).map(over(3)),
        "verify" if line.has(at, "verify return code") || line.has(at, "verify error num") => {
            verify_result(line.word(at + 3)).map(over(4))
        }
        "verify" if next == "error" && line.gap(at + 1).contains('(') => {
            verify_result(line.word(at + 2)).map(over(3))
        }
        word if word.len() > 8 && line.has(at + 1, "ssl routines") => {
            packed_decimal(word).map(over(1))
        }
        _ => None,
    }
}

/// What a line says that is a number and nothing else; in brackets it can be two things.
pub(super) fn alone(line: &Line<'_>) -> Vec<Numbered> {
    let word = match line.words.as_slice() {
        [word] => word.text.as_str(),
        [first, word] if ["number", "code"].contains(&first.text.as_str()) => word.text.as_str(),
        _ => return Vec::new(),
    };
    let bracketed = line.text.trim_start().starts_with('(');
    let by_result = bracketed.then(|| verify_result(word)).flatten();
    let code = word
        .strip_prefix("0x")
        .filter(|hex| is_code(hex))
        .unwrap_or(word);
    let by_code = if is_code(code) {
        packed(code)
    } else {
        packed_decimal(word)
    };
    let by_number = by_code.or_else(|| number(word).and_then(plain));
    let found = by_result.into_iter().chain(by_number);
    let words = line.words.len();
    found
        .map(|(subject, hint)| Numbered {
            subject,
            hint,
            words,
        })
        .collect()
}

/// A number alone: an alert, curl's level and alert, or OpenSSL's reason.
fn plain(number: u32) -> Option<Code> {
    match number {
        0..=255 => Some((
            Subject::Alert(Alert(u8::try_from(number).ok()?)),
            Hint::default(),
        )),
        ALERT_REASON.. => reason_alert(number, Source::OpenSsl),
        _ => curl_code(number),
    }
}

/// Decimal, or hexadecimal after `0x`.
fn number(word: &str) -> Option<u32> {
    match word.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    }
}

fn is_code(word: &str) -> bool {
    word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

fn from(source: Source) -> Hint {
    Hint {
        source: Some(source),
        ..Hint::default()
    }
}

/// Library, function and reason in 8 hexadecimal digits.
fn packed(word: &str) -> Option<Code> {
    unpacked(u32::from_str_radix(word, 16).ok()?)
}

/// The same in decimal, as Envoy prints BoringSSL's.
fn packed_decimal(word: &str) -> Option<Code> {
    unpacked(word.parse().ok()?)
}

/// OpenSSL 1: 8 bits of library, 12 of function, 12 of reason. OpenSSL 3: 8 of library from bit 23 on, 23 of reason.
/// BoringSSL: as OpenSSL 1, with other numbers.
fn unpacked(code: u32) -> Option<Code> {
    let (old, new) = (code & 0xfff, code & 0x7f_ffff);
    match (code >> 24, code >> 23) {
        (0x14, _) => ssl_reason(old),
        (0x10, _) => boring_reason(old),
        (_, 20) => ssl_reason(new),
        (0x0b, _) => x509_reason(old),
        (_, 11) => x509_reason(new),
        (0x09, _) => pem_reason(old),
        (_, 9) => pem_reason(new),
        _ => None,
    }
}

fn reason_alert(reason: u32, source: Source) -> Option<Code> {
    let alert = Alert(u8::try_from(reason.checked_sub(ALERT_REASON)?).ok()?);
    let hint = Hint {
        direction: Some(Direction::Received),
        ..from(source)
    };
    Some((Subject::Alert(alert), hint))
}

fn ssl_reason(reason: u32) -> Option<Code> {
    if reason >= ALERT_REASON {
        return reason_alert(reason, Source::OpenSsl);
    }
    let condition = match reason {
        118 | 298 | 376 => &negotiation::NO_SHARED_SIGNATURE,
        101 | 295 => &negotiation::NO_SHARED_GROUP,
        134 => &certificate::VERIFY_FAILED,
        155 => &connection::CONNECT_TO_TLS,
        156 => &connection::HTTP_TO_TLS,
        177 | 179 => &material::NO_CERTIFICATE_SET,
        181 | 191 => &negotiation::NO_VERSION_ENABLED,
        193 => &negotiation::NO_SHARED_CIPHER,
        198 | 252 | 267 => &connection::NOT_TLS,
        199 => &certificate::NO_CLIENT_CERTIFICATE,
        235 => &negotiation::NO_SHARED_ALPN,
        258 | 266 | 396 => &negotiation::NO_SHARED_VERSION,
        294 => &connection::CLOSED,
        338 => &negotiation::UNSAFE_RENEGOTIATION,
        394 => &negotiation::WEAK_KEY_EXCHANGE,
        397..=399 => &certificate::WEAK_CERTIFICATE,
        _ => return None,
    };
    Some(condition_of(condition, Source::OpenSsl))
}

fn boring_reason(reason: u32) -> Option<Code> {
    match reason {
        125 => Some(condition_of(&certificate::VERIFY_FAILED, Source::BoringSsl)),
        156 => Some(condition_of(&connection::HTTP_TO_TLS, Source::BoringSsl)),
        247 => Some(condition_of(&connection::NOT_TLS, Source::BoringSsl)),
        _ => reason_alert(reason, Source::BoringSsl),
    }
}

fn x509_reason(reason: u32) -> Option<Code> {
    matches!(reason, 115 | 116).then(|| condition_of(&material::KEY_MISMATCH, Source::OpenSsl))
}

fn pem_reason(reason: u32) -> Option<Code> {
    matches!(reason, 100..=110).then(|| condition_of(&material::UNREADABLE_FILE, Source::OpenSsl))
}

const fn condition_of(condition: &'static Condition, source: Source) -> Code {
    let hint = Hint {
        side: None,
        direction: None,
        level: None,
        era: None,
        source: Some(source),
    };
    (Subject::Condition(condition), hint)
}

/// `(IN), TLS alert, internal error (592)`: the number is the level and the alert, a byte each. curl before 7.40 printed
/// the first byte only, which says nothing.
fn curl_alert(line: &Line<'_>, at: usize) -> Option<Numbered> {
    let mut found = curl_code_after(line, at, 3)?;
    found.hint.direction = Some(match line.word(at) {
        "in" => Direction::Received,
        _ => Direction::Sent,
    });
    Some(found)
}

/// `TLS alert, unknown (628)`, pasted without what stands before it, or the same with it. `lead` words come before the name.
fn curl_code_after(line: &Line<'_>, at: usize, lead: usize) -> Option<Numbered> {
    let first = at + lead;
    let place = (first..first + MAX_ALERT_NAME_WORDS).find(|at| line.gap(at - 1).contains('('))?;
    let (subject, mut hint) = curl_code(number(line.word(place))?)?;
    hint.side = Some(Side::Client);
    Some(Numbered {
        subject,
        hint,
        words: place + 1 - at,
    })
}

fn curl_code(code: u32) -> Option<Code> {
    let level = Level::of(code >> 8)?;
    let alert = Alert(u8::try_from(code & 0xff).ok()?);
    let hint = Hint {
        level: Some(level),
        ..from(Source::Curl)
    };
    Some((Subject::Alert(alert), hint))
}

/// `alert 40`, `alert number 40`, `alert [40]`.
fn alert_number(line: &Line<'_>, at: usize) -> Option<Numbered> {
    let between = ["number", "code", "description", "desc"];
    let skipped = usize::from(between.contains(&line.word(at + 1)));
    let number = number(line.word(at + 1 + skipped))?;
    Some(Numbered {
        subject: Subject::Alert(Alert(u8::try_from(number).ok()?)),
        hint: Hint::default(),
        words: 2 + skipped,
    })
}

fn quic(word: &str) -> Option<Code> {
    let alert = number(word)?.checked_sub(QUIC_CRYPTO_ERROR)?;
    let alert = Alert(u8::try_from(alert).ok()?);
    Some((Subject::Alert(alert), Hint::default()))
}

/// OpenSSL's X509_V_ERR numbers.
fn verify_result(word: &str) -> Option<Code> {
    let condition = match word.parse::<u8>().ok()? {
        1 | 27 | 28 | 50 => &certificate::VERIFY_FAILED,
        2 => &certificate::ROOT_MISSING,
        3 | 12 => &certificate::NO_CRL,
        7 => &certificate::BAD_SIGNATURE,
        9 => &certificate::NOT_YET_VALID,
        10 => &certificate::EXPIRED,
        18 => &certificate::SELF_SIGNED,
        19 => &certificate::PRIVATE_ROOT,
        20 => &certificate::ISSUER_UNKNOWN,
        21 => &certificate::LEAF_ALONE,
        22 | 25 => &certificate::CHAIN_TOO_LONG,
        23 => &certificate::REVOKED,
        24 | 79 => &certificate::NOT_A_CA,
        26 => &certificate::WRONG_PURPOSE,
        62 | 64 => &certificate::WRONG_NAME,
        66..=68 => &certificate::WEAK_CERTIFICATE,
        _ => return None,
    };
    Some(condition_of(condition, Source::OpenSsl))
}

/// curl's exit codes that have to do with the connection.
fn curl_exit(word: &str) -> Option<Code> {
    let condition = match word.parse::<u8>().ok()? {
        7 => &connection::NO_CONNECTION,
        28 => &connection::TIMEOUT,
        35 => &connection::HANDSHAKE_FAILED,
        51 | 60 => &certificate::VERIFY_FAILED,
        52 => &connection::EMPTY_REPLY,
        55 | 56 => &connection::RECEIVE_FAILED,
        58 => &material::UNREADABLE_FILE,
        59 => &material::BAD_CIPHER_LIST,
        77 => &material::NO_TRUST_STORE,
        91 => &certificate::OCSP_REFUSED,
        98 => &certificate::NO_CLIENT_CERTIFICATE,
        _ => return None,
    };
    let (subject, mut hint) = condition_of(condition, Source::Curl);
    hint.side = Some(Side::Client);
    Some((subject, hint))
}
