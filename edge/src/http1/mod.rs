//! The HTTP/1.1 codec (RFC 9112), strict in both directions: [`fields`] reads and writes field lines, [`framing`] finds
//! where a request's body ends, [`chunk`] does the chunked coding, [`request`] and [`response`] read heads, [`server`] is a
//! client's connection, [`client`] a target's. Messages are always re-serialised from parsed form, never relayed.

pub mod chunk;
pub mod client;
pub mod fields;
pub mod framing;
pub mod request;
pub mod response;
pub mod server;
