//! A request made ready for the target: hop-by-hop fields and whatever a client must not claim are removed, what we vouch
//! for is set. Order matters: strip first, so that `Connection: x-real-ip` cannot take away what we set.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Version};

use super::client::Client;
use crate::http1::fields;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The token of an upgrade that may be let through: WebSocket in HTTP/1.1. Others are not asked of the target: a peer that
/// turns the connection into something else (h2c) would carry requests past this router.
pub(super) fn upgrade(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    let connection = headers.get(header::CONNECTION)?;
    let asks = connection
        .as_bytes()
        .split(|b| *b == b',')
        .any(|t| t.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
    let mut tokens = headers.get_all(header::UPGRADE).iter();
    let token = tokens.next()?;
    let plain = tokens.next().is_none() && token.as_bytes().eq_ignore_ascii_case(b"websocket");
    (asks && plain && *method == Method::GET && version == Version::HTTP_11).then(|| token.clone())
}

/// Rewrites `headers` for the target. `host` is the authority as the client wrote it.
pub(super) fn prepare(headers: &mut HeaderMap, client: &Client, host: &HeaderValue) {
    fields::strip_hop_by_hop(headers);
    headers.remove(header::EXPECT);
    fields::strip_claims(headers);
    headers.insert(header::HOST, host.clone());
    headers.insert(REAL_IP, client.real_ip.clone());
    headers.insert(FORWARDED_FOR, client.real_ip.clone());
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(client.scheme()));
    headers.insert(FORWARDED_HOST, host.clone());
    headers.insert(FORWARDED_PORT, client.port.clone());
    if let Some(tls) = &client.tls
        && let Some(cert) = &tls.cert
    {
        headers.insert(CLIENT_CERT, cert.clone());
        if let Some(chain) = &tls.chain {
            headers.insert(CLIENT_CERT_CHAIN, chain.clone());
        }
    }
}

/// HTTP/2 may split cookies over several lines; HTTP/1.1 targets expect one (RFC 9113 section 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::COOKIE);
    if lines.iter().nth(1).is_none() {
        return;
    }
    let joined = lines
        .iter()
        .map(HeaderValue::as_bytes)
        .collect::<Vec<_>>()
        .join(&b"; "[..]);
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_the_client_are_replaced() {
        let mut headers: HeaderMap = [
            ("host", "evil"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x-real_ip", "1.1.1.1"),
            ("x-forwarded-prefix", "/a"),
            ("forwarded", "for=1.1.1.1"),
            ("client-cert", ":AAAA:"),
            ("client_cert_chain", ":AAAA:"),
            ("connection", "x-real-ip, close"),
            ("cookie", "a=b"),
            ("x-custom", "1"),
        ]
        .into_iter()
        .map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)))
        .collect();
        let client = Client::new(
            "9.9.9.9:5".parse().unwrap(),
            "8.8.8.8:9080".parse().unwrap(),
            &"node-1".into(),
            None,
        );
        prepare(
            &mut headers,
            &client,
            &HeaderValue::from_static("good:9080"),
        );
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(n, v)| format!("{n}: {}", v.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "cookie: a=b",
                "host: good:9080",
                "x-custom: 1",
                "x-forwarded-for: 9.9.9.9",
                "x-forwarded-host: good:9080",
                "x-forwarded-port: 9080",
                "x-forwarded-proto: http",
                "x-real-ip: 9.9.9.9",
            ]
        );
    }

    #[test]
    fn only_websocket_over_http_1_1_may_upgrade() {
        let ask = |connection: &'static str, token: &'static str, version| {
            let mut headers = HeaderMap::new();
            headers.insert("connection", HeaderValue::from_static(connection));
            headers.insert("upgrade", HeaderValue::from_static(token));
            upgrade(&Method::GET, version, &headers).is_some()
        };
        assert!(ask("keep-alive, Upgrade", "WebSocket", Version::HTTP_11));
        assert!(!ask("Upgrade", "h2c", Version::HTTP_11));
        assert!(!ask("Upgrade", "websocket, h2c", Version::HTTP_11));
        assert!(!ask("close", "websocket", Version::HTTP_11));
        assert!(!ask("Upgrade", "websocket", Version::HTTP_10));
    }
}
