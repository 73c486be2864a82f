//! How long a node takes to serve a full store, and what it weighs: 100,000 SSL objects in a real etcd, listed, read,
//! indexed and published by `control::sync`, the last-good copy written as always. Targets: under 5 s and under 400 MB.
//!
//!     load [COUNT]
//!
//! Starts an etcd (from PATH) in a temporary directory, fills it, then starts itself again to read it, so that what the
//! writing left in memory is not counted. Both are ended before it returns.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cluster_benches::{COUNT, Pair, pairs, ssl, ssl_name};
use control::object::Kind;
use control::seal::Keyring;
use control::snapshot::NameMatch;
use control::store::{EtcdOptions, EtcdStore, Expect, Store, StoreError};
use control::sync::{Live, SyncOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WRITERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);

/// A child that ends with us.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => measure(COUNT).await,
        [count] => measure(count.parse().context("COUNT")?).await,
        [word, endpoint, revision, count] if word == "read" => {
            read(endpoint, revision.parse()?, count.parse()?).await
        }
        _ => bail!("usage: load [COUNT]"),
    }
}

async fn measure(count: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (_etcd, endpoint) = start_etcd(dir.path())?;
    let store = Arc::new(open(&endpoint).await?);
    let began = Instant::now();
    let revision = fill(&store, count).await?;
    println!(
        "wrote {count} objects in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let status = Command::new(std::env::current_exe()?)
        .args(["read", &endpoint, &revision.to_string(), &count.to_string()])
        .status()?;
    ensure!(status.success(), "reading failed");
    Ok(())
}

fn start_etcd(dir: &Path) -> Result<(Owned, String)> {
    let free =
        || Ok::<_, std::io::Error>(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string());
    let (client, peer) = (free()?, free()?);
    let etcd = Command::new("etcd")
        .arg("--data-dir")
        .arg(dir.join("etcd"))
        .args(["--listen-client-urls", &format!("http://{client}")])
        .args(["--advertise-client-urls", &format!("http://{client}")])
        .args(["--listen-peer-urls", &format!("http://{peer}")])
        .args(["--initial-advertise-peer-urls", &format!("http://{peer}")])
        .args(["--initial-cluster", &format!("default=http://{peer}")])
        .args(["--unsafe-no-fsync", "--log-level", "error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("etcd must be in PATH")?;
    Ok((Owned(etcd), client))
}

async fn open(endpoint: &str) -> Result<Store, StoreError> {
    let endpoints = vec![endpoint.to_owned()];
    let options = EtcdOptions {
        endpoints,
        prefix: "/apisix".to_owned(),
        ..EtcdOptions::default()
    };
    EtcdStore::new(options).await.map(Store::Etcd)
}

/// Writes the objects; the revision of the last.
async fn fill(store: &Arc<Store>, count: usize) -> Result<u64> {
    let began = Instant::now();
    while let Err(error) = store.list().await {
        ensure!(began.elapsed() < PATIENCE, "etcd does not answer: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let pairs: Arc<[Pair]> = pairs(8)?.into();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, pairs) = (store.clone(), pairs.clone());
            tokio::spawn(async move {
                for n in (writer..count).step_by(WRITERS) {
                    let value = ssl(n, &pairs).into();
                    store
                        .put(&format!("ssls/{n}"), value, Expect::Any, None)
                        .await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(store.list().await?.revision)
}

async fn read(endpoint: &str, revision: u64, count: usize) -> Result<()> {
    let data = tempfile::tempdir()?;
    let before = resident()?;
    let began = Instant::now();
    let Live {
        snapshot,
        status,
        follower,
    } = control::sync::start(SyncOptions {
        data_dir: data.path().to_owned(),
        keyring: Keyring::default(),
        store: Arc::new(open(endpoint).await?),
        env: Box::new(|_| None),
        on_apply: Box::new(|_| {}),
    })
    .await;
    let follower = tokio::spawn(follower.run());
    ensure!(
        status.wait_applied(revision, PATIENCE).await,
        "not applied within {PATIENCE:?}"
    );
    let (took, cpu) = (began.elapsed(), cpu_seconds()?);
    let snapshot = snapshot.load_full();
    ensure!(snapshot.count(Kind::Ssl) == count, "{snapshot:?}");
    ensure!(
        matches!(
            snapshot.tls_policy(&ssl_name(count - 1)),
            NameMatch::Open(_)
        ),
        "the last name is not served"
    );
    let at_publish = resident()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!(
        "listed, read and published {count} ssls in {:.2} s ({cpu:.2} s of CPU); resident {before} MB before, {at_publish} MB at publication, \
         {} MB two seconds later, {} MB at most",
        took.as_secs_f64(),
        resident()?,
        memory("VmHWM:")?
    );
    follower.abort();
    Ok(())
}

/// User and system time of this process so far; Linux counts them in hundredths.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat
        .rsplit(')')
        .next()
        .context("no fields")?
        .split_whitespace();
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks as f64 / 100.0)
}

fn resident() -> Result<u64> {
    memory("VmRSS:")
}

/// A line of /proc/self/status, in MB.
fn memory(line: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let value = status
        .lines()
        .find_map(|l| l.strip_prefix(line))
        .context("no such line")?;
    let kilobytes: u64 = value.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024)
}
