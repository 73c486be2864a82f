//! The property of a request that `chash` hashes; one that is absent gives way to the client's address. Pure.

use control::object::{Balance, HashOn};
use http::header;

use super::endpoint::hash;
use crate::hop::Request;

/// The key of a request for `balance`.
pub(super) fn key(balance: &Balance, request: &Request) -> u64 {
    let Balance::Chash(on) = balance else {
        return 0;
    };
    let value = match on {
        HashOn::Var(name) => variable(name, request),
        HashOn::Header(name) => request
            .head
            .headers
            .get(name)
            .map(|v| v.as_bytes().to_vec()),
        HashOn::Cookie(name) => cookie(name, request),
        HashOn::Vars(template) => fill(template, request),
    };
    value.filter(|v| !v.is_empty()).map_or_else(
        || hash(request.client.ip().to_string().as_bytes()),
        |v| hash(&v),
    )
}

fn variable(name: &str, request: &Request) -> Option<Vec<u8>> {
    let uri = &request.head.uri;
    let text = match name {
        "uri" => request.path.clone(),
        "request_uri" => uri.path_and_query()?.to_string(),
        "query_string" | "args" => uri.query()?.to_owned(),
        "remote_addr" => request.client.ip().to_string(),
        "remote_port" => request.client.port().to_string(),
        "request_method" => request.head.method.to_string(),
        "host" | "server_name" => {
            let host = request.head.headers.get(header::HOST)?.to_str().ok()?;
            super::host::without_port(host).to_ascii_lowercase()
        }
        "http_host" => return Some(request.head.headers.get(header::HOST)?.as_bytes().to_vec()),
        _ => return prefixed(name, request),
    };
    Some(text.into_bytes())
}

fn prefixed(name: &str, request: &Request) -> Option<Vec<u8>> {
    if let Some(arg) = name.strip_prefix("arg_") {
        let pairs = request.head.uri.query()?.split('&');
        let found = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(k, _)| k.eq_ignore_ascii_case(arg));
        return found.map(|(_, value)| value.as_bytes().to_vec());
    }
    if let Some(name) = name.strip_prefix("cookie_") {
        return cookie(name, request);
    }
    let field = name.strip_prefix("http_")?.replace('_', "-");
    request
        .head
        .headers
        .get(field)
        .map(|v| v.as_bytes().to_vec())
}

fn cookie(name: &str, request: &Request) -> Option<Vec<u8>> {
    let lines = request
        .head
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.as_bytes().to_vec())
}

/// Replaces `$name` and `${name}` in a template; `None` if no variable of it has a value.
fn fill(template: &str, request: &Request) -> Option<Vec<u8>> {
    let mut parts = template.split('$');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    let mut found = false;
    for part in parts {
        let (name, rest) = match part.strip_prefix('{').and_then(|p| p.split_once('}')) {
            Some(pair) => pair,
            None => {
                let end = part
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(part.len());
                part.split_at(end)
            }
        };
        if let Some(value) = variable(name, request) {
            found = true;
            out.extend_from_slice(&value);
        }
        out.extend_from_slice(rest.as_bytes());
    }
    found.then_some(out)
}
