//! Alerts about messages and records: the end of a connection, broken bytes, wrong order.

use super::{Row, by, row};
use crate::alert::Cause;

/// By number.
pub(super) const ROWS: &[Row] = &[
    row(
        0,
        "The sender will send nothing more. That is normal at the end; before the handshake is done the sender gave up.",
        by(
            "The client closed.",
            &[
                Cause::ServerCertHostnameMismatch.because("curl checks the name after the handshake and closes with this alert"),
                Cause::PeerClosedDuringHandshake.because("the client gave up, or it is a health check"),
            ],
        ),
        by(
            "The server closed.",
            &[
                Cause::ProtocolVersionMismatch.because("directly after the ClientHello: old servers end so when they share no version"),
                Cause::PeerClosedDuringHandshake.because("a load balancer without a backend, or a server that was stopping"),
            ],
        ),
    ),
    row(
        10,
        "A message came that may not come here.",
        by(
            "The client did not expect this message of the server.",
            &[
                Cause::PeerNotTls.because("Java answers so if the other side does not speak TLS at all"),
                Cause::Unknown.because("a fault of an implementation; record both sides"),
            ],
        ),
        by(
            "The server did not expect this message of the client.",
            &[
                Cause::PlaintextToTlsPort.because("what the client sent is not a handshake"),
                Cause::Unknown.because("a fault of an implementation, or a new handshake on an open connection"),
            ],
        ),
    ),
    row(
        20,
        "A record could not be decrypted.",
        by(
            "What the server sent arrived changed.",
            &[Cause::InternalError.because("a middlebox, an offload engine (kTLS) or broken memory changes bytes; switch them off one by one")],
        ),
        by(
            "What the client sent arrived changed.",
            &[Cause::InternalError.because("a middlebox, an offload engine (kTLS) or broken memory changes bytes; switch them off one by one")],
        ),
    ),
    row(
        21,
        "A record could not be decrypted. Obsolete; replaced by bad_record_mac.",
        by(
            "What the server sent could not be decrypted.",
            &[Cause::ProtocolVersionMismatch.because("an implementation of TLS 1.0; bring it up to date")],
        ),
        by(
            "What the client sent could not be decrypted.",
            &[Cause::ProtocolVersionMismatch.because("an implementation of TLS 1.0; bring it up to date")],
        ),
    ),
    row(
        22,
        "A record is longer than allowed.",
        by(
            "The client read a length that cannot be.",
            &[
                Cause::PeerNotTls.because("the server does not speak TLS there; its text was read as a length"),
                Cause::ProxyProtocolMismatch.because("a PROXY protocol header came where TLS was expected"),
            ],
        ),
        by(
            "The server read a length that cannot be.",
            &[
                Cause::PlaintextToTlsPort.because("the client does not speak TLS; its text was read as a length"),
                Cause::ProxyProtocolMismatch.because("a PROXY protocol header came where TLS was expected"),
            ],
        ),
    ),
    row(
        30,
        "Compressed data could not be read. TLS compression is obsolete.",
        by(
            "The client could not decompress.",
            &[Cause::InternalError.because("TLS compression is on; turn it off")],
        ),
        by(
            "The server could not decompress.",
            &[Cause::InternalError.because("TLS compression is on; turn it off")],
        ),
    ),
    row(
        50,
        "A message could not be parsed.",
        by(
            "The client cannot read what the server sent.",
            &[
                Cause::PeerNotTls.because("the server's answer is not TLS"),
                Cause::Unknown.because("a fault of an implementation; record both sides"),
            ],
        ),
        by(
            "The server cannot read what the client sent.",
            &[
                Cause::PlaintextToTlsPort.because("rustls servers say 50 to plain HTTP"),
                Cause::ProxyProtocolMismatch.because("a load balancer puts a PROXY header before TLS"),
                Cause::Unknown.because("a fault of an implementation; record both sides"),
            ],
        ),
    ),
    row(
        52,
        "Too many connection ids were asked for. DTLS only.",
        by(
            "The client cannot give so many.",
            &[Cause::Unknown.because("DTLS 1.3; a fault of an implementation")],
        ),
        by(
            "The server cannot give so many.",
            &[Cause::Unknown.because("DTLS 1.3; a fault of an implementation")],
        ),
    ),
];
