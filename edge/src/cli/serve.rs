//! `sallyport serve`: its flags as given ([`ServeArgs`]) and as validated ([`ServeConfig`], in [`super::config`]). The flags
//! are strings here, because a setting may as well come from the environment or a file (see [`super::sources`]).

use std::path::Path;

use super::config::ServeConfig;
use super::sources::{ConfigError, Sources};

/// Run roles of a node; by default all of them with the embedded store.
///
/// Every flag can also be an environment variable (SALLYPORT_ and the flag in upper snake case) or a key of the YAML
/// file given by --config. The flag wins over the variable, the variable over the file.
#[derive(clap::Args, Default)]
pub struct ServeArgs {
    /// YAML file with any of these settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Roles of this process, a comma list of router, processor, control; or all [default: all]
    #[arg(long, value_name = "ROLES")]
    pub role: Option<String>,
    /// embedded:DIR, etcd://h1:2379,h2:2379/prefix or etcds://... [default: embedded:<data dir>]
    #[arg(long, value_name = "STORE")]
    pub store: Option<String>,
    /// PEM file of the CA of etcd's certificates (etcds:// only) [default: the platform's roots]
    #[arg(long, value_name = "FILE")]
    pub etcd_ca: Option<String>,
    /// PEM file of our client certificate for etcd (etcds:// only)
    #[arg(long, value_name = "FILE")]
    pub etcd_cert: Option<String>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE")]
    pub etcd_key: Option<String>,
    /// User for etcd
    #[arg(long, value_name = "NAME")]
    pub etcd_user: Option<String>,
    /// File whose first line is that user's password
    #[arg(long, value_name = "FILE")]
    pub etcd_password_file: Option<String>,
    /// Plain HTTP listener, or off [default: 0.0.0.0:9080]
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// TLS listener, or off [default: 0.0.0.0:9443]
    #[arg(long, value_name = "ADDR")]
    pub https: Option<String>,
    /// Admin API listener, or off [default: 127.0.0.1:9180]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<String>,
    /// Listener for /metrics, /status, /status/ready, or off [default: 127.0.0.1:9091]
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<String>,
    /// QUIC listener (UDP) of a processor for routers, or off; unused while both roles share a process [default: 0.0.0.0:9444]
    #[arg(long, value_name = "ADDR")]
    pub hop: Option<String>,
    /// Address at which routers reach it [default: that of --hop, or the host name if that is 0.0.0.0]
    #[arg(long, value_name = "HOST:PORT")]
    pub hop_advertise: Option<String>,
    /// Directory with ca.crt, node.crt, node.key (sallyport pki node); needed where router and processor are apart
    #[arg(long, value_name = "DIR")]
    pub hop_tls: Option<String>,
    /// File with the Admin API's key; made with a random key, mode 0600, if absent [default: <data dir>/admin.key]
    #[arg(long, value_name = "FILE")]
    pub admin_key_file: Option<String>,
    /// The Admin API's key itself, for tests: process lists show it
    #[arg(long, value_name = "KEY")]
    pub admin_key: Option<String>,
    /// Directory of the last good configuration, the admin key, the embedded store [default: ./sallyport-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Data-plane threads, 1 to 256 [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
    /// Name of this node, unique in the cluster [default: host name]
    #[arg(long, value_name = "ID")]
    pub node_id: Option<String>,
    /// Name to use for clients that send no SNI [default: none, they are refused]
    #[arg(long, value_name = "NAME")]
    pub fallback_sni: Option<String>,
    /// strict: targets' certificates are verified unless an object says otherwise; apisix: only where it asks [default: strict]
    #[arg(long, value_name = "MODE")]
    pub upstream_verify: Option<String>,
    /// on: a target whose failed handshake is in doubt is probed, at most once in 5 minutes; or off [default: on]
    #[arg(long, value_name = "on|off")]
    pub tls_probe: Option<String>,
    /// For a whole TLS handshake, both sides, 100ms to 60s [default: 5s]
    #[arg(long, value_name = "TIME")]
    pub handshake_timeout: Option<String>,
    /// For the head of a request, 100ms to 10m [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub header_timeout: Option<String>,
    /// Between two requests of a connection, 100ms to 1h [default: 75s]
    #[arg(long, value_name = "TIME")]
    pub idle_timeout: Option<String>,
    /// File with the keys that seal private keys in the store, one a line, the first one seals [default: none]
    #[arg(long, value_name = "FILE")]
    pub keyring_file: Option<String>,
    /// How long SIGTERM waits for what is in flight, 0s to 1h [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub drain_timeout: Option<String>,
    /// stdout, off, or a file to append to [default: stdout]
    #[arg(long, value_name = "WHERE")]
    pub access_log: Option<String>,
    /// Level of our own log on standard error: error, warn, info, debug, trace, or per module as in info,edge::tls=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
    /// Client connections of the node, 1 to 1000000 [default: 100000]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<String>,
    /// Header bytes of a request, 1KiB to 1MiB; 431 above [default: 64KiB]
    #[arg(long, value_name = "SIZE")]
    pub max_header_bytes: Option<String>,
    /// Body bytes of a request; 413 above; 0 is no bound [default: 0]
    #[arg(long, value_name = "SIZE")]
    pub max_body_bytes: Option<String>,
}

impl ServeArgs {
    /// Merges flags, the process' environment and the configuration file, and validates the whole.
    ///
    /// # Errors
    /// One line that says which setting is wrong, where it was given and why.
    pub fn resolve(self) -> Result<ServeConfig, ConfigError> {
        let mut environment = Vec::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else {
                continue;
            };
            if !name.starts_with("SALLYPORT_") {
                continue;
            }
            match value.into_string() {
                Ok(value) => environment.push((name, value)),
                Err(_) => return Err(ConfigError(format!("{name}: the value is not UTF-8"))),
            }
        }
        self.resolve_with(environment)
    }

    /// The same with a given environment.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_with(
        mut self,
        mut environment: Vec<(String, String)>,
    ) -> Result<ServeConfig, ConfigError> {
        const CONFIG: &str = "SALLYPORT_CONFIG";
        let from_environment = environment.iter().position(|(name, _)| name == CONFIG);
        let from_environment = from_environment.map(|at| environment.swap_remove(at).1);
        let file = match self.config.take().or(from_environment) {
            Some(path) => {
                let text = std::fs::read_to_string(Path::new(&path))
                    .map_err(|e| ConfigError(format!("--config: {path} cannot be read: {e}")))?;
                Some((path, text))
            }
            None => None,
        };
        let file = file
            .as_ref()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        ServeConfig::from_sources(&Sources::merge(self.flags(), environment, file)?)
    }

    /// Every setting by its key.
    fn flags(self) -> Vec<(&'static str, Option<String>)> {
        vec![
            ("config", self.config),
            ("role", self.role),
            ("store", self.store),
            ("etcd-ca", self.etcd_ca),
            ("etcd-cert", self.etcd_cert),
            ("etcd-key", self.etcd_key),
            ("etcd-user", self.etcd_user),
            ("etcd-password-file", self.etcd_password_file),
            ("http", self.http),
            ("https", self.https),
            ("admin", self.admin),
            ("metrics", self.metrics),
            ("hop", self.hop),
            ("hop-advertise", self.hop_advertise),
            ("hop-tls", self.hop_tls),
            ("admin-key-file", self.admin_key_file),
            ("admin-key", self.admin_key),
            ("data-dir", self.data_dir),
            ("threads", self.threads),
            ("node-id", self.node_id),
            ("fallback-sni", self.fallback_sni),
            ("upstream-verify", self.upstream_verify),
            ("tls-probe", self.tls_probe),
            ("handshake-timeout", self.handshake_timeout),
            ("header-timeout", self.header_timeout),
            ("idle-timeout", self.idle_timeout),
            ("keyring-file", self.keyring_file),
            ("drain-timeout", self.drain_timeout),
            ("access-log", self.access_log),
            ("log-level", self.log_level),
            ("max-connections", self.max_connections),
            ("max-header-bytes", self.max_header_bytes),
            ("max-body-bytes", self.max_body_bytes),
        ]
    }
}
