//! Strangers at the hop between router and processor: QUIC clients and servers with whatever certificate a case needs,
//! that say nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, ServerConfig, TransportConfig, VarInt};
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;

use super::rustls_peer::{anyone, provider, roots_of};
use crate::pki::{Authority, Identity};

/// What the hop's protocol is called.
pub const ALPN: &str = "sallyport-hop/1";
/// How long the other side may take to refuse.
const PATIENCE: Duration = Duration::from_secs(15);

/// Connects with this certificate, or none, believes whoever answers, and waits to be refused. Gives its own address and
/// the error in its own words.
pub async fn dial(to: SocketAddr, shown: Option<&Identity>, alpn: &str) -> (SocketAddr, String) {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect("versions of the provider")
        .dangerous()
        .with_custom_certificate_verifier(anyone());
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain_der(), identity.key_der())
            .expect("a fitting key"),
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let config = QuicClientConfig::try_from(config).expect("TLS 1.3");
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).expect("a free port");
    let own = endpoint.local_addr().expect("bound");
    let connecting = endpoint
        .connect_with(ClientConfig::new(Arc::new(config)), to, "processor")
        .expect("a client");
    let refused = async {
        match connecting.await {
            // The other side judges our certificate after the handshake as we see it.
            Ok(connection) => connection.closed().await.to_string(),
            Err(error) => error.to_string(),
        }
    };
    let words = tokio::time::timeout(PATIENCE, refused)
        .await
        .unwrap_or_else(|_| "not refused".to_owned());
    (own, words)
}

/// A server that takes connections at the hop and does nothing with them.
pub struct FakeProcessor {
    endpoint: Endpoint,
    accepting: tokio::task::JoinHandle<()>,
}

impl FakeProcessor {
    /// With this certificate; with `clients`, it demands theirs.
    pub fn start(identity: &Identity, clients: Option<&Authority>, alpn: &str) -> Self {
        let builder =
            rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .expect("versions of the provider");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(roots_of(authority.cert.as_bytes()));
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let mut config = builder
            .with_single_cert(identity.chain_der(), identity.key_der())
            .expect("a fitting key");
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let config = QuicServerConfig::try_from(config).expect("TLS 1.3");
        let mut config = ServerConfig::with_crypto(Arc::new(config));
        // As a processor does it: no stream before the other side is known to be a router.
        let mut transport = TransportConfig::default();
        transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::server(config, ([127, 0, 0, 1], 0).into()).expect("a free port");
        let taking = endpoint.clone();
        let accepting = tokio::spawn(async move {
            while let Some(incoming) = taking.accept().await {
                tokio::spawn(async move {
                    if let Ok(connection) = incoming.await {
                        connection.set_max_concurrent_bi_streams(VarInt::from_u32(100));
                        connection.closed().await;
                    }
                });
            }
        });
        Self {
            endpoint,
            accepting,
        }
    }

    /// Where it listens (UDP).
    pub fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().expect("bound")
    }
}

impl Drop for FakeProcessor {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
