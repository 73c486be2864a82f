//! A load of nothing but handshakes: each connection does a full TLS 1.3 handshake with a client certificate, never
//! resumed, then one GET, and closes. Prints how many it did. X25519 only, so that every server does the same key
//! exchange.
//!
//!     handshakes ADDRESS NAME CA.crt CLIENT.crt CLIENT.key SECONDS CONNECTIONS
//!
//! With `none` for CLIENT.crt and CLIENT.key it shows no certificate, and being refused is what it counts. With `hello` it
//! sends nothing but the same hello each time, for a NAME that nobody serves, which costs it less than it costs the server.

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
    /// All that is sent.
    hello: Option<Vec<u8>>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, name, ca, cert, key, seconds, connections] = &arguments[..] else {
        bail!("usage: handshakes ADDRESS NAME CA.crt CLIENT.crt CLIENT.key SECONDS CONNECTIONS");
    };
    let config = config(ca, cert, key)?;
    let hello = (cert == "hello").then(|| first_flight(&config, name));
    let load = Arc::new(Load {
        hello: hello.transpose()?,
        address: address.parse().context("ADDRESS")?,
        name: ServerName::try_from(name.clone()).context("NAME")?,
        request: format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
            .into_bytes(),
        config,
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
    let mut config = if matches!(cert, "none" | "hello") {
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
        let mut tcp = TcpStream::connect(self.address)?;
        if let Some(hello) = &self.hello {
            tcp.write_all(hello)?;
            let mut alert = [0; 7];
            tcp.read_exact(&mut alert)?;
            return match alert {
                [21, 3, 3, 0, 2, 2, _] => Ok(()),
                other => bail!("answered {other:?}"),
            };
        }
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

/// A ClientHello for `name`.
fn first_flight(config: &Arc<ClientConfig>, name: &str) -> Result<Vec<u8>> {
    let name = ServerName::try_from(name.to_owned()).context("NAME")?;
    let mut tls = ClientConnection::new(config.clone(), name)?;
    let mut bytes = Vec::new();
    tls.write_tls(&mut bytes)?;
    Ok(bytes)
}

/// The server ended the handshake with an alert.
fn is_refusal(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
        .and_then(|inner| inner.downcast_ref())
        .is_some_and(|tls| matches!(tls, rustls::Error::AlertReceived(_)))
}
