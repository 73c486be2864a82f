//! What the callbacks of one handshake learn. rustls shares verifiers, resolvers and ticketers between connections and
//! tells them nothing of the connection; it calls them while the handshake is polled, so a task-local set around that poll
//! carries their findings to the one who started it. Crate-internal; outside a handshake there is no attempt.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use rustls_pki_types::{CertificateDer, ServerName};

use super::verify::CertFault;

tokio::task_local! {
    static ATTEMPT: Arc<Attempt>;
}

/// What a verifier found.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// As presented, leaf first.
    pub(super) chain: Arc<[CertificateDer<'static>]>,
    /// `None`: good.
    pub(super) fault: Option<CertFault>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The peer's certificate, once judged.
    pub(super) verdict: OnceLock<Verdict>,
    /// The name to verify where it is not the one rustls was given.
    pub(super) name: Option<ServerName<'static>>,
    /// We showed a certificate.
    pub(super) shown: AtomicBool,
    good_until: AtomicI64,
}

impl Attempt {
    pub(super) fn new(name: Option<ServerName<'static>>) -> Arc<Self> {
        Arc::new(Self {
            verdict: OnceLock::new(),
            name,
            shown: AtomicBool::new(false),
            good_until: AtomicI64::new(i64::MAX),
        })
    }

    /// Runs a handshake with this attempt in reach of the callbacks.
    pub(super) async fn run<F: Future>(self: &Arc<Self>, handshake: F) -> F::Output {
        ATTEMPT.scope(Arc::clone(self), handshake).await
    }

    /// The attempt being polled on this thread, if any.
    pub(super) fn current() -> Option<Arc<Self>> {
        ATTEMPT.try_with(Arc::clone).ok()
    }

    /// Notes a certificate and what became of it.
    pub(super) fn judge(
        &self,
        chain: Arc<[CertificateDer<'static>]>,
        result: &Result<i64, CertFault>,
    ) {
        if let Ok(until) = result {
            self.limit(*until);
        }
        // The first verdict stands; rustls verifies once per handshake.
        let _ = self.verdict.set(Verdict {
            chain,
            fault: result.as_ref().err().cloned(),
        });
    }

    /// Nothing issued in this handshake is good beyond `until`, unix seconds.
    pub(super) fn limit(&self, until: i64) {
        self.good_until.fetch_min(until, Ordering::Relaxed);
    }

    /// See [`Self::limit`].
    pub(super) fn good_until(&self) -> i64 {
        self.good_until.load(Ordering::Relaxed)
    }
}
