//! One real `sallyport serve` process with listeners on ports of its own choosing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::http1::{self, Message};
use crate::metrics::Metrics;
use crate::process::{Process, Said, finish};
use crate::wait::{SOON, eventually};

/// The admin key every test node gets.
pub const ADMIN_KEY: &str = "admin-key-of-the-tests";

/// The program under test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("SALLYPORT_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test");
    let debug = test
        .parent()
        .and_then(Path::parent)
        .expect("target/debug/deps/TEST");
    debug.join("sallyport")
}

/// How a node is to be started; starting the same launch twice is a restart with the same data.
#[derive(Clone)]
pub struct Launch {
    dir: Arc<TempDir>,
    store: Option<String>,
    admin_key: bool,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Default for Launch {
    fn default() -> Self {
        Self::new()
    }
}

impl Launch {
    /// Role `all`, embedded store, a data directory of its own.
    pub fn new() -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("temp dir"));
        Self {
            dir,
            store: None,
            admin_key: true,
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Another store.
    #[must_use]
    pub fn store(mut self, store: &str) -> Self {
        self.store = Some(store.to_owned());
        self
    }

    /// A flag with its value; in the place of an earlier value.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        if let Some(at) = self.args.iter().position(|arg| arg == name) {
            value.clone_into(&mut self.args[at + 1]);
        } else {
            self.args.extend([name.to_owned(), value.to_owned()]);
        }
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves the admin key to the program.
    #[must_use]
    pub const fn without_admin_key(mut self) -> Self {
        self.admin_key = false;
        self
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A directory for files of the test itself.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self) -> Command {
        let data = self.data_dir();
        let store = self
            .store
            .clone()
            .unwrap_or_else(|| format!("embedded:{}", data.display()));
        let mut command = Command::new(binary());
        command
            .current_dir(self.dir.path())
            .env_remove("RUST_LOG")
            .arg("serve")
            .args(["--store", &store]);
        command.arg("--data-dir").arg(&data);
        if self.admin_key {
            command.args(["--admin-key", ADMIN_KEY]);
        }
        let own = |flag: &str| self.args.iter().any(|arg| arg == flag);
        for (flag, value) in [
            ("--http", "127.0.0.1:0"),
            ("--https", "127.0.0.1:0"),
            ("--admin", "127.0.0.1:0"),
            ("--metrics", "127.0.0.1:0"),
            ("--hop", "off"),
            ("--threads", "2"),
        ] {
            if !own(flag) {
                command.args([flag, value]);
            }
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end, for starts that must fail.
    pub async fn run(&self) -> Said {
        finish(self.command(), "").await
    }

    /// Starts it and waits until its listeners are bound.
    pub async fn start_unready(&self) -> Node {
        let mut process = Process::start(self.command());
        let bound = eventually(
            "the node says where it listens",
            Duration::from_secs(30),
            || {
                let found = process.lines().iter().find_map(|line| listening(line));
                let ended = process.ended();
                let tail = process.tail();
                async move {
                    match (found, ended) {
                        (Some(found), _) => Ok(Some(found)),
                        (None, Some(status)) => panic!("the node ended with {status}: {tail}"),
                        (None, None) => Err(format!("no line `listening` yet: {tail}")),
                    }
                }
            },
        )
        .await
        .expect("found");
        let address = |name: &str| bound[name].as_str().and_then(|text| text.parse().ok());
        Node {
            http: address("http").unwrap_or_else(nowhere),
            https: address("https").unwrap_or_else(nowhere),
            admin: address("admin").unwrap_or_else(nowhere),
            metrics: address("metrics").unwrap_or_else(nowhere),
            hop: address("hop"),
            launch: self.clone(),
            process,
        }
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&self) -> Node {
        let node = self.start_unready().await;
        node.ready().await;
        node
    }
}

fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

/// The fields of the line that says where the node listens.
fn listening(line: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = if line["fields"].is_object() {
        line["fields"].clone()
    } else {
        line
    };
    (fields["message"] == "listening").then_some(fields)
}

/// A running node.
pub struct Node {
    /// Plain HTTP listener.
    pub http: SocketAddr,
    /// TLS listener.
    pub https: SocketAddr,
    /// Admin API.
    pub admin: SocketAddr,
    /// Metrics and status.
    pub metrics: SocketAddr,
    /// Where a processor takes requests from routers (UDP).
    pub hop: Option<SocketAddr>,
    /// How it was started.
    pub launch: Launch,
    /// The process.
    pub process: Process,
}

impl Node {
    /// A node with the embedded store.
    pub async fn start() -> Self {
        Launch::new().start().await
    }

    /// Waits for `/status/ready`.
    pub async fn ready(&self) {
        eventually("the node is ready", Duration::from_secs(30), || async {
            match http1::get(self.metrics, "localhost", "/status/ready").await {
                Ok(reply) if reply.status() == 200 => Ok(()),
                Ok(reply) => Err(format!("{} {}", reply.status(), reply.text())),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// One Admin API request with the admin key; `path` begins after `/apisix/admin/`.
    pub async fn admin(&self, method: &str, path: &str, body: &str) -> Message {
        self.admin_as(Some(ADMIN_KEY), method, path, body).await
    }

    /// The same with another key, or none.
    pub async fn admin_as(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        body: &str,
    ) -> Message {
        let path = format!("/apisix/admin/{path}");
        self.ask(key, method, &path, body).await
    }

    /// One of the own views, with the admin key; `path` begins after `/v1/`.
    pub async fn view(&self, path: &str) -> Value {
        let path = format!("/v1/{path}");
        let reply = self.ask(Some(ADMIN_KEY), "GET", &path, "").await;
        assert_eq!(reply.status(), 200, "{path}: {}", reply.text());
        reply.json()
    }

    async fn ask(&self, key: Option<&str>, method: &str, path: &str, body: &str) -> Message {
        let key = key
            .map(|key| format!("X-API-KEY: {key}\r\n"))
            .unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: admin\r\n{key}Content-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        let mut wire = http1::open(self.admin).await;
        wire.send(request).await.expect("the Admin API reads");
        wire.reply_to(method)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error}: {}", self.process.tail()))
    }

    /// Writes an object and waits until its revision is applied.
    pub async fn put(&self, path: &str, object: &Value) {
        let reply = self.admin("PUT", path, &object.to_string()).await;
        assert!(
            matches!(reply.status(), 200 | 201),
            "PUT {path}: {} {}",
            reply.status(),
            reply.text()
        );
        self.applied(path).await;
    }

    /// Waits until the present version of an object is applied.
    pub async fn applied(&self, path: &str) {
        let stored = self.admin("GET", path, "").await;
        let revision = stored.json()["modifiedIndex"]
            .as_f64()
            .unwrap_or_else(|| panic!("GET {path}: {}", stored.text()));
        self.applied_revision(revision).await;
    }

    /// Waits until it serves this revision of the store or a later one.
    pub async fn applied_revision(&self, revision: f64) {
        eventually("the revision is applied", SOON, || async {
            // The metrics follow only once a second.
            let status = self.status().await;
            let applied = status["revision"]["applied"].as_f64().unwrap_or(0.0);
            if applied >= revision {
                Ok(())
            } else {
                Err(format!("applied {applied}, written {revision}"))
            }
        })
        .await;
    }

    /// Deletes an object.
    pub async fn delete(&self, path: &str) {
        let reply = self.admin("DELETE", path, "").await;
        assert_eq!(reply.status(), 200, "DELETE {path}: {}", reply.text());
    }

    /// Scrapes the metrics.
    pub async fn metrics(&self) -> Metrics {
        let reply = http1::get(self.metrics, "localhost", "/metrics")
            .await
            .expect("a scrape");
        assert_eq!(reply.status(), 200, "scrape: {}", reply.text());
        Metrics::parse(&reply.text())
    }

    /// The metrics once they tell of the configuration that is served now: they follow it once a second.
    pub async fn metrics_of_now(&self) -> Metrics {
        let status = self.status().await;
        let applied = status["revision"]["applied"].as_f64().unwrap_or(0.0);
        eventually("the metrics have followed", SOON, || async {
            let metrics = self.metrics().await;
            let told = metrics.value("config_revision", &[("state", "applied")]);
            if told >= applied {
                Ok(metrics)
            } else {
                Err(format!("they tell of {told}, served is {applied}"))
            }
        })
        .await
    }

    /// `/status` as JSON.
    pub async fn status(&self) -> Value {
        let reply = http1::get(self.metrics, "localhost", "/status")
            .await
            .expect("status");
        assert_eq!(reply.status(), 200, "status: {}", reply.text());
        reply.json()
    }

    /// Lines of the log and of the access log that are JSON.
    pub fn json_lines(&self) -> Vec<Value> {
        self.process
            .lines()
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Ends it as a crash would and starts it again with its data.
    pub async fn crash_and_restart(mut self) -> Self {
        self.process.kill().await;
        self.launch.start().await
    }

    /// The most resident memory it ever had, in kilobytes.
    pub fn peak_resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()))
            .expect("a live process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .expect("VmHWM");
        line.split_whitespace()
            .nth(1)
            .and_then(|count| count.parse().ok())
            .expect("a number")
    }
}
