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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(settings: &[(&'static str, &str)]) -> Result<StoreConfig, String> {
        let mut flags: Vec<(&'static str, Option<String>)> = settings
            .iter()
            .map(|(k, v)| (*k, Some((*v).to_owned())))
            .collect();
        flags.push(("store", None));
        flags.retain(|(k, v)| v.is_some() || !settings.iter().any(|(s, _)| s == k));
        let sources = Sources::merge(flags, [], None).map_err(|e| e.to_string())?;
        read(&sources, Path::new("d")).map_err(|e| e.to_string())
    }

    fn etcd(text: &str) -> EtcdOptions {
        match with(&[("store", text)]).unwrap() {
            StoreConfig::Etcd(options) => options,
            StoreConfig::Embedded(dir) => panic!("{}", dir.display()),
        }
    }

    #[test]
    fn addresses() {
        assert!(matches!(with(&[]).unwrap(), StoreConfig::Embedded(dir) if dir == Path::new("d")));
        assert!(
            matches!(with(&[("store", "embedded:/x/y")]).unwrap(), StoreConfig::Embedded(d) if d == Path::new("/x/y"))
        );
        let o = etcd("etcd://h1:2379,h2:2380,[::1]:1,h3/apisix/");
        assert_eq!(o.endpoints, ["h1:2379", "h2:2380", "[::1]:1", "h3:2379"]);
        assert_eq!((o.tls, o.prefix.as_str()), (false, "/apisix"));
        let o = etcd("etcds://[::1]/team/edge");
        assert_eq!(
            (o.endpoints, o.tls, o.prefix.as_str()),
            (vec!["[::1]:2379".to_owned()], true, "/team/edge")
        );
        assert_eq!(etcd("etcd://h").prefix, "/apisix");
        for bad in [
            "",
            "h:2379",
            "http://h:2379",
            "etcd://",
            "etcd://h:x",
            "etcd://h:0",
            "etcd://h,,i",
            "etcd://u:p@h:1",
            "etcd://[zz]:1",
            "etcd://h/a//b",
            "etcd://h/a?b",
            "embedded:",
        ] {
            assert!(
                with(&[("store", bad)])
                    .unwrap_err()
                    .starts_with("--store: "),
                "{bad}"
            );
        }
    }

    #[test]
    fn combinations_that_cannot_work() {
        let dir = tempfile::tempdir().unwrap();
        let pem = dir.path().join("ca.pem");
        std::fs::write(&pem, "-----BEGIN CERTIFICATE-----\n").unwrap();
        let pem = pem.to_str().unwrap();
        let empty = dir.path().join("empty");
        std::fs::write(&empty, "").unwrap();
        let empty = empty.to_str().unwrap();
        let refused = |settings: &[(&'static str, &str)]| with(settings).unwrap_err();
        assert_eq!(
            refused(&[("etcd-ca", pem)]),
            "--etcd-ca: needs a store of etcd:// or etcds://"
        );
        assert_eq!(
            refused(&[("store", "etcd://h"), ("etcd-ca", pem)]),
            "--etcd-ca: needs etcds://, this store is etcd://"
        );
        assert_eq!(
            refused(&[("store", "etcds://h"), ("etcd-cert", pem)]),
            "--etcd-cert: needs --etcd-key too"
        );
        assert_eq!(
            refused(&[("store", "etcd://h"), ("etcd-password-file", empty)]),
            "--etcd-password-file: needs --etcd-user too"
        );
        let user = ("etcd-user", "u");
        assert!(
            refused(&[("store", "etcd://h"), user, ("etcd-password-file", empty)])
                .ends_with("has an empty first line")
        );
        assert!(
            refused(&[
                ("store", "etcd://h"),
                user,
                ("etcd-password-file", "/nowhere")
            ])
            .contains("cannot be read")
        );
        assert!(refused(&[("store", "etcds://h"), ("etcd-ca", empty)]).ends_with("is not PEM"));
        let both = with(&[
            ("store", "etcds://h"),
            ("etcd-cert", pem),
            ("etcd-key", pem),
        ])
        .unwrap();
        assert!(
            matches!(both, StoreConfig::Etcd(o) if o.identity_pem.is_some() && o.ca_pem.is_none())
        );
    }
}
