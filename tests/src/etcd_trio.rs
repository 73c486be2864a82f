//! Three etcd members that replicate to each other, each killed and started again by number.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::etcd::free_port;
use crate::process::{Process, Said, finish};
use crate::wait::eventually;

/// Deadline for an election and whatever hangs on it.
const ELECTED: Duration = Duration::from_secs(30);

/// The members.
pub struct EtcdTrio {
    members: Vec<Member>,
    dir: TempDir,
}

struct Member {
    client_port: u16,
    peer_port: u16,
    process: Process,
}

impl EtcdTrio {
    /// Starts them; other ports if some were taken in between.
    pub async fn start() -> Self {
        for _ in 0..5 {
            let dir = tempfile::tempdir().expect("temp dir");
            let ports = [0, 1, 2].map(|_| (free_port(), free_port()));
            let members = ports
                .iter()
                .enumerate()
                .map(|(number, &(client_port, peer_port))| Member {
                    client_port,
                    peer_port,
                    process: launch(dir.path(), number, &ports),
                })
                .collect();
            let mut trio = Self { members, dir };
            if trio.healthy().await {
                return trio;
            }
        }
        panic!("three etcd members did not start in five attempts");
    }

    /// False if one of them ended.
    async fn healthy(&mut self) -> bool {
        let endpoints = self.endpoints();
        let members = &mut self.members;
        eventually("all three are healthy", ELECTED, || {
            let ended = members
                .iter_mut()
                .any(|member| member.process.ended().is_some());
            let endpoints = endpoints.clone();
            async move {
                if ended {
                    return Ok(false);
                }
                let said = ctl(&endpoints, &["endpoint", "health"]).await;
                if said.code == 0 {
                    Ok(true)
                } else {
                    Err(said.text())
                }
            }
        })
        .await
    }

    fn endpoints(&self) -> String {
        let mut text = String::new();
        for member in &self.members {
            let comma = if text.is_empty() { "" } else { "," };
            write!(text, "{comma}http://127.0.0.1:{}", member.client_port).expect("a string");
        }
        text
    }

    /// For `--store`: all three, the default prefix.
    pub fn store(&self) -> String {
        format!("etcd://{}/apisix", self.endpoints().replace("http://", ""))
    }

    /// Kills one.
    pub async fn kill(&mut self, number: usize) {
        self.members[number].process.kill().await;
    }

    /// Starts one again with its data.
    pub fn start_again(&mut self, number: usize) {
        let ports = [0, 1, 2].map(|at| (self.members[at].client_port, self.members[at].peer_port));
        self.members[number].process = launch(self.dir.path(), number, &ports);
    }

    /// Puts JSON at a key, once a majority lets it.
    pub async fn put_json(&self, key: &str, value: &Value) {
        let (endpoints, value) = (self.endpoints(), value.to_string());
        eventually("a put goes through", ELECTED, || async {
            let said = ctl(&endpoints, &["put", "--", key, &value]).await;
            if said.code == 0 {
                Ok(())
            } else {
                Err(said.text())
            }
        })
        .await;
    }

    /// Compacts everything up to the present revision.
    pub async fn compact(&self) {
        let endpoints = self.endpoints();
        eventually("a compaction goes through", ELECTED, || async {
            let said = ctl(&endpoints, &["get", "/apisix/none", "--write-out=json"]).await;
            let status: Value = serde_json::from_str(&said.stdout).map_err(|_| said.text())?;
            let revision = status["header"]["revision"].to_string();
            let said = ctl(&endpoints, &["compact", &revision]).await;
            if said.code == 0 {
                Ok(())
            } else {
                Err(said.text())
            }
        })
        .await;
    }
}

async fn ctl(endpoints: &str, args: &[&str]) -> Said {
    let mut command = Command::new("etcdctl");
    command
        .env("ETCDCTL_API", "3")
        .arg(format!("--endpoints={endpoints}"))
        .args(args);
    finish(command, "").await
}

fn launch(dir: &Path, number: usize, ports: &[(u16, u16); 3]) -> Process {
    let (client, peer) = ports[number];
    let client = format!("http://127.0.0.1:{client}");
    let peer = format!("http://127.0.0.1:{peer}");
    let all = ports
        .iter()
        .enumerate()
        .map(|(at, (_, port))| format!("m{at}=http://127.0.0.1:{port}"))
        .collect::<Vec<_>>();
    let mut command = Command::new("etcd");
    command
        .arg("--data-dir")
        .arg(dir.join(number.to_string()))
        .args(["--name", &format!("m{number}"), "--logger", "zap"])
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
        .args(["--initial-cluster", &all.join(",")]);
    Process::start(command)
}
