//! TLS with targets: from an upstream's policy to a configuration, and the handshake. Configurations are kept per policy,
//! identity and verification, and with them their sessions: none is shared across these. Which target, and what happens
//! after a failure, is the processor's to decide.

use std::fmt;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};
use control::object::{Material, SniChoice, UpstreamTls};
use dashmap::DashMap;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, HandshakeKind, SignatureScheme};
use rustls_pki_types::{ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::attempt::Attempt;
use super::failure::{self, End};
use super::names::Names;
use super::tap::Tap;
use super::verify::anchors::{Anchors, Ends};
use super::verify::target::TargetVerifier;
use super::{Stream, linger, suites};
use crate::alert::{Cause, TlsFailure};

/// Configurations kept; beyond it the cache starts afresh.
const MAX_POLICIES: usize = 4096;
/// Names whose sessions a configuration keeps.
const SESSIONS: usize = 64;
/// Plaintext rustls may hold for a target that does not read.
const BUFFER: usize = 64 << 10;

/// What is known of a connection to a target.
#[derive(Clone, Debug)]
pub struct TargetSession {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// IANA name.
    pub cipher: &'static str,
    /// Name sent, if any.
    pub sni: Option<String>,
    /// Session resumed.
    pub resumed: bool,
    /// We showed a certificate.
    pub client_cert: bool,
    /// HTTP/2 was agreed on.
    pub alpn_h2: bool,
}

impl TargetSession {
    /// As [`late_failure`], with what is known of this connection.
    pub fn late_failure(&self, error: &io::Error) -> Option<TlsFailure> {
        failure::late(error, self.sni.is_some(), self.client_cert)
    }
}

/// The refusal of a TLS 1.3 target, which arrives on the first read (RFC 8446, 4.4.2.4): ask for every error before the
/// first byte of application data. `None` if the error is not an alert.
pub fn late_failure(error: &io::Error) -> Option<TlsFailure> {
    failure::late(error, true, false)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PolicyKey {
    policy: [u8; 32],
    identity: Option<[u8; 32]>,
    verify: bool,
    h2: bool,
}

/// A configuration for connections to targets.
#[derive(Debug)]
pub struct TargetConfig {
    tls: Arc<ClientConfig>,
    verifier: Arc<TargetVerifier>,
    has_identity: bool,
}

/// TLS with targets, one per process.
pub struct ClientTls {
    provider: Arc<CryptoProvider>,
    policies: DashMap<PolicyKey, Arc<TargetConfig>>,
    platform: OnceLock<Arc<Anchors>>,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientTls {
    /// With an empty cache.
    pub fn new() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self {
            provider,
            policies: DashMap::new(),
            platform: OnceLock::new(),
        }
    }

    /// The configuration for an upstream's policy. `identity` is the resolved one; `verify` has the default applied; `h2`
    /// offers HTTP/2 alone, else HTTP/1.1.
    ///
    /// # Errors
    /// [`Cause::InternalError`] if rustls refuses the policy, which validation excludes;
    /// [`Cause::ConfigMissingMaterial`] if the identity's key is unusable.
    pub fn config(
        &self,
        policy: &UpstreamTls,
        identity: Option<&Arc<Material>>,
        verify: bool,
        h2: bool,
    ) -> Result<Arc<TargetConfig>, TlsFailure> {
        let key = PolicyKey {
            policy: policy.policy,
            identity: identity.map(|m| shown_chain(m)),
            verify,
            h2,
        };
        if let Some(config) = self.policies.get(&key) {
            return Ok(Arc::clone(&config));
        }
        let certified = match identity.map(|m| m.certified_key()) {
            None => None,
            Some(Some(key)) => Some(Arc::clone(key)),
            Some(None) => {
                let detail = "the client certificate's key is unusable".to_owned();
                return Err(TlsFailure {
                    cause: Cause::ConfigMissingMaterial,
                    alert: None,
                    detail,
                });
            }
        };
        let config = self
            .build(policy, certified, verify, h2)
            .map_err(|e| failure::internal(e.to_string()))?;
        let config = Arc::new(config);
        if self.policies.len() >= MAX_POLICIES {
            self.policies.clear();
        }
        self.policies.insert(key, Arc::clone(&config));
        Ok(config)
    }

    fn build(
        &self,
        policy: &UpstreamTls,
        identity: Option<Arc<CertifiedKey>>,
        verify: bool,
        h2: bool,
    ) -> Result<TargetConfig, rustls::Error> {
        let provider = Arc::new(suites::provider(&self.provider, &policy.ciphers));
        let algorithms = provider.signature_verification_algorithms;
        let versions = suites::versions(policy.protocols, &provider.cipher_suites);
        let anchors = verify.then(|| self.anchors(policy));
        let verifier = Arc::new(TargetVerifier::new(anchors, algorithms));
        let has_identity = identity.is_some();
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<TargetVerifier>::clone(&verifier))
            .with_client_cert_resolver(Arc::new(Identity(identity)));
        tls.enable_sni = policy.sni != SniChoice::Off;
        tls.alpn_protocols = vec![if h2 {
            b"h2".to_vec()
        } else {
            b"http/1.1".to_vec()
        }];
        tls.resumption = Resumption::in_memory_sessions(SESSIONS);
        tls.enable_early_data = false;
        Ok(TargetConfig {
            tls: Arc::new(tls),
            verifier,
            has_identity,
        })
    }

    fn anchors(&self, policy: &UpstreamTls) -> Arc<Anchors> {
        if !policy.ca_certs.is_empty() {
            return Arc::new(Anchors::new(&policy.ca_certs, Ends::AnyCa));
        }
        let load = || {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a platform root cannot be read");
            }
            if found.certs.is_empty() {
                tracing::warn!(
                    "no platform roots: targets are refused unless an upstream has ca_certs"
                );
            }
            Arc::new(Anchors::new(&found.certs, Ends::AnyCa))
        };
        Arc::clone(self.platform.get_or_init(load))
    }

    /// Runs the handshake with a target. `verify_name` is the host name or IP literal its certificate must be for; `sni`
    /// the name to send. Sets no deadline.
    ///
    /// # Errors
    /// [`TlsFailure`].
    pub async fn connect(
        &self,
        tcp: TcpStream,
        config: Arc<TargetConfig>,
        verify_name: &str,
        sni: Option<&str>,
    ) -> Result<(Stream, TargetSession), TlsFailure> {
        let names = Names::resolve(verify_name, sni)?;
        let tls = names.settle(&config.tls);
        let attempt = Attempt::new(names.verify.clone());
        let handshake = TlsConnector::from(tls)
            .connect_with(
                names.rustls.clone(),
                Tap::new(tcp, bytes::Bytes::new()),
                |session| {
                    session.set_buffer_limit(Some(BUFFER));
                },
            )
            .into_fallible();
        match attempt.run(handshake).await {
            Ok(mut stream) => {
                let (tap, session) = stream.get_mut();
                tap.finish();
                let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
                if resumed {
                    recheck(&config, session.peer_certificates(), names.verified())?;
                }
                let shown =
                    attempt.shown.load(Ordering::Relaxed) || (resumed && config.has_identity);
                let facts = TargetSession {
                    version: suites::version_name(session.protocol_version()),
                    cipher: suites::name(session.negotiated_cipher_suite()),
                    sni: names.sent,
                    resumed,
                    client_cert: shown,
                    alpn_h2: session.alpn_protocol() == Some(b"h2"),
                };
                Ok((Stream::Client(Box::new(stream)), facts))
            }
            Err((error, mut tap)) => {
                let seen = tap.finish();
                linger::dismiss(tap.into_tcp());
                let shown = attempt.shown.load(Ordering::Relaxed);
                let end = End {
                    error: &error,
                    seen: &seen,
                    attempt: &attempt,
                };
                Err(failure::southbound(&end, names.sent.is_some(), shown))
            }
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("policies", &self.policies.len())
            .finish_non_exhaustive()
    }
}

/// Tells apart what is shown, whole: [`Material::identity`] is the leaf's alone, and a chain may be mended under it.
fn shown_chain(material: &Material) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for cert in material.chain() {
        context.update(&cert.len().to_be_bytes());
        context.update(cert);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Judges the certificate of a resumed session again: rustls does not, and it may have expired since.
fn recheck(
    config: &TargetConfig,
    chain: Option<&[rustls_pki_types::CertificateDer<'static>]>,
    name: &ServerName<'_>,
) -> Result<(), TlsFailure> {
    let Some([leaf, rest @ ..]) = chain else {
        return Err(failure::internal("resumed session without a certificate"));
    };
    match config.verifier.check(leaf, rest, name, UnixTime::now()) {
        Ok(_) => Ok(()),
        Err(fault) => Err(TlsFailure {
            cause: fault.server_cause(),
            alert: None,
            detail: format!("resumed session: {fault}"),
        }),
    }
}

/// Shows our certificate if the target takes a signature its key can make. A target's list of acceptable CAs is a hint
/// (RFC 8446, 4.2.4): what was configured is shown.
#[derive(Debug)]
struct Identity(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let key = self
            .0
            .as_ref()
            .filter(|key| key.key.choose_scheme(schemes).is_some())?;
        if let Some(attempt) = Attempt::current() {
            attempt.shown.store(true, Ordering::Relaxed);
        }
        Some(Arc::clone(key))
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
