//! The format of a line: written by hand into a byte buffer, without allocation. Everything a peer chose is escaped
//! and cut to a bound; the query is left out, since that is where people put secrets.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fault::Fault;
use crate::hop::{TargetFacts, TargetTls};

/// Bytes of a path that are logged.
const PATH: usize = 2048;
/// Bytes of a fault's detail.
const DETAIL: usize = 1024;
/// Bytes of a host, a method, a name, an id.
const NAME: usize = 256;
/// Stands at the end of what was cut.
const CUT: &str = "…";

/// One answered request.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// As in `X-Request-Id`.
    pub request_id: &'a str,
    /// The client's address.
    pub client: SocketAddr,
    /// Method.
    pub method: &'a str,
    /// Host header or authority, as sent.
    pub host: &'a str,
    /// Path as sent; a query is cut off here.
    pub path: &'a str,
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2`.
    pub protocol: &'static str,
    /// Status sent; 0 if the client was gone before one.
    pub status: u16,
    /// Why it failed, if it did.
    pub fault: Option<&'a Fault>,
    /// Id of the matched route.
    pub route: Option<&'a str>,
    /// The southbound side; `TargetFacts::default()` if it never came to that.
    pub target: &'a TargetFacts,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// Request body bytes.
    pub bytes_in: u64,
    /// Answer body bytes.
    pub bytes_out: u64,
    /// TLS with the client; `None` in the clear.
    pub tls: Option<ClientTls<'a>>,
}

/// TLS facts of a northbound connection.
#[derive(Clone, Copy)]
pub struct ClientTls<'a> {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// IANA name.
    pub cipher: &'static str,
    /// Name the client asked for.
    pub sni: Option<&'a str>,
    /// Session resumed.
    pub resumed: bool,
    /// What became of client authentication.
    pub client_cert: ClientCert,
    /// SHA-256 of the client's certificate, if it showed one.
    pub client_sha256: Option<&'a [u8; 32]>,
}

/// What became of client authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCert {
    /// The name's policy does not ask.
    NotAsked,
    /// Asked, none given.
    None,
    /// Given and good.
    Verified,
    /// Given and not good (only where the policy answers 400 instead of an alert).
    Refused,
}

impl ClientCert {
    /// The field's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::None => "none",
            Self::Verified => "verified",
            Self::Refused => "refused",
        }
    }
}

/// Formats the time; the part up to the second is made once a second.
pub(super) struct Clock {
    second: u64,
    text: [u8; 24],
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            second: u64::MAX,
            text: *b"1970-01-01T00:00:00.000Z",
        }
    }
}

impl Clock {
    /// RFC 3339 in UTC with milliseconds.
    pub(super) fn stamp(&mut self, now: SystemTime) -> &str {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second {
            self.second = since.as_secs();
            if let Ok(at) = time::OffsetDateTime::from_unix_timestamp(since.as_secs().cast_signed())
            {
                digits(&mut self.text[0..4], at.year().unsigned_abs());
                digits(&mut self.text[5..7], u32::from(u8::from(at.month())));
                digits(&mut self.text[8..10], u32::from(at.day()));
                digits(&mut self.text[11..13], u32::from(at.hour()));
                digits(&mut self.text[14..16], u32::from(at.minute()));
                digits(&mut self.text[17..19], u32::from(at.second()));
            }
        }
        digits(&mut self.text[20..23], since.subsec_millis());
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

fn digits(place: &mut [u8], mut value: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Appends `line` and a newline.
pub(super) fn write(out: &mut Vec<u8>, line: &Line<'_>, time: &str) {
    let mut o = Object { out, first: true };
    o.begin();
    o.plain("time", time);
    o.text("request_id", line.request_id, NAME);
    o.address("client", line.client);
    o.text("method", line.method, NAME);
    o.text("host", line.host, NAME);
    o.text(
        "path",
        line.path.split('?').next().unwrap_or_default(),
        PATH,
    );
    o.plain("protocol", line.protocol);
    o.number("status", u64::from(line.status));
    if let Some(fault) = line.fault {
        o.plain("fault", fault.code.as_str());
        o.plain("fault_source", fault.source_role.as_str());
        if let Some(reason) = fault.reason {
            o.plain("reason", reason.as_str());
        }
        o.text("detail", &fault.detail, DETAIL);
    }
    if let Some(route) = line.route {
        o.text("route", route, NAME);
    }
    target(&mut o, line.target);
    o.millis("duration_ms", line.duration);
    o.number("bytes_in", line.bytes_in);
    o.number("bytes_out", line.bytes_out);
    if let Some(tls) = &line.tls {
        client_tls(&mut o, tls);
    }
    if let Some(tls) = &line.target.tls {
        target_tls(&mut o, tls);
    }
    o.end();
    out.push(b'\n');
}

fn target(o: &mut Object<'_>, target: &TargetFacts) {
    if let Some(upstream) = &target.upstream {
        o.text("upstream", upstream, NAME);
    }
    let Some(name) = &target.target else { return };
    o.text("target", name, NAME);
    if let Some(address) = target.address {
        // Through the escaper only because it knows how to write what displays itself.
        o.shown("target_address", address);
    }
    if let Some(status) = target.statuses.last().copied().filter(|s| *s != 0) {
        o.number("target_status", u64::from(status));
    }
    o.number("retries", u64::from(target.retries));
    o.truth("target_reused", target.reused);
}

fn client_tls(o: &mut Object<'_>, tls: &ClientTls<'_>) {
    o.open("tls");
    o.plain("version", tls.version);
    o.plain("cipher", tls.cipher);
    if let Some(sni) = tls.sni {
        o.text("sni", sni, NAME);
    }
    o.truth("resumed", tls.resumed);
    o.plain("client_cert", tls.client_cert.as_str());
    if let Some(hash) = tls.client_sha256 {
        o.hex("client_sha256", hash);
    }
    o.end();
}

fn target_tls(o: &mut Object<'_>, tls: &TargetTls) {
    o.open("target_tls");
    o.plain("version", tls.version);
    o.plain("cipher", tls.cipher);
    if let Some(sni) = &tls.sni {
        o.text("sni", sni, NAME);
    }
    o.truth("resumed", tls.resumed);
    o.truth("client_cert", tls.client_cert);
    o.end();
}

/// Writes the members of JSON objects.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    fn begin(&mut self) {
        self.out.push(b'{');
        self.first = true;
    }
    fn open(&mut self, key: &'static str) {
        self.key(key);
        self.begin();
    }
    fn end(&mut self) {
        self.out.push(b'}');
        self.first = false;
    }
    fn key(&mut self, key: &'static str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
    /// A value of our own that needs no escaping.
    fn plain(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }
    /// Anybody's text, at most `bound` bytes of it.
    fn text(&mut self, key: &'static str, value: &str, bound: usize) {
        self.key(key);
        self.out.push(b'"');
        if value.len() > bound {
            let end = (0..=bound)
                .rfind(|at| value.is_char_boundary(*at))
                .unwrap_or(0);
            escape(self.out, &value[..end]);
            self.out.extend_from_slice(CUT.as_bytes());
        } else {
            escape(self.out, value);
        }
        self.out.push(b'"');
    }
    fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
    /// Milliseconds with three places.
    fn millis(&mut self, key: &'static str, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.number(key, micros / 1000);
        let mut places = *b".000";
        digits(&mut places[1..], (micros % 1000) as u32);
        self.out.extend_from_slice(&places);
    }
    fn truth(&mut self, key: &'static str, value: bool) {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }
    fn address(&mut self, key: &'static str, value: SocketAddr) {
        self.shown(key, value);
    }
    /// Something whose display needs no escaping.
    fn shown(&mut self, key: &'static str, value: impl std::fmt::Display) {
        use std::io::Write as _;
        self.key(key);
        // Writing to memory cannot fail.
        let _ = write!(self.out, "\"{value}\"");
    }
    fn hex(&mut self, key: &'static str, value: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.key(key);
        self.out.push(b'"');
        for byte in value {
            self.out.extend_from_slice(&[
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]);
        }
        self.out.push(b'"');
    }
}

/// JSON escaping. Control characters beyond ASCII's are escaped too: a log is read on terminals.
fn escape(out: &mut Vec<u8>, text: &str) {
    let tame = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
    if text.bytes().all(tame) {
        return out.extend_from_slice(text.as_bytes());
    }
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if c.is_control() => {
                use std::io::Write as _;
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::alert::Cause;
    use crate::fault::FaultCode;

    fn read(line: &Line<'_>) -> serde_json::Value {
        let mut out = Vec::new();
        let mut clock = Clock::default();
        write(
            &mut out,
            line,
            clock.stamp(UNIX_EPOCH + Duration::from_millis(1_795_219_200_007)),
        );
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.find('\n'), Some(text.len() - 1), "{text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    fn line(target: &TargetFacts) -> Line<'_> {
        Line {
            request_id: "0af7",
            client: "[::1]:4000".parse().unwrap(),
            method: "GET",
            host: "test.com",
            path: "/ip?token=secret",
            protocol: "HTTP/2",
            status: 200,
            fault: None,
            route: Some("1"),
            target,
            duration: Duration::from_micros(12_034),
            bytes_in: 0,
            bytes_out: 31,
            tls: None,
        }
    }

    #[test]
    fn a_served_request() {
        let target = TargetFacts {
            upstream: Some(Arc::from("upstreams/1")),
            target: Some(Arc::from("httpbin.org:443")),
            address: Some("10.0.0.1".parse().unwrap()),
            tls: Some(Arc::new(TargetTls {
                version: "TLSv1.3",
                cipher: "TLS13_AES_256_GCM_SHA384",
                sni: Some("httpbin.org".to_owned()),
                resumed: true,
                client_cert: true,
            })),
            statuses: vec![0, 200],
            retries: 1,
            reused: true,
        };
        let tls = ClientTls {
            version: "TLSv1.2",
            cipher: "c",
            sni: Some("test.com"),
            resumed: false,
            client_cert: ClientCert::Verified,
            client_sha256: Some(&[0xab; 32]),
        };
        let value = read(&Line {
            tls: Some(tls),
            ..line(&target)
        });
        let expected = serde_json::json!({
            "time": "2026-11-21T00:00:00.007Z", "request_id": "0af7", "client": "[::1]:4000", "method": "GET",
            "host": "test.com", "path": "/ip", "protocol": "HTTP/2", "status": 200, "route": "1",
            "upstream": "upstreams/1", "target": "httpbin.org:443", "target_address": "10.0.0.1",
            "target_status": 200, "retries": 1, "target_reused": true,
            "duration_ms": 12.034, "bytes_in": 0, "bytes_out": 31,
            "tls": {"version": "TLSv1.2", "cipher": "c", "sni": "test.com", "resumed": false,
                    "client_cert": "verified", "client_sha256": "ab".repeat(32)},
            "target_tls": {"version": "TLSv1.3", "cipher": "TLS13_AES_256_GCM_SHA384", "sni": "httpbin.org",
                           "resumed": true, "client_cert": true},
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_fault_and_its_detail() {
        let fault = Fault::target(FaultCode::SslHandshakeFailed, "expired on \"2020-01-01\"")
            .because(Cause::ServerCertExpired);
        let value = read(&Line {
            status: 503,
            fault: Some(&fault),
            route: None,
            ..line(&TargetFacts::default())
        });
        assert_eq!(value["fault"], "SslHandshakeFailed");
        assert_eq!(value["fault_source"], "target");
        assert_eq!(value["reason"], "server_cert_expired");
        assert_eq!(value["detail"], "expired on \"2020-01-01\"");
        assert!(value.get("target").is_none() && value.get("route").is_none());
    }

    #[test]
    fn hostile_text_stays_inside_its_string() {
        let host = "a\"},{\u{1b}[2J\r\n\t\\\u{85}\u{7f}é\u{0}";
        let long = format!("/{}", "ü".repeat(5000));
        let value = read(&Line {
            host,
            path: &long,
            ..line(&TargetFacts::default())
        });
        assert_eq!(value["host"], host);
        let path = value["path"].as_str().unwrap();
        assert!(
            path.len() <= PATH + CUT.len() && path.ends_with(CUT),
            "{}",
            path.len()
        );
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let mut out = Vec::new();
        escape(&mut out, "\u{1b}]0;\u{9b}2J");
        assert_eq!(out, b"\\u001b]0;\\u009b2J");
    }

    #[test]
    fn the_clock_rolls_over() {
        let mut clock = Clock::default();
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(clock.stamp(at(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(clock.stamp(at(999)), "1970-01-01T00:00:00.999Z");
        assert_eq!(
            clock.stamp(at(1_709_164_800_000)),
            "2024-02-29T00:00:00.000Z"
        );
        assert_eq!(
            clock.stamp(at(4_294_967_296_001)),
            "2106-02-07T06:28:16.001Z"
        );
    }
}
