//! How QUIC is used on the hop: bounds and timers of a connection, sockets, and what is never allowed in TLS here.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::server::NoServerSessionStorage;
use socket2::{Domain, Protocol, Socket, Type};

/// Requests in flight of one connection: a lane is one of several, and its router stops long before. 4096.
pub(super) const STREAMS: VarInt = VarInt::from_u32(4096);
/// A silent connection is asked for a sign of life this often, so that a router can tell a stopped processor within a
/// second. 250 ms.
const KEEP_ALIVE: Duration = Duration::from_millis(250);
/// A connection on which nothing is heard for so long is dead. Milliseconds: 3 s.
const DEAD: u32 = 3_000;
/// What one stream may send ahead of its reader: what a data centre's delay needs (128 MB/s at 1 ms), and what each client
/// that does not read costs its router. 128 KiB.
const STREAM_WINDOW: u32 = 128 << 10;
/// The same of a whole connection: all its streams together, so that answers which slow clients leave unread never hold
/// up another's. 512 MiB.
const CONNECTION_WINDOW: u32 = 4096 * STREAM_WINDOW;
/// What a connection may have on its way, unacknowledged. 16 MiB.
const SEND_WINDOW: u64 = 16 << 20;
/// Kernel buffers of a socket; the kernel gives what it allows. 4 MB.
const SOCKET_BUFFER: usize = 4_000_000;

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(DEAD))))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .send_window(SEND_WINDOW)
        .datagram_receive_buffer_size(None)
        .enable_segmentation_offload(true);
    transport
}

/// A router's configuration. Each connection shows and checks certificates anew: roles may have changed, and early data
/// could be replayed.
pub(super) fn client(tls: &rustls::ClientConfig) -> Result<ClientConfig, NoInitialCipherSuite> {
    let mut tls = tls.clone();
    tls.resumption = Resumption::disabled();
    tls.enable_early_data = false;
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut transport = transport();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .keep_alive_interval(Some(KEEP_ALIVE));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// A processor's configuration. It allows no streams at first: a router gets them when its certificate has been judged, and
/// knows by them that it was accepted.
pub(super) fn server(tls: &rustls::ServerConfig) -> Result<ServerConfig, NoInitialCipherSuite> {
    let mut tls = tls.clone();
    tls.session_storage = Arc::new(NoServerSessionStorage {});
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let mut transport = transport();
    transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
    config
        .transport_config(Arc::new(transport))
        .migration(false);
    Ok(config)
}

/// A UDP socket for quinn.
pub(super) fn socket(address: SocketAddr, shared: bool) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Smaller ones work too, only not as well.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
