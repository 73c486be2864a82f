//! Lines of TLS libraries: OpenSSL, curl, Java, Go, rustls, Python, GnuTLS, browsers.

use super::{Case, case, check};

const OPENSSL: &[Case] = &[
    case(
        "error:14094438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error",
        &["internal_error"],
        "received",
        &["sni_unknown", "sni_missing"],
    ),
    case(
        "error:0A000438:SSL routines::tlsv1 alert internal error",
        &["internal_error"],
        "received",
        &["sni_unknown"],
    ),
    case(
        "40E7B6A5F57F0000:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../ssl/record/rec_layer_s3.c:1584:SSL alert number 40",
        &["handshake_failure"],
        "received",
        &["no_shared_cipher"],
    ),
    case(
        "error:14077410:SSL routines:SSL23_GET_SERVER_HELLO:sslv3 alert handshake failure",
        &["handshake_failure"],
        "received client",
        &["no_shared_cipher", "sni_missing"],
    ),
    case(
        "error:0A000126:SSL routines::unexpected eof while reading",
        &["closed"],
        "",
        &["peer_closed_during_handshake"],
    ),
    case(
        "error:0A0000C1:SSL routines:tls_post_process_client_hello:no shared cipher:ssl/statem/statem_srvr.c:2220:",
        &["no_shared_cipher"],
        "server",
        &["no_shared_cipher"],
    ),
    case(
        "error:0A000102:SSL routines:tls_early_post_process_client_hello:unsupported protocol",
        &["no_shared_version"],
        "server",
        &["protocol_version_mismatch"],
    ),
    case(
        "error:1416F086:SSL routines:tls_process_server_certificate:certificate verify failed",
        &["verify_failed"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "error:0A0000C7:SSL routines::peer did not return a certificate",
        &["no_client_certificate"],
        "server",
        &["client_cert_missing"],
    ),
    case(
        "error:0A00009C:SSL routines::http request",
        &["http_to_tls"],
        "server",
        &["plaintext_to_tls_port"],
    ),
    case(
        "error:0A00009B:SSL routines::https proxy request",
        &["connect_to_tls"],
        "server",
        &["plaintext_to_tls_port"],
    ),
    case(
        "error:0A000076:SSL routines::no suitable signature algorithm",
        &["no_shared_signature_scheme"],
        "",
        &["no_shared_signature_scheme"],
    ),
    case(
        "error:0A0000C6:SSL routines::packet length too long",
        &["not_tls"],
        "",
        &["peer_not_tls"],
    ),
    case(
        "error:05800074:x509 certificate routines::key values mismatch",
        &["key_mismatch"],
        "",
        &["key_cert_mismatch"],
    ),
    case(
        "error:0A000152:SSL routines::unsafe legacy renegotiation disabled",
        &["unsafe_renegotiation"],
        "client",
        &["protocol_version_mismatch"],
    ),
    case(
        "error:0A00018A:SSL routines::dh key too small",
        &["weak_key_exchange"],
        "",
        &["no_shared_group"],
    ),
    case(
        "error:0A00018E:SSL routines::ca md too weak",
        &["weak_certificate"],
        "",
        &["server_cert_rejected_by_peer"],
    ),
    case(
        "error:0A000458:SSL routines::tlsv1 unrecognized name",
        &["unrecognized_name"],
        "received",
        &["sni_unknown"],
    ),
    case(
        "error:0A000412:SSL routines::ssl/tls alert bad certificate",
        &["bad_certificate"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "verify error:num=20:unable to get local issuer certificate",
        &["issuer_unknown"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "Verify return code: 21 (unable to verify the first certificate)",
        &["leaf_alone"],
        "",
        &["server_cert_chain_incomplete"],
    ),
    case(
        "Verify return code: 10",
        &["expired"],
        "",
        &["server_cert_expired"],
    ),
    case(
        "Verification error: self-signed certificate in certificate chain",
        &["private_root"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "SSL3 alert read:fatal:handshake failure",
        &["handshake_failure"],
        "fatal received",
        &["no_shared_cipher"],
    ),
    case(
        "SSL3 alert write:fatal:unknown CA",
        &["unknown_ca"],
        "fatal sent",
        &["client_cert_untrusted_ca"],
    ),
    case(
        "<<< TLS 1.3, Alert [length 0002], fatal certificate_required",
        &["certificate_required"],
        "fatal received",
        &["client_cert_missing"],
    ),
    case(
        ">>> TLS 1.2, Alert [length 0002], fatal unknown_ca",
        &["unknown_ca"],
        "fatal sent",
        &["client_cert_untrusted_ca"],
    ),
];

#[test]
fn openssl() {
    check(OPENSSL);
}

const CURL: &[Case] = &[
    case(
        "TLSv1.3 (IN), TLS alert, internal error (592):",
        &["internal_error"],
        "fatal received client",
        &["sni_unknown"],
    ),
    case(
        "* TLSv1.3 (IN), TLS alert, unknown (628):",
        &["certificate_required"],
        "fatal received client",
        &["client_cert_missing"],
    ),
    case(
        "* TLSv1.3 (OUT), TLS alert, unknown CA (560):",
        &["unknown_ca"],
        "fatal sent client",
        &["server_cert_chain_incomplete", "server_cert_untrusted_ca"],
    ),
    case(
        "* TLSv1.3 (OUT), TLS alert, bad certificate (554):",
        &["bad_certificate"],
        "fatal sent client",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "* TLSv1.2 (IN), TLS alert, unrecognized name (368):",
        &["unrecognized_name"],
        "warning received client",
        &["sni_unknown"],
    ),
    case(
        "* TLSv1.3 (OUT), TLS alert, close notify (256):",
        &["close_notify"],
        "warning sent client",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "curl: (35) error:0A000438:SSL routines::tlsv1 alert internal error",
        &["internal_error"],
        "received client",
        &["sni_unknown"],
    ),
    case(
        "curl: (56) OpenSSL SSL_read: error:1409445C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required, errno 0",
        &["certificate_required"],
        "received client",
        &["client_cert_missing"],
    ),
    case(
        "curl: (56)",
        &["receive_failed"],
        "client",
        &["client_cert_missing"],
    ),
    case("curl: (35)", &["handshake_failed"], "client", &["unknown"]),
    case(
        "curl: (60)",
        &["verify_failed"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "curl: (60) SSL certificate problem: Invalid certificate chain",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "curl: (60) SSL certificate problem: unable to get local issuer certificate",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca", "server_cert_chain_incomplete"],
    ),
    case(
        "curl: (60) SSL certificate problem: certificate has expired",
        &["expired"],
        "client",
        &["server_cert_expired"],
    ),
    case(
        "curl: (60) SSL: no alternative certificate subject name matches target host name 'example.org'",
        &["wrong_name"],
        "client",
        &["server_cert_hostname_mismatch", "sni_missing"],
    ),
    case(
        "*  SSL certificate verify result: unable to get local issuer certificate (20), continuing anyway.",
        &["issuer_unknown"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "curl: (35) OpenSSL SSL_connect: Connection reset by peer in connection to 10.0.0.1:443",
        &["reset"],
        "client",
        &["peer_reset_during_handshake"],
    ),
    case(
        "curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to 10.0.0.1:443",
        &["closed"],
        "client",
        &["peer_closed_during_handshake"],
    ),
    case(
        "curl: (35) error:0A00010B:SSL routines::wrong version number",
        &["not_tls"],
        "client",
        &["peer_not_tls"],
    ),
    case(
        "curl: (52) Empty reply from server",
        &["empty_reply"],
        "client",
        &["plaintext_to_tls_port"],
    ),
    case(
        "curl: (58) could not load PEM client certificate, OpenSSL error error:0480006C:PEM routines::no start line",
        &["unreadable_file"],
        "client",
        &["config_missing_material"],
    ),
    case(
        "curl: (77) error setting certificate verify locations:  CAfile: /none.pem CApath: none",
        &["no_trust_store"],
        "client",
        &["config_missing_material"],
    ),
    case(
        "curl: (1) Received HTTP/0.9 when not allowed",
        &["http_to_tls"],
        "client",
        &["plaintext_to_tls_port"],
    ),
    case(
        "curl: (7) Failed to connect to 127.0.0.1 port 1 after 0 ms: Connection refused",
        &["no_connection"],
        "client",
        &["tcp_connect_failed"],
    ),
    case(
        "curl: (35) schannel: next InitializeSecurityContext failed: SEC_E_UNTRUSTED_ROOT (0x80090325)",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
];

#[test]
fn curl() {
    check(CURL);
}

const JAVA: &[Case] = &[
    case(
        "javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure",
        &["handshake_failure"],
        "fatal received",
        &["no_shared_cipher"],
    ),
    case(
        "Received fatal alert: certificate_required",
        &["certificate_required"],
        "fatal received",
        &["client_cert_missing"],
    ),
    case(
        "Received fatal alert: certificate_unknown",
        &["certificate_unknown"],
        "fatal received",
        &["client_cert_untrusted_ca"],
    ),
    case(
        "javax.net.ssl.SSLProtocolException: Received close_notify during handshake",
        &["close_notify"],
        "received",
        &["protocol_version_mismatch"],
    ),
    case(
        "sun.security.validator.ValidatorException: PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target",
        &["issuer_unknown"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed",
        &["out_of_date"],
        "",
        &["server_cert_expired"],
    ),
    case(
        "java.security.cert.CertificateExpiredException: NotAfter: Tue Nov 21 06:44:15 UTC 2026",
        &["expired"],
        "",
        &["server_cert_expired"],
    ),
    case(
        "java.security.cert.CertificateException: No subject alternative DNS name matching api.example.org found.",
        &["wrong_name"],
        "",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "No subject alternative names matching IP address 10.0.0.7 found",
        &["wrong_name"],
        "",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "javax.net.ssl.SSLHandshakeException: Remote host terminated the handshake",
        &["closed"],
        "",
        &["peer_closed_during_handshake"],
    ),
    case(
        "javax.net.ssl.SSLException: Unsupported or unrecognized SSL message",
        &["not_tls"],
        "",
        &["peer_not_tls"],
    ),
    case(
        "javax.net.ssl.SSLHandshakeException: No appropriate protocol (protocol is disabled or cipher suites are inappropriate)",
        &["no_version_enabled"],
        "",
        &["protocol_version_mismatch"],
    ),
    case(
        "javax.net.ssl.SSLHandshakeException: no cipher suites in common",
        &["no_shared_cipher"],
        "",
        &["no_shared_cipher"],
    ),
    case(
        "The server selected protocol version TLS10 is not accepted by client preferences [TLS12]",
        &["no_shared_version"],
        "client",
        &["protocol_version_mismatch"],
    ),
    case(
        "Extended key usage does not permit use for TLS server authentication",
        &["wrong_purpose"],
        "client",
        &["server_cert_wrong_purpose"],
    ),
    case(
        "java.security.InvalidAlgorithmParameterException: the trustAnchors parameter must be non-empty",
        &["no_trust_store"],
        "",
        &["config_missing_material"],
    ),
    case(
        "javax.net.ssl|ERROR|Fatal (CERTIFICATE_UNKNOWN): PKIX path building failed",
        &["certificate_unknown", "issuer_unknown"],
        "",
        &["client_cert_untrusted_ca"],
    ),
    case(
        "javax.net.ssl.SSLHandshakeException: Empty client certificate chain",
        &["no_client_certificate"],
        "server",
        &["client_cert_missing"],
    ),
];

#[test]
fn java() {
    check(JAVA);
}

const GO: &[Case] = &[
    case(
        "remote error: tls: handshake failure",
        &["handshake_failure"],
        "received",
        &["no_shared_cipher"],
    ),
    case(
        "remote error: tls: bad certificate",
        &["bad_certificate"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "http: TLS handshake error from 10.0.0.5:41234: remote error: tls: bad certificate",
        &["bad_certificate"],
        "received server",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "http: TLS handshake error from 10.0.0.5:41234: EOF",
        &["closed"],
        "server",
        &["peer_closed_during_handshake"],
    ),
    case(
        "http: TLS handshake error from 10.0.0.5:41234: tls: first record does not look like a TLS handshake",
        &["not_tls"],
        "server",
        &["plaintext_to_tls_port"],
    ),
    case(
        "http: TLS handshake error from 10.0.0.5:41234: tls: client didn't provide a certificate",
        &["no_client_certificate"],
        "server",
        &["client_cert_missing"],
    ),
    case(
        "http: TLS handshake error from 10.0.0.5:41234: tls: no cipher suite supported by both client and server",
        &["no_shared_cipher"],
        "server",
        &["no_shared_cipher"],
    ),
    case(
        "Get \"https://x/\": x509: certificate signed by unknown authority",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "tls: failed to verify certificate: x509: certificate is valid for a.example.org, not b.example.org",
        &["wrong_name"],
        "",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "x509: certificate relies on legacy Common Name field, use SANs instead",
        &["no_san"],
        "",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "x509: certificate has expired or is not yet valid: current time 2026-11-21T06:44:15Z is after 2026-01-01T00:00:00Z",
        &["out_of_date"],
        "",
        &["server_cert_expired", "server_cert_not_yet_valid"],
    ),
    case(
        "x509: certificate specifies an incompatible key usage",
        &["wrong_purpose"],
        "",
        &["server_cert_wrong_purpose"],
    ),
    case(
        "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
        &["wrong_name"],
        "",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "Get \"https://x/\": http: server gave HTTP response to HTTPS client",
        &["tls_to_http"],
        "client",
        &["tls_to_plaintext_port"],
    ),
    case(
        "Get \"https://x/\": net/http: TLS handshake timeout",
        &["timeout"],
        "client",
        &["handshake_timeout"],
    ),
    case(
        "tls: handshake failure",
        &["handshake_failure"],
        "",
        &["no_shared_cipher"],
    ),
    case(
        "remote error: tls: protocol version not supported",
        &["protocol_version"],
        "received",
        &["protocol_version_mismatch"],
    ),
    case(
        "remote error: tls: unknown certificate authority",
        &["unknown_ca"],
        "received",
        &["client_cert_untrusted_ca"],
    ),
    case(
        "local error: tls: bad record MAC",
        &["bad_record_mac"],
        "sent",
        &["internal_error"],
    ),
    case(
        "rpc error: code = Unavailable desc = connection error: desc = \"transport: authentication handshake failed: x509: certificate signed by unknown authority\"",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "tls: private key does not match public key",
        &["key_mismatch"],
        "",
        &["key_cert_mismatch"],
    ),
];

#[test]
fn go() {
    check(GO);
}

const RUSTLS: &[Case] = &[
    case(
        "received fatal alert: CertificateRequired",
        &["certificate_required"],
        "fatal received",
        &["client_cert_missing"],
    ),
    case(
        "received fatal alert: UnknownCA",
        &["unknown_ca"],
        "fatal received",
        &["client_cert_untrusted_ca"],
    ),
    case(
        "invalid peer certificate: UnknownIssuer",
        &["issuer_unknown"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "invalid peer certificate: Expired",
        &["expired"],
        "",
        &["server_cert_expired"],
    ),
    case(
        "invalid peer certificate: certificate expired: verification time 1700000000 (UNIX), but certificate is not valid after 1600000000 (100000000 seconds ago)",
        &["expired"],
        "",
        &["server_cert_expired"],
    ),
    case(
        "InvalidCertificate(NotValidForName)",
        &["wrong_name"],
        "",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "invalid peer certificate: certificate not valid for name \"a\"; certificate is only valid for DnsName(\"b\")",
        &["wrong_name"],
        "",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
        &["ca_as_leaf"],
        "",
        &["server_cert_self_signed"],
    ),
    case(
        "received corrupt message of type InvalidContentType",
        &["not_tls"],
        "",
        &["peer_not_tls"],
    ),
    case("InvalidContentType", &["not_tls"], "", &["peer_not_tls"]),
    case(
        "peer is incompatible: NoKxGroupsInCommon",
        &["no_shared_group"],
        "",
        &["no_shared_group"],
    ),
    case(
        "peer is incompatible: NoCipherSuitesInCommon",
        &["no_shared_cipher"],
        "",
        &["no_shared_cipher"],
    ),
    case(
        "peer is incompatible: Tls12NotOffered",
        &["no_shared_version"],
        "server",
        &["protocol_version_mismatch"],
    ),
    case(
        "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/latest/rustls/manual/_03_howto/index.html#unexpected-eof",
        &["closed_without_notify"],
        "",
        &["unknown"],
    ),
    case(
        "peer sent no certificates",
        &["no_client_certificate"],
        "",
        &["client_cert_missing"],
    ),
    case(
        "unexpected error: no server certificate chain resolved",
        &["no_certificate_for_name"],
        "server",
        &["sni_unknown"],
    ),
    case(
        "tls handshake eof",
        &["closed"],
        "",
        &["peer_closed_during_handshake"],
    ),
];

#[test]
fn rustls() {
    check(RUSTLS);
}

const PYTHON_NODE_GNUTLS_AND_BROWSERS: &[Case] = &[
    case(
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1129)",
        &["issuer_unknown"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'x'. (_ssl.c:997)",
        &["wrong_name"],
        "client",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1129)",
        &["not_tls"],
        "",
        &["peer_not_tls"],
    ),
    case(
        "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)",
        &["certificate_required"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1129)",
        &["handshake_failure"],
        "received",
        &["no_shared_cipher"],
    ),
    case(
        "ssl.SSLEOFError: EOF occurred in violation of protocol (_ssl.c:1129)",
        &["closed"],
        "",
        &["peer_closed_during_handshake"],
    ),
    case(
        "Error: unable to verify the first certificate { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }",
        &["leaf_alone"],
        "",
        &["server_cert_chain_incomplete"],
    ),
    case(
        "DEPTH_ZERO_SELF_SIGNED_CERT",
        &["self_signed"],
        "",
        &["server_cert_self_signed"],
    ),
    case(
        "Client network socket disconnected before secure TLS connection was established",
        &["closed"],
        "client",
        &["peer_closed_during_handshake"],
    ),
    case(
        "*** Received alert [40]: Handshake failed",
        &["handshake_failure"],
        "received",
        &["no_shared_cipher"],
    ),
    case(
        "ERROR: The certificate of 'example.org' doesn't have a known issuer.",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "fatal: unable to access 'https://x/': server certificate verification failed. CAfile: none CRLfile: none",
        &["verify_failed"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "fatal: unable to access 'https://x/': gnutls_handshake() failed: An unexpected TLS packet was received.",
        &["not_tls"],
        "",
        &["peer_not_tls"],
    ),
    case(
        "ERR_CERT_COMMON_NAME_INVALID",
        &["wrong_name"],
        "client",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "ERR_SSL_VERSION_OR_CIPHER_MISMATCH",
        &["version_or_cipher"],
        "client",
        &["protocol_version_mismatch"],
    ),
    case(
        "SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT",
        &["certificate_required"],
        "received client",
        &["client_cert_missing"],
    ),
    case(
        "SEC_ERROR_UNKNOWN_ISSUER",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "Alert (Level: Fatal, Description: Handshake Failure)",
        &["handshake_failure"],
        "fatal",
        &["no_shared_cipher"],
    ),
    case(
        "Alert (Level: Warning, Description: Close Notify)",
        &["close_notify"],
        "warning",
        &["protocol_version_mismatch"],
    ),
];

#[test]
fn python_node_gnutls_and_browsers() {
    check(PYTHON_NODE_GNUTLS_AND_BROWSERS);
}
