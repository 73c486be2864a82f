//! Alerts about what the two sides could not agree on: version, cipher, name, application protocol, extensions.

use super::{Row, by, row};
use crate::alert::Cause;

/// By number.
pub(super) const ROWS: &[Row] = &[
    row(
        40,
        "The sides share no acceptable set of parameters. The alert does not say which one is missing.",
        by(
            "The client cannot use what the server chose.",
            &[
                Cause::NoSharedCipher.because("the server chose a cipher suite that the client did not offer or will not use"),
                Cause::NoSharedSignatureScheme.because("the server's key or signature is of a kind that the client does not take"),
                Cause::ProtocolVersionMismatch.because("the server chose an old version"),
            ],
        ),
        by(
            "The server cannot use anything that the client offered, or misses a certificate.",
            &[
                Cause::NoSharedCipher.because("no cipher suite in common for this version and for the type of the server's key"),
                Cause::SniMissing.because("the server needs a name and the client sent none; it works with -servername"),
                Cause::ClientCertMissing.because("in TLS 1.2 OpenSSL and nginx say 40 if no client certificate came"),
                Cause::NoSharedGroup.because("no key exchange group in common"),
                Cause::NoSharedSignatureScheme.because("the client takes no scheme that fits the server's key, such as SHA-1 only"),
                Cause::ProtocolVersionMismatch.because("rustls says 40 to a client of TLS 1.1 or older"),
            ],
        ),
    ),
    row(
        47,
        "A field of the handshake has a value that is not allowed.",
        by(
            "The client says that the server broke the protocol.",
            &[
                Cause::NoSharedGroup.because("the server chose a group that was not offered"),
                Cause::FallbackRejected.because("the server's hello shows a downgrade by someone between the two"),
                Cause::Unknown.because("two implementations disagree; record both hellos"),
            ],
        ),
        by(
            "The server says that the client broke the protocol.",
            &[
                Cause::NoSharedGroup.because("the key share is not good for its group"),
                Cause::Unknown.because("two implementations disagree, or something between them rewrites hellos; record both"),
            ],
        ),
    ),
    row(
        60,
        "Export-grade cryptography was refused. Obsolete.",
        by(
            "The client refuses export-grade parameters.",
            &[Cause::NoSharedCipher.because("the server is very old")],
        ),
        by(
            "The server refuses export-grade parameters.",
            &[Cause::NoSharedCipher.because("the client is very old")],
        ),
    ),
    row(
        70,
        "No TLS version in common.",
        by(
            "The client does not speak the version that the server chose.",
            &[Cause::ProtocolVersionMismatch.because("the server's best version is below the client's least")],
        ),
        by(
            "The server speaks none of the versions that the client offered.",
            &[
                Cause::ProtocolVersionMismatch.because("the client offers TLS 1.0 or 1.1 only, or only 1.3 to a server of 1.2"),
                Cause::SniUnknown.because("the versions are set by name, and the name led to a stricter place"),
            ],
        ),
    ),
    row(
        71,
        "What is offered is not strong enough.",
        by(
            "The client refuses the strength of what the server chose.",
            &[
                Cause::NoSharedCipher.because("the server's suites or key are too weak for the client"),
                Cause::ServerCertRejectedByPeer.because("the server's key is too short"),
            ],
        ),
        by(
            "The server insists on stronger suites than the client offers.",
            &[
                Cause::NoSharedCipher.because("the client offers weak suites only"),
                Cause::ClientCertRejectedByPeer.because("the client's key is too short"),
            ],
        ),
    ),
    row(
        80,
        "Something failed inside the sender. Some gateways say it where a better alert exists.",
        by(
            "The client failed by itself.",
            &[
                Cause::ConfigMissingMaterial.because("it cannot use its own key or certificate: a missing file, a locked token"),
                Cause::ServerCertRejectedByPeer.because("a callback of the program that verifies certificates failed"),
                Cause::InternalError.because("a fault in the client; read its log"),
            ],
        ),
        by(
            "The server failed by itself.",
            &[
                Cause::SniUnknown.because("APISIX and OpenResty say 80 if no certificate matches the name; try another -servername"),
                Cause::SniMissing.because("the same, with no name sent"),
                Cause::ProtocolVersionMismatch.because("OpenSSL 3 at its default security level says 80 to TLS 1.0 and 1.1"),
                Cause::ClientCertRejectedByPeer.because("the server's own check of the client certificate failed"),
                Cause::ServerCertChainIncomplete.because("the certificate that is configured cannot be used as it is: chain or key do not load"),
                Cause::InternalError.because("a fault in the server; read its log at that minute"),
            ],
        ),
    ),
    row(
        86,
        "A retry with a lower version was refused, as it should be (RFC 7507).",
        by("A client does not send it.", &[]),
        by(
            "The server can do better than this retry of the client.",
            &[Cause::FallbackRejected.because("the client's first attempt failed for another reason and it retried with an older version")],
        ),
    ),
    row(
        90,
        "The sender cancelled the handshake; no fault of the protocol.",
        by(
            "The client went away. Old JDKs send it before every close.",
            &[Cause::PeerClosedDuringHandshake.because("a user or a timer ended it; look at it only if the handshake was not done")],
        ),
        by(
            "The server went away.",
            &[Cause::PeerClosedDuringHandshake.because("it was stopped while the handshake ran")],
        ),
    ),
    row(
        100,
        "A new handshake on the open connection was refused. TLS 1.2 and older.",
        by(
            "The client does not renegotiate.",
            &[
                Cause::ClientCertMissing.because("the server asks for a client certificate by path, after the handshake (IIS, Apache); ask for it in the first handshake"),
            ],
        ),
        by(
            "The server does not renegotiate.",
            &[Cause::Unknown.because("the client began a second handshake; switch that off at the client")],
        ),
    ),
    row(
        109,
        "An extension that must be there is missing.",
        by(
            "The client misses an extension in the server's hello.",
            &[Cause::Unknown.because("a fault of the server's implementation; record both hellos")],
        ),
        by(
            "The client's hello is not complete.",
            &[
                Cause::SniMissing.because("the server may insist on a server name"),
                Cause::NoSharedGroup.because("TLS 1.3 without groups or key share"),
                Cause::NoSharedSignatureScheme.because("TLS 1.3 without signature algorithms"),
            ],
        ),
    ),
    row(
        110,
        "An extension came that nobody asked for.",
        by(
            "The server answered with an extension that the client did not send.",
            &[Cause::Unknown.because("a fault of the server, or something between the two rewrites hellos")],
        ),
        by(
            "The client sent an extension where it may not be.",
            &[Cause::Unknown.because("a fault of the client, or something between the two rewrites hellos")],
        ),
    ),
    row(
        112,
        "The server name is not known. At the level of a warning (Tomcat, Apache) the handshake goes on.",
        by("A client does not send it.", &[]),
        by(
            "The server serves no such name.",
            &[
                Cause::SniUnknown.because("the name is not in the server's configuration; also an IP address, or an alias that nobody added"),
                Cause::SniMissing.because("the client sent no name; old Java, or a connection by IP address"),
                Cause::ConfigMissingMaterial.because("Sallyport: the object for the name was refused or deleted"),
            ],
        ),
    ),
    row(
        115,
        "The PSK or session ticket is not known to the server.",
        by("A client does not send it.", &[]),
        by(
            "The server does not know the key that the client wants to use.",
            &[Cause::Unknown.because("a PSK identity that only one side has; for tickets, the servers behind the name do not have the same ticket keys")],
        ),
    ),
    row(
        117,
        "A fault without an alert of its own (RFC 9846).",
        by(
            "The client does not say what is wrong.",
            &[Cause::Unknown.because("only the client's log knows more")],
        ),
        by(
            "The server does not say what is wrong.",
            &[Cause::Unknown.because("only the server's log knows more")],
        ),
    ),
    row(
        120,
        "No application protocol (ALPN) in common.",
        by(
            "The client does not speak the protocol that the server chose.",
            &[Cause::NoSharedAlpn.because("the server chose one that was not offered")],
        ),
        by(
            "The server speaks none of the protocols that the client offered.",
            &[
                Cause::NoSharedAlpn.because("the client offers h2 only (gRPC) and the server has http/1.1, or the other way round"),
                Cause::SniUnknown.because("the name led to another service than the one that was meant"),
            ],
        ),
    ),
    row(
        121,
        "Encrypted ClientHello was not accepted and the client insists on it.",
        by(
            "The client's ECH configuration is not the server's.",
            &[Cause::SniUnknown.because("the ECH keys in DNS are old; fetch them again")],
        ),
        by("A server does not send it.", &[]),
    ),
];
