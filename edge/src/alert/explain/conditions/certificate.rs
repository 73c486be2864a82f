//! Verdicts on the other side's certificate, made by the program that prints them.

use super::{Condition, exact, general};
use crate::alert::Cause;

pub(in crate::alert::explain) static VERIFY_FAILED: Condition = general(
    "verify_failed",
    "The program refused the other side's certificate. Which check failed usually stands beside it.",
    &[
        Cause::ServerCertUntrustedCa.because("the issuer is not in the client's trust store"),
        Cause::ServerCertChainIncomplete.because("the server does not send the intermediate"),
        Cause::ServerCertHostnameMismatch.because("the certificate is for other names"),
        Cause::ServerCertExpired.because("it is out of date, or the client's clock is wrong"),
        Cause::ServerCertSelfSigned.because("it is its own issuer"),
    ],
    &[
        Cause::ClientCertUntrustedCa.because("the issuer is not among the server's client CAs"),
        Cause::ClientCertChainIncomplete.because("the client does not send the intermediate"),
        Cause::ClientCertExpired.because("it is out of date, or the server's clock is wrong"),
        Cause::ClientCertWrongPurpose.because("it lacks clientAuth"),
    ],
);

pub(in crate::alert::explain) static ISSUER_UNKNOWN: Condition = exact(
    "issuer_unknown",
    "The program found no trusted issuer for a certificate that it was sent (OpenSSL: verify result 20).",
    &[
        Cause::ServerCertUntrustedCa.because("a private CA or another root than in the client's trust store"),
        Cause::ServerCertChainIncomplete.because("the server sends its leaf without the intermediate; browsers hide that, programs do not"),
        Cause::ServerCertSelfSigned.because("the certificate is its own issuer"),
    ],
    &[
        Cause::ClientCertUntrustedCa.because("its issuer is not among the server's client CAs"),
        Cause::ClientCertChainIncomplete.because("the client sends its leaf without the intermediate"),
    ],
);

pub(in crate::alert::explain) static LEAF_ALONE: Condition = exact(
    "leaf_alone",
    "Only the leaf came, and its issuer is not known (OpenSSL: verify result 21).",
    &[
        Cause::ServerCertChainIncomplete.because("the server's file holds the leaf only"),
        Cause::ServerCertUntrustedCa
            .because("the leaf is signed by a root that the client does not have"),
    ],
    &[
        Cause::ClientCertChainIncomplete.because("the client's file holds the leaf only"),
        Cause::ClientCertUntrustedCa
            .because("the leaf is signed by a root that the server does not have"),
    ],
);

pub(in crate::alert::explain) static ROOT_MISSING: Condition = exact(
    "root_missing",
    "An intermediate is there, the root above it is not (OpenSSL: verify result 2). The trust store must hold the self-signed root.",
    &[Cause::ServerCertUntrustedCa
        .because("the client's CA file holds the intermediate without its root")],
    &[Cause::ClientCertUntrustedCa
        .because("the server's CA file holds the intermediate without its root")],
);

pub(in crate::alert::explain) static SELF_SIGNED: Condition = exact(
    "self_signed",
    "The certificate is its own issuer and not in the trust store (OpenSSL: verify result 18).",
    &[Cause::ServerCertSelfSigned.because(
        "a test certificate, or the default one of a server that has nothing for this name",
    )],
    &[Cause::ClientCertUntrustedCa
        .because("a self-signed client certificate that the server's CA file does not hold")],
);

pub(in crate::alert::explain) static PRIVATE_ROOT: Condition = exact(
    "private_root",
    "The chain ends in a self-signed CA that is not in the trust store (OpenSSL: verify result 19).",
    &[Cause::ServerCertUntrustedCa.because("a private CA, or a proxy that opens TLS in between")],
    &[Cause::ClientCertUntrustedCa
        .because("the client's root is not among the server's client CAs")],
);

pub(in crate::alert::explain) static CA_AS_LEAF: Condition = exact(
    "ca_as_leaf",
    "A CA's certificate is used as the leaf; rustls does not take that. `openssl req -x509` makes such certificates.",
    &[Cause::ServerCertSelfSigned
        .because("made with CA:TRUE; make it with -addext basicConstraints=critical,CA:FALSE")],
    &[Cause::ClientCertUntrustedCa
        .because("made with CA:TRUE; make it with -addext basicConstraints=critical,CA:FALSE")],
);

pub(in crate::alert::explain) static EXPIRED: Condition = exact(
    "expired",
    "A certificate of the chain has expired (OpenSSL: verify result 10).",
    &[Cause::ServerCertExpired
        .because("the leaf, an intermediate or the root; or the client's clock is ahead")],
    &[Cause::ClientCertExpired
        .because("the leaf, an intermediate or the root; or the server's clock is ahead")],
);

pub(in crate::alert::explain) static OUT_OF_DATE: Condition = exact(
    "out_of_date",
    "A certificate of the chain has expired or is not valid yet; the message does not tell which.",
    &[
        Cause::ServerCertExpired.because("the end of its validity has passed"),
        Cause::ServerCertNotYetValid
            .because("its validity has not begun, or the client's clock is behind"),
    ],
    &[
        Cause::ClientCertExpired.because("the end of its validity has passed"),
        Cause::ClientCertNotYetValid
            .because("its validity has not begun, or the server's clock is behind"),
    ],
);

pub(in crate::alert::explain) static NOT_YET_VALID: Condition =
    exact(
        "not_yet_valid",
        "A certificate of the chain is not valid yet (OpenSSL: verify result 9).",
        &[Cause::ServerCertNotYetValid
            .because("issued a moment ago, or the client's clock is behind")],
        &[Cause::ClientCertNotYetValid
            .because("issued a moment ago, or the server's clock is behind")],
    );

pub(in crate::alert::explain) static REVOKED: Condition = exact(
    "revoked",
    "The certificate is revoked (OpenSSL: verify result 23).",
    &[Cause::ServerCertRevoked.because("the issuer's list or OCSP says so")],
    &[Cause::ClientCertRevoked.because("the issuer's list or OCSP says so")],
);

pub(in crate::alert::explain) static NO_CRL: Condition = exact(
    "no_crl",
    "Revocation is checked and no fresh list of the issuer is at hand (OpenSSL: verify results 3 and 12).",
    &[Cause::ConfigMissingMaterial
        .because("the client's CRL file is missing, out of date or of another CA")],
    &[Cause::ConfigMissingMaterial
        .because("the server's CRL file is missing, out of date or of another CA")],
);

pub(in crate::alert::explain) static WRONG_PURPOSE: Condition = exact(
    "wrong_purpose",
    "The certificate is not made for this use (OpenSSL: verify result 26).",
    &[Cause::ServerCertWrongPurpose
        .because("its extended key usage lacks serverAuth; perhaps a client certificate")],
    &[Cause::ClientCertWrongPurpose
        .because("its extended key usage lacks clientAuth; perhaps a server certificate")],
);

pub(in crate::alert::explain) static WRONG_NAME: Condition = exact(
    "wrong_name",
    "The certificate does not hold the name or address that was asked for (OpenSSL: verify results 62 and 64).",
    &[
        Cause::ServerCertHostnameMismatch
            .because("the name is not among its SANs; a wildcard stands for one label only"),
        Cause::SniMissing
            .because("without SNI the server shows its default certificate, which is another one"),
        Cause::SniUnknown
            .because("the server does not know the name and shows its default certificate"),
    ],
    &[Cause::ClientCertRejectedByPeer
        .because("the server compares the client certificate's name with one that it expects")],
);

pub(in crate::alert::explain) static NO_SAN: Condition = exact(
    "no_san",
    "The certificate has a common name and no SAN. Go, rustls and browsers take SANs only; OpenSSL, curl and Java take it.",
    &[Cause::ServerCertHostnameMismatch.because("issue it again with subjectAltName")],
    &[],
);

pub(in crate::alert::explain) static CHAIN_TOO_LONG: Condition = exact(
    "chain_too_long",
    "More intermediates than the verifying side allows (OpenSSL: verify result 22), or a CA that may not sign CAs (25).",
    &[Cause::ServerCertUntrustedCa
        .because("raise the verify depth; see pathlen in the CAs' basicConstraints")],
    &[Cause::ClientCertUntrustedCa.because(
        "raise the verify depth (Sallyport and APISIX: client.depth, which is 1 by default)",
    )],
);

pub(in crate::alert::explain) static NOT_A_CA: Condition = exact(
    "not_a_ca",
    "A certificate that signed another is not marked as a CA (OpenSSL: verify results 24 and 79).",
    &[Cause::ServerCertUntrustedCa
        .because("issue the CA again with basicConstraints CA:TRUE and keyCertSign")],
    &[Cause::ClientCertUntrustedCa
        .because("issue the CA again with basicConstraints CA:TRUE and keyCertSign")],
);

pub(in crate::alert::explain) static BAD_SIGNATURE: Condition = exact(
    "bad_signature",
    "A signature in the chain or in the handshake is wrong (OpenSSL: verify result 7).",
    &[
        Cause::ServerCertUntrustedCa
            .because("the trust store has a CA of the same name with another key"),
        Cause::KeyCertMismatch
            .because("the server signs the handshake with a key that is not its certificate's"),
    ],
    &[
        Cause::ClientCertUntrustedCa
            .because("the client CAs hold one of the same name with another key"),
        Cause::KeyCertMismatch
            .because("the client signs the handshake with a key that is not its certificate's"),
    ],
);

pub(in crate::alert::explain) static WEAK_CERTIFICATE: Condition = exact(
    "weak_certificate",
    "A key is too short or a signature's hash too old for the program's security level (OpenSSL: verify results 66 to 68).",
    &[Cause::ServerCertRejectedByPeer
        .because("less than 2048 bits of RSA, or SHA-1 or MD5 in the chain; issue it again")],
    &[Cause::ClientCertRejectedByPeer
        .because("less than 2048 bits of RSA, or SHA-1 or MD5 in the chain; issue it again")],
);

pub(in crate::alert::explain) static UNREADABLE_CERTIFICATE: Condition = exact(
    "unreadable_certificate",
    "The certificate's encoding or version is one that the program does not take.",
    &[Cause::ServerCertRejectedByPeer.because("X.509 version 1 or broken DER; issue it again as version 3 (openssl x509 -req needs -extfile)")],
    &[Cause::ClientCertRejectedByPeer.because("X.509 version 1 or broken DER; issue it again as version 3 (openssl x509 -req needs -extfile)")],
);

pub(in crate::alert::explain) static NO_CLIENT_CERTIFICATE: Condition = exact(
    "no_client_certificate",
    "The server asked for a client certificate and got none.",
    &[
        Cause::ClientCertMissing.because("none is set at the client"),
        Cause::ClientCertUntrustedCa.because("one is set and the client kept it back: its issuer is not among the CAs that the server named"),
    ],
    &[
        Cause::ClientCertMissing.because("none is set at the client, or under a setting that it does not read"),
        Cause::ClientCertUntrustedCa.because("one is set and the client kept it back: its issuer is not among the CAs that the server named"),
    ],
);

pub(in crate::alert::explain) static CLIENT_CERTIFICATE_REFUSED: Condition = exact(
    "client_certificate_refused",
    "The server finished the handshake, found the client certificate not good and answered 400 (nginx, Apigee's router, APISIX with a skip list, Sallyport with http_400). Its error log has the reason.",
    &[
        Cause::ClientCertExpired.because("it is out of date"),
        Cause::ClientCertUntrustedCa.because("its issuer is not among the server's client CAs, or the new truststore is not loaded on every router"),
        Cause::ClientCertChainIncomplete.because("the client does not send the intermediate"),
        Cause::ClientCertWrongPurpose.because("it lacks clientAuth"),
    ],
    &[
        Cause::ClientCertExpired.because("it is out of date"),
        Cause::ClientCertUntrustedCa.because("its issuer is not among the server's client CAs"),
        Cause::ClientCertChainIncomplete.because("the client does not send the intermediate"),
        Cause::ClientCertWrongPurpose.because("it lacks clientAuth"),
    ],
);

pub(in crate::alert::explain) static OCSP_REFUSED: Condition = exact(
    "ocsp_refused",
    "The stapled OCSP answer is missing or not good, and the client insists on it.",
    &[
        Cause::ServerCertRevoked.because("the answer says revoked"),
        Cause::ServerCertRejectedByPeer.because("the server staples nothing, or an old answer"),
    ],
    &[],
);
