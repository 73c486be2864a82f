//! The names of a target for one request: the Host it gets, the name verified, the SNI sent. Pure.

use std::borrow::Cow;
use std::net::IpAddr;

use control::object::{Node, PassHost, Scheme, SniChoice, Upstream};
use http::{HeaderMap, header};

/// Host to send: the client's, the node's or a fixed one.
pub(super) fn host_for<'a>(
    upstream: &'a Upstream,
    node: &'a Node,
    headers: &'a HeaderMap,
) -> Cow<'a, [u8]> {
    match upstream.pass_host() {
        PassHost::Pass => headers.get(header::HOST).map_or_else(
            || node_host(node, upstream.scheme()),
            |host| Cow::Borrowed(host.as_bytes()),
        ),
        PassHost::Node => node_host(node, upstream.scheme()),
        PassHost::Rewrite(host) => Cow::Borrowed(host.as_bytes()),
    }
}

fn node_host(node: &Node, scheme: Scheme) -> Cow<'_, [u8]> {
    let brackets = node.host.contains(':');
    if node.port == scheme.default_port() && !brackets {
        return Cow::Borrowed(node.host.as_bytes());
    }
    let name = if brackets {
        format!("[{}]", node.host)
    } else {
        node.host.to_string()
    };
    if node.port == scheme.default_port() {
        return Cow::Owned(name.into_bytes());
    }
    Cow::Owned(format!("{name}:{}", node.port).into_bytes())
}

/// What TLS to a target goes by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TlsName<'a> {
    /// Name or address the certificate must be for.
    pub(super) verify: &'a str,
    /// Name sent; an address is never sent (RFC 6066 3).
    pub(super) sni: Option<&'a str>,
}

/// Names for TLS, `host` being what the target gets as Host; `None` if that is no name at all.
pub(super) fn tls_name<'a>(choice: &'a SniChoice, host: &'a [u8]) -> Option<TlsName<'a>> {
    let bare = || {
        std::str::from_utf8(host)
            .ok()
            .map(without_port)
            .filter(|name| !name.is_empty())
    };
    let named = |name: &'a str| TlsName {
        verify: name,
        sni: Some(name).filter(|n| n.parse::<IpAddr>().is_err()),
    };
    Some(match choice {
        SniChoice::Host => named(bare()?),
        SniChoice::Name(name) => named(name),
        SniChoice::Off => TlsName {
            verify: bare()?,
            sni: None,
        },
    })
}

/// `example.com:8443` → `example.com`, `[::1]:443` → `::1`.
pub(super) fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let of = |choice: &SniChoice, host: &'static str| {
            tls_name(choice, host.as_bytes())
                .map(|n| (n.verify.to_owned(), n.sni.map(str::to_owned)))
        };
        let pair =
            |verify: &str, sni: Option<&str>| Some((verify.to_owned(), sni.map(str::to_owned)));
        assert_eq!(
            of(&SniChoice::Host, "a.example:8443"),
            pair("a.example", Some("a.example"))
        );
        assert_eq!(
            of(&SniChoice::Host, "127.0.0.1:8443"),
            pair("127.0.0.1", None)
        );
        assert_eq!(of(&SniChoice::Host, "[::1]:8443"), pair("::1", None));
        assert_eq!(of(&SniChoice::Host, "::1"), pair("::1", None));
        assert_eq!(
            of(&SniChoice::Name("b.example".into()), "a.example"),
            pair("b.example", Some("b.example"))
        );
        assert_eq!(of(&SniChoice::Off, "a.example:1"), pair("a.example", None));
        assert_eq!(of(&SniChoice::Host, ""), None);
    }

    #[test]
    fn node_names() {
        let node = |host: &str, port| Node {
            host: host.into(),
            port,
            weight: 1,
            priority: 0,
        };
        assert_eq!(
            &*node_host(&node("a.example", 80), Scheme::Http),
            b"a.example"
        );
        assert_eq!(
            &*node_host(&node("a.example", 80), Scheme::Https),
            b"a.example:80"
        );
        assert_eq!(&*node_host(&node("::1", 443), Scheme::Grpcs), b"[::1]");
        assert_eq!(
            &*node_host(&node("::1", 8443), Scheme::Grpcs),
            b"[::1]:8443"
        );
    }
}
