//! A real etcd with a directory of its own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::process::{Process, Said, finish};
use crate::wait::eventually;

/// A port that nobody listens on at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

/// One etcd server.
pub struct Etcd {
    process: Process,
    dir: TempDir,
    generation: u32,
    client_port: u16,
    peer_port: u16,
}

impl Etcd {
    /// Starts one and waits until it answers; another port if one was taken in between.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        for _ in 0..5 {
            let (client_port, peer_port) = (free_port(), free_port());
            let mut process = launch(&dir.path().join("0"), client_port, peer_port);
            if answers(&mut process, client_port).await {
                return Self {
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

    /// `etcd://…` with the default prefix, for `--store`.
    pub fn store(&self) -> String {
        format!("etcd://127.0.0.1:{}/apisix", self.client_port)
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
        self.process = launch(&self.data(), self.client_port, self.peer_port);
        assert!(
            answers(&mut self.process, self.client_port).await,
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
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints=127.0.0.1:{}", self.client_port))
            .args(args);
        let said = finish(command, "").await;
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

fn launch(data: &std::path::Path, client_port: u16, peer_port: u16) -> Process {
    let client = format!("http://127.0.0.1:{client_port}");
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
    Process::start(command)
}

/// True once the health check says yes; false if the process ended (a port was taken).
async fn answers(process: &mut Process, port: u16) -> bool {
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
    eventually("etcd is healthy", Duration::from_secs(20), || async move {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args([
            &format!("--endpoints=127.0.0.1:{port}"),
            "endpoint",
            "health",
        ]);
        let said = finish(command, "").await;
        if said.code == 0 {
            Ok(true)
        } else {
            Err(said.text())
        }
    })
    .await
}
