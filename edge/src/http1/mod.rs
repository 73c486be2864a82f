//! The HTTP/1.1 codec (RFC 9112), strict in both directions: [`head`] reads and writes heads, [`chunk`] the chunked
//! coding, [`server`] a client's connection, [`client`] a target's. Messages are always re-serialised from parsed form.

pub mod chunk;
pub mod client;
pub mod head;
pub mod server;
