//! The hop's transport: QUIC with mutual TLS, a bidirectional stream a request. Owns connections and streams ([`lane`] is
//! the router's end of one connection, [`serve`] the processor's end of all); what the bytes mean is [`super::wire`]'s.
//!
//! ```text
//! router     lane ► ask ► pump (request body) ─► writer ═ stream ═ reader ─► serve ► work ► Processor::run    processor
//!            lane ◄ answer (body) ◄──── reader ═ stream ═ writer ◄─ pump (answer's body) ◄─────┘
//! ```
//!
//! Both ends may offer several ALPN ids; TLS picks one they share, so a release that speaks the next version goes on
//! offering this one beside it.

mod answer;
mod ask;
mod at_hand;
mod code;
mod failure;
mod frames;
mod framing;
mod greeting;
pub mod lane;
mod pipe;
mod pump;
mod reader;
pub mod serve;
mod settings;
#[cfg(test)]
#[allow(clippy::large_futures, reason = "a whole scenario runs once")]
mod tests;
mod work;
mod writer;

pub use pipe::Pipe;

/// What both ends must agree on (RFC 7301): the wire format's name and version.
pub const ALPN: &[u8] = b"sallyport-hop/1";
