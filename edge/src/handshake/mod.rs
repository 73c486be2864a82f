//! What is on the wire while TLS connections begin: records, plaintext alerts, handshake messages (RFC 8446, RFC 5246), the
//! names of what they carry, and hellos made by hand. Pure and bounded; judges nothing and does no I/O.
//!
//! A leaf. `tls` reads clients' hellos with it before rustls does, `alert` takes its types as evidence, captures and probes are
//! read with [`transcript`], and probes speak versions that rustls does not with [`make`].

pub mod client_hello;
pub mod make;
pub mod names;
mod reader;
pub mod server;
pub mod transcript;

pub use client_hello::{ClientHello, FALLBACK_SCSV, TLS12, TLS13};
pub use server::{CertificateRequest, ServerHello};
pub use transcript::{Foreign, Message, PlainAlert, Transcript};

/// Why bytes are not the handshake message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A field ends too early, late, or has a length it must not have.
    #[error("{0}")]
    Field(&'static str),
    /// An extension twice.
    #[error("duplicate extension")]
    Duplicate,
    /// The server name is no host name (RFC 6066, 3).
    #[error("server name is not a host name")]
    ServerName,
}

impl ParseError {
    /// What is wrong, for the log.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Field(field) => field,
            Self::Duplicate => "duplicate extension",
            Self::ServerName => "server name is not a host name",
        }
    }
}
