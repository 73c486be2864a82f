//! The variables that a route's `vars` may ask for, by their nginx names. Pure; reads the request it is given.

use std::borrow::Cow;

use http::{Version, header, request};

use super::client::Client;
use crate::tls::ClientCert;

/// A request as `vars` sees it.
pub(super) struct Variables<'a> {
    pub(super) parts: &'a request::Parts,
    pub(super) client: &'a Client,
    pub(super) host: &'a str,
    /// Normalised.
    pub(super) path: &'a str,
}

impl<'a> Variables<'a> {
    /// The value of `name`; `None` if the request has no such thing.
    pub(super) fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        if let Some(argument) = name.strip_prefix("arg_") {
            return self.argument(argument);
        }
        if let Some(field) = name.strip_prefix("http_") {
            return self.header(&field.replace('_', "-"));
        }
        if let Some(cookie) = name.strip_prefix("cookie_") {
            return self.cookie(cookie);
        }
        let query = || self.parts.uri.query();
        Some(match name {
            "uri" => self.path.into(),
            "request_uri" => self
                .parts
                .uri
                .path_and_query()
                .map_or("/", |p| p.as_str())
                .into(),
            "host" => self.host.into(),
            "request_method" => self.parts.method.as_str().into(),
            "scheme" => self.client.scheme().into(),
            "https" => (if self.client.tls.is_some() { "on" } else { "" }).into(),
            "server_name" => self.host.into(),
            "server_addr" => self.client.local.ip().to_string().into(),
            "server_protocol" => match self.parts.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            }
            .into(),
            "args" | "query_string" => query()?.into(),
            "hostname" => self.client.node.as_ref().into(),
            "is_args" => (if query().is_some() { "?" } else { "" }).into(),
            "remote_addr" => self.client.peer.ip().to_string().into(),
            "remote_port" => self.client.peer.port().to_string().into(),
            "server_port" => self.client.port.to_str().ok()?.into(),
            "content_type" => return self.header(header::CONTENT_TYPE.as_str()),
            "content_length" => return self.header(header::CONTENT_LENGTH.as_str()),
            _ => return self.tls(name),
        })
    }

    fn tls(&self, name: &str) -> Option<Cow<'a, str>> {
        let tls = self.client.tls.as_ref()?;
        Some(match name {
            "ssl_server_name" => tls.facts.sni.as_deref()?.into(),
            "ssl_protocol" => tls.facts.version.into(),
            "ssl_cipher" => tls.facts.cipher.into(),
            "ssl_session_reused" => (if tls.facts.resumed { "r" } else { "." }).into(),
            "ssl_client_verify" => match tls.facts.client {
                ClientCert::Verified { .. } => "SUCCESS",
                ClientCert::Missing | ClientCert::NotAsked => "NONE",
                ClientCert::Refused { .. } => "FAILED",
            }
            .into(),
            // Only a verified client's: what a refused certificate says of itself must not steer a route.
            "ssl_client_s_dn" => tls.subject()?.name.as_str().into(),
            "ssl_client_i_dn" => tls.subject()?.issuer.as_str().into(),
            "ssl_client_serial" => tls.subject()?.serial.as_str().into(),
            "ssl_client_fingerprint" => tls.subject()?.sha1.as_str().into(),
            _ => return None,
        })
    }

    fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.parts
            .headers
            .get(name)?
            .to_str()
            .ok()
            .map(Cow::Borrowed)
    }

    fn argument(&self, name: &str) -> Option<Cow<'a, str>> {
        self.parts.uri.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            key.eq_ignore_ascii_case(name)
                .then_some(Cow::Borrowed(value))
        })
    }

    fn cookie(&self, name: &str) -> Option<Cow<'a, str>> {
        self.parts
            .headers
            .get_all(header::COOKIE)
            .iter()
            .find_map(|line| {
                line.to_str().ok()?.split(';').find_map(|pair| {
                    let (key, value) = pair.trim().split_once('=')?;
                    (key == name).then_some(Cow::Borrowed(value))
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A variable that validation lets through and nobody provides would make its routes never match, silently.
    #[test]
    fn every_variable_that_vars_may_name_is_provided() {
        let source = include_str!("variables.rs");
        for name in control::object::vars::KNOWN {
            assert!(
                source.contains(&format!("\"{name}\" =>"))
                    || source.contains(&format!("\"{name}\" |")),
                "{name}"
            );
        }
    }

    #[test]
    fn variables_have_their_nginx_values() {
        let parts = http::Request::builder()
            .method("PUT")
            .uri("/a%20b?x=1&y&X-z=2")
            .header("user-agent", "curl")
            .header("cookie", "a=1; sid=abc")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let client = Client::new(
            "9.9.9.9:5".parse().unwrap(),
            "8.8.8.8:9080".parse().unwrap(),
            &"node-1".into(),
            None,
        );
        let v = Variables {
            parts: &parts,
            client: &client,
            host: "h",
            path: "/a b",
        };
        for (name, value) in [
            ("uri", Some("/a b")),
            ("request_uri", Some("/a%20b?x=1&y&X-z=2")),
            ("arg_x", Some("1")),
            ("arg_y", Some("")),
            ("arg_none", None),
            ("http_user_agent", Some("curl")),
            ("cookie_sid", Some("abc")),
            ("remote_addr", Some("9.9.9.9")),
            ("server_port", Some("9080")),
            ("request_method", Some("PUT")),
            ("ssl_protocol", None),
            ("nonsense", None),
        ] {
            assert_eq!(v.get(name).as_deref(), value, "{name}");
        }
    }
}
