//! rustls as a stack of its own, judging with webpki as most of its users do: a client and a server, and those who show
//! a certificate whose key they do not have.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion, version,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Version;
use super::client::{Dial, Said};
use super::server::{Offer, Strict};
use crate::pki::Identity;

/// How long either side may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The one that Sallyport has too.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn versions(of: &[Version]) -> Vec<&'static SupportedProtocolVersion> {
    of.iter()
        .map(|version| match version {
            Version::V12 => &version::TLS12,
            Version::V13 => &version::TLS13,
            Version::V10 | Version::V11 => panic!("rustls has no TLS {}", version.number()),
        })
        .collect()
}

fn roots(file: &std::path::Path) -> RootCertStore {
    roots_of(&std::fs::read(file).expect("a CA file of ours"))
}

/// The CAs in this PEM.
pub fn roots_of(pem: &[u8]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(pem) {
        roots.add(cert.expect("our PEM")).expect("our CA");
    }
    roots
}

/// A verifier that believes every server, but checks that it has its key.
pub fn anyone() -> Arc<dyn ServerCertVerifier> {
    Arc::new(Anyone(provider()))
}

/// Chain and key, whether they belong together or not.
fn shown(chain: &Identity, key: &Identity) -> Arc<CertifiedKey> {
    let key = provider().key_provider.load_private_key(key.key_der());
    Arc::new(CertifiedKey::new(
        chain.chain_der(),
        key.expect("our own key"),
    ))
}

/// Runs a client.
pub async fn dial(dial: &Dial, port: u16) -> Said {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(&[dial.version]))
        .expect("versions of the provider");
    let builder = if dial.check {
        builder.with_root_certificates(roots(&dial.trust))
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(anyone())
    };
    let mut config = match &dial.identity {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let identity = shown(&pair.identity, &pair.identity);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    config.enable_sni = dial.sni.is_some();
    let protocols = dial.alpn.iter().flat_map(|list| list.split(','));
    config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
    let name = dial.sni.clone().unwrap_or_else(|| "127.0.0.1".to_owned());
    let exchange = ask(config, name, port, &dial.host);
    match tokio::time::timeout(PATIENCE, exchange).await {
        Err(_) => Said {
            status: None,
            words: format!("not done in {PATIENCE:?}"),
        },
        Ok(Err(error)) => Said {
            status: None,
            words: error.to_string(),
        },
        Ok(Ok(line)) => Said {
            status: line.split(' ').nth(1).and_then(|code| code.parse().ok()),
            words: line,
        },
    }
}

/// A client that shows `chain` and signs with the key of `key`.
pub async fn dial_with_wrong_key(
    version: Version,
    name: &str,
    port: u16,
    chain: &Identity,
    key: &Identity,
) -> Said {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(&[version]))
        .expect("versions of the provider")
        .dangerous()
        .with_custom_certificate_verifier(anyone())
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown(chain, key))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let exchange = tokio::time::timeout(PATIENCE, ask(config, name.to_owned(), port, name)).await;
    let words = match exchange {
        Ok(Ok(line)) => line,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not done in {PATIENCE:?}"),
    };
    Said {
        status: None,
        words,
    }
}

async fn ask(
    config: ClientConfig,
    name: String,
    port: u16,
    host: &str,
) -> Result<String, std::io::Error> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(name).expect("a server name");
    let mut tls = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    tls.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if tls.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = answer.iter().position(|byte| *byte == b'\r') {
            return Ok(String::from_utf8_lossy(&answer[..end]).into_owned());
        }
    }
}

/// A running server.
pub struct RustlsServer {
    address: SocketAddr,
    saw: Arc<Mutex<Vec<String>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl RustlsServer {
    /// Starts it.
    pub async fn start(offer: &Offer) -> Self {
        let own = &offer.identity.identity;
        let key = offer.other_key.as_ref().unwrap_or(own);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&versions(&offer.versions))
            .expect("versions of the provider");
        let builder = match &offer.clients {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let roots = Arc::new(roots(file));
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let resolver = OneName {
            name: offer
                .strict
                .as_ref()
                .map(|strict: &Strict| strict.name.clone()),
            key: shown(own, key),
        };
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        // No session may shorten the handshake of another case.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let protocols = offer.alpn.iter().flat_map(|list| list.split(','));
        config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let saw = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&saw);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepting = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let served = tokio::time::timeout(PATIENCE, serve(&acceptor, tcp)).await;
                    if let Ok(Err(error)) = served {
                        seen.lock()
                            .expect("no holder panics")
                            .push(error.to_string());
                    }
                });
            }
        });
        Self {
            address,
            saw,
            accepting,
        }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its errors so far.
    pub fn saw(&self) -> Vec<String> {
        self.saw.lock().expect("no holder panics").clone()
    }
}

impl Drop for RustlsServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(acceptor: &TlsAcceptor, tcp: TcpStream) -> std::io::Result<()> {
    let mut tls = acceptor.accept(tcp).await?;
    let mut request = Vec::new();
    while crate::http1::find(&request, b"\r\n\r\n").is_none() {
        if tls.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        .await?;
    tls.shutdown().await
}

/// One certificate, for one name if one is given.
#[derive(Debug)]
struct OneName {
    name: Option<String>,
    key: Arc<CertifiedKey>,
}

impl ResolvesServerCert for OneName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match &self.name {
            Some(name) if hello.server_name() != Some(name) => None,
            _ => Some(Arc::clone(&self.key)),
        }
    }
}

/// Believes every server, but checks that it has its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
