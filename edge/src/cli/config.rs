//! The validated configuration of a node. Making one is the only check: whoever holds a [`ServeConfig`] need not check
//! again. Nothing in it shows a secret through `Debug`.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::hop::{self, HopConfig};
use super::roles::Roles;
use super::sources::{ConfigError, Sources};
use super::store::{self, StoreConfig};
use super::values::{self, Listener};
use crate::access_log::Destination;
use crate::limits::{self, Limits};

/// Default for targets' certificates (`--upstream-verify`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UpstreamVerify {
    /// Verified unless an object says `verify: false`.
    #[default]
    Strict,
    /// Verified only where an object says `verify: true`.
    Apisix,
}

/// The Admin API's key: given, or in a file that is made if absent.
#[derive(Clone)]
pub enum AdminKey {
    /// `--admin-key`.
    Given(String),
    /// `--admin-key-file`.
    File(PathBuf),
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given([hidden])"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// The TCP listeners.
#[derive(Clone, Copy, Debug)]
pub struct Listeners {
    http: Listener,
    https: Listener,
    admin: Listener,
    metrics: Listener,
}

/// Everything `serve` was told, checked.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    roles: Roles,
    store: StoreConfig,
    listeners: Listeners,
    hop: HopConfig,
    admin_key: AdminKey,
    data_dir: PathBuf,
    threads: NonZeroUsize,
    node_id: String,
    fallback_sni: Option<String>,
    upstream_verify: UpstreamVerify,
    tls_probe: bool,
    limits: Limits,
    keyring_file: Option<PathBuf>,
    drain_timeout: Duration,
    access_log: Destination,
    log_level: String,
}

impl ServeConfig {
    /// Roles of this process.
    pub const fn roles(&self) -> Roles {
        self.roles
    }
    /// Where the objects are.
    pub const fn store(&self) -> &StoreConfig {
        &self.store
    }
    /// Plain HTTP.
    pub const fn http(&self) -> Listener {
        self.listeners.http
    }
    /// TLS.
    pub const fn https(&self) -> Listener {
        self.listeners.https
    }
    /// Admin API.
    pub const fn admin(&self) -> Listener {
        self.listeners.admin
    }
    /// Metrics and status.
    pub const fn metrics(&self) -> Listener {
        self.listeners.metrics
    }
    /// Its part in the leg between router and processor.
    pub const fn hop(&self) -> &HopConfig {
        &self.hop
    }
    /// The Admin API's key.
    pub const fn admin_key(&self) -> &AdminKey {
        &self.admin_key
    }
    /// Directory of what the node keeps.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
    /// Data-plane threads, 1 to 256.
    pub const fn threads(&self) -> NonZeroUsize {
        self.threads
    }
    /// This node's name.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }
    /// Name for clients without SNI, normalised.
    pub fn fallback_sni(&self) -> Option<&str> {
        self.fallback_sni.as_deref()
    }
    /// Default of `upstream.tls.verify`.
    pub const fn upstream_verify(&self) -> UpstreamVerify {
        self.upstream_verify
    }
    /// Whether targets are probed whose failed handshakes are in doubt.
    pub const fn tls_probe(&self) -> bool {
        self.tls_probe
    }
    /// Bounds and deadlines.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }
    /// Keys that seal private keys in the store.
    pub fn keyring_file(&self) -> Option<&Path> {
        self.keyring_file.as_deref()
    }
    /// How long a drain waits.
    pub const fn drain_timeout(&self) -> Duration {
        self.drain_timeout
    }
    /// Where the access log goes.
    pub const fn access_log(&self) -> &Destination {
        &self.access_log
    }
    /// Filter of our own log, known to parse.
    pub fn log_level(&self) -> &str {
        &self.log_level
    }

    /// Validates what was given.
    pub(super) fn from_sources(s: &Sources) -> Result<Self, ConfigError> {
        let data_dir = s.read_or("data-dir", PathBuf::from("./sallyport-data"), path)?;
        let roles = s.read_or("role", Roles::ALL, Roles::read)?;
        let store = store::read(s, &data_dir)?;
        let (listeners, hop) = listeners(s)?;
        let config = Self {
            hop: hop::read(s, roles, &store, hop)?,
            roles,
            store,
            listeners,
            admin_key: admin_key(s, &data_dir)?,
            threads: s.read("threads", threads)?.unwrap_or_else(cores),
            node_id: node_id(s)?,
            fallback_sni: s.read("fallback-sni", values::host_name)?,
            upstream_verify: s.read_or(
                "upstream-verify",
                UpstreamVerify::Strict,
                upstream_verify,
            )?,
            tls_probe: s.read_or("tls-probe", true, on_or_off)?,
            limits: read_limits(s)?,
            keyring_file: s.read("keyring-file", readable)?,
            drain_timeout: s.read_or("drain-timeout", limits::DRAIN, |t| {
                values::duration(t, &limits::DRAIN_BOUNDS)
            })?,
            access_log: s.read_or("access-log", Destination::Stdout, destination)?,
            log_level: s.read_or("log-level", "info".to_owned(), log_level)?,
            data_dir,
        };
        Ok(config)
    }
}

/// The TCP listeners, and the hop's.
fn listeners(s: &Sources) -> Result<(Listeners, Listener), ConfigError> {
    let read = |key, port: u16, everywhere: bool| {
        let ip = if everywhere {
            [0, 0, 0, 0]
        } else {
            [127, 0, 0, 1]
        };
        s.read_or(key, Listener::At((ip, port).into()), values::listener)
    };
    let all = Listeners {
        http: read("http", 9080, true)?,
        https: read("https", 9443, true)?,
        admin: read("admin", 9180, false)?,
        metrics: read("metrics", 9091, false)?,
    };
    let hop = read("hop", 9444, true)?;
    // SO_REUSEPORT would let two of our own listeners share a port, and requests fall to either.
    let tcp = [
        ("http", all.http),
        ("https", all.https),
        ("admin", all.admin),
        ("metrics", all.metrics),
    ];
    for (at, (one, a)) in tcp.iter().enumerate() {
        for (other, b) in &tcp[..at] {
            if let (Some(a), Some(b)) = (a.address(), b.address())
                && a.port() != 0
                && a.port() == b.port()
                && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
            {
                return Err(ConfigError(format!(
                    "--{other} and --{one} both listen on port {}",
                    a.port()
                )));
            }
        }
    }
    Ok((all, hop))
}

fn read_limits(s: &Sources) -> Result<Limits, ConfigError> {
    let d = Limits::default();
    let small = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(Limits {
        handshake: s.read_or("handshake-timeout", d.handshake, |t| {
            values::duration(t, &limits::HANDSHAKE_BOUNDS)
        })?,
        header: s.read_or("header-timeout", d.header, |t| {
            values::duration(t, &limits::HEADER_BOUNDS)
        })?,
        idle: s.read_or("idle-timeout", d.idle, |t| {
            values::duration(t, &limits::IDLE_BOUNDS)
        })?,
        header_bytes: s
            .read("max-header-bytes", |t| {
                values::size(t, &limits::HEADER_BYTES_BOUNDS)
            })?
            .map_or(d.header_bytes, small),
        body_bytes: s.read_or("max-body-bytes", d.body_bytes, |t| {
            values::size(t, &(0..=u64::MAX))
        })?,
        connections: s
            .read("max-connections", |t| {
                values::count(t, &limits::CONNECTIONS_BOUNDS)
            })?
            .map_or(d.connections, small),
        ..d
    })
}

fn admin_key(s: &Sources, data_dir: &Path) -> Result<AdminKey, ConfigError> {
    let file = s.read("admin-key-file", path)?;
    let Some(given) = s.get("admin-key") else {
        return Ok(AdminKey::File(
            file.unwrap_or_else(|| data_dir.join("admin.key")),
        ));
    };
    if file.is_some() {
        return Err(given.refused("not together with --admin-key-file"));
    }
    // A header value: visible characters only.
    if given.text.is_empty() || !given.text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(given.refused("a key is made of visible ASCII characters"));
    }
    Ok(AdminKey::Given(given.text.clone()))
}

fn node_id(s: &Sources) -> Result<String, ConfigError> {
    if let Some(id) = s.read("node-id", values::node_id)? {
        return Ok(id);
    }
    host()
        .and_then(|name| values::node_id(&name).ok())
        .ok_or_else(|| ConfigError("--node-id: needed, the host name is no usable id".to_owned()))
}

/// The name of this host, if it has one and we may read it.
pub fn host() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let n = values::count(text, &(1..=256))?;
    usize::try_from(n)
        .ok()
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| format!("`{text}` is outside 1 to 256"))
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |n| {
        n.min(NonZeroUsize::MIN.saturating_add(255))
    })
}

fn upstream_verify(text: &str) -> Result<UpstreamVerify, String> {
    match text {
        "strict" => Ok(UpstreamVerify::Strict),
        "apisix" => Ok(UpstreamVerify::Apisix),
        _ => Err(format!("`{text}` is neither strict nor apisix")),
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`{text}` is neither on nor off")),
    }
}

fn destination(text: &str) -> Result<Destination, String> {
    match text {
        "stdout" => Ok(Destination::Stdout),
        "off" => Ok(Destination::Off),
        _ => path(text).map(Destination::File),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    // The filter takes a word that is no level for the name of a module, and would then log nothing at all.
    let unknown = |part: &&str| {
        part.parse::<tracing_subscriber::filter::LevelFilter>()
            .is_err()
    };
    let plain = |part: &&str| !part.contains(['=', '[', ']', '{', '}']);
    if let Some(word) = text.split(',').map(str::trim).filter(plain).find(unknown) {
        return Err(format!(
            "`{word}` is no level: error, warn, info, debug, trace; or MODULE=LEVEL"
        ));
    }
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("`{text}` is no log filter: {error}")),
    }
}

/// A path; an empty one is a mistake of whoever filled in a variable.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        Err("an empty path".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

/// A path to a file that can be read now.
fn readable(text: &str) -> Result<PathBuf, String> {
    std::fs::File::open(text)
        .map(|_| PathBuf::from(text))
        .map_err(|e| format!("{text} cannot be read: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        serve: crate::cli::serve::ServeArgs,
    }

    fn resolve(flags: &[&str]) -> Result<ServeConfig, ConfigError> {
        let line = std::iter::once("serve").chain(flags.iter().copied());
        Line::try_parse_from(line)
            .unwrap_or_else(|e| panic!("{e}"))
            .serve
            .resolve_with(Vec::new())
    }

    fn refusal(flags: &[&str]) -> String {
        resolve(flags).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let c = resolve(&[]).unwrap();
        assert_eq!(c.roles().names(), ["router", "processor", "control"]);
        let address = |l: Listener| l.address().unwrap().to_string();
        assert_eq!(address(c.http()), "0.0.0.0:9080");
        assert_eq!(address(c.https()), "0.0.0.0:9443");
        assert_eq!(address(c.admin()), "127.0.0.1:9180");
        assert_eq!(address(c.metrics()), "127.0.0.1:9091");
        assert!(matches!(c.hop(), HopConfig::Within));
        assert!(
            matches!(c.store(), StoreConfig::Embedded(dir) if dir == Path::new("./sallyport-data"))
        );
        assert!(
            matches!(c.admin_key(), AdminKey::File(path) if path == Path::new("./sallyport-data/admin.key"))
        );
        assert_eq!(c.drain_timeout(), Duration::from_secs(30));
        assert_eq!(c.limits().handshake, Duration::from_secs(5));
        assert_eq!(c.upstream_verify(), UpstreamVerify::Strict);
        assert!(c.tls_probe());
        assert_eq!(
            (c.fallback_sni(), c.access_log(), c.log_level()),
            (None, &Destination::Stdout, "info")
        );
        assert!(!c.node_id().is_empty());
    }

    #[test]
    fn the_store_follows_the_data_directory() {
        let c = resolve(&["--data-dir", "/d"]).unwrap();
        assert!(matches!(c.store(), StoreConfig::Embedded(dir) if dir == Path::new("/d")));
        assert!(matches!(c.admin_key(), AdminKey::File(path) if path == Path::new("/d/admin.key")));
    }

    #[test]
    fn roles() {
        let names = |text| resolve(&["--role", text]).unwrap().roles().names();
        assert_eq!(names("control"), ["control"]);
        assert_eq!(names("router, processor"), ["router", "processor"]);
        assert_eq!(
            refusal(&["--role", "proxy"]),
            "--role: `proxy` is no role: router, processor, control, all"
        );
        assert!(refusal(&["--role", ""]).contains("is no role"));
    }

    #[test]
    fn roles_apart_need_what_the_hop_needs() {
        let etcd = ["--store", "etcd://e:2379", "--role"];
        let with = |more: &[&'static str]| [&etcd[..], more].concat();
        assert!(refusal(&["--role", "router", "--hop-tls", "/t"]).starts_with("--store: "));
        assert!(refusal(&with(&["processor"])).starts_with("--hop-tls: needed"));
        assert!(
            refusal(&with(&["processor", "--hop-tls", "/t", "--hop", "off"]))
                .starts_with("--hop: a processor needs it")
        );
        let router = resolve(&with(&["router,control", "--hop-tls", "/t"])).unwrap();
        assert_eq!(router.roles().names(), ["router", "control"]);
        assert!(
            matches!(router.hop(), HopConfig::Router { tls } if tls.as_path() == Path::new("/t"))
        );
        let processor = resolve(&with(&[
            "processor",
            "--hop-tls",
            "/t",
            "--hop-advertise",
            "p1:9",
        ]));
        assert!(
            matches!(processor.unwrap().hop(), HopConfig::Processor { listen, advertise: Some(at), .. }
                if listen.port() == 9444 && at == "p1:9")
        );
        let both = resolve(&["--role", "router,processor", "--hop", "off"]).unwrap();
        assert!(matches!(both.hop(), HopConfig::Within));
    }

    #[test]
    fn settings_of_the_data_plane() {
        let c = resolve(&[
            "--fallback-sni",
            "Test.COM.",
            "--upstream-verify",
            "apisix",
            "--max-header-bytes",
            "32KiB",
            "--max-connections",
            "7",
            "--idle-timeout",
            "1m",
            "--https",
            "off",
            "--threads",
            "3",
        ])
        .unwrap();
        assert_eq!(
            (c.fallback_sni(), c.upstream_verify()),
            (Some("test.com"), UpstreamVerify::Apisix)
        );
        assert_eq!(
            (c.limits().header_bytes, c.limits().connections),
            (32 << 10, 7)
        );
        assert_eq!(
            (c.limits().idle, c.threads().get()),
            (Duration::from_secs(60), 3)
        );
        assert_eq!(c.https(), Listener::Off);
    }

    #[test]
    fn refusals_name_the_flag() {
        for (flags, message) in [
            (vec!["--threads", "0"], "--threads: `0` is outside 1 to 256"),
            (
                vec!["--handshake-timeout", "5"],
                "--handshake-timeout: `5` lacks its unit: ms, s, m or h",
            ),
            (
                vec!["--upstream-verify", "no"],
                "--upstream-verify: `no` is neither strict nor apisix",
            ),
            (
                vec!["--tls-probe", "maybe"],
                "--tls-probe: `maybe` is neither on nor off",
            ),
            (
                vec!["--http", "1.2.3.4:80", "--https", "0.0.0.0:80"],
                "--http and --https both listen on port 80",
            ),
            (
                vec!["--keyring-file", "/nowhere/k"],
                "--keyring-file: /nowhere/k cannot be read",
            ),
            (
                vec!["--config", "/nowhere/c"],
                "--config: /nowhere/c cannot be read",
            ),
            (
                vec!["--log-level", "a=b=c"],
                "--log-level: `a=b=c` is no log filter",
            ),
            (
                vec!["--log-level", "info,verbose"],
                "--log-level: `verbose` is no level: error, warn, info, debug, trace; or MODULE=LEVEL",
            ),
            (vec!["--admin-key", "a b"], "--admin-key: a key is made of"),
            (
                vec!["--admin-key", "a", "--admin-key-file", "b"],
                "--admin-key: not together with --admin-key-file",
            ),
            (
                vec!["--hop-advertise", "host"],
                "--hop-advertise: `host` is not HOST:PORT",
            ),
            (vec!["--data-dir", ""], "--data-dir: an empty path"),
        ] {
            let got = refusal(&flags);
            assert!(got.starts_with(message) && !got.contains('\n'), "{got}");
        }
    }

    #[test]
    fn no_secret_shows() {
        let dir = tempfile::tempdir().unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, "hunter2\n").unwrap();
        let c = resolve(&[
            "--admin-key",
            "topsecret",
            "--store",
            "etcd://h:1",
            "--etcd-user",
            "u",
            "--etcd-password-file",
            password.to_str().unwrap(),
        ])
        .unwrap();
        let shown = format!("{c:?}");
        assert!(
            !shown.contains("topsecret") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert!(
            matches!(c.store(), StoreConfig::Etcd(o) if o.user == Some(("u".into(), "hunter2".into())))
        );
    }

    #[test]
    fn a_file_and_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.yaml");
        std::fs::write(&file, "role: [router, processor]\nadmin: off\nthreads: 2\n").unwrap();
        let environment = |threads: &str| {
            let file = file.to_str().unwrap().to_owned();
            vec![
                ("SALLYPORT_CONFIG".to_owned(), file),
                ("SALLYPORT_THREADS".to_owned(), threads.to_owned()),
            ]
        };
        let c = crate::cli::serve::ServeArgs::default()
            .resolve_with(environment("4"))
            .unwrap();
        assert_eq!((c.admin(), c.threads().get()), (Listener::Off, 4));
        assert!(!c.roles().control());
        let refused = crate::cli::serve::ServeArgs::default()
            .resolve_with(environment("x"))
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "SALLYPORT_THREADS: `x` is not a whole number"
        );
    }
}
