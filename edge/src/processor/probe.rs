//! Active health checks: probes every target of every upstream that asks for them, from a runtime that serves no
//! traffic. Follows the Snapshot; what it learns goes into [`super::health`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use control::object::{ActiveCheck, CheckType, Node, PassHost, SniChoice, Upstream};
use control::snapshot::Snapshot;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::dial::{self, Handshake};
use super::health::Sign;
use super::host::TlsName;
use super::shared::Shared;
use crate::alert::finding::Context;
use crate::fault::FaultCode;
use crate::http1::response::{Scan, parse};
use crate::tls::Stream;

/// How often the Snapshot is looked at for a change.
const LOOK: Duration = Duration::from_millis(250);

/// Probes until dropped. Runs on the cold runtime.
pub async fn run_health(shared: Arc<Shared>, snapshot: Arc<ArcSwap<Snapshot>>) {
    let mut watched: HashMap<Arc<str>, Watched> = HashMap::new();
    let mut seen: Option<Arc<Snapshot>> = None;
    loop {
        let now = snapshot.load_full();
        if !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &now)) {
            follow(&shared, &snapshot, &now, &mut watched);
            seen = Some(now);
        }
        sleep(LOOK).await;
    }
}

/// One upstream under watch; its probes end with it.
struct Watched {
    upstream: Arc<Upstream>,
    names: Vec<Arc<str>>,
    _probes: JoinSet<()>,
}

/// Starts and ends probes so that they are those of `now`.
fn follow(
    shared: &Arc<Shared>,
    snapshot: &Arc<ArcSwap<Snapshot>>,
    now: &Snapshot,
    watched: &mut HashMap<Arc<str>, Watched>,
) {
    let wanted: HashMap<Arc<str>, Arc<Upstream>> = now
        .all_upstreams()
        .filter(|upstream| upstream.checks().is_some())
        .map(|upstream| (upstream.key().clone(), upstream.clone()))
        .collect();
    watched.retain(|key, old| {
        let stays = wanted.contains_key(key);
        if !stays {
            old.names.iter().for_each(|name| forget(shared, key, name));
        }
        stays
    });
    for (key, upstream) in wanted {
        if watched
            .get(&key)
            .is_some_and(|old| Arc::ptr_eq(&old.upstream, &upstream))
        {
            continue;
        }
        let fresh = watch(shared, snapshot, &upstream);
        let names = fresh.names.clone();
        if let Some(old) = watched.insert(key.clone(), fresh) {
            old.names
                .iter()
                .filter(|name| !names.contains(name))
                .for_each(|name| forget(shared, &key, name));
        }
    }
}

fn forget(shared: &Shared, upstream: &Arc<str>, target: &Arc<str>) {
    shared.health.forget(upstream, target);
    shared.metrics.target_gone(upstream, target);
}

fn watch(
    shared: &Arc<Shared>,
    snapshot: &Arc<ArcSwap<Snapshot>>,
    upstream: &Arc<Upstream>,
) -> Watched {
    let mut probes = JoinSet::new();
    let mut names = Vec::new();
    let at_once = upstream.checks().map_or(1, |c| c.active.concurrency.max(1));
    let at_once = Arc::new(Semaphore::new(at_once as usize));
    for node in upstream.nodes() {
        let name = super::endpoint::target_name(node);
        names.push(name.clone());
        let probe = Probe {
            shared: shared.clone(),
            snapshot: snapshot.clone(),
            upstream: upstream.clone(),
            node: node.clone(),
            name,
            at_once: at_once.clone(),
        };
        probes.spawn(probe.run());
    }
    Watched {
        upstream: upstream.clone(),
        names,
        _probes: probes,
    }
}

/// One target's probes.
struct Probe {
    shared: Arc<Shared>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    upstream: Arc<Upstream>,
    node: Node,
    name: Arc<str>,
    at_once: Arc<Semaphore>,
}

impl Probe {
    async fn run(self) {
        let Some(checks) = self.upstream.checks() else {
            return;
        };
        let (key, check) = (self.upstream.key(), &checks.active);
        let health = self.shared.health.of(key, &self.name);
        self.shared
            .metrics
            .target_health(key, &self.name, health.is_healthy());
        loop {
            let sign = {
                // Never closed; without a permit the probe would only be less polite.
                let _permit = self.at_once.acquire().await;
                timeout(check.timeout, self.probe(check))
                    .await
                    .unwrap_or(Sign::TimedOut)
            };
            if let Some(healthy) = health.note(sign, check.into()) {
                tracing::info!(upstream = %key, target = %self.name, healthy, ?sign, "probes changed a target's health");
                self.shared.metrics.target_health(key, &self.name, healthy);
            }
            let interval = if health.is_healthy() {
                check.healthy_interval
            } else {
                check.unhealthy_interval
            };
            sleep(interval).await;
        }
    }

    async fn probe(&self, check: &ActiveCheck) -> Sign {
        let node = Node {
            port: check.port.unwrap_or(self.node.port),
            ..self.node.clone()
        };
        let host = self.host(check);
        let tls = match check.kind {
            CheckType::Https => match self.handshake(check, &host) {
                Some(tls) => Some(tls),
                None => return Sign::Broken,
            },
            CheckType::Http | CheckType::Tcp => None,
        };
        let dialled = match dial::dial(&self.shared, &node, check.timeout, tls).await {
            Ok(dialled) => dialled,
            Err(fault) if fault.code == FaultCode::GatewayTimeout => return Sign::TimedOut,
            Err(_) => return Sign::Broken,
        };
        if check.kind == CheckType::Tcp {
            return Sign::Connected;
        }
        ask(dialled.stream, check, &host)
            .await
            .map_or(Sign::Broken, Sign::Status)
    }

    /// Host and SNI of a probe: the check's, else what traffic gets when no client has a say.
    fn host(&self, check: &ActiveCheck) -> String {
        match (&check.host, self.upstream.pass_host()) {
            (Some(host), _) => host.clone(),
            (None, PassHost::Rewrite(host)) => host.to_string(),
            (None, PassHost::Pass | PassHost::Node) => self.name.to_string(),
        }
    }

    fn handshake<'a>(&'a self, check: &ActiveCheck, host: &'a str) -> Option<Handshake<'a>> {
        let snapshot = self.snapshot.load();
        let identity = snapshot.identity(&self.upstream).ok()?;
        let policy = self.upstream.tls();
        let config = self
            .shared
            .tls
            .config(
                policy,
                (&self.node.host, check.port.unwrap_or(self.node.port)),
                identity.as_ref(),
                check.verify,
                false,
            )
            .ok()?;
        let choice = if check.host.is_some() {
            &SniChoice::Host
        } else {
            &policy.sni
        };
        let TlsName { verify, sni } = super::host::tls_name(choice, host.as_bytes())?;
        Some(Handshake {
            config,
            name: TlsName { verify, sni },
            context: Context {
                sni: sni.map(str::to_owned),
                revision: snapshot.revision(),
                ..dial::context(&self.upstream, &self.name)
            },
            // Health checks fail by the second; traffic asks for a closer look.
            doubt: None,
        })
    }
}

/// Sends the probe's request and reads the answer's status.
async fn ask(mut stream: Stream, check: &ActiveCheck, host: &str) -> Option<u16> {
    let mut request = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n",
        check.method, check.path
    );
    for (name, value) in &check.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !check.body.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", check.body.len()));
    }
    request.push_str("\r\n");
    request.push_str(&check.body);
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let (mut input, mut scan) = (BytesMut::with_capacity(4096), Scan::default());
    loop {
        if let Some(end) = scan.find(&input).ok()? {
            let head = parse(&input.split_to(end).freeze()).ok()?;
            if !head.status.is_informational() {
                return Some(head.status.as_u16());
            }
            scan = Scan::default();
        } else if stream.read_buf(&mut input).await.ok()? == 0 {
            return None;
        }
    }
}
