//! Probes that nobody asked for: a handshake with a target failed, and what was seen of it does not say why for sure. At most
//! one probe per target in [`REST`], few at a time, on the cold runtime, with the upstream's own policy; what it finds is put into
//! the record of the failure. The data plane only asks ([`Prober::consider`]), which costs a lock and waits for nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use control::object::{Material, Protocols, UpstreamTls};
use rustls::CipherSuite;
use rustls_pki_types::CertificateDer;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::asked::{Asked, DEFAULT_TIMEOUT, Place, Trust};
use super::run::{Plan, probe};
use crate::alert::{Cause, Confidence, Verdict};
use crate::failures::{Failures, RecordId};

/// Between two probes of one target: a fault that lasts is probed seldom enough for nobody to mind some thirty
/// connections.
pub const REST: Duration = Duration::from_secs(300);
/// Targets remembered; where more fail within [`REST`], the others are not probed.
const MOST_TARGETS: usize = 1024;
/// Probes at a time in a process.
const MOST_AT_ONCE: usize = 2;
/// A whole probe: one that takes longer explains nothing any more.
const WHOLE: Duration = Duration::from_secs(60);

/// How a target is reached and trusted: what the failed connection went by.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The object that the upstream is or stands in: `upstreams/7`.
    pub upstream: Arc<str>,
    /// Host of the target.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// Name or address that its certificate must be for.
    pub verify_name: String,
    /// Name that is sent.
    pub sni: Option<String>,
    /// Whether its certificate matters.
    pub verify: bool,
    /// HTTP/2 must be agreed on.
    pub h2: bool,
    identity: Option<Arc<Material>>,
    ca_certs: Arc<[CertificateDer<'static>]>,
    protocols: Protocols,
    ciphers: Vec<CipherSuite>,
}

/// Where a connection goes.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// Host as configured.
    pub host: &'a Arc<str>,
    /// Port.
    pub port: u16,
    /// Name or address that the certificate must be for.
    pub verify_name: &'a str,
    /// Name to send.
    pub sni: Option<&'a str>,
}

impl Policy {
    /// Of an upstream's TLS settings; `verify` has the default applied, `identity` is the resolved one.
    pub fn new(
        upstream: &Arc<str>,
        address: Address<'_>,
        tls: &UpstreamTls,
        identity: Option<&Arc<Material>>,
        (verify, h2): (bool, bool),
    ) -> Self {
        Self {
            upstream: Arc::clone(upstream),
            host: Arc::clone(address.host),
            port: address.port,
            verify_name: address.verify_name.to_owned(),
            sni: address.sni.map(str::to_owned),
            verify,
            h2,
            identity: identity.map(Arc::clone),
            ca_certs: Arc::clone(&tls.ca_certs),
            protocols: tls.protocols,
            ciphers: tls.ciphers.clone(),
        }
    }

    /// What to ask of a probe; `platform` is whom to trust where the policy names nobody.
    pub fn asked(self, platform: impl FnOnce() -> Trust) -> Asked {
        let trust = if self.ca_certs.is_empty() {
            platform()
        } else {
            Trust::given(&self.ca_certs)
        };
        Asked {
            host: self.host.to_string(),
            port: self.port,
            sni: self.sni,
            verify_name: self.verify_name,
            verify: self.verify,
            identity: self.identity,
            trust,
            protocols: self.protocols,
            ciphers: self.ciphers,
            h2: self.h2,
            timeout: DEFAULT_TIMEOUT,
            place: Place::Upstream(self.upstream),
        }
    }
}

type Target = (Arc<str>, u16);

/// See the module. One per process.
pub struct Prober {
    failures: Arc<Failures>,
    cold: Handle,
    recent: Mutex<HashMap<Target, Instant>>,
    places: Arc<Semaphore>,
    platform: Arc<OnceLock<Trust>>,
}

impl Prober {
    /// `cold` is the runtime for work that requests do not wait for.
    pub fn new(failures: Arc<Failures>, cold: Handle) -> Arc<Self> {
        Arc::new(Self {
            failures,
            cold,
            recent: Mutex::default(),
            places: Arc::new(Semaphore::new(MOST_AT_ONCE)),
            platform: Arc::default(),
        })
    }

    /// Probes the target of a failure that `verdict` leaves in doubt, unless that was done lately. Returns whether a probe
    /// begins.
    pub fn consider(&self, record: RecordId, verdict: Verdict, policy: &Arc<Policy>) -> bool {
        if verdict.confidence > Confidence::Medium {
            return false;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return false;
        };
        if !self.is_due((Arc::clone(&policy.host), policy.port), Instant::now()) {
            return false;
        }
        let (failures, platform) = (Arc::clone(&self.failures), Arc::clone(&self.platform));
        let policy = Policy::clone(policy);
        self.cold.spawn(async move {
            let explained = explain(policy, platform);
            // Boxed: the state of a probe is large.
            let explained = tokio::time::timeout(WHOLE, Box::pin(explained)).await;
            // A target that is gone by now says nothing of the handshake that there was.
            if let Ok(Some((found, note))) = explained
                && found.confidence > verdict.confidence
                && found.cause != Cause::TcpConnectFailed
            {
                failures.revise(record, found, &note);
            }
            drop(place);
        });
        true
    }

    /// Whether the target may be probed at `now`, which is then remembered.
    fn is_due(&self, target: Target, now: Instant) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |at: &Instant| now.saturating_duration_since(*at) < REST;
        if recent.get(&target).is_some_and(fresh) {
            return false;
        }
        if recent.len() >= MOST_TARGETS {
            recent.retain(|_, at| fresh(at));
        }
        if recent.len() >= MOST_TARGETS {
            return false;
        }
        recent.insert(target, now);
        true
    }
}

/// Probes, and says in a sentence what came of it.
async fn explain(policy: Policy, platform: Arc<OnceLock<Trust>>) -> Option<(Verdict, String)> {
    // Reads the platform's roots from disk the first time.
    let asked = tokio::task::spawn_blocking(move || {
        policy.asked(|| platform.get_or_init(Trust::platform).clone())
    });
    let asked = asked.await.ok()?;
    let report = probe(&asked, Plan::Background, &|_| ()).await;
    let verdict = report.verdict()?;
    let first = report
        .findings
        .iter()
        .find(|found| found.topic == super::Topic::Cause(verdict.cause))?;
    tracing::info!(
        upstream = &*match &asked.place {
            Place::Upstream(id) => Arc::clone(id),
            Place::Flags | Place::Ssl(_) => Arc::from(""),
        },
        target = report.target,
        cause = verdict.cause.as_str(),
        confidence = verdict.confidence.as_str(),
        detail = first.detail,
        fix = first.fix,
        owner = first.owner.as_str(),
        "a probe explains a failed handshake"
    );
    Some((verdict, first.detail.clone()))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::alert::evidence::{End, Side};
    use crate::alert::finding::Context;
    use crate::alert::{Evidence, Failure, Hop};
    use crate::failures::Filter;
    use crate::metrics::Metrics;

    fn prober() -> Arc<Prober> {
        Prober::new(Failures::new("n", Metrics::new()), Handle::current())
    }

    fn policy(port: u16) -> Policy {
        let host = Arc::from("127.0.0.1");
        let address = Address {
            host: &host,
            port,
            verify_name: "a.test",
            sni: Some("a.test"),
        };
        let tls = UpstreamTls::default();
        Policy::new(
            &Arc::from("upstreams/7"),
            address,
            &tls,
            None,
            (true, false),
        )
    }

    /// A server that closes after any hello; how many connections it had.
    async fn closing() -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                });
            }
        });
        (port, count)
    }

    fn doubtful() -> Verdict {
        Verdict {
            cause: Cause::Unknown,
            confidence: Confidence::Low,
        }
    }

    #[tokio::test]
    async fn a_doubtful_failure_is_probed_once_and_its_record_revised() {
        let prober = prober();
        let (port, count) = closing().await;
        let mut evidence = Evidence::new(Hop::Southbound, Side::Client);
        evidence.end = End::Other;
        let failure = Failure {
            verdict: doubtful(),
            evidence: Box::new(evidence),
        };
        let record = prober.failures.note(Context::default(), failure);
        let policy = Arc::new(policy(port));
        let consider = |verdict| prober.consider(record, verdict, &policy);
        let sure = Verdict {
            confidence: Confidence::High,
            ..doubtful()
        };
        assert!(!consider(sure), "nothing is in doubt");
        assert!(consider(doubtful()));
        assert!(!consider(doubtful()), "just probed");
        let revised = async {
            loop {
                let found = prober.failures.query(&Filter::default());
                if found.list[0].cause() != Cause::Unknown {
                    return found.list[0].cause();
                }
                tokio::task::yield_now().await;
            }
        };
        let revised = tokio::time::timeout(Duration::from_secs(20), revised).await;
        assert_eq!(revised, Ok(Cause::PeerClosedDuringHandshake));
        let made = count.load(Ordering::Relaxed);
        assert!((2..40).contains(&made), "{made} connections");
    }

    #[tokio::test]
    async fn targets_are_remembered_for_a_while_and_only_so_many() {
        let prober = prober();
        let target = |port: usize| (Arc::from("a.test"), u16::try_from(port).unwrap());
        let now = Instant::now();
        assert!(prober.is_due(target(1), now));
        assert!(!prober.is_due(target(1), now + REST - Duration::from_secs(1)));
        assert!(prober.is_due(target(1), now + REST));
        let now = now + REST;
        for port in 2..=MOST_TARGETS {
            assert!(prober.is_due(target(port), now));
        }
        assert!(!prober.is_due(target(5000), now), "the table is full");
        assert!(
            prober.is_due(target(5000), now + REST),
            "they are forgotten"
        );
    }
}
