//! Tests of the TLS part against real peers: rustls and openssl clients and servers on loopback, certificates by rcgen and
//! the openssl command line.

mod client;
mod hello;
mod pki;
mod resumption;
mod server;
mod verify;

use std::fmt::Write as _;
use std::sync::Arc;

use control::object::{Kind, Object, ReadContext, Ssl};
use control::seal::Keyring;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::net::{TcpListener, TcpStream};

use super::tickets::TicketKeys;
use super::{ServerTls, Stream, TlsFacts, hello as reader};
use crate::alert::Failure;

/// Both ends of a connection over loopback.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far)
}

fn server_tls() -> ServerTls {
    ServerTls::new(Arc::new(TicketKeys::new().unwrap()))
}

/// An SSL object, read as the store's would be. `rest` is JSON that follows certificate and names.
fn ssl(id: &str, leaf: &pki::Leaf, rest: &str) -> Arc<Ssl> {
    let mut json =
        serde_json::json!({"cert": leaf.pem, "key": leaf.key, "snis": ["a.test", "*.a.test"]})
            .to_string();
    json.pop();
    write!(json, "{}{rest}}}", if rest.is_empty() { "" } else { "," }).unwrap();
    let context = ReadContext {
        keyring: &Keyring::default(),
        env: &|_| None,
    };
    match control::object::read(Kind::Ssl, id, json.as_bytes(), &context).unwrap() {
        Object::Ssl(ssl) => ssl,
        other => panic!("{other:?}"),
    }
}

/// `client` of an SSL object.
fn client_json(ca: &str, depth: u32, more: &str) -> String {
    let ca = serde_json::Value::from(ca);
    format!("\"client\":{{\"ca\":{ca},\"depth\":{depth}{more}}}")
}

/// Reads the hello and accepts, as the router does.
async fn serve(
    tls: &ServerTls,
    mut io: TcpStream,
    ssl: &Arc<Ssl>,
) -> Result<(Stream, TlsFacts), Failure> {
    let hello = reader::read(&mut io, soon()).await;
    let hello = hello.map_err(|e| Failure::of(*e.evidence()))?;
    let served = tls.accept(io, hello, ssl, soon()).await;
    served.map_err(|e| Failure::of(*e))
}

/// A deadline that no handshake of a test meets unless it hangs.
fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + std::time::Duration::from_secs(30)
}

/// A client that trusts everybody and shows `identity`.
fn rustls_client(identity: Option<&pki::Leaf>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting));
    match identity {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let key = PrivateKeyDer::try_from(leaf.key_der.clone()).unwrap();
            builder
                .with_client_auth_cert(leaf.chain.clone(), key)
                .unwrap()
        }
    }
}

fn name(text: &str) -> ServerName<'static> {
    ServerName::try_from(text.to_owned()).unwrap()
}

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
