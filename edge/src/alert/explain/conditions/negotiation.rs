//! What a program could not agree on with the other side: version, cipher, group, signature, name, application protocol.

use super::{Condition, exact};
use crate::alert::Cause;

pub(in crate::alert::explain) static NO_SHARED_CIPHER: Condition = exact(
    "no_shared_cipher",
    "The sides have no cipher suite in common.",
    &[
        Cause::NoSharedCipher.because("the server offers none that the client allows"),
        Cause::ProtocolVersionMismatch.because("the suites in common belong to another version"),
    ],
    &[
        Cause::NoSharedCipher.because("none of the client's suites is allowed here, or none fits the type of the server's key (ECDSA against RSA)"),
        Cause::ConfigMissingMaterial.because("the server has no certificate for this name, so that no suite fits"),
        Cause::ProtocolVersionMismatch.because("the suites in common belong to another version"),
    ],
);

pub(in crate::alert::explain) static VERSION_OR_CIPHER: Condition = exact(
    "version_or_cipher",
    "The sides have no TLS version or no cipher suite in common.",
    &[
        Cause::ProtocolVersionMismatch.because("the server speaks TLS 1.0 or 1.1 only"),
        Cause::NoSharedCipher.because("the server has old suites only"),
        Cause::SniUnknown.because("the server has no certificate for this name and refuses"),
    ],
    &[],
);

pub(in crate::alert::explain) static NO_SHARED_GROUP: Condition = exact(
    "no_shared_group",
    "The sides have no key exchange group in common.",
    &[
        Cause::NoSharedGroup.because("the server's groups are not the client's"),
        Cause::NoSharedCipher
            .because("rustls says so too if the suites have no key exchange in common"),
    ],
    &[
        Cause::NoSharedGroup.because("the client's groups are not the server's"),
        Cause::NoSharedCipher
            .because("rustls says so too if the client offers suites with static RSA only"),
    ],
);

pub(in crate::alert::explain) static NO_SHARED_SIGNATURE: Condition = exact(
    "no_shared_signature_scheme",
    "No signature scheme in common that fits the certificate's key.",
    &[Cause::NoSharedSignatureScheme.because(
        "the server signs with what the client does not take, such as SHA-1 or a short RSA key",
    )],
    &[Cause::NoSharedSignatureScheme
        .because("the client takes nothing that the server's key can do, such as SHA-1 only")],
);

pub(in crate::alert::explain) static NO_SHARED_VERSION: Condition = exact(
    "no_shared_version",
    "The other side speaks no TLS version that is allowed here.",
    &[Cause::ProtocolVersionMismatch
        .because("the server's best version is below the client's least, often TLS 1.0")],
    &[Cause::ProtocolVersionMismatch
        .because("the client offers older versions only, often TLS 1.0 or 1.1")],
);

pub(in crate::alert::explain) static NO_VERSION_ENABLED: Condition = exact(
    "no_version_enabled",
    "The program's own settings leave it no TLS version or cipher suite to offer; nothing was sent.",
    &[
        Cause::ProtocolVersionMismatch.because("only versions are set that this runtime has switched off (Java: jdk.tls.disabledAlgorithms; OpenSSL: MinProtocol, SECLEVEL)"),
        Cause::NoSharedCipher.because("the list of suites is empty for that version"),
    ],
    &[Cause::ProtocolVersionMismatch.because("only versions are set that this runtime has switched off")],
);

pub(in crate::alert::explain) static UNSAFE_RENEGOTIATION: Condition = exact(
    "unsafe_renegotiation",
    "The server does not know secure renegotiation (RFC 5746), and OpenSSL 3 does not talk to such servers.",
    &[Cause::ProtocolVersionMismatch
        .because("a very old server, or a middlebox in between; bring it up to date")],
    &[],
);

pub(in crate::alert::explain) static WEAK_KEY_EXCHANGE: Condition = exact(
    "weak_key_exchange",
    "The server's Diffie-Hellman key is too short for the client.",
    &[Cause::NoSharedGroup
        .because("the server uses DHE of 1024 bits or less; use ECDHE, or 2048 bits")],
    &[],
);

pub(in crate::alert::explain) static NO_SHARED_ALPN: Condition = exact(
    "no_shared_alpn",
    "The sides have no application protocol (ALPN) in common.",
    &[Cause::NoSharedAlpn
        .because("the server does not speak what the client needs; gRPC needs h2")],
    &[Cause::NoSharedAlpn.because("the client offers nothing that the server speaks")],
);

pub(in crate::alert::explain) static NO_CERTIFICATE_FOR_NAME: Condition = exact(
    "no_certificate_for_name",
    "The server has no certificate for the name that the client asked for. APISIX then sends alert 80, rustls 49, nginx and Sallyport 112.",
    &[
        Cause::SniUnknown.because("the name is not configured at the server"),
        Cause::SniMissing.because("the client sent no name"),
    ],
    &[
        Cause::SniUnknown.because("no ssl object, server block or keystore entry has the name; a wildcard stands for one label only"),
        Cause::SniMissing.because("the client sent no name: it connects by address, or is old"),
    ],
);

pub(in crate::alert::explain) static NO_NAME_SENT: Condition = exact(
    "no_name_sent",
    "The client sent no server name, and the server needs one.",
    &[Cause::SniMissing.because("switch SNI on, and connect by name")],
    &[Cause::SniMissing.because("the client connects by address, or is old; Sallyport and APISIX have fallback_sni for those")],
);

pub(in crate::alert::explain) static NAME_IS_NOT_HOST: Condition = exact(
    "name_is_not_host",
    "The request's Host is not the name that the connection was opened for, and one of them asks for client certificates.",
    &[Cause::SniHostMismatch
        .because("the client uses one connection for several names, or sets Host by hand")],
    &[Cause::SniHostMismatch
        .because("the client uses one connection for several names, or sets Host by hand")],
);
