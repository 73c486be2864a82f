//! Trials with Sallyport's own TLS library: what a connection of the data plane would meet. Every chain is let pass here and
//! judged apart, so that one fault does not hide the others. What is seen of a failure becomes [`Evidence`] in [`evidence`].

mod evidence;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use control::object::Protocols;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::asked::Asked;
use super::connect;
use super::observe::{Presenter, Recorder, Sessions};
use super::outcome::Outcome;
use super::wire::{Log, Wire};
use crate::alert::Evidence;
use crate::alert::evidence::Shown;
use crate::handshake::{CertificateRequest, TLS12, TLS13};
use crate::tls::{policy_provider, policy_versions};

/// How long a TLS 1.3 server that asked for a certificate may take to refuse it: it does so after the handshake (RFC 8446,
/// 4.4.2.4). One that takes it says nothing, or sends a ticket.
const LATE: Duration = Duration::from_secs(1);
/// How long a server may take to send a ticket where nothing else is waited for.
const TICKET: Duration = Duration::from_millis(200);

/// A handshake: what was agreed on, as far as it came, and the failure, if it failed.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Version on the wire; 0 if none was agreed on.
    pub version: u16,
    /// Suite; 0 if none was agreed on.
    pub suite: u16,
    /// Group, if known.
    pub group: Option<u16>,
    /// ALPN protocol agreed on.
    pub alpn: Option<String>,
    /// What was presented, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// With an OCSP staple.
    pub stapled: bool,
    /// What the server wants our certificate to be, if it asked for one.
    pub request: Option<CertificateRequest>,
    /// What it got.
    pub shown: Shown,
    /// Sessions offered for resumption.
    pub tickets: usize,
    /// The server closed right after the handshake, without an alert.
    pub closed: bool,
    /// The second handshake of [`super::Trial::Resume`] resumed the first one's session.
    pub resumed: bool,
    /// Why it failed.
    pub failure: Option<Box<Evidence>>,
}

/// What is different from the configuration.
pub(super) struct Variant {
    pub(super) sni: Option<String>,
    pub(super) protocols: Protocols,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) with_identity: bool,
}

impl Variant {
    /// As configured.
    pub(super) fn of(asked: &Asked) -> Self {
        let alpn = if asked.h2 {
            vec![b"h2".to_vec()]
        } else {
            vec![b"http/1.1".to_vec()]
        };
        Self {
            sni: asked.sni.clone(),
            protocols: asked.protocols,
            alpn,
            with_identity: true,
        }
    }
}

/// A configuration for one trial, and what its callbacks write down.
struct Setup {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    provider: Arc<CryptoProvider>,
    recorder: Arc<Recorder>,
    presenter: Arc<Presenter>,
    sessions: Arc<Sessions>,
}

impl Setup {
    fn new(asked: &Asked, variant: &Variant) -> Result<Self, rustls::Error> {
        let all = rustls::crypto::aws_lc_rs::default_provider();
        let provider = Arc::new(policy_provider(&all, &asked.ciphers));
        let versions = policy_versions(variant.protocols, &provider.cipher_suites);
        let recorder = Arc::new(Recorder::new(provider.signature_verification_algorithms));
        let identity = asked.identity.as_ref().filter(|_| variant.with_identity);
        let certified = identity.and_then(|material| material.certified_key().cloned());
        let presenter = Arc::new(Presenter::new(certified));
        let sessions = Arc::new(Sessions::new());
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Recorder>::clone(&recorder))
            .with_client_cert_resolver(Arc::<Presenter>::clone(&presenter));
        config.enable_sni = variant.sni.is_some();
        config.alpn_protocols.clone_from(&variant.alpn);
        config.resumption = Resumption::store(Arc::<Sessions>::clone(&sessions));
        let name = variant.sni.as_deref().unwrap_or(&asked.verify_name);
        let name = ServerName::try_from(name.to_owned()).unwrap_or_else(|_| {
            // Neither sent nor verified: only the library's sessions go by it.
            ServerName::IpAddress(IpAddr::from([0, 0, 0, 0]).into())
        });
        Ok(Self {
            config: Arc::new(config),
            name,
            provider,
            recorder,
            presenter,
            sessions,
        })
    }
}

/// Shakes hands once.
pub(super) async fn shake(asked: &Asked, address: SocketAddr, variant: &Variant) -> Outcome {
    let setup = match Setup::new(asked, variant) {
        Ok(setup) => setup,
        Err(error) => return Outcome::Session(Box::new(evidence::unusable(&error))),
    };
    once(asked, address, variant, &setup).await
}

/// Shakes hands twice with one configuration; the facts are the second one's.
pub(super) async fn resume(asked: &Asked, address: SocketAddr, version: u16) -> Outcome {
    let variant = Variant {
        protocols: Protocols {
            tls12: version == TLS12,
            tls13: version == TLS13,
        },
        ..Variant::of(asked)
    };
    let setup = match Setup::new(asked, &variant) {
        Ok(setup) => setup,
        Err(error) => return Outcome::Session(Box::new(evidence::unusable(&error))),
    };
    let first = once(asked, address, &variant, &setup).await;
    match &first {
        Outcome::Session(session) if session.failure.is_none() && session.tickets > 0 => {
            once(asked, address, &variant, &setup).await
        }
        _ => first,
    }
}

async fn once(asked: &Asked, address: SocketAddr, variant: &Variant, setup: &Setup) -> Outcome {
    let begun = Instant::now();
    let tcp = match connect::tcp(asked, address).await {
        Ok(tcp) => tcp,
        Err(error) => return Outcome::NotConnected(error.to_string()),
    };
    let log = Log::default();
    let deadline = Instant::now() + asked.timeout;
    let connector = TlsConnector::from(Arc::clone(&setup.config));
    let handshake = connector.connect(setup.name.clone(), Wire::new(tcp, log.clone()));
    let mut session = Session::default();
    let ended = match timeout_at(deadline, Box::pin(handshake)).await {
        Err(_) => Some(timed_out(asked)),
        Ok(Err(error)) => Some(error),
        Ok(Ok(mut stream)) => {
            agreed(&mut session, &stream);
            late(&mut session, &mut stream, setup).await
        }
    };
    observed(&mut session, setup);
    if let Some(error) = ended {
        let own = evidence::own(asked, variant, &setup.provider, session.shown);
        let passed = log.passed();
        let failure = evidence::of(&error, &passed, &session, own, begun.elapsed());
        session.chain_from(&failure);
        session.failure = Some(Box::new(failure));
    }
    Outcome::Session(Box::new(session))
}

fn timed_out(asked: &Asked) -> io::Error {
    let text = format!("not finished in {:?}", asked.timeout);
    io::Error::new(io::ErrorKind::TimedOut, text)
}

/// What the library agreed on.
fn agreed(session: &mut Session, stream: &TlsStream<Wire>) {
    let (_, tls) = stream.get_ref();
    session.version = tls.protocol_version().map_or(0, u16::from);
    let suite = tls.negotiated_cipher_suite();
    session.suite = suite.map_or(0, |suite| u16::from(suite.suite()));
    let group = tls.negotiated_key_exchange_group();
    session.group = group.map(|group| u16::from(group.name()));
    session.alpn = tls
        .alpn_protocol()
        .map(|protocol| String::from_utf8_lossy(protocol).into_owned());
    session.resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
}

/// Reads what a server may still have to say: a refusal, a ticket, its goodbye. The error is a refusal.
async fn late(
    session: &mut Session,
    stream: &mut TlsStream<Wire>,
    setup: &Setup,
) -> Option<io::Error> {
    let asked_for_certificate = setup.presenter.asked().is_some();
    if session.version != TLS13 {
        return None;
    }
    let patience = if asked_for_certificate { LATE } else { TICKET };
    let deadline = Instant::now() + patience;
    let mut byte = [0; 1];
    let read = tokio::select! {
        // A ticket is made from the whole handshake, our certificate included.
        () = setup.sessions.came.notified() => return None,
        read = timeout_at(deadline, stream.read(&mut byte)) => read,
    };
    match read {
        Ok(Ok(0)) => {
            session.closed = true;
            None
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            session.closed = true;
            None
        }
        Ok(Err(error)) => Some(error),
        Ok(Ok(_)) | Err(_) => None,
    }
}

/// What the callbacks wrote down.
fn observed(session: &mut Session, setup: &Setup) {
    if let Some(presented) = setup.recorder.presented() {
        session.chain.clone_from(&presented.chain);
        session.stapled = presented.stapled;
    }
    if let Some((request, shown)) = setup.presenter.asked() {
        session.request = Some(request.clone());
        session.shown = *shown;
    }
    session.tickets = setup.sessions.count();
}

impl Session {
    /// A failed handshake's facts stand in what was read on the wire.
    fn chain_from(&mut self, failure: &Evidence) {
        if self.chain.is_empty() {
            self.chain = failure.peer_chain.der().to_vec();
        }
        if self.request.is_none() {
            self.request.clone_from(&failure.request);
        }
        if let Some(hello) = failure.server_hello.as_ref().filter(|_| self.version == 0) {
            self.version = hello.version;
            self.suite = hello.cipher_suite;
            self.group = hello.group;
        }
    }
}
