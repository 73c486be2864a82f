//! Tells what speaks where TLS was expected, by its first bytes. Knows protocols by how they begin, and reads none of them.

use memchr::memmem;

/// What speaks where TLS was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// An HTTP/1 request, or HTTP/2's preface.
    HttpRequest,
    /// An HTTP answer; its status if it can be read.
    HttpAnswer(Option<u16>),
    /// nginx and others: the answer says that plain HTTP was sent to a port for TLS.
    PlainHttpRefused,
    /// PROXY protocol, version 1 or 2.
    Proxy(u8),
    /// An SSL 2.0 ClientHello.
    Sslv2,
    /// `SSH-`.
    Ssh,
    /// A greeting of three digits: SMTP, FTP.
    Greeting(u16),
    /// MySQL's greeting.
    Mysql,
    /// HTML or XML without a status line.
    Markup,
    /// Anything else: the first bytes, at most 4.
    Other([u8; 4], u8),
}

/// Bytes of an HTTP answer in which the complaint of [`Foreign::PlainHttpRefused`] is looked for: its head and a short page.
const MOST_SEARCHED: usize = 4096;

/// How servers say that they were spoken to in plain HTTP: nginx, Apache httpd, Go, Tomcat.
const REFUSALS: [&[u8]; 4] = [
    b"plain HTTP request was sent to HTTPS port",
    b"speaking plain HTTP to an SSL-enabled server port",
    b"Client sent an HTTP request to an HTTPS server",
    b"combination of host and port requires TLS",
];

/// What begins an HTTP request: methods with the space behind them, the first word of HTTP/2's preface among them.
const REQUESTS: [&[u8]; 11] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PROPFIND ",
    b"PRI ",
];

const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What `bytes` are if they do not begin a TLS record; `None` if they do, or are too few to say.
pub fn foreign(bytes: &[u8]) -> Option<Foreign> {
    if matches!(bytes, [] | [20..=24] | [20..=24, 3, ..]) {
        return None;
    }
    let mut undecided = false;
    for look in [of_prefix, http_answer, sslv2, greeting, mysql, markup] {
        match look(bytes) {
            Look::Is(found) => return Some(found),
            Look::MayBe => undecided = true,
            Look::IsNot => {}
        }
    }
    (!undecided).then(|| other(bytes))
}

/// Whether bytes begin a certain protocol.
enum Look {
    Is(Foreign),
    /// So far, but they end too early to say.
    MayBe,
    IsNot,
}

fn prefixed(bytes: &[u8], prefix: &[u8], found: Foreign) -> Look {
    if bytes.starts_with(prefix) {
        Look::Is(found)
    } else if prefix.starts_with(bytes) {
        Look::MayBe
    } else {
        Look::IsNot
    }
}

fn of_prefix(bytes: &[u8]) -> Look {
    let fixed = [
        (&b"PROXY "[..], Foreign::Proxy(1)),
        (PROXY_2, Foreign::Proxy(2)),
        (b"SSH-", Foreign::Ssh),
    ];
    let requests = REQUESTS.map(|method| (method, Foreign::HttpRequest));
    let mut undecided = false;
    for (prefix, found) in fixed.into_iter().chain(requests) {
        match prefixed(bytes, prefix, found) {
            Look::Is(found) => return Look::Is(found),
            Look::MayBe => undecided = true,
            Look::IsNot => {}
        }
    }
    if undecided { Look::MayBe } else { Look::IsNot }
}

fn http_answer(bytes: &[u8]) -> Look {
    let begins = prefixed(bytes, b"HTTP/", Foreign::HttpAnswer(None));
    let Look::Is(_) = begins else { return begins };
    if refuses_plain_http(bytes) {
        return Look::Is(Foreign::PlainHttpRefused);
    }
    // `HTTP/1.1 400`: the version ends at the first space.
    let line = bytes.get(..32).unwrap_or(bytes);
    let status = line
        .iter()
        .position(|byte| *byte == b' ')
        .and_then(|space| line.get(space + 1..)?.first_chunk())
        .and_then(|digits| number(*digits));
    Look::Is(Foreign::HttpAnswer(status))
}

fn refuses_plain_http(bytes: &[u8]) -> bool {
    let searched = bytes.get(..MOST_SEARCHED).unwrap_or(bytes);
    REFUSALS
        .iter()
        .any(|text| memmem::find(searched, text).is_some())
}

/// Three digits, the first of them 1 to 5.
fn number(digits: [u8; 3]) -> Option<u16> {
    let value = |digit: u8| digit.is_ascii_digit().then(|| u16::from(digit - b'0'));
    let [first, second, third] = digits.map(value);
    let number = first? * 100 + second? * 10 + third?;
    (100..600).contains(&number).then_some(number)
}

/// A two-byte length with the top bit set, message type 1, then the version, which may be a later one (RFC 5246, E.2).
fn sslv2(bytes: &[u8]) -> Look {
    match bytes {
        [128..=255, _, 1, 0, 2, ..] | [128..=255, _, 1, 3, 0..=4, ..] => Look::Is(Foreign::Sslv2),
        [128..=255] | [128..=255, _] | [128..=255, _, 1] | [128..=255, _, 1, 0 | 3] => Look::MayBe,
        _ => Look::IsNot,
    }
}

/// Three digits and a space, or a hyphen where lines follow (RFC 5321, 4.2.1).
fn greeting(bytes: &[u8]) -> Look {
    match bytes {
        [a, b, c, b' ' | b'-', ..] => match number([*a, *b, *c]) {
            Some(number) => Look::Is(Foreign::Greeting(number)),
            None => Look::IsNot,
        },
        [a, rest @ ..] if rest.len() < 3 => {
            if (b'1'..=b'5').contains(a) && rest.iter().all(u8::is_ascii_digit) {
                Look::MayBe
            } else {
                Look::IsNot
            }
        }
        _ => Look::IsNot,
    }
}

/// A packet of under 64 KiB with sequence number 0: protocol version 10 and a version's digit, or an error packet (255), as
/// for a blocked host.
fn mysql(bytes: &[u8]) -> Look {
    match bytes {
        [_, _, 0, 0, 10, b'0'..=b'9', ..] | [_, _, 0, 0, 255, ..] => Look::Is(Foreign::Mysql),
        [_] | [_, _] | [_, _, 0] | [_, _, 0, 0] | [_, _, 0, 0, 10] => Look::MayBe,
        _ => Look::IsNot,
    }
}

fn markup(bytes: &[u8]) -> Look {
    match bytes.trim_ascii_start() {
        [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'?', ..] if refuses_plain_http(bytes) => {
            Look::Is(Foreign::PlainHttpRefused)
        }
        [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'?', ..] => Look::Is(Foreign::Markup),
        [] | [b'<'] => Look::MayBe,
        _ => Look::IsNot,
    }
}

fn other(bytes: &[u8]) -> Foreign {
    let mut first = [0; 4];
    let count = bytes.len().min(first.len());
    first
        .iter_mut()
        .zip(bytes)
        .for_each(|(kept, byte)| *kept = *byte);
    Foreign::Other(first, u8::try_from(count).unwrap_or(0))
}
