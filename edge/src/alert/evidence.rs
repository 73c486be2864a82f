//! What was seen of one failed handshake: facts only, nothing concluded. Whoever ran the handshake fills it in; [`super::rules`]
//! make a cause of it, [`super::finding`] a text. Bounded, and without secrets or request content.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use control::certificate::CertInfo;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{Alert, CertFault, Direction, Hop};
use crate::handshake::{CertificateRequest, ClientHello, Foreign, Message, ServerHello};

/// Which part of TLS was ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// We accepted the connection.
    Server,
    /// We opened it.
    Client,
}

impl Side {
    /// Record field `role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
        }
    }
}

/// How far it came: the step that did not succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// TCP, or QUIC before any TLS.
    TcpConnect,
    /// Sending or judging the ClientHello.
    #[default]
    ClientHello,
    /// The server's answer to it.
    ServerHello,
    /// The server's certificate.
    ServerCert,
    /// The client's certificate.
    ClientCert,
    /// The last messages.
    Finished,
    /// Both sides were done, but what followed refused the connection.
    PostHandshake,
}

impl Phase {
    /// Record field `phase`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TcpConnect => "tcp_connect",
            Self::ClientHello => "client_hello",
            Self::ServerHello => "server_hello",
            Self::ServerCert => "server_cert",
            Self::ClientCert => "client_cert",
            Self::Finished => "finished",
            Self::PostHandshake => "post_handshake",
        }
    }
}

/// The level of an alert that ends the connection (RFC 8446, 6).
const FATAL: u8 = 2;

/// An alert that was sent or received, in the clear or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenAlert {
    /// Which way.
    pub direction: Direction,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// Which.
    pub alert: Alert,
}

/// What we ourselves refuse, and why the handshake therefore ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No version in common.
    Version,
    /// `TLS_FALLBACK_SCSV` below our best version.
    Fallback,
    /// No cipher suite in common.
    Cipher,
    /// No group in common.
    Group,
    /// No signature scheme that our key can make, or that we can check.
    Scheme,
    /// No ALPN protocol in common; or, as a client, the target did not agree on the one we need.
    Alpn,
    /// The client sent no name and there is no fallback.
    SniMissing,
    /// No object answers for the name.
    SniUnknown,
    /// The object that answers for the name, or a reference of it, has no usable material.
    MissingMaterial,
    /// The Host asks for another mTLS policy than the connection's name (answered with 421).
    HostMismatch,
    /// A client certificate is required and none came.
    NoClientCertificate,
    /// Our verifier refused the peer's certificate.
    Certificate(CertFault),
    /// The peer's signature was not made by the key of its certificate.
    BadSignature,
    /// A TLS hello on a port for plain HTTP.
    TlsOnPlainPort,
    /// The peer's bytes are not TLS, or not what may come now.
    Protocol,
    /// A fault of our own.
    Internal,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// We refused.
    Refused(Refusal),
    /// The peer sent a fatal alert: the last one received of [`Evidence::alerts`].
    Alerted,
    /// The peer closed (FIN), perhaps after a warning.
    Closed,
    /// The peer reset the connection.
    Reset,
    /// Not done in time.
    TimedOut,
    /// There was no connection at all.
    NotConnected,
    /// Anything else; [`Evidence::error`] says what.
    #[default]
    Other,
}

/// A chain, leaf first, whose facts are read when somebody asks.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    der: Arc<[CertificateDer<'static>]>,
    facts: OnceLock<Vec<CertInfo>>,
}

impl Chain {
    /// Of certificates as presented or configured; at most ten are kept.
    pub fn new(der: Arc<[CertificateDer<'static>]>) -> Self {
        Self {
            der,
            facts: OnceLock::new(),
        }
    }

    /// The certificates' facts, leaf first; those that cannot be read are left out.
    pub fn facts(&self) -> &[CertInfo] {
        self.facts.get_or_init(|| {
            let readable = self.der.iter().take(MOST_CERTIFICATES);
            readable.filter_map(|c| CertInfo::of_der(c).ok()).collect()
        })
    }

    /// The same certificates, for another [`Chain`].
    pub fn shared(&self) -> Arc<[CertificateDer<'static>]> {
        Arc::clone(&self.der)
    }

    /// The certificates.
    pub fn der(&self) -> &[CertificateDer<'static>] {
        &self.der
    }

    /// Nothing was presented, or it is not known.
    pub fn is_empty(&self) -> bool {
        self.der.is_empty()
    }
}

/// Certificates of a chain that are looked at.
pub const MOST_CERTIFICATES: usize = 10;

/// What we did when the peer wanted a certificate of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// It did not ask, or it is not known.
    #[default]
    NotAsked,
    /// It asked and we have none, or none that fits.
    Nothing,
    /// We showed [`Own::chain`].
    Chain,
}

/// Our side: policy and certificate.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Versions allowed, ascending.
    pub versions: Vec<u16>,
    /// Cipher suites allowed.
    pub suites: Vec<u16>,
    /// Groups offered or taken.
    pub groups: Vec<u16>,
    /// Signature schemes: as a server those our keys can make, as a client those we can check.
    pub schemes: Vec<u16>,
    /// ALPN protocols offered or taken.
    pub alpn: Vec<String>,
    /// Our chain: as a server the one served (or the first that would be), as a client the one configured.
    pub chain: Chain,
    /// As a client: what became of it. As a server always [`Shown::Chain`] once the hello was accepted.
    pub shown: Shown,
    /// Subjects of the CAs we trust for the peer, at most 20; empty with [`Self::platform_roots`].
    pub anchors: Vec<String>,
    /// The platform's roots are trusted.
    pub platform_roots: bool,
    /// As a client: whether the target's certificate is verified.
    pub verify: bool,
    /// As a client: the name that the target's certificate must be for.
    pub verify_name: Option<String>,
    /// As a server: a client certificate is required.
    pub client_auth: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Which leg.
    pub hop: Hop,
    /// Which part was ours.
    pub side: Side,
    /// How far it came.
    pub phase: Phase,
    /// How it ended.
    pub end: End,
    /// Alerts in the order they passed, at most 8.
    pub alerts: Vec<SeenAlert>,
    /// Plaintext handshake messages, ours and the peer's, each in order, at most 32.
    pub sent: Vec<Message>,
    /// See [`Self::sent`].
    pub received: Vec<Message>,
    /// What speaks there, if it is not TLS.
    pub foreign: Option<Foreign>,
    /// The client's hello: the peer's if we are the server, else ours.
    pub hello: Option<ClientHello>,
    /// The server's answer to it, if it came.
    pub server_hello: Option<ServerHello>,
    /// The exact error of verifier, TLS library or system; no secrets.
    pub error: String,
    /// What the peer showed, leaf first, refused or not.
    pub peer_chain: Chain,
    /// As a client: what the target wants our certificate to be.
    pub request: Option<CertificateRequest>,
    /// Our side.
    pub own: Own,
    /// When it failed, unix seconds.
    pub at: i64,
    /// From the first byte or the connect to the end.
    pub elapsed: Duration,
    /// Bytes received and sent.
    pub bytes: (u64, u64),
}

impl Evidence {
    /// Nothing known yet but where.
    pub fn new(hop: Hop, side: Side) -> Self {
        Self {
            hop,
            side,
            phase: Phase::default(),
            end: End::default(),
            alerts: Vec::new(),
            sent: Vec::new(),
            received: Vec::new(),
            foreign: None,
            hello: None,
            server_hello: None,
            error: String::new(),
            peer_chain: Chain::default(),
            request: None,
            own: Own::default(),
            at: UnixTime::now().as_secs().try_into().unwrap_or(i64::MAX),
            elapsed: Duration::ZERO,
            bytes: (0, 0),
        }
    }

    /// We refused.
    #[must_use]
    pub fn refused(mut self, refusal: Refusal, alert: Option<Alert>) -> Self {
        self.end = End::Refused(refusal);
        self.alerts.extend(alert.map(|alert| SeenAlert {
            direction: Direction::Sent,
            level: 2,
            alert,
        }));
        self
    }

    /// The same with what exactly was wrong.
    #[must_use]
    pub fn because(mut self, error: impl Into<String>) -> Self {
        self.error = error.into();
        self
    }

    /// The alert that ended it: the fatal one that we sent if we refused, else the one received; a warning if there was no other.
    pub fn decisive_alert(&self) -> Option<SeenAlert> {
        let wanted = match self.end {
            End::Refused(_) => Direction::Sent,
            _ => Direction::Received,
        };
        // Nothing counts after a fatal alert, though GnuTLS sends a second one.
        let of = |direction| {
            let mut all = self.alerts.iter().filter(move |a| a.direction == direction);
            let fatal = all.clone().find(|a| a.level == FATAL);
            fatal.or_else(|| all.next_back())
        };
        match self.end {
            End::Refused(_) => of(wanted).copied(),
            _ => of(wanted).or_else(|| of(Direction::Sent)).copied(),
        }
    }
}
