//! TLS with clients: from an SSL object to a configuration, and the handshake with a hello that was read before. One
//! configuration is kept per policy, never per certificate; certificate and ticket scope are put in for each handshake.
//! Who answers for a name, and what is done without one, is the router's to decide.

use std::fmt;
use std::sync::Arc;

use control::object::{Protocols, Ssl};
use dashmap::DashMap;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::{HandshakeKind, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::attempt::Attempt;
use super::certificates::{Certificates, Nobody};
use super::failure::{self, Ended};
use super::hello::Hello;
use super::tap::Tap;
use super::tickets::{self, Scoped, TicketKeys};
use super::unacceptable::unacceptable;
use super::verify::CertFault;
use super::verify::client::{ClientVerifier, is_mandatory};
use super::{Stream, linger, own, suites};
use crate::alert::evidence::{Chain, Own, Refusal, SeenAlert, Shown, Side};
use crate::alert::{Alert, Direction, Evidence, Hop};
use crate::handshake::transcript;

/// Policies kept; beyond it the cache starts afresh.
const MAX_POLICIES: usize = 4096;
/// Plaintext rustls may hold for a connection whose peer does not read.
const BUFFER: usize = 64 << 10;

/// ALPN protocols taken, best first.
const ALPN: [&str; 2] = ["h2", "http/1.1"];

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
    /// The versions that the suites leave.
    served: Protocols,
    /// What evidence says of us, without the certificates, which are an object's own.
    own: Arc<Own>,
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
    /// [`Refusal::Internal`] if rustls refuses the policy, which validation excludes.
    pub fn config(&self, ssl: &Arc<Ssl>) -> Result<Arc<ServerConfig>, Box<Evidence>> {
        self.policy(ssl)
            .map(|policy| self.for_handshake(&policy, ssl))
    }

    /// Runs the handshake of a client whose hello was read and whose name `ssl` answers for, until `deadline`. On failure
    /// the alert is written and the connection ended.
    ///
    /// # Errors
    /// What was seen of the failed handshake.
    pub async fn accept(
        &self,
        io: TcpStream,
        hello: Hello,
        ssl: &Arc<Ssl>,
        deadline: Instant,
    ) -> Result<(Stream, TlsFacts), Box<Evidence>> {
        let policy = match self.admit(&hello, ssl) {
            Ok(policy) => policy,
            Err((mut evidence, alert)) => {
                evidence.hello = Some(hello.facts);
                end_with(io, &mut evidence, alert).await;
                return Err(evidence);
            }
        };
        let config = self.for_handshake(&policy, ssl);
        let attempt = Attempt::new(None);
        let Hello { raw, facts } = hello;
        let handshake = TlsAcceptor::from(config)
            .accept_with(Tap::new(io, raw, deadline), |session| {
                session.set_buffer_limit(Some(BUFFER))
            })
            .into_fallible();
        match attempt.run(handshake).await {
            Ok(mut stream) => {
                let (tap, session) = stream.get_mut();
                let seen = tap.finish();
                let client = match client_cert(session, &attempt, &policy, ssl) {
                    Ok(client) => client,
                    Err(refused) => {
                        let mut evidence = failure::after_all(session, &seen, &attempt, refused);
                        evidence.own = own(&policy, ssl, attempt.served.get());
                        evidence.hello = Some(facts);
                        session.send_close_notify();
                        let (mut tap, mut session) = stream.into_inner();
                        flush(&mut session, &mut tap).await;
                        linger::dismiss(tap.into_tcp());
                        return Err(evidence);
                    }
                };
                let facts = describe(session, facts.sni, client);
                Ok((Stream::Server(Box::new(stream)), facts))
            }
            Err((error, mut tap)) => {
                let seen = tap.finish();
                linger::dismiss(tap.into_tcp());
                let mut evidence = failure::evidence(&Ended {
                    side: Side::Server,
                    error: &error,
                    seen: &seen,
                    attempt: &attempt,
                });
                evidence.own = own(&policy, ssl, attempt.served.get());
                evidence.hello = Some(facts);
                Err(evidence)
            }
        }
    }

    /// What evidence says of us after the handshake of a client that `ssl` let in: the chain served was perhaps another one.
    pub fn own(&self, ssl: &Ssl) -> Own {
        self.policy(ssl)
            .map_or_else(|_| Own::default(), |policy| own(&policy, ssl, None))
    }

    /// The policy for a hello that does not rule itself out; else what to say, and the alert to say it with.
    fn admit(&self, hello: &Hello, ssl: &Ssl) -> Result<Policy, (Box<Evidence>, Alert)> {
        let policy = self
            .policy(ssl)
            .map_err(|evidence| (evidence, Alert::INTERNAL_ERROR))?;
        let Some((refusal, alert, why)) = unacceptable(&hello.facts, ssl, policy.served) else {
            return Ok(policy);
        };
        let evidence = Evidence::new(Hop::Northbound, Side::Server);
        let mut evidence = Box::new(evidence.refused(refusal, None).because(why));
        evidence.received = transcript::read(&hello.raw).messages;
        evidence.bytes.0 = hello.raw.len() as u64;
        evidence.own = own(&policy, ssl, None);
        Err((evidence, alert))
    }

    fn policy(&self, ssl: &Ssl) -> Result<Policy, Box<Evidence>> {
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
            .map_err(|e| failure::internal(Side::Server, format!("ssls/{}: {e}", ssl.id())))?;
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
        let own = Own {
            alpn: ALPN.map(str::to_owned).to_vec(),
            shown: Shown::Chain,
            anchors: ssl
                .client()
                .map_or_else(Vec::new, |c| own::subjects(c.ca())),
            client_auth: ssl.client().is_some_and(is_mandatory),
            ..own::of_provider(&provider, &versions)
        };
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
        base.alpn_protocols = ALPN.map(|name| name.as_bytes().to_vec()).to_vec();
        base.ignore_client_order = true;
        base.session_storage = Arc::new(NoServerSessionStorage {});
        base.send_tls13_tickets = 1;
        base.max_early_data_size = 0;
        Ok(Policy {
            base: Arc::new(base),
            verifier,
            served: suites::served(&versions),
            own: Arc::new(own),
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

/// What evidence says of us: the policy, and the certificate at `served` or the first one.
fn own(policy: &Policy, ssl: &Ssl, served: Option<&usize>) -> Own {
    let material = ssl.material();
    let chain = material.get(served.copied().unwrap_or(0));
    Own {
        chain: chain.map_or_else(Chain::default, |m| Chain::new(Arc::clone(m.shared_chain()))),
        schemes: own::schemes(material, &policy.own.schemes),
        ..Own::clone(&policy.own)
    }
}

/// Notes the alert and ends the connection with it, before there were keys.
async fn end_with(mut io: TcpStream, evidence: &mut Evidence, alert: Alert) {
    linger::send(&mut io, alert).await;
    linger::dismiss(io);
    evidence.bytes.1 = alert.fatal_record().len() as u64;
    evidence.alerts.push(SeenAlert {
        direction: Direction::Sent,
        level: 2,
        alert,
    });
}

/// Who the client is. The handshake already stopped those whom it must; what would let one in unseen is refused here again.
fn client_cert(
    session: &ServerConnection,
    attempt: &Attempt,
    policy: &Policy,
    ssl: &Ssl,
) -> Result<ClientCert, Refusal> {
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
        ClientCert::Missing if is_mandatory(auth) => Err(Refusal::NoClientCertificate),
        ClientCert::Refused { reason, .. } if is_mandatory(auth) => {
            Err(Refusal::Certificate(reason))
        }
        found => Ok(found),
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
