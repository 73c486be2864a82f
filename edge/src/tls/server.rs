//! TLS with clients: from an SSL object to a configuration, and the handshake with a hello that was read before. One
//! configuration is kept per policy, never per certificate; certificate and ticket scope are put in for each handshake.
//! Who answers for a name, and what is done without one, is the router's to decide.

use std::fmt;
use std::sync::Arc;

use control::object::{Protocols, Ssl};
use dashmap::DashMap;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ServerConfig, ServerConnection, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::attempt::Attempt;
use super::certificates::{Certificates, Nobody};
use super::failure::{self, End};
use super::hello::Hello;
use super::tap::Tap;
use super::tickets::{self, Scoped, TicketKeys};
use super::verify::CertFault;
use super::verify::client::{ClientVerifier, is_mandatory};
use super::{Stream, linger, suites};
use crate::alert::{Alert, Cause, Direction, TlsFailure};
use crate::handshake::{ClientHello, TLS12, TLS13};

/// Policies kept; beyond it the cache starts afresh.
const MAX_POLICIES: usize = 4096;
/// Plaintext rustls may hold for a connection whose peer does not read.
const BUFFER: usize = 64 << 10;

/// A client's certificate, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCert {
    /// The object asks for none.
    NotAsked,
    /// Asked for, none sent. Only where the object lets the handshake go on.
    Missing,
    /// Good; leaf first, as presented.
    Verified {
        /// As presented, leaf first.
        chain: Arc<[CertificateDer<'static>]>,
        /// Until when: the earliest notAfter of the path, unix seconds.
        until: i64,
    },
    /// Not good. Only where the object lets the handshake go on; nothing may be believed of it.
    Refused {
        /// As presented, leaf first; empty if it was too large.
        chain: Arc<[CertificateDer<'static>]>,
        /// Why.
        reason: CertFault,
    },
}

/// What is known of a client's TLS connection.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// IANA name.
    pub cipher: &'static str,
    /// Name sent, lower case.
    pub sni: Option<Box<str>>,
    /// HTTP/2 was agreed on.
    pub alpn_h2: bool,
    /// Session resumed.
    pub resumed: bool,
    /// Client authentication.
    pub client: ClientCert,
}

/// What a configuration depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PolicyKey {
    tls12: bool,
    tls13: bool,
    ciphers: Vec<u16>,
    client: Option<[u8; 32]>,
}

#[derive(Clone)]
struct Policy {
    base: Arc<ServerConfig>,
    verifier: Option<Arc<ClientVerifier>>,
}

/// TLS with clients, one per process.
pub struct ServerTls {
    provider: Arc<CryptoProvider>,
    policies: DashMap<PolicyKey, Policy>,
    keys: Arc<TicketKeys>,
}

impl ServerTls {
    /// With a ticket key ring, which a cluster may share.
    pub fn new(keys: Arc<TicketKeys>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self {
            provider,
            policies: DashMap::new(),
            keys,
        }
    }

    /// The configuration for one handshake of `ssl`. Tickets work only within [`Self::accept`].
    ///
    /// # Errors
    /// [`Cause::InternalError`] if rustls refuses the policy, which validation excludes.
    pub fn config(&self, ssl: &Arc<Ssl>) -> Result<Arc<ServerConfig>, TlsFailure> {
        self.policy(ssl)
            .map(|policy| self.for_handshake(&policy, ssl))
    }

    /// Runs the handshake of a client whose hello was read and whose name `ssl` answers for. Sets no deadline. On failure
    /// the alert is written and the connection ended.
    ///
    /// # Errors
    /// [`TlsFailure`].
    pub async fn accept(
        &self,
        mut io: TcpStream,
        hello: Hello,
        ssl: &Arc<Ssl>,
    ) -> Result<(Stream, TlsFacts), TlsFailure> {
        if let Some(failure) = unacceptable(&hello.facts, ssl, suites::served(&self.provider, ssl))
        {
            if let Some((alert, Direction::Sent)) = failure.alert {
                linger::send(&mut io, alert).await;
            }
            linger::dismiss(io);
            return Err(failure);
        }
        let policy = match self.policy(ssl) {
            Ok(policy) => policy,
            Err(failure) => {
                linger::send(&mut io, Alert::INTERNAL_ERROR).await;
                linger::dismiss(io);
                return Err(failure);
            }
        };
        let config = self.for_handshake(&policy, ssl);
        let attempt = Attempt::new(None);
        let Hello { raw, facts } = hello;
        let handshake = TlsAcceptor::from(config)
            .accept_with(Tap::new(io, raw), |session| {
                session.set_buffer_limit(Some(BUFFER))
            })
            .into_fallible();
        match attempt.run(handshake).await {
            Ok(mut stream) => {
                let (tap, session) = stream.get_mut();
                tap.finish();
                let client = match client_cert(session, &attempt, &policy, ssl) {
                    Ok(client) => client,
                    Err(failure) => {
                        session.send_close_notify();
                        let (mut tap, mut session) = stream.into_inner();
                        flush(&mut session, &mut tap).await;
                        linger::dismiss(tap.into_tcp());
                        return Err(failure);
                    }
                };
                let facts = describe(session, facts.sni, client);
                Ok((Stream::Server(Box::new(stream)), facts))
            }
            Err((error, mut tap)) => {
                let seen = tap.finish();
                let ciphers =
                    suites::shared(&facts.cipher_suites, &suites::of_ssl(&self.provider, ssl));
                linger::dismiss(tap.into_tcp());
                Err(failure::northbound(
                    &End {
                        error: &error,
                        seen: &seen,
                        attempt: &attempt,
                    },
                    ciphers,
                ))
            }
        }
    }

    fn policy(&self, ssl: &Ssl) -> Result<Policy, TlsFailure> {
        let protocols = ssl.protocols();
        let key = PolicyKey {
            tls12: protocols.tls12,
            tls13: protocols.tls13,
            ciphers: ssl.ciphers().iter().map(|s| u16::from(*s)).collect(),
            client: ssl.client().map(|c| *c.policy()),
        };
        if let Some(policy) = self.policies.get(&key) {
            return Ok(policy.clone());
        }
        let policy = self
            .build(ssl)
            .map_err(|e| failure::internal(format!("ssls/{}: {e}", ssl.id())))?;
        if self.policies.len() >= MAX_POLICIES {
            self.policies.clear();
        }
        self.policies.insert(key, policy.clone());
        Ok(policy)
    }

    fn build(&self, ssl: &Ssl) -> Result<Policy, rustls::Error> {
        let provider = Arc::new(suites::provider(&self.provider, ssl.ciphers()));
        let algorithms = provider.signature_verification_algorithms;
        let versions = suites::versions(ssl.protocols(), &provider.cipher_suites);
        let builder =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions)?;
        let verifier = ssl
            .client()
            .map(|auth| Arc::new(ClientVerifier::new(auth, algorithms)));
        let builder = match &verifier {
            Some(verifier) => {
                builder.with_client_cert_verifier(Arc::<ClientVerifier>::clone(verifier))
            }
            None => builder.with_no_client_auth(),
        };
        let mut base = builder.with_cert_resolver(Arc::new(Nobody));
        base.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        base.ignore_client_order = true;
        base.session_storage = Arc::new(NoServerSessionStorage {});
        base.send_tls13_tickets = 1;
        base.max_early_data_size = 0;
        Ok(Policy {
            base: Arc::new(base),
            verifier,
        })
    }

    fn for_handshake(&self, policy: &Policy, ssl: &Arc<Ssl>) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&policy.base);
        config.cert_resolver = Arc::new(Certificates(Arc::clone(ssl)));
        config.ticketer = Arc::new(Scoped {
            keys: Arc::clone(&self.keys),
            scope: tickets::scope(ssl),
        });
        Arc::new(config)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("policies", &self.policies.len())
            .finish_non_exhaustive()
    }
}

/// What rules a hello out, with the alert that is right for it: rustls would answer some of these with another.
fn unacceptable(hello: &ClientHello, ssl: &Ssl, protocols: Protocols) -> Option<TlsFailure> {
    let refuse = |cause, alert, detail: String| {
        Some(TlsFailure {
            cause,
            alert: Some((alert, Direction::Sent)),
            detail,
        })
    };
    let shared = |version, ours| ours && hello.offers(version);
    if !shared(TLS13, protocols.tls13) && !shared(TLS12, protocols.tls12) {
        let detail = format!("client offers at most {:#06x}", hello.best_version());
        return refuse(
            Cause::ProtocolVersionMismatch,
            Alert::PROTOCOL_VERSION,
            detail,
        );
    }
    let best = if protocols.tls13 { TLS13 } else { TLS12 };
    if hello.fallback_scsv && hello.best_version() < best {
        let detail = format!(
            "TLS_FALLBACK_SCSV with {:#06x}, ours is {best:#06x}",
            hello.best_version()
        );
        return refuse(
            Cause::FallbackRejected,
            Alert::INAPPROPRIATE_FALLBACK,
            detail,
        );
    }
    let schemes: Vec<_> = hello
        .signature_schemes
        .iter()
        .flatten()
        .map(|s| SignatureScheme::from(*s))
        .collect();
    let can_sign = |key: &Arc<CertifiedKey>| key.key.choose_scheme(&schemes).is_some();
    if !ssl
        .material()
        .iter()
        .filter_map(|m| m.certified_key())
        .any(can_sign)
    {
        let detail = format!("client takes signatures {schemes:?}");
        return refuse(
            Cause::NoSharedSignatureScheme,
            Alert::HANDSHAKE_FAILURE,
            detail,
        );
    }
    None
}

/// Who the client is. The handshake already stopped those whom it must; what would let one in unseen is refused here again.
fn client_cert(
    session: &ServerConnection,
    attempt: &Attempt,
    policy: &Policy,
    ssl: &Ssl,
) -> Result<ClientCert, TlsFailure> {
    let (Some(auth), Some(verifier)) = (ssl.client(), &policy.verifier) else {
        return Ok(ClientCert::NotAsked);
    };
    let found = if session.handshake_kind() == Some(HandshakeKind::Resumed) {
        // rustls takes the chain from the ticket and does not judge it again.
        match session.peer_certificates() {
            Some([leaf, rest @ ..]) => {
                let chain = std::iter::once(leaf).chain(rest).cloned().collect();
                match verifier.recall_or_check(leaf, rest, UnixTime::now()) {
                    Ok(until) => ClientCert::Verified { chain, until },
                    Err(reason) => ClientCert::Refused { chain, reason },
                }
            }
            _ => ClientCert::Missing,
        }
    } else {
        match attempt.verdict.get() {
            None => ClientCert::Missing,
            Some(verdict) => match &verdict.fault {
                None => ClientCert::Verified {
                    chain: Arc::clone(&verdict.chain),
                    until: attempt.good_until(),
                },
                Some(reason) => ClientCert::Refused {
                    chain: Arc::clone(&verdict.chain),
                    reason: reason.clone(),
                },
            },
        }
    };
    match found {
        ClientCert::Missing if is_mandatory(auth) => {
            Err(refused(Cause::ClientCertMissing, "no client certificate"))
        }
        ClientCert::Refused { reason, .. } if is_mandatory(auth) => Err(refused(
            reason.client_cause(),
            &format!("resumed session: {reason}"),
        )),
        found => Ok(found),
    }
}

fn refused(cause: Cause, detail: &str) -> TlsFailure {
    TlsFailure {
        cause,
        alert: Some((Alert::CLOSE_NOTIFY, Direction::Sent)),
        detail: detail.to_owned(),
    }
}

fn describe(session: &ServerConnection, sni: Option<Box<str>>, client: ClientCert) -> TlsFacts {
    TlsFacts {
        version: suites::version_name(session.protocol_version()),
        cipher: suites::name(session.negotiated_cipher_suite()),
        sni,
        alpn_h2: session.alpn_protocol() == Some(b"h2"),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        client,
    }
}

/// Writes what rustls still holds.
async fn flush(session: &mut ServerConnection, tap: &mut Tap) {
    use tokio::io::AsyncWriteExt;
    let mut bytes = Vec::new();
    while session.wants_write() && session.write_tls(&mut bytes).is_ok() {}
    let _ = tap.write_all(&bytes).await;
}
