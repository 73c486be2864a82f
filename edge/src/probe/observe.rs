//! What the TLS library asks of us during a probe's handshake, answered and written down: the chain presented (let pass, it is
//! judged apart), the request for a certificate of ours, the sessions offered for resumption.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, ResolvesClientCert, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, Error, NamedGroup, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::sync::Notify;

use crate::alert::evidence::Shown;
use crate::handshake::CertificateRequest;
use crate::handshake::server::{MOST_AUTHORITIES, MOST_CERTIFICATES};
use crate::tls::verify::{tls12_signature, tls13_signature};

/// What was presented.
#[derive(Debug, Default)]
pub(super) struct Presented {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) stapled: bool,
}

/// Takes every chain and keeps it. That the server holds the leaf's key is still verified.
#[derive(Debug)]
pub(super) struct Recorder {
    algorithms: WebPkiSupportedAlgorithms,
    presented: OnceLock<Presented>,
}

impl Recorder {
    pub(super) const fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            algorithms,
            presented: OnceLock::new(),
        }
    }

    /// What was presented in the first handshake.
    pub(super) fn presented(&self) -> Option<&Presented> {
        self.presented.get()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        staple: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = std::iter::once(leaf).chain(rest);
        // The first one stands; a recorder sees a full handshake once.
        let _ = self.presented.set(Presented {
            chain: all
                .take(MOST_CERTIFICATES)
                .map(|der| der.clone().into_owned())
                .collect(),
            stapled: !staple.is_empty(),
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Shows a certificate when asked, and keeps what was asked for.
#[derive(Debug)]
pub(super) struct Presenter {
    identity: Option<Arc<CertifiedKey>>,
    asked: OnceLock<(CertificateRequest, Shown)>,
}

impl Presenter {
    pub(super) const fn new(identity: Option<Arc<CertifiedKey>>) -> Self {
        Self {
            identity,
            asked: OnceLock::new(),
        }
    }

    /// What the server wanted, and what it got.
    pub(super) fn asked(&self) -> Option<&(CertificateRequest, Shown)> {
        self.asked.get()
    }
}

impl ResolvesClientCert for Presenter {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let usable = self
            .identity
            .as_ref()
            .filter(|key| key.key.choose_scheme(schemes).is_some());
        let request = CertificateRequest {
            authorities: authorities
                .iter()
                .take(MOST_AUTHORITIES)
                .map(|name| (*name).into())
                .collect(),
            total_authorities: authorities.len(),
            schemes: schemes.iter().map(|scheme| u16::from(*scheme)).collect(),
        };
        let shown = if usable.is_some() {
            Shown::Chain
        } else {
            Shown::Nothing
        };
        let _ = self.asked.set((request, shown));
        usable.cloned()
    }

    // Without this the library would not ask, and the request would not be seen.
    fn has_certs(&self) -> bool {
        true
    }
}

/// Keeps sessions and tells when one comes.
#[derive(Debug)]
pub(super) struct Sessions {
    kept: ClientSessionMemoryCache,
    count: AtomicUsize,
    /// A session came.
    pub(super) came: Notify,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            kept: ClientSessionMemoryCache::new(8),
            count: AtomicUsize::new(0),
            came: Notify::new(),
        }
    }

    /// Sessions offered so far.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn note(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.came.notify_one();
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.kept.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.note();
        self.kept.set_tls12_session(server, value);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept.tls12_session(server)
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.kept.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.note();
        self.kept.insert_tls13_ticket(server, value);
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept.take_tls13_ticket(server)
    }
}
