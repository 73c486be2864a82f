//! A load of nothing but handshakes: each connection does a full TLS 1.3 handshake with a client certificate, never
//! resumed, then one GET, and closes. Prints how many it did. X25519 only, so that every server does the same key
//! exchange.
//!
//!     handshakes ADDRESS NAME CA.crt CLIENT.crt CLIENT.key SECONDS CONNECTIONS
//!
//! With `none` for CLIENT.crt and CLIENT.key it shows no certificate, and being refused is what it counts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// What one thread repeats.
struct Load {
    address: SocketAddr,
    name: ServerName<'static>,
    request: Vec<u8>,
    config: Arc<ClientConfig>,
    until: Instant,
    /// The server is to refuse.
    to_fail: bool,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, name, ca, cert, key, seconds, connections] = &arguments[..] else {
        bail!("usage: handshakes ADDRESS NAME CA.crt CLIENT.crt CLIENT.key SECONDS CONNECTIONS");
    };
    let load = Arc::new(Load {
        address: address.parse().context("ADDRESS")?,
        name: ServerName::try_from(name.clone()).context("NAME")?,
        request: format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
            .into_bytes(),
        config: config(ca, cert, key)?,
        to_fail: cert == "none",
        until: Instant::now() + Duration::from_secs(seconds.parse().context("SECONDS")?),
    });
    let threads: Vec<_> = (0..connections.parse().context("CONNECTIONS")?)
        .map(|_| {
            let load = load.clone();
            std::thread::spawn(move || load.run())
        })
        .collect();
    let (mut done, mut failed, mut why) = (0, 0, None);
    for thread in threads {
        let Ok((d, f, w)) = thread.join() else {
            bail!("a client thread panicked")
        };
        done += d;
        failed += f;
        why = why.or(w);
    }
    println!("handshakes {done} failed {failed}");
    match why {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn config(ca: &str, cert: &str, key: &str) -> Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).context("CA.crt")?)?;
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots);
    let mut config = if cert == "none" {
        builder.with_no_client_auth()
    } else {
        let chain = CertificateDer::pem_file_iter(cert)
            .context("CLIENT.crt")?
            .collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(key).context("CLIENT.key")?;
        builder.with_client_auth_cert(chain, key)?
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl Load {
    /// Handshakes done, failed, and the first failure.
    fn run(&self) -> (u64, u64, Option<anyhow::Error>) {
        let (mut done, mut failed, mut why) = (0, 0, None);
        while Instant::now() < self.until && failed < 100 {
            match self.once() {
                Ok(()) => done += 1,
                Err(error) if self.to_fail && is_refusal(&error) => done += 1,
                Err(error) => {
                    failed += 1;
                    why.get_or_insert(error);
                }
            }
        }
        (done, failed, why)
    }

    fn once(&self) -> Result<()> {
        let tcp = TcpStream::connect(self.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(5)))?;
        let tls = ClientConnection::new(self.config.clone(), self.name.clone())?;
        let mut stream = StreamOwned::new(tls, tcp);
        stream.write_all(&self.request)?;
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer)?;
        if !answer[..length].starts_with(b"HTTP/1.1 200") {
            bail!(
                "answered {:?}",
                String::from_utf8_lossy(&answer[..length.min(60)])
            );
        }
        Ok(())
    }
}

/// The server ended the handshake with an alert.
fn is_refusal(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
        .and_then(|inner| inner.downcast_ref())
        .is_some_and(|tls| matches!(tls, rustls::Error::AlertReceived(_)))
}
