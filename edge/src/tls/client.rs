//! TLS with targets: from an upstream's policy to a configuration, and the handshake. Configurations are kept per policy,
//! identity and verification, and with them their sessions: none is shared across these. Which target, and what happens
//! after a failure, is the processor's to decide.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};
use control::object::{Material, SniChoice, UpstreamTls};
use dashmap::DashMap;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::agreed::accepted;
use super::attempt::Attempt;
use super::failure::{self, Ended};
use super::names::Names;
use super::tap::{Seen, Tap};
use super::verify::anchors::{Anchors, Ends};
use super::verify::target::TargetVerifier;
use super::{Stream, linger, own, suites};
use crate::alert::evidence::{Chain, Own, Refusal, Side};
use crate::alert::{Evidence, Hop};

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

/// A connection to a target.
pub struct Connected {
    /// The connection.
    pub stream: Stream,
    /// What is known of it.
    pub session: TargetSession,
    /// To be kept until the target has sent a byte of application data.
    pub unproven: Unproven,
}

/// What there is to say should a target refuse the handshake after all: one of TLS 1.3 judges our certificate when we are
/// done already, and its alert arrives on the first read (RFC 8446, 4.4.2.4).
#[derive(Debug)]
pub struct Unproven {
    pub(super) seen: Seen,
    pub(super) attempt: Arc<Attempt>,
    pub(super) config: Arc<TargetConfig>,
    pub(super) verify_name: String,
}

/// A handshake refused after all.
#[derive(Debug)]
pub struct Late {
    /// What was seen of it.
    pub evidence: Box<Evidence>,
    /// The target has read nothing of what was sent to it.
    pub unread: bool,
}

impl Unproven {
    /// What is known if `error` is such a refusal: ask for every error before the first byte of application data.
    pub fn late(&self, error: &io::Error) -> Option<Late> {
        let mut evidence = failure::late(error, &self.seen, &self.attempt)?;
        self.config.describe(&mut evidence, &self.verify_name);
        let unread = failure::is_unread(&evidence);
        Some(Late { evidence, unread })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PolicyKey {
    host: Arc<str>,
    port: u16,
    policy: [u8; 32],
    identity: Option<[u8; 32]>,
    verify: bool,
    h2: bool,
}

/// A configuration for connections to targets.
#[derive(Debug)]
pub struct TargetConfig {
    tls: Arc<ClientConfig>,
    pub(super) verifier: Arc<TargetVerifier>,
    pub(super) has_identity: bool,
    /// HTTP/2 alone is offered.
    pub(super) h2: bool,
    /// What evidence says of us.
    own: Own,
}

impl TargetConfig {
    /// Adds our side to evidence of a connection whose target must be `verify_name`.
    pub(super) fn describe(&self, evidence: &mut Evidence, verify_name: &str) {
        evidence.own = Own {
            shown: evidence.own.shown,
            verify_name: Some(verify_name.to_owned()),
            ..self.own.clone()
        };
    }
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

    /// The configuration for an upstream's policy and one target (host and port as configured): targets that are asked by
    /// one name must not be offered each other's sessions, which they cannot resume and some refuse. `identity` is the
    /// resolved one; `verify` has the default applied; `h2` offers HTTP/2 alone, else HTTP/1.1.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if rustls refuses the policy, which validation excludes;
    /// [`Refusal::MissingMaterial`] if the identity's key is unusable.
    pub fn config(
        &self,
        policy: &UpstreamTls,
        (host, port): (&Arc<str>, u16),
        identity: Option<&Arc<Material>>,
        verify: bool,
        h2: bool,
    ) -> Result<Arc<TargetConfig>, Box<Evidence>> {
        let key = PolicyKey {
            host: Arc::clone(host),
            port,
            policy: policy.policy,
            identity: identity.map(|m| shown_chain(m)),
            verify,
            h2,
        };
        if let Some(config) = self.policies.get(&key) {
            return Ok(Arc::clone(&config));
        }
        if identity.is_some_and(|m| m.certified_key().is_none()) {
            let evidence = Evidence::new(Hop::Southbound, Side::Client);
            let evidence = evidence.refused(Refusal::MissingMaterial, None);
            return Err(Box::new(
                evidence.because("the client certificate's key is unusable"),
            ));
        }
        let config = self
            .build(policy, identity, verify, h2)
            .map_err(|e| failure::internal(Side::Client, e.to_string()))?;
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
        identity: Option<&Arc<Material>>,
        verify: bool,
        h2: bool,
    ) -> Result<TargetConfig, rustls::Error> {
        let provider = Arc::new(suites::provider(&self.provider, &policy.ciphers));
        let algorithms = provider.signature_verification_algorithms;
        let versions = suites::versions(policy.protocols, &provider.cipher_suites);
        let anchors = verify.then(|| self.anchors(policy));
        let verifier = Arc::new(TargetVerifier::new(anchors, algorithms));
        let alpn = if h2 { "h2" } else { "http/1.1" };
        let own = Own {
            alpn: vec![alpn.to_owned()],
            chain: identity
                .map_or_else(Chain::default, |m| Chain::new(Arc::clone(m.shared_chain()))),
            anchors: own::subjects(&policy.ca_certs),
            platform_roots: verify && policy.ca_certs.is_empty(),
            verify,
            ..own::of_provider(&provider, &versions)
        };
        let certified = identity.and_then(|m| m.certified_key()).cloned();
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<TargetVerifier>::clone(&verifier))
            .with_client_cert_resolver(Arc::new(Identity(certified)));
        tls.enable_sni = policy.sni != SniChoice::Off;
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        tls.resumption = Resumption::in_memory_sessions(SESSIONS);
        tls.enable_early_data = false;
        Ok(TargetConfig {
            tls: Arc::new(tls),
            verifier,
            has_identity: identity.is_some(),
            h2,
            own,
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

    /// Runs the handshake with a target until `deadline`. `verify_name` is the host name or IP literal its certificate must
    /// be for; `sni` the name to send.
    ///
    /// # Errors
    /// What was seen of the failed handshake.
    pub async fn connect(
        &self,
        tcp: TcpStream,
        config: Arc<TargetConfig>,
        verify_name: &str,
        sni: Option<&str>,
        deadline: Instant,
    ) -> Result<Connected, Box<Evidence>> {
        let names = Names::resolve(verify_name, sni)?;
        let tls = names.settle(&config.tls);
        let attempt = Attempt::new(names.verify.clone());
        let handshake = TlsConnector::from(tls)
            .connect_with(
                names.rustls.clone(),
                Tap::new(tcp, bytes::Bytes::new(), deadline),
                |session| {
                    session.set_buffer_limit(Some(BUFFER));
                },
            )
            .into_fallible();
        let outcome = attempt.run(handshake).await;
        let mut unproven = Unproven {
            seen: Seen::default(),
            attempt,
            config,
            verify_name: verify_name.to_owned(),
        };
        match outcome {
            Ok(mut stream) => {
                let (tap, session) = stream.get_mut();
                unproven.seen = tap.finish();
                let session = accepted(session, &unproven, names)?;
                Ok(Connected {
                    stream: Stream::Client(Box::new(stream)),
                    session,
                    unproven,
                })
            }
            Err((error, mut tap)) => {
                unproven.seen = tap.finish();
                linger::dismiss(tap.into_tcp());
                let mut evidence = failure::evidence(&Ended {
                    side: Side::Client,
                    error: &error,
                    seen: &unproven.seen,
                    attempt: &unproven.attempt,
                });
                unproven.config.describe(&mut evidence, verify_name);
                Err(evidence)
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

/// Shows our certificate if the target takes a signature its key can make. A target's list of acceptable CAs is a hint
/// (RFC 8446, 4.2.4): what was configured is shown.
#[derive(Debug)]
struct Identity(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let key = self
            .0
            .as_ref()
            .filter(|key| key.key.choose_scheme(schemes).is_some());
        if let Some(attempt) = Attempt::current() {
            attempt.asked(authorities, schemes, key.is_some());
        }
        key.map(Arc::clone)
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
