//! How long a node takes to serve a full store, and what it weighs: 100,000 SSL objects in a real etcd, listed, read,
//! indexed and published by `control::sync`, the last-good copy written as always. Targets: under 5 s and under 400 MB.
//!
//!     load [COUNT]
//!
//! Starts an etcd (from PATH) in a temporary directory, fills it, then starts itself again to read it, so that what the
//! writing left in memory is not counted. Both are ended before it returns.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cluster_benches::{COUNT, etcd, pairs, ssl, ssl_name};
use control::object::Kind;
use control::seal::Keyring;
use control::snapshot::NameMatch;
use control::sync::{Live, SyncOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PATIENCE: Duration = Duration::from_secs(60);

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
    let (_etcd, endpoint) = etcd::start(dir.path())?;
    let store = Arc::new(etcd::open(&endpoint).await?);
    etcd::ready(&store).await?;
    let pairs = pairs(8)?;
    let began = Instant::now();
    let revision = etcd::fill(&store, "ssls", count, move |n| ssl(n, &pairs)).await?;
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

async fn read(endpoint: &str, revision: u64, count: usize) -> Result<()> {
    let data = tempfile::tempdir()?;
    let before = resident()?;
    let began = Instant::now();
    let Live {
        snapshot,
        status,
        follower,
        ..
    } = control::sync::start(SyncOptions {
        data_dir: data.path().to_owned(),
        keyring: Keyring::default(),
        store: Arc::new(etcd::open(endpoint).await?),
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
        etcd::memory("self", "VmHWM:")?
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
    etcd::memory("self", "VmRSS:")
}
