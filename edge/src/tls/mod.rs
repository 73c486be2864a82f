//! TLS both ways: [`hello`] reads a ClientHello before rustls does ([`crate::handshake`] is what it says), [`server`] turns an SSL
//! object into a server configuration, [`client`] an upstream's policy into a client one, [`verify`] holds our verifiers,
//! [`tickets`] session tickets that never cross a policy, [`tap`] what passes on the wire during a handshake, which `failure` and `own` make evidence of where it fails, [`stream`]
//! the one connection type. Who may talk to whom is decided by the objects, what follows from a failure by the roles.

mod agreed;
mod attempt;
mod certificates;
pub mod client;
mod failure;
pub mod hello;
mod linger;
mod names;
pub(crate) mod own;
pub mod server;
mod stream;
mod suites;
pub mod tap;
pub mod tickets;
mod unacceptable;
pub mod verify;

#[cfg(test)]
#[allow(
    clippy::too_many_lines,
    reason = "a table of cases reads best in one piece"
)]
mod tests;

pub use client::ClientTls;
pub use linger::{dismiss, refuse};
pub use server::{ClientCert, ServerTls, TlsFacts};
pub use stream::Stream;
pub use suites::cipher_name;
pub(crate) use suites::{provider as policy_provider, versions as policy_versions};
