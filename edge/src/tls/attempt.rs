//! What the callbacks of one handshake learn. rustls shares verifiers, resolvers and ticketers between connections and
//! tells them nothing of the connection; it calls them while the handshake is polled, so a task-local set around that poll
//! carries their findings to the one who started it. Crate-internal; outside a handshake there is no attempt.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::SignatureScheme;
use rustls_pki_types::{CertificateDer, ServerName};

use super::verify::CertFault;
use crate::alert::evidence::Shown;
use crate::handshake::CertificateRequest;
use crate::handshake::server::MOST_AUTHORITIES;

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
    /// What the target wants our certificate to be, and whether it got one.
    request: OnceLock<(CertificateRequest, bool)>,
    /// Which of an SSL object's certificates the client got.
    pub(super) served: OnceLock<usize>,
    good_until: AtomicI64,
}

impl Attempt {
    pub(super) fn new(name: Option<ServerName<'static>>) -> Arc<Self> {
        Arc::new(Self {
            verdict: OnceLock::new(),
            name,
            request: OnceLock::new(),
            served: OnceLock::new(),
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

    /// Notes that the target asked for a certificate of ours, and whether it gets one. `authorities` are DER-encoded names.
    pub(super) fn asked(&self, authorities: &[&[u8]], schemes: &[SignatureScheme], shown: bool) {
        // The first request stands; a target asks once per handshake.
        self.request.get_or_init(|| {
            let kept = authorities.iter().take(MOST_AUTHORITIES);
            let request = CertificateRequest {
                authorities: kept.map(|name| Box::from(*name)).collect(),
                total_authorities: authorities.len(),
                schemes: schemes.iter().map(|scheme| u16::from(*scheme)).collect(),
            };
            (request, shown)
        });
    }

    /// What the target wants our certificate to be, if it asked.
    pub(super) fn request(&self) -> Option<&CertificateRequest> {
        self.request.get().map(|(request, _)| request)
    }

    /// What we did when the target wanted a certificate.
    pub(super) fn shown(&self) -> Shown {
        match self.request.get() {
            None => Shown::NotAsked,
            Some((_, false)) => Shown::Nothing,
            Some((_, true)) => Shown::Chain,
        }
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
