//! Clients: curl's own texts, Python, Node.js, GnuTLS (wget, git), browsers, Schannel, and words of no stack in
//! particular.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Phrase, alert, hint, says};

/// curl; what OpenSSL says through it is in the table of OpenSSL.
pub(super) const CURL: &[Phrase] = &[
    hint("curl").client(),
    says(
        "no alternative certificate subject name matches target host name",
        &certificate::WRONG_NAME,
    )
    .client(),
    says("does not match target host name", &certificate::WRONG_NAME).client(),
    says("invalid certificate chain", &certificate::ISSUER_UNKNOWN),
    says(
        "ssl peer certificate or ssh remote key was not ok",
        &certificate::VERIFY_FAILED,
    )
    .client(),
    says(
        "peer s certificate issuer is not recognized",
        &certificate::ISSUER_UNKNOWN,
    )
    .client(),
    says("ssl certificate problem", &certificate::VERIFY_FAILED).client(),
    says("no ocsp response received", &certificate::OCSP_REFUSED).client(),
    says("failed receiving http2 data", &connection::RECEIVE_FAILED).client(),
    says("empty reply from server", &connection::EMPTY_REPLY).client(),
    says(
        "received http 0 9 when not allowed",
        &connection::HTTP_TO_TLS,
    )
    .client(),
    says("ssl connection timeout", &connection::TIMEOUT).client(),
    says("ssl connect error", &connection::HANDSHAKE_FAILED).client(),
    says(
        "could not load pem client certificate",
        &material::UNREADABLE_FILE,
    )
    .client(),
    says("unable to set private key file", &material::UNREADABLE_FILE).client(),
    says(
        "problem with the local client certificate",
        &material::UNREADABLE_FILE,
    )
    .client(),
    says(
        "error setting certificate verify locations",
        &material::NO_TRUST_STORE,
    )
    .client(),
    says("error setting certificate file", &material::NO_TRUST_STORE).client(),
    says("failed setting cipher list", &material::BAD_CIPHER_LIST).client(),
];

/// Python's ssl, requests and urllib3; the reasons in brackets are OpenSSL's.
pub(super) const PYTHON: &[Phrase] = &[
    hint("https connection pool").client(),
    hint("urlopen error").client(),
    says("eof occurred in violation of protocol", &connection::CLOSED),
    says("certificate is not valid for", &certificate::WRONG_NAME).client(),
    says("doesn t match either of", &certificate::WRONG_NAME).client(),
];

/// Node.js.
pub(super) const NODE: &[Phrase] = &[
    says("depth zero self signed cert", &certificate::SELF_SIGNED),
    says("self signed cert in chain", &certificate::PRIVATE_ROOT),
    says("unable to verify leaf signature", &certificate::LEAF_ALONE),
    says(
        "unable to get issuer cert locally",
        &certificate::ISSUER_UNKNOWN,
    ),
    says("cert has expired", &certificate::EXPIRED),
    says("cert not yet valid", &certificate::NOT_YET_VALID),
    says("err tls cert altname invalid", &certificate::WRONG_NAME).client(),
    says(
        "does not match certificate s altnames",
        &certificate::WRONG_NAME,
    )
    .client(),
    says(
        "socket disconnected before secure tls connection was established",
        &connection::CLOSED,
    )
    .client(),
];

/// GnuTLS, with wget's and git's frames.
pub(super) const GNUTLS: &[Phrase] = &[
    hint("a tls fatal alert has been received")
        .received()
        .fatal(),
    hint("a tls warning alert has been received")
        .received()
        .warning(),
    says(
        "server certificate verification failed",
        &certificate::VERIFY_FAILED,
    )
    .client(),
    hint("unable to establish ssl connection").client(),
    says("the certificate of", &certificate::VERIFY_FAILED)
        .on_tls_line()
        .client(),
    says("doesn t have a known issuer", &certificate::ISSUER_UNKNOWN).client(),
    says(
        "the certificate issuer is unknown",
        &certificate::ISSUER_UNKNOWN,
    ),
    says(
        "unable to locally verify the issuer s authority",
        &certificate::ISSUER_UNKNOWN,
    )
    .client(),
    says(
        "self signed certificate encountered",
        &certificate::SELF_SIGNED,
    )
    .client(),
    says("issued certificate has expired", &certificate::EXPIRED).client(),
    says(
        "the certificate chain uses expired certificate",
        &certificate::EXPIRED,
    ),
    says(
        "the name in the certificate does not match the expected",
        &certificate::WRONG_NAME,
    )
    .client(),
    says(
        "no certificate subject alternative name matches",
        &certificate::WRONG_NAME,
    )
    .client(),
    says(
        "the certificate s owner does not match hostname",
        &certificate::WRONG_NAME,
    )
    .client(),
    says(
        "an unexpected tls packet was received",
        &connection::NOT_TLS,
    ),
    says(
        "a packet with illegal or unsupported version was received",
        &connection::NOT_TLS,
    ),
    says(
        "the tls connection was non properly terminated",
        &connection::CLOSED,
    ),
    says(
        "no supported cipher suites have been found",
        &negotiation::NO_SHARED_CIPHER,
    ),
];

/// Firefox (NSS) and Chrome.
pub(super) const BROWSER: &[Phrase] = &[
    says("sec error unknown issuer", &certificate::ISSUER_UNKNOWN).client(),
    says("sec error untrusted issuer", &certificate::ISSUER_UNKNOWN).client(),
    says("sec error expired certificate", &certificate::EXPIRED).client(),
    says("sec error revoked certificate", &certificate::REVOKED).client(),
    says(
        "sec error inadequate cert type",
        &certificate::WRONG_PURPOSE,
    )
    .client(),
    says(
        "mozilla pkix error self signed cert",
        &certificate::SELF_SIGNED,
    )
    .client(),
    says(
        "mozilla pkix error ca cert used as end entity",
        &certificate::CA_AS_LEAF,
    )
    .client(),
    says("ssl error bad cert domain", &certificate::WRONG_NAME).client(),
    says(
        "ssl error no cypher overlap",
        &negotiation::NO_SHARED_CIPHER,
    )
    .client(),
    says(
        "ssl error unsupported version",
        &negotiation::NO_SHARED_VERSION,
    )
    .client(),
    alert("ssl error protocol version alert", 70)
        .client()
        .received(),
    alert("ssl error handshake failure alert", 40)
        .client()
        .received(),
    alert("ssl error bad cert alert", 42).client().received(),
    alert("ssl error unknown ca alert", 48).client().received(),
    alert("ssl error internal error alert", 80)
        .client()
        .received(),
    alert("ssl error unrecognized name alert", 112)
        .client()
        .received(),
    alert("ssl error rx certificate required alert", 116)
        .client()
        .received(),
    says("ssl error rx record too long", &connection::NOT_TLS).client(),
    says("pr end of file error", &connection::CLOSED).client(),
    says("pr connect reset error", &connection::RESET).client(),
    says("err cert authority invalid", &certificate::ISSUER_UNKNOWN).client(),
    says("err cert date invalid", &certificate::OUT_OF_DATE).client(),
    says("err cert common name invalid", &certificate::WRONG_NAME).client(),
    says("err cert revoked", &certificate::REVOKED).client(),
    says(
        "err cert weak signature algorithm",
        &certificate::WEAK_CERTIFICATE,
    )
    .client(),
    says(
        "err ssl version or cipher mismatch",
        &negotiation::VERSION_OR_CIPHER,
    )
    .client(),
    says(
        "err bad ssl client auth cert",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .client(),
    says(
        "err ssl client auth cert needed",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .client(),
    says("err ssl protocol error", &connection::NOT_TLS).client(),
    alert("err ssl unrecognized name alert", 112)
        .client()
        .received(),
];

/// Windows: .NET, PowerShell, curl.exe.
pub(super) const SCHANNEL: &[Phrase] = &[
    says("sec e untrusted root", &certificate::ISSUER_UNKNOWN),
    says(
        "issued by an authority that is not trusted",
        &certificate::ISSUER_UNKNOWN,
    ),
    says("sec e cert expired", &certificate::EXPIRED),
    says("sec e wrong principal", &certificate::WRONG_NAME).client(),
    says("remote certificate name mismatch", &certificate::WRONG_NAME).client(),
    says(
        "remote certificate chain errors",
        &certificate::ISSUER_UNKNOWN,
    )
    .client(),
    says(
        "remote certificate is invalid according to the validation procedure",
        &certificate::VERIFY_FAILED,
    ),
    says("crypt e no revocation check", &certificate::NO_CRL),
    says("crypt e revocation offline", &certificate::NO_CRL),
    says("sec e algorithm mismatch", &negotiation::VERSION_OR_CIPHER).client(),
    says(
        "could not create ssl tls secure channel",
        &connection::HANDSHAKE_FAILED,
    )
    .client(),
    hint("schannel").client(),
];

/// Words of no stack in particular.
pub(super) const PLAIN: &[Phrase] = &[
    // An access log's picture of a ClientHello.
    says("x16 x03", &connection::TLS_TO_HTTP).server(),
    says("ssl handshake failed", &connection::HANDSHAKE_FAILED),
    says("ssl handshake failure", &connection::HANDSHAKE_FAILED),
    says("tls handshake failed", &connection::HANDSHAKE_FAILED),
    says("certificate expired", &certificate::EXPIRED),
    says("certificate revoked", &certificate::REVOKED),
    says("connection reset by peer", &connection::RESET),
    says("connection reset", &connection::RESET),
    says("econnreset", &connection::RESET),
    says("connection refused", &connection::NO_CONNECTION).client(),
    says("econnrefused", &connection::NO_CONNECTION).client(),
    says("handshake timed out", &connection::TIMEOUT),
    says("handshake timeout", &connection::TIMEOUT),
    says("unexpected end of file", &connection::CLOSED).on_tls_line(),
    says("unexpected eof", &connection::CLOSED).on_tls_line(),
    says("eof", &connection::CLOSED).on_tls_line(),
];
