//! Every bound and deadline of the data plane in one place: unit, default, reason. A leaf.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Bounds of one connection and one request.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A whole TLS handshake, both sides (`--handshake-timeout`).
    pub handshake: Duration,
    /// A request's head from its first byte, or from the connection's start (`--header-timeout`).
    pub header: Duration,
    /// Between requests on a kept-alive connection (`--idle-timeout`).
    pub idle: Duration,
    /// Between two reads of a request body, and two writes of an answer. 60 s.
    pub body_idle: Duration,
    /// Request line, bytes: 414 above. 16 KiB.
    pub target_bytes: usize,
    /// All header lines together, bytes: 431 above. 64 KiB.
    pub header_bytes: usize,
    /// Header lines: 431 above. 100.
    pub header_count: usize,
    /// Trailer bytes. 16 KiB.
    pub trailer_bytes: usize,
    /// Request body bytes with a content-length: 413 above. 0 is no bound, the default: bodies stream.
    pub body_bytes: u64,
    /// HTTP/2 streams of one connection. 128.
    pub streams: u32,
    /// Client connections of the whole node. 100 000.
    pub connections: usize,
    /// Handshakes in progress of the whole node; more wait in the accept queue. 4096.
    pub handshakes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            body_idle: Duration::from_secs(60),
            target_bytes: 16 << 10,
            header_bytes: 64 << 10,
            header_count: 100,
            trailer_bytes: 16 << 10,
            body_bytes: 0,
            streams: 128,
            connections: 100_000,
            handshakes: 4096,
        }
    }
}

/// `--handshake-timeout`: shorter fails honest clients far away, longer keeps slots for idle ones.
pub const HANDSHAKE_BOUNDS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(60);
/// `--header-timeout`.
pub const HEADER_BOUNDS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(600);
/// `--idle-timeout`.
pub const IDLE_BOUNDS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3600);
/// `--drain-timeout`; 0 waits for nothing.
pub const DRAIN_BOUNDS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3600);
/// Default of `--drain-timeout`.
pub const DRAIN: Duration = Duration::from_secs(30);
/// `--max-header-bytes`.
pub const HEADER_BYTES_BOUNDS: RangeInclusive<u64> = 1 << 10..=1 << 20;
/// `--max-connections`.
pub const CONNECTIONS_BOUNDS: RangeInclusive<u64> = 1..=1_000_000;
