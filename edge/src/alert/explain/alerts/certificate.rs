//! Alerts about certificates and who may use them.

use super::{Row, by, row};
use crate::alert::Cause;

/// By number.
pub(super) const ROWS: &[Row] = &[
    row(
        41,
        "The client has no certificate. SSL 3.0 only; later versions send an empty list instead.",
        by(
            "A client of SSL 3.0 says that it has no certificate to show.",
            &[
                Cause::ClientCertMissing.because("the server asked for one and the client has none"),
                Cause::ProtocolVersionMismatch.because("only SSL 3.0 has this alert; nobody should speak it"),
            ],
        ),
        by("A server does not send it.", &[]),
    ),
    row(
        42,
        "The certificate is not good. The alert does not say why; some stacks use it for every fault.",
        by(
            "The client refuses the server's certificate.",
            &[
                Cause::ServerCertHostnameMismatch.because("OpenSSL, Go and rustls say 42 for a wrong name; rustls and Go also for a certificate without a SAN"),
                Cause::ServerCertNotYetValid.because("OpenSSL and Java say 42 for a certificate of the future"),
                Cause::ServerCertExpired.because("Go says 42 for every fault of a certificate"),
                Cause::ServerCertUntrustedCa.because("Go says 42 for every fault of a certificate"),
                Cause::ServerCertChainIncomplete.because("Go again: the issuer was not sent and is not known"),
                Cause::ServerCertRejectedByPeer.because("the key or its signature's hash is too weak, or the encoding is broken"),
            ],
        ),
        by(
            "The server refuses the client's certificate, or misses one.",
            &[
                Cause::ClientCertMissing.because("Go servers say 42 if none was sent, and so do others in TLS 1.2"),
                Cause::ClientCertNotYetValid.because("OpenSSL says 42 for a certificate of the future"),
                Cause::ClientCertExpired.because("Go before 1.21 says 42 for every fault"),
                Cause::ClientCertUntrustedCa.because("Go before 1.21 says 42 for every fault"),
                Cause::ClientCertWrongPurpose.because("Go says 42 if the extended key usage lacks clientAuth"),
                Cause::ClientCertRejectedByPeer.because("a rule of the server: a list of names, a weak key, a broken encoding"),
            ],
        ),
    ),
    row(
        43,
        "The certificate is of a kind that cannot be used here.",
        by(
            "The client says that the server's certificate is not for servers.",
            &[
                Cause::ServerCertWrongPurpose.because("its extended key usage lacks serverAuth"),
                Cause::NoSharedSignatureScheme.because("its key is of a type that the client does not take"),
            ],
        ),
        by(
            "The server says that the client's certificate is not for clients.",
            &[
                Cause::ClientCertWrongPurpose.because("its extended key usage lacks clientAuth; often a server certificate"),
                Cause::NoSharedSignatureScheme.because("its key is of a type that the server does not take"),
            ],
        ),
    ),
    row(
        44,
        "The certificate was revoked by its issuer.",
        by(
            "The client found the server's certificate revoked, by CRL or OCSP.",
            &[Cause::ServerCertRevoked.because("the issuer's list or OCSP says so")],
        ),
        by(
            "The server found the client's certificate revoked, by CRL or OCSP.",
            &[Cause::ClientCertRevoked.because("the issuer's list or OCSP says so")],
        ),
    ),
    row(
        45,
        "The certificate has expired or is not valid now.",
        by(
            "The client says that the server's certificate is out of date.",
            &[
                Cause::ServerCertExpired.because("the end of its validity has passed, of the leaf or of a CA in the chain"),
                Cause::ServerCertNotYetValid.because("rustls says 45 for one of the future too; or the client's clock is wrong"),
            ],
        ),
        by(
            "The server says that the client's certificate is out of date.",
            &[
                Cause::ClientCertExpired.because("the end of its validity has passed, of the leaf or of a CA in the chain"),
                Cause::ClientCertNotYetValid.because("rustls says 45 for one of the future too; or the server's clock is wrong"),
            ],
        ),
    ),
    row(
        46,
        "The certificate was refused for a reason that the alert does not tell.",
        by(
            "The client refuses the server's certificate.",
            &[
                Cause::ServerCertUntrustedCa.because("Java says 46 for an issuer that is not in its truststore"),
                Cause::ServerCertChainIncomplete.because("Java again: the server did not send the intermediate"),
                Cause::ServerCertHostnameMismatch.because("Java says 46 for a wrong name too"),
                Cause::ServerCertSelfSigned.because("rustls says 46 if a CA's certificate is used as the server's; Java for any self-signed one"),
                Cause::ServerCertWrongPurpose.because("Java says 46 if serverAuth is missing"),
            ],
        ),
        by(
            "The server refuses the client's certificate.",
            &[
                Cause::ClientCertUntrustedCa.because("Java says 46 for an issuer that is not in its truststore"),
                Cause::ClientCertChainIncomplete.because("the client did not send the intermediate"),
                Cause::ClientCertWrongPurpose.because("Java says 46 if clientAuth is missing"),
                Cause::ClientCertRejectedByPeer.because("rustls says 46 for faults without an alert of their own"),
            ],
        ),
    ),
    row(
        48,
        "No chain could be built from the certificate to a trusted CA.",
        by(
            "The client does not trust who issued the server's certificate.",
            &[
                Cause::ServerCertChainIncomplete.because("the server sends its leaf without the intermediate"),
                Cause::ServerCertUntrustedCa.because("the root is not in the client's trust store: a private CA, or the wrong file"),
                Cause::ServerCertSelfSigned.because("the certificate is its own issuer"),
                Cause::ServerCertChainDisordered.because("the chain is sent in the wrong order and the client wants it right"),
            ],
        ),
        by(
            "The server does not trust who issued the client's certificate.",
            &[
                Cause::ClientCertUntrustedCa.because("its issuer is not in the server's list of client CAs"),
                Cause::ClientCertChainIncomplete.because("the client sends its leaf without the intermediate, and the server knows the root only"),
            ],
        ),
    ),
    row(
        49,
        "The certificate is valid, but the sender's rules refuse.",
        by(
            "The client's policy refuses the server.",
            &[Cause::ServerCertRejectedByPeer.because("a rule of the client, such as a pinned key")],
        ),
        by(
            "The server's policy refuses the client, or it has no certificate for the name.",
            &[
                Cause::SniUnknown.because("rustls servers say 49 if they have no certificate for the name; it then comes before any certificate"),
                Cause::SniMissing.because("the same, with no name sent"),
                Cause::ClientCertRejectedByPeer.because("a rule of the server refuses this client's certificate"),
            ],
        ),
    ),
    row(
        51,
        "A signature, a Finished message or a PSK binder did not verify.",
        by(
            "The client could not verify what the server signed.",
            &[
                Cause::KeyCertMismatch.because("the server signs with a key that is not its certificate's"),
                Cause::ServerCertUntrustedCa.because("OpenSSL and rustls: the issuer's signature is wrong, a CA of the same name with another key"),
                Cause::InternalError.because("something between the two changes the handshake's bytes"),
            ],
        ),
        by(
            "The server could not verify what the client signed.",
            &[
                Cause::KeyCertMismatch.because("the client signs with a key that is not its certificate's"),
                Cause::ClientCertUntrustedCa.because("OpenSSL and rustls: the issuer's signature is wrong, a CA of the same name with another key"),
                Cause::InternalError.because("the two do not have the same ticket keys, or something between them changes bytes"),
            ],
        ),
    ),
    row(
        111,
        "A certificate could not be fetched from the URL that the client gave. Obsolete.",
        by("A client does not send it.", &[]),
        by(
            "The server could not fetch the client's certificate.",
            &[Cause::ClientCertRejectedByPeer.because("the extension client_certificate_url is in use; nothing should use it")],
        ),
    ),
    row(
        113,
        "The stapled OCSP response is invalid.",
        by(
            "The client refuses the OCSP response that the server stapled.",
            &[
                Cause::ServerCertRevoked.because("the response is out of date, for another certificate, or says revoked"),
                Cause::ServerCertRejectedByPeer.because("the certificate must be stapled and the response cannot be read"),
            ],
        ),
        by("A server does not send it.", &[]),
    ),
    row(
        114,
        "A certificate's hash is not the announced one. Obsolete.",
        by("A client does not send it.", &[]),
        by(
            "The server refuses a certificate given by URL and hash.",
            &[Cause::ClientCertRejectedByPeer.because("the extension client_certificate_url is in use; nothing should use it")],
        ),
    ),
    row(
        116,
        "A client certificate is required and none came. In TLS 1.3 it arrives after the client thinks that the handshake is done, with its first read.",
        by("A client does not send it.", &[]),
        by(
            "The server demands a client certificate and got none.",
            &[
                Cause::ClientCertMissing.because("no certificate is set at the client, or under a setting that it does not read"),
                Cause::ClientCertUntrustedCa.because("the client has one and kept it back: its issuer is not among the CAs that the server accepts (Java and Go do that)"),
                Cause::ConfigMissingMaterial.because("the certificate is set but its file or alias could not be read"),
            ],
        ),
    ),
];
