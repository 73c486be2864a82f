//! A cluster of real processes on one etcd: how long a change takes to be served by all of them, and how long a node that
//! joins needs until it serves everything. Target: 99 of 100 changes within 100 ms.
//!
//!     spread changes [CHANGES] [OBJECTS]     1000 changes with 10,000 ssls and 10,000 routes loaded
//!     spread join [OBJECTS]                  a router joins with 100,000 of each
//!
//! SALLYPORT=path/to/sallyport (target/release/sallyport). Ends what it started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cluster_benches::etcd::{self, Owned, free};
use cluster_benches::{COUNT, pairs, route, ssl};
use control::store::{Expect, Store, Written};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a node. What it adds to a result is half of it.
const LOOK: Duration = Duration::from_millis(1);
/// The cluster of `changes`.
const ROLES: [&str; 5] = ["router", "router", "processor", "processor", "control"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        arguments
            .get(at)
            .map_or(Ok(default), |text| text.parse::<usize>())
    };
    match arguments.first().map(String::as_str) {
        Some("changes") => changes(number(1, 1000)?, number(2, 10_000)?).await,
        Some("join") => join(number(1, COUNT)?).await,
        _ => bail!("usage: spread changes [CHANGES] [OBJECTS] | spread join [OBJECTS]"),
    }
}

/// A node: its process and its status page.
struct Node {
    name: String,
    process: Owned,
    status: String,
    connection: Option<TcpStream>,
}

async fn changes(changes: usize, objects: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_etcd, endpoint) = etcd::start(dir.path())?;
    let store = Arc::new(etcd::open(&endpoint).await?);
    let mut revision = populate(&store, objects).await?;
    pki(dir.path())?;
    let mut nodes = Vec::new();
    for (n, role) in ROLES.iter().enumerate() {
        nodes.push(start(dir.path(), &endpoint, role, n)?);
    }
    for node in &mut nodes {
        node.until(revision).await?;
    }
    println!(
        "{} nodes serve {objects} ssls and {objects} routes",
        nodes.len()
    );
    let (mut from_call, mut from_answer) = (Vec::new(), Vec::new());
    for n in 0..changes {
        let value = json!({ "uri": "/changing", "upstream_id": "1", "desc": n.to_string() });
        let called = Instant::now();
        let written = store
            .put(
                "routes/changing",
                value.to_string().into(),
                Expect::Any,
                None,
            )
            .await?;
        let answered = Instant::now();
        let Written::At(at) = written else {
            bail!("a write without a condition was refused")
        };
        revision = at;
        let mut last = answered;
        for node in &mut nodes {
            last = last.max(node.until(revision).await?);
        }
        from_call.push(last - called);
        from_answer.push(last - answered);
    }
    report(
        "from the call of put until the last node serves it",
        from_call,
    );
    report(
        "from put's answer until the last node serves it",
        from_answer,
    );
    Ok(())
}

async fn join(objects: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_etcd, endpoint) = etcd::start(dir.path())?;
    let store = Arc::new(etcd::open(&endpoint).await?);
    let revision = populate(&store, objects).await?;
    pki(dir.path())?;
    for role in ["router", "processor"] {
        let began = Instant::now();
        let mut node = start(dir.path(), &endpoint, role, 0)?;
        let took = node.until(revision).await? - began;
        let pid = node.process.0.id().to_string();
        println!(
            "a {role} joins {objects} ssls and {objects} routes: ready after {:.2} s, {} MB at most, {} MB now",
            took.as_secs_f64(),
            etcd::memory(&pid, "VmHWM:")?,
            etcd::memory(&pid, "VmRSS:")?
        );
    }
    Ok(())
}

async fn populate(store: &Arc<Store>, objects: usize) -> Result<u64> {
    etcd::ready(store).await?;
    let upstream = json!({ "type": "roundrobin", "nodes": { "127.0.0.1:9": 1 } });
    store
        .put(
            "upstreams/1",
            upstream.to_string().into(),
            Expect::Any,
            None,
        )
        .await?;
    let pairs = pairs(8)?;
    etcd::fill(store, "ssls", objects, move |n| ssl(n, &pairs)).await?;
    etcd::fill(store, "routes", objects, route).await
}

fn program() -> Result<PathBuf> {
    let given = std::env::var_os("SALLYPORT");
    let path = given.map_or_else(|| "target/release/sallyport".into(), PathBuf::from);
    // The nodes run in a directory of their own.
    Ok(std::path::absolute(path)?)
}

/// A CA, and a certificate for each role.
fn pki(dir: &Path) -> Result<()> {
    let run = |arguments: &[&str]| {
        let done = Command::new(program()?)
            .current_dir(dir)
            .arg("pki")
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .context("sallyport pki")?;
        ensure!(done.success(), "sallyport pki {arguments:?}");
        Ok(())
    };
    run(&["init", "--dir", "ca"])?;
    for role in ["router", "processor"] {
        run(&[
            "node", "--dir", "ca", "--role", role, "--name", role, "--out", role,
        ])?;
    }
    Ok(())
}

fn start(dir: &Path, endpoint: &str, role: &str, n: usize) -> Result<Node> {
    let name = format!("{role}-{n}");
    let status = free()?;
    let process = Command::new(program()?)
        .current_dir(dir)
        .args(["serve", "--role", role, "--node-id", &name])
        .args(["--store", &format!("etcd://{endpoint}/apisix")])
        .args(["--data-dir", &format!("data-{name}")])
        .args(["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
        .args(["--admin", "127.0.0.1:0", "--hop", "127.0.0.1:0"])
        .args(["--hop-tls", role, "--metrics", &status])
        .args([
            "--threads",
            "1",
            "--access-log",
            "off",
            "--log-level",
            "warn",
        ])
        .spawn()
        .context("SALLYPORT")?;
    Ok(Node {
        name,
        process: Owned(process),
        status,
        connection: None,
    })
}

impl Node {
    /// Waits until the node serves `revision`; when that was seen.
    async fn until(&mut self, revision: u64) -> Result<Instant> {
        let began = Instant::now();
        loop {
            if let Ok(applied) = self.applied().await {
                if applied >= revision {
                    return Ok(Instant::now());
                }
            } else {
                self.connection = None;
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{} does not get there",
                self.name
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn applied(&mut self) -> Result<u64> {
        if self.connection.is_none() {
            let connection = TcpStream::connect(&self.status).await?;
            connection.set_nodelay(true)?;
            self.connection = Some(connection);
        }
        let connection = self.connection.as_mut().context("just made")?;
        connection
            .write_all(b"GET /status HTTP/1.1\r\nHost: status\r\n\r\n")
            .await?;
        let mut answer = Vec::new();
        loop {
            ensure!(connection.read_buf(&mut answer).await? > 0, "closed");
            let text = String::from_utf8_lossy(&answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length: usize = head
                .lines()
                .find_map(|l| {
                    l.to_ascii_lowercase()
                        .strip_prefix("content-length:")
                        .map(str::to_owned)
                })
                .context("no content-length")?
                .trim()
                .parse()?;
            if body.len() >= length {
                let status: Value = serde_json::from_str(body)?;
                return status["revision"]["applied"]
                    .as_u64()
                    .context("no revision");
            }
        }
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at =
        |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!(
        "{what}: p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}
