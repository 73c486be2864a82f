//! A real etcd with a directory of its own.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::pki::Authority;
use crate::process::{Process, Said, finish};
use crate::wait::eventually;

/// Where [`free_port`] looks: below the ports that systems give to whoever asks for any, which are taken in the next moment.
const PORTS: RangeInclusive<u16> = 10_000..=29_999;

/// A port that nobody listens on at this moment.
pub fn free_port() -> u16 {
    loop {
        // Keys of a hasher are random.
        let random = RandomState::new().build_hasher().finish();
        let port =
            PORTS.start() + u16::try_from(random % PORTS.len() as u64).expect("in the range");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Files of a TLS etcd: `ca.crt`, `server.crt`, `server.key`, `client.crt`, `client.key`.
fn write_certificates(dir: &Path, authority: &Authority) {
    let server = authority
        .leaf("etcd")
        .names(&["127.0.0.1", "localhost"])
        .for_servers()
        .for_clients();
    server.issue().write(dir, "server");
    authority.client("root").write(dir, "client");
    std::fs::write(dir.join("ca.crt"), &authority.cert).expect("temp dir");
}

/// One etcd server.
pub struct Etcd {
    /// What every etcdctl call needs besides the endpoint.
    credentials: Vec<String>,
    tls: bool,
    process: Process,
    dir: TempDir,
    generation: u32,
    client_port: u16,
    peer_port: u16,
}

impl Etcd {
    /// Starts one and waits until it answers; another port if one was taken in between.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// One that speaks TLS only and demands client certificates of this authority; see [`Self::file`].
    pub async fn start_tls(authority: &Authority) -> Self {
        Self::start_with(Some(authority)).await
    }

    async fn start_with(authority: Option<&Authority>) -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut credentials = Vec::new();
        if let Some(authority) = authority {
            write_certificates(dir.path(), authority);
            let at = |name: &str| dir.path().join(name).display().to_string();
            let (ca, cert, key) = (at("ca.crt"), at("client.crt"), at("client.key"));
            credentials = vec![
                format!("--cacert={ca}"),
                format!("--cert={cert}"),
                format!("--key={key}"),
            ];
        }
        for _ in 0..5 {
            let (client_port, peer_port) = (free_port(), free_port());
            let tls = authority.is_some();
            let data = dir.path().join("0");
            let mut process = launch(&data, client_port, peer_port, tls);
            if answers(&mut process, client_port, &credentials).await {
                return Self {
                    credentials,
                    tls,
                    process,
                    dir,
                    generation: 0,
                    client_port,
                    peer_port,
                };
            }
        }
        panic!("etcd did not start in five attempts");
    }

    /// Path of a file made by [`Self::start_tls`]: `ca.crt`, `client.crt`, `client.key`.
    pub fn file(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// From now on a user and a password are needed; gives the file that holds `root`'s password.
    pub async fn demand_password(&mut self, password: &str) -> String {
        self.ctl(&["user", "add", &format!("root:{password}")])
            .await;
        self.ctl(&["auth", "enable"]).await;
        self.credentials.push(format!("--user=root:{password}"));
        std::fs::write(self.dir.path().join("password"), password).expect("temp dir");
        self.file("password")
    }

    /// `etcd://…` with the default prefix, for `--store`.
    pub fn store(&self) -> String {
        let scheme = if self.tls { "etcds" } else { "etcd" };
        format!("{scheme}://127.0.0.1:{}/apisix", self.client_port)
    }

    /// The port clients connect to.
    pub const fn port(&self) -> u16 {
        self.client_port
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Stops and continues answering, connections held open.
    pub fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// Ends a freeze.
    pub fn thaw(&self) {
        self.process.signal("CONT");
    }

    /// Starts it again with its data.
    pub async fn start_again(&mut self) {
        self.process = launch(&self.data(), self.client_port, self.peer_port, self.tls);
        assert!(
            answers(&mut self.process, self.client_port, &self.credentials).await,
            "etcd did not come back: {}",
            self.process.tail()
        );
    }

    /// Starts it again with nothing, as after a restored or lost disk: its revision goes backwards.
    pub async fn start_empty(&mut self) {
        self.process.kill().await;
        self.generation += 1;
        self.start_again().await;
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join(self.generation.to_string())
    }

    /// Runs etcdctl; panics if it fails.
    pub async fn ctl(&self, args: &[&str]) -> Said {
        let said = etcdctl(self.client_port, &self.credentials, args).await;
        assert_eq!(said.code, 0, "etcdctl {args:?}: {}", said.text());
        said
    }

    /// Puts text at a key.
    pub async fn put(&self, key: &str, value: &str) {
        self.ctl(&["put", "--", key, value]).await;
    }

    /// Puts JSON at a key.
    pub async fn put_json(&self, key: &str, value: &Value) {
        self.put(key, &value.to_string()).await;
    }

    /// Deletes a key.
    pub async fn delete(&self, key: &str) {
        self.ctl(&["del", key]).await;
    }

    /// Compacts everything up to the present revision.
    pub async fn compact(&self) {
        let said = self.ctl(&["endpoint", "status", "--write-out=json"]).await;
        let status: Value = serde_json::from_str(&said.stdout).expect("etcdctl's JSON");
        let revision = status[0]["Status"]["header"]["revision"]
            .as_i64()
            .expect("a revision")
            .to_string();
        self.ctl(&["compact", &revision]).await;
    }
}

async fn etcdctl(port: u16, credentials: &[String], args: &[&str]) -> Said {
    let scheme = if credentials
        .iter()
        .any(|argument| argument.starts_with("--cacert"))
    {
        "https"
    } else {
        "http"
    };
    let mut command = Command::new("etcdctl");
    command
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints={scheme}://127.0.0.1:{port}"));
    command.args(credentials).args(args);
    finish(command, "").await
}

fn launch(data: &Path, client_port: u16, peer_port: u16, tls: bool) -> Process {
    let client = format!(
        "{}://127.0.0.1:{client_port}",
        if tls { "https" } else { "http" }
    );
    let peer = format!("http://127.0.0.1:{peer_port}");
    let mut command = Command::new("etcd");
    command
        .arg("--data-dir")
        .arg(data)
        .args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ])
        .args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ])
        .args([
            "--initial-cluster",
            &format!("default={peer}"),
            "--logger",
            "zap",
        ]);
    if tls {
        let at = |name: &str| data.with_file_name(name);
        command
            .arg("--client-cert-auth")
            .arg("--trusted-ca-file")
            .arg(at("ca.crt"));
        command
            .arg("--cert-file")
            .arg(at("server.crt"))
            .arg("--key-file")
            .arg(at("server.key"));
    }
    Process::start(command)
}

/// True once the health check says yes; false if the process ended (a port was taken).
async fn answers(process: &mut Process, port: u16, credentials: &[String]) -> bool {
    let listening = eventually(
        "etcd accepts connections or ends",
        Duration::from_secs(20),
        || {
            let ended = process.ended().is_some();
            async move {
                if ended {
                    return Ok(false);
                }
                TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                    .await
                    .map(|_| true)
                    .map_err(|error| error.to_string())
            }
        },
    )
    .await;
    if !listening {
        return false;
    }
    eventually("etcd is healthy", Duration::from_secs(20), || {
        // What listens there may be somebody else.
        let ended = process.ended().is_some();
        async move {
            if ended {
                return Ok(false);
            }
            let said = etcdctl(port, credentials, &["endpoint", "health"]).await;
            if said.code == 0 {
                Ok(true)
            } else {
                Err(said.text())
            }
        }
    })
    .await
}
