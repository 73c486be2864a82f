//! TLS settings for scripted targets, and a target that is not even HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::pki::{Authority, Identity};

/// TLS 1.2 and 1.3 with this certificate; with `clients`, only their certificates are let in.
pub fn server_config(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    server_config_for(identity, clients, &[&version::TLS12, &version::TLS13])
}

/// The same for chosen versions.
pub fn server_config_for(
    identity: &Identity,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("versions of the provider");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(authority.cert.as_bytes()).expect("our PEM"))
                .expect("our CA");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    builder
        .with_single_cert(identity.chain_der(), identity.key_der())
        .expect("a fitting key")
}

/// A TCP listener that sends fixed bytes once it has received any, or nothing at all, ever.
pub struct RawTarget {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl RawTarget {
    /// `None` is silent and holds its connections.
    pub async fn start(answer: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut bytes = Vec::with_capacity(4096);
                    drop(stream.read_buf(&mut bytes).await);
                    match answer {
                        Some(answer) => drop(stream.write_all(answer).await),
                        None => {
                            while stream
                                .read_buf(&mut bytes)
                                .await
                                .is_ok_and(|count| count > 0)
                            {}
                        }
                    }
                });
            }
        });
        Self { address, accepting }
    }

    /// `host:port`.
    pub fn node(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for RawTarget {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
