//! What happened to the connection: not TLS at all, closed, reset, too slow, never there.

use super::{Condition, exact, frame, general};
use crate::alert::Cause;

pub(in crate::alert::explain) static HANDSHAKE_FAILED: Condition = frame(
    "handshake_failed",
    "The handshake failed. This alone does not say why; the line around it, or the other side's log, does.",
    &[Cause::Unknown
        .because("paste the whole error, with what stands in brackets or after `Caused by`")],
    &[Cause::Unknown.because("paste the whole error, with what stands in brackets")],
);

pub(in crate::alert::explain) static RECEIVE_FAILED: Condition = general(
    "receive_failed",
    "Reading failed after the handshake seemed done (curl: 56). In TLS 1.3 the server's verdict on the client certificate arrives here.",
    &[
        Cause::ClientCertMissing.because("the server demands a client certificate"),
        Cause::ClientCertRejectedByPeer.because("the server refused the one it got"),
        Cause::PeerResetDuringHandshake.because("the connection was reset"),
    ],
    &[],
);

pub(in crate::alert::explain) static NOT_TLS: Condition = exact(
    "not_tls",
    "What came is not TLS.",
    &[
        Cause::PeerNotTls.because(
            "the server speaks plain HTTP or something else on this port, or a proxy answered",
        ),
        Cause::ProxyProtocolMismatch.because("the server expects a PROXY protocol header first"),
    ],
    &[
        Cause::PlaintextToTlsPort.because("the client uses http where https is needed"),
        Cause::ProxyProtocolMismatch.because("a load balancer sends a PROXY protocol header first"),
        Cause::ProtocolVersionMismatch
            .because("OpenSSL's `wrong version number` can also be a client of SSL 2 or 3"),
    ],
);

pub(in crate::alert::explain) static HTTP_TO_TLS: Condition = exact(
    "http_to_tls",
    "Plain HTTP was sent to a port that speaks TLS.",
    &[Cause::PlaintextToTlsPort
        .because("the address has http: or the client's TLS is off (Apigee: SSLInfo not enabled)")],
    &[
        Cause::PlaintextToTlsPort.because("the client uses http: on this port"),
        Cause::ProxyProtocolMismatch
            .because("a load balancer that was to speak TLS passes plain text on"),
    ],
);

pub(in crate::alert::explain) static CONNECT_TO_TLS: Condition = exact(
    "connect_to_tls",
    "An HTTP CONNECT came where TLS was expected: the client takes this port for a forward proxy.",
    &[Cause::PlaintextToTlsPort.because("look at https_proxy and the client's proxy settings")],
    &[Cause::PlaintextToTlsPort.because("the client's proxy settings lead here")],
);

pub(in crate::alert::explain) static TLS_TO_HTTP: Condition = exact(
    "tls_to_http",
    "TLS was sent to a port that speaks plain HTTP.",
    &[Cause::TlsToPlaintextPort.because("the address has https: and the port speaks http")],
    &[Cause::TlsToPlaintextPort.because("the bytes 16 03 are the start of a ClientHello; the client should use the TLS port or http:")],
);

pub(in crate::alert::explain) static CLOSED: Condition = exact(
    "closed",
    "The other side closed the connection without an alert. After the handshake that is a careless end, before it a refusal.",
    &[
        Cause::PeerClosedDuringHandshake.because(
            "a load balancer without a backend, a filter by name, a server that was stopping",
        ),
        Cause::ProtocolVersionMismatch.because("old servers close without an alert"),
        Cause::PeerNotTls.because("a plain-text service closes at bytes that it cannot read"),
        Cause::ClientCertMissing.because("some servers close if no client certificate comes"),
    ],
    &[
        Cause::PeerClosedDuringHandshake
            .because("the client gave up, or did not like the certificate and did not say so"),
        Cause::ServerCertRejectedByPeer
            .because("clients without an alert for it close at a certificate they do not trust"),
        Cause::ProbeNoData.because("a health check that only connects"),
    ],
);

pub(in crate::alert::explain) static CLOSED_WITHOUT_NOTIFY: Condition = exact(
    "closed_without_notify",
    "The other side ended the connection without close_notify. What was read may be cut short; the handshake itself was done.",
    &[Cause::Unknown
        .because("many servers do it; harmless if the length of the answer is known and right")],
    &[Cause::Unknown.because("many clients do it; harmless after a whole answer")],
);

pub(in crate::alert::explain) static EOF_AT_TARGET: Condition = exact(
    "eof_at_target",
    "The target closed before its answer was whole (Apigee and Sallyport: 502 UnexpectedEOFAtTarget).",
    &[
        Cause::PlaintextToTlsPort.because(
            "the target speaks TLS and the gateway is not set up for it: scheme https, SSLInfo",
        ),
        Cause::PeerClosedDuringHandshake
            .because("the target closes idle connections earlier than the gateway, or it died"),
    ],
    &[],
);

pub(in crate::alert::explain) static EMPTY_REPLY: Condition = exact(
    "empty_reply",
    "The server closed without a byte of an answer (curl: 52).",
    &[
        Cause::PlaintextToTlsPort.because("http: was sent to a TLS port"),
        Cause::PeerClosedDuringHandshake.because("the server died or closes this connection"),
        Cause::ClientCertMissing.because("some servers close if no client certificate comes"),
    ],
    &[],
);

pub(in crate::alert::explain) static RESET: Condition = exact(
    "reset",
    "The connection was reset.",
    &[
        Cause::PeerResetDuringHandshake
            .because("a firewall that filters by name or address, or a server with an access list"),
        Cause::PeerNotTls.because("a plain-text service that does not like what it reads"),
        Cause::ClientCertRejectedByPeer
            .because("a server that closes at once: its reset can overtake its alert"),
    ],
    &[
        Cause::PeerResetDuringHandshake
            .because("the client went away or did not like the certificate"),
        Cause::ServerCertRejectedByPeer
            .because("the client did not trust the certificate and reset"),
        Cause::ProbeNoData.because("a health check that ends with a reset"),
    ],
);

pub(in crate::alert::explain) static TIMEOUT: Condition = exact(
    "timeout",
    "The handshake was not done in time.",
    &[
        Cause::HandshakeTimeout.because("a firewall drops, the service waits for plain text first, or a large hello is lost on the way"),
        Cause::TcpConnectFailed.because("the time ran out before there was a connection"),
    ],
    &[
        Cause::HandshakeTimeout.because("the client went silent: a lossy way, or a scan"),
        Cause::ProbeNoData.because("a check that connects and waits"),
    ],
);

pub(in crate::alert::explain) static NO_CONNECTION: Condition = exact(
    "no_connection",
    "There was no TCP connection, so nothing of TLS was tried.",
    &[Cause::TcpConnectFailed.because("nobody listens there, or a firewall refuses")],
    &[],
);
