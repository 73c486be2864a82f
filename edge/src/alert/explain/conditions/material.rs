//! What is wrong with a program's own certificates, keys and settings, and what gateways say of their configuration.

use super::{Condition, exact, general};
use crate::alert::Cause;

pub(in crate::alert::explain) static KEY_MISMATCH: Condition = exact(
    "key_mismatch",
    "The program's own private key does not belong to its certificate. Nothing was sent.",
    &[Cause::KeyCertMismatch.because(
        "a new certificate beside the old key, or a file whose first certificate is not the leaf",
    )],
    &[Cause::KeyCertMismatch.because(
        "a new certificate beside the old key, or a file whose first certificate is not the leaf",
    )],
);

pub(in crate::alert::explain) static NO_CERTIFICATE_SET: Condition = exact(
    "no_certificate_set",
    "The server has no certificate to show.",
    &[],
    &[
        Cause::ConfigMissingMaterial
            .because("no certificate is configured for this listener or this name"),
        Cause::NoSharedSignatureScheme
            .because("Java: the keystore has no key of a type that the client takes"),
    ],
);

pub(in crate::alert::explain) static UNREADABLE_FILE: Condition = exact(
    "unreadable_file",
    "A certificate, key or CA file of the program could not be read or parsed. Nothing was sent.",
    &[
        Cause::ConfigMissingMaterial
            .because("the path is wrong, the file is not PEM, or the key needs a password"),
        Cause::KeyCertMismatch.because("curl says 58 for a key that is not the certificate's, too"),
    ],
    &[Cause::ConfigMissingMaterial
        .because("the path is wrong, the file is not PEM, or the key needs a password")],
);

pub(in crate::alert::explain) static NO_TRUST_STORE: Condition = exact(
    "no_trust_store",
    "The program has no CA certificates to verify with (curl: 77).",
    &[Cause::ConfigMissingMaterial
        .because("the CA file is missing or empty; install ca-certificates, or name the file")],
    &[Cause::ConfigMissingMaterial.because("the file of client CAs is missing or empty")],
);

pub(in crate::alert::explain) static BAD_CIPHER_LIST: Condition = exact(
    "bad_cipher_list",
    "The program's own list of cipher suites holds none that it knows (curl: 59). Nothing was sent.",
    &[Cause::NoSharedCipher
        .because("names of another library: OpenSSL and Java spell them differently")],
    &[Cause::NoSharedCipher
        .because("names of another library: OpenSSL and Java spell them differently")],
);

pub(in crate::alert::explain) static TARGET_HANDSHAKE_FAILED: Condition = general(
    "target_handshake_failed",
    "TLS between gateway and target failed (Apigee and Sallyport: 503 SslHandshakeFailed). The client's own TLS was fine: it got an HTTP answer.",
    &[
        Cause::ServerCertUntrustedCa
            .because("the target's issuer is not in the gateway's trust store"),
        Cause::ServerCertHostnameMismatch.because("the target's certificate is for other names"),
        Cause::ServerCertExpired.because("the target's certificate is out of date"),
        Cause::ClientCertMissing
            .because("the target demands a client certificate and the gateway has none set"),
        Cause::ProtocolVersionMismatch.because("the target speaks old versions only"),
        Cause::Unknown
            .because("look up the request id in the gateway's log; it has the exact reason"),
    ],
    &[],
);

pub(in crate::alert::explain) static TARGET_UNREACHABLE: Condition = general(
    "target_unreachable",
    "The gateway got no connection to the target (Sallyport: 502 TargetUnreachable).",
    &[Cause::TcpConnectFailed
        .because("nobody listens there, the name does not resolve, or a firewall refuses")],
    &[],
);

pub(in crate::alert::explain) static NO_TARGET_LEFT: Condition = general(
    "no_target_left",
    "The gateway uses none of the targets now: their checks failed (NoActiveTargets). A failing handshake in health checks leads here.",
    &[
        Cause::TcpConnectFailed.because("the targets are down"),
        Cause::ServerCertUntrustedCa.because(
            "the health checks' handshakes fail; look for earlier failures of the same target",
        ),
    ],
    &[],
);

pub(in crate::alert::explain) static NO_MATERIAL: Condition = general(
    "missing_material",
    "An object that the request needs refers to something that is not there (Sallyport: 503 ConfigMissingMaterial).",
    &[Cause::ConfigMissingMaterial
        .because("upstream_id, client_cert_id or a reference names an object that does not exist")],
    &[],
);

pub(in crate::alert::explain) static ROUTE_REJECTED: Condition = general(
    "route_rejected",
    "The route was refused when it was read and has no earlier version (Sallyport: 503 RouteRejected). `sallyport status` has the reason.",
    &[Cause::ConfigMissingMaterial
        .because("the object is not valid; `sallyport validate` says which field")],
    &[],
);

pub(in crate::alert::explain) static NO_PROCESSOR: Condition = general(
    "no_processor",
    "The router reached no processor (Sallyport: 503 NoProcessor).",
    &[
        Cause::TcpConnectFailed.because("no processor is registered or reachable on UDP port 9444"),
        Cause::ClientCertUntrustedCa
            .because("router and processor have certificates of different hop CAs"),
    ],
    &[],
);
