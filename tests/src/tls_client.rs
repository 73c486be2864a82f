//! A TLS client that trusts whoever answers and can be told everything else: name or none, versions, certificate,
//! ALPN, signature schemes, the session store, how its bytes are cut on the wire.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme, SupportedProtocolVersion,
    version,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http1::{Message, Wire};
use crate::pki::Identity;
use crate::shape::{Shape, Shaped};

/// An open TLS connection.
pub type TlsWire = Wire<TlsStream<Shaped>>;

/// Why there was no answer.
#[derive(Debug)]
pub struct Refusal {
    /// Number of the alert received, if one was.
    pub alert: Option<u8>,
    /// The error's text.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "alert {:?}: {}", self.alert, self.text)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        let cause = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let alert = match cause {
            Some(rustls::Error::AlertReceived(alert)) => Some(u8::from(*alert)),
            _ => None,
        };
        Self {
            alert,
            text: error.to_string(),
        }
    }
}

/// Settings of a client.
#[derive(Clone, Debug)]
pub struct TlsClient {
    name: String,
    send_name: bool,
    versions: Vec<&'static SupportedProtocolVersion>,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    schemes: Vec<SignatureScheme>,
    shape: Shape,
}

impl TlsClient {
    /// A client that asks for `name` and offers TLS 1.2 and 1.3.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            send_name: true,
            versions: vec![&version::TLS13, &version::TLS12],
            identity: None,
            alpn: Vec::new(),
            schemes: aws_lc_rs::default_provider()
                .signature_verification_algorithms
                .supported_schemes(),
            shape: Shape::Whole,
        }
    }

    /// A client that sends no server name.
    pub fn nameless() -> Self {
        Self {
            send_name: false,
            ..Self::new("nobody.example")
        }
    }

    /// Shows this certificate when asked.
    #[must_use]
    pub fn identity(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Offers TLS 1.2 only.
    #[must_use]
    pub fn tls12(mut self) -> Self {
        self.versions = vec![&version::TLS12];
        self
    }

    /// Offers TLS 1.3 only.
    #[must_use]
    pub fn tls13(mut self) -> Self {
        self.versions = vec![&version::TLS13];
        self
    }

    /// Offers these application protocols.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&str]) -> Self {
        self.alpn = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        self
    }

    /// Offers only these signature schemes.
    #[must_use]
    pub fn schemes(mut self, schemes: &[SignatureScheme]) -> Self {
        self.schemes = schemes.to_vec();
        self
    }

    /// Cuts its bytes so.
    #[must_use]
    pub const fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Fixes the settings; connections of one dialer share a session store.
    pub fn dialer(&self) -> Dialer {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(TrustAll {
            provider: Arc::clone(&provider),
            schemes: self.schemes.clone(),
        });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .expect("versions of the provider")
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            Some(identity) => {
                // Unchecked: a version 1 certificate is one that rustls itself would not show.
                let key = aws_lc_rs::default_provider()
                    .key_provider
                    .load_private_key(identity.key_der());
                let shown = CertifiedKey::new(identity.chain_der(), key.expect("our own key"));
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = self.send_name;
        config.alpn_protocols.clone_from(&self.alpn);
        config.resumption = Resumption::store(Arc::new(AnyName(ClientSessionMemoryCache::new(32))));
        Dialer {
            config: Arc::new(config),
            name: self.name.clone(),
            shape: self.shape,
        }
    }

    /// Opens one connection. In TLS 1.3 a server's refusal of the client shows only on the first read.
    pub async fn connect(&self, address: SocketAddr) -> Result<TlsWire, Refusal> {
        self.dialer().connect(address).await
    }

    /// One GET on one connection, the Host being the name asked for.
    pub async fn get(&self, address: SocketAddr, path: &str) -> Result<Message, Refusal> {
        self.dialer().get(address, path).await
    }

    /// The alert a GET ends in; panics if it is answered.
    pub async fn refused(&self, address: SocketAddr) -> Option<u8> {
        match self.get(address, "/").await {
            Ok(message) => panic!(
                "not refused but answered: {} {}",
                message.status(),
                message.text()
            ),
            Err(refusal) => refusal.alert,
        }
    }
}

/// Settings made ready, with a memory of sessions that does not care for names.
#[derive(Clone, Debug)]
pub struct Dialer {
    config: Arc<ClientConfig>,
    name: String,
    shape: Shape,
}

impl Dialer {
    /// The same, sessions included, asking for another name.
    #[must_use]
    pub fn asking_for(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    /// Opens a connection.
    pub async fn connect(&self, address: SocketAddr) -> Result<TlsWire, Refusal> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.name.clone()).expect("a server name");
        let stream = Shaped::new(stream, self.shape);
        Ok(Wire::new(
            TlsConnector::from(Arc::clone(&self.config))
                .connect(name, stream)
                .await?,
        ))
    }

    /// One GET on one connection; its Host is the name asked for.
    pub async fn get(&self, address: SocketAddr, path: &str) -> Result<Message, Refusal> {
        Ok(self.get_and_kind(address, path).await?.0)
    }

    /// The same, and whether the session was resumed.
    pub async fn get_and_kind(
        &self,
        address: SocketAddr,
        path: &str,
    ) -> Result<(Message, bool), Refusal> {
        let mut wire = self.connect(address).await?;
        wire.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.name
        ))
        .await?;
        let message = wire.reply().await?;
        let resumed = wire.stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok((message, resumed))
    }
}

/// The chain the server showed.
pub fn server_chain(wire: &TlsWire) -> Vec<CertificateDer<'static>> {
    wire.stream
        .get_ref()
        .1
        .peer_certificates()
        .map(<[_]>::to_vec)
        .unwrap_or_default()
}

/// Common name of a certificate's subject: the second one in it, the first being the issuer's.
pub fn common_name(cert: &CertificateDer<'_>) -> Option<String> {
    const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    let places = cert
        .windows(COMMON_NAME.len())
        .enumerate()
        .filter(|(_, window)| *window == COMMON_NAME);
    let place = places.map(|(place, _)| place + COMMON_NAME.len()).nth(1)?;
    let length = usize::from(*cert.get(place + 1)?);
    Some(String::from_utf8_lossy(cert.get(place + 2..place + 2 + length)?).into_owned())
}

#[derive(Debug)]
struct TrustAll {
    provider: Arc<CryptoProvider>,
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// A session store that offers every session to every name: the attacker's kind.
#[derive(Debug)]
struct AnyName(ClientSessionMemoryCache);

fn one_name() -> ServerName<'static> {
    ServerName::try_from("one.name").expect("a server name")
}

impl ClientSessionStore for AnyName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: rustls::NamedGroup) {
        self.0.set_kx_hint(one_name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        self.0.kx_hint(&one_name())
    }

    fn set_tls12_session(
        &self,
        _: ServerName<'static>,
        value: rustls::client::Tls12ClientSessionValue,
    ) {
        self.0.set_tls12_session(one_name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
        self.0.tls12_session(&one_name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&one_name());
    }

    fn insert_tls13_ticket(
        &self,
        _: ServerName<'static>,
        value: rustls::client::Tls13ClientSessionValue,
    ) {
        self.0.insert_tls13_ticket(one_name(), value);
    }

    fn take_tls13_ticket(
        &self,
        _: &ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&one_name())
    }
}
