//! TLS both ways: [`hello`] reads a ClientHello before rustls does, [`server`] turns an SSL object into a server
//! configuration, [`client`] an upstream's policy into a client one, [`verify`] holds our verifiers, [`tickets`] session
//! tickets that never cross a policy, [`tap`] what passes on the wire during a handshake, [`stream`] the one connection type.

mod stream;

pub use stream::Stream;
