//! An etcd for one run, and objects written to it as fast as it takes them. Ends with its owner.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use control::store::{EtcdOptions, EtcdStore, Expect, Store, StoreError};

const WRITERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);

/// A child that ends with us.
pub struct Owned(pub Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address on the loopback that nobody listens on at the moment.
///
/// # Errors
/// The system's.
pub fn free() -> std::io::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

/// Starts etcd (from PATH) with its data in `dir`; its client address. Nothing is synced to disk: it is not measured.
///
/// # Errors
/// No etcd, no port.
pub fn start(dir: &Path) -> Result<(Owned, String)> {
    let (client, peer) = (free()?, free()?);
    let etcd = Command::new("etcd")
        .arg("--data-dir")
        .arg(dir.join("etcd"))
        .args(["--listen-client-urls", &format!("http://{client}")])
        .args(["--advertise-client-urls", &format!("http://{client}")])
        .args(["--listen-peer-urls", &format!("http://{peer}")])
        .args(["--initial-advertise-peer-urls", &format!("http://{peer}")])
        .args(["--initial-cluster", &format!("default=http://{peer}")])
        .args(["--quota-backend-bytes", "4294967296"])
        .env("ETCD_UNSAFE_NO_FSYNC", "true")
        .args(["--log-level", "error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("etcd must be in PATH")?;
    Ok((Owned(etcd), client))
}

/// The store at `endpoint`, prefix `/apisix`.
///
/// # Errors
/// [`StoreError`].
pub async fn open(endpoint: &str) -> Result<Store, StoreError> {
    let endpoints = vec![endpoint.to_owned()];
    let options = EtcdOptions {
        endpoints,
        prefix: "/apisix".to_owned(),
        ..EtcdOptions::default()
    };
    EtcdStore::new(options).await.map(Store::Etcd)
}

/// Waits until `store` answers.
///
/// # Errors
/// It does not.
pub async fn ready(store: &Store) -> Result<()> {
    let began = Instant::now();
    while let Err(error) = store.get("none").await {
        ensure!(began.elapsed() < PATIENCE, "etcd does not answer: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Writes `count` objects of one kind, numbered from 0, and returns the store's revision afterwards.
///
/// # Errors
/// [`StoreError`].
pub async fn fill(
    store: &Arc<Store>,
    dir: &'static str,
    count: usize,
    make: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
) -> Result<u64> {
    let make = Arc::new(make);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, make) = (store.clone(), make.clone());
            tokio::spawn(async move {
                for n in (writer..count).step_by(WRITERS) {
                    let value = make(n).into();
                    store
                        .put(&format!("{dir}/{n}"), value, Expect::Any, None)
                        .await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    let mut pages = store.pages();
    let first = pages.next().await?.context("an empty listing")?;
    Ok(first.revision)
}

/// A line of `/proc/PID/status`, in MB; `self` is a PID too.
///
/// # Errors
/// No such process or line.
pub fn memory(pid: &str, line: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = status
        .lines()
        .find_map(|l| l.strip_prefix(line))
        .context("no such line")?;
    let kilobytes: u64 = value.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024)
}
