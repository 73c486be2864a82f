//! How a router shakes hands with a processor, and what it notes if that fails. A step of [`super::lane`].

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use quinn::{Connection, ConnectionError, Endpoint, EndpointConfig, TokioRuntime};

use super::lane::LaneError;
use super::{failure, settings};
use crate::alert::evidence::{Own, Side};
use crate::alert::finding::Context;
use crate::alert::{Evidence, Failure};
use crate::failures::Failures;
use crate::hop::identity::Judged;

/// One handshake.
pub(super) struct Greeting {
    to: SocketAddr,
    /// Our port.
    from: Option<u16>,
    pub(super) judged: Arc<Judged>,
    pub(super) own: Own,
    pub(super) begun: Instant,
}

impl Greeting {
    /// With the processor at `to`, as the node that `own` describes; its verifier notes in `judged`.
    pub(super) fn new(to: SocketAddr, judged: Arc<Judged>, own: Own) -> Self {
        Self {
            to,
            from: None,
            judged,
            own,
            begun: Instant::now(),
        }
    }

    /// A connection on which streams may be opened: the processor allows them when it has accepted our certificate, which
    /// is later than the end of the handshake as TLS sees it.
    pub(super) async fn handshake(
        &mut self,
        tls: &rustls::ClientConfig,
    ) -> Result<Connection, Box<Evidence>> {
        let endpoint = endpoint(self.to).map_err(|e| failure::of_setup(Side::Client, &e))?;
        self.from = endpoint.local_addr().ok().map(|address| address.port());
        let config = settings::client(tls).map_err(|e| failure::of_setup(Side::Client, &e))?;
        // The role in the certificate is what counts; the address stands in for the name that QUIC wants.
        let connecting = endpoint
            .connect_with(config, self.to, &self.to.ip().to_string())
            .map_err(|e| failure::of_setup(Side::Client, &e))?;
        let seen = |error: ConnectionError| {
            failure::of_connection(&error, Side::Client, &self.judged, self.own.clone())
        };
        let connection = connecting.await.map_err(seen)?;
        connection.open_bi().await.map_err(seen)?;
        Ok(connection)
    }

    /// Notes that it failed.
    pub(super) fn refused(self, mut evidence: Box<Evidence>, failures: &Failures) -> LaneError {
        evidence.elapsed = self.begun.elapsed();
        let failure = Failure::of(*evidence);
        let error = LaneError(format!("{}: {}", self.to, failure.detail()));
        let context = Context {
            peer: Some(self.to),
            local: self.from.and_then(|port| towards(self.to, port)),
            ..Context::default()
        };
        failures.note(context, failure);
        error
    }
}

const fn unspecified(like: SocketAddr) -> SocketAddr {
    match like {
        SocketAddr::V4(_) => SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::V6(_) => SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    }
}

fn endpoint(to: SocketAddr) -> std::io::Result<Endpoint> {
    let socket = settings::socket(unspecified(to), false)?;
    let runtime = Arc::new(TokioRuntime);
    Endpoint::new(EndpointConfig::default(), None, socket, runtime)
}

/// Our address as the processor sees it, with which its own record of the failure is found: what the kernel would send from.
fn towards(to: SocketAddr, port: u16) -> Option<SocketAddr> {
    let socket = UdpSocket::bind(unspecified(to)).ok()?;
    socket.connect(to).ok()?;
    Some(SocketAddr::new(socket.local_addr().ok()?.ip(), port))
}
