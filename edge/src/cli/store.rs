//! `--store` and the `--etcd-*` flags: reads the address and the files it needs, refuses combinations that cannot work.

use std::fmt;
use std::path::{Path, PathBuf};

use control::store::EtcdOptions;

use super::config::path;
use super::sources::{ConfigError, Sources};

const ETCD_ONLY: [&str; 5] = [
    "etcd-ca",
    "etcd-cert",
    "etcd-key",
    "etcd-user",
    "etcd-password-file",
];
const TLS_ONLY: [&str; 3] = ["etcd-ca", "etcd-cert", "etcd-key"];
const DEFAULT_PREFIX: &str = "/apisix";

/// Where the objects are.
#[derive(Clone)]
pub enum StoreConfig {
    /// In this directory, for this node alone.
    Embedded(PathBuf),
    /// In etcd.
    Etcd(EtcdOptions),
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(dir) => f.debug_tuple("Embedded").field(dir).finish(),
            // The options hold a password and a private key.
            Self::Etcd(o) => f
                .debug_struct("Etcd")
                .field("endpoints", &o.endpoints)
                .field("tls", &o.tls)
                .field("prefix", &o.prefix)
                .finish_non_exhaustive(),
        }
    }
}

/// Reads the store's settings; the embedded store lives in the data directory unless told otherwise.
pub(super) fn read(s: &Sources, data_dir: &Path) -> Result<StoreConfig, ConfigError> {
    let store = s.read_or("store", StoreConfig::Embedded(data_dir.to_owned()), address)?;
    let StoreConfig::Etcd(mut options) = store else {
        return match ETCD_ONLY.iter().find_map(|key| s.get(key)) {
            Some(given) => Err(given.refused("needs a store of etcd:// or etcds://")),
            None => Ok(store),
        };
    };
    if !options.tls
        && let Some(given) = TLS_ONLY.iter().find_map(|key| s.get(key))
    {
        return Err(given.refused("needs etcds://, this store is etcd://"));
    }
    options.ca_pem = s.read("etcd-ca", pem)?;
    options.identity_pem = pair(s, ("etcd-cert", pem), ("etcd-key", pem))?;
    options.user = pair(
        s,
        ("etcd-user", |t| Ok(t.to_owned())),
        ("etcd-password-file", first_line),
    )?;
    Ok(StoreConfig::Etcd(options))
}

type Setting<T> = (&'static str, fn(&str) -> Result<T, String>);

/// Two settings that only make sense together.
fn pair<T>(s: &Sources, one: Setting<T>, other: Setting<T>) -> Result<Option<(T, T)>, ConfigError> {
    match (s.get(one.0), s.get(other.0)) {
        (None, None) => Ok(None),
        (Some(given), None) => Err(given.refused(&format!("needs --{} too", other.0))),
        (None, Some(given)) => Err(given.refused(&format!("needs --{} too", one.0))),
        (Some(_), Some(_)) => Ok(s.read(one.0, one.1)?.zip(s.read(other.0, other.1)?)),
    }
}

fn address(text: &str) -> Result<StoreConfig, String> {
    if let Some(dir) = text.strip_prefix("embedded:") {
        return path(dir).map(StoreConfig::Embedded);
    }
    let (tls, rest) = match (text.strip_prefix("etcd://"), text.strip_prefix("etcds://")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => {
            return Err(format!(
                "`{text}` is not embedded:DIR, etcd://HOST:PORT/PREFIX or etcds://..."
            ));
        }
    };
    let (hosts, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if hosts.contains('@') {
        return Err("no user in the address: use --etcd-user and --etcd-password-file".to_owned());
    }
    let endpoints = hosts
        .split(',')
        .map(endpoint)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(StoreConfig::Etcd(EtcdOptions {
        endpoints,
        tls,
        prefix: key_prefix(prefix)?,
        ..EtcdOptions::default()
    }))
}

/// `host:port`; etcd's port if none is given.
fn endpoint(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is not an etcd endpoint HOST:PORT");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => {
            (host, port.parse::<u16>().map_err(|_| bad())?)
        }
        _ => (text, 2379),
    };
    let address = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let good = match address {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
        }
    };
    if good && port != 0 {
        Ok(format!("{host}:{port}"))
    } else {
        Err(bad())
    }
}

/// `/a/b` without a slash at its end.
fn key_prefix(text: &str) -> Result<String, String> {
    let prefix = text.trim_end_matches('/');
    if prefix.is_empty() {
        return Ok(DEFAULT_PREFIX.to_owned());
    }
    let odd = prefix.split('/').skip(1).any(str::is_empty) || prefix.contains(['?', '#', ' ']);
    if odd {
        Err(format!("`{text}` is no key prefix"))
    } else {
        Ok(prefix.to_owned())
    }
}

fn pem(text: &str) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(text).map_err(|e| format!("{text} cannot be read: {e}"))?;
    if memchr::memmem::find(&bytes, b"-----BEGIN ").is_some() {
        Ok(bytes)
    } else {
        Err(format!("{text} is not PEM"))
    }
}

fn first_line(text: &str) -> Result<String, String> {
    let content =
        std::fs::read_to_string(text).map_err(|e| format!("{text} cannot be read: {e}"))?;
    let line = content.lines().next().unwrap_or_default();
    if line.is_empty() {
        Err(format!("{text} has an empty first line"))
    } else {
        Ok(line.to_owned())
    }
}
