//! Lines of servers and gateways: nginx, APISIX, Apigee, Envoy, Sallyport.

use super::{Case, case, check};

const NGINX: &[Case] = &[
    case(
        "2026/11/21 06:44:15 [info] 12#12: *1 SSL_do_handshake() failed (SSL: error:0A0000C1:SSL routines::no shared cipher) while SSL handshaking, client: 10.0.0.5, server: 0.0.0.0:443",
        &["no_shared_cipher"],
        "server",
        &["no_shared_cipher"],
    ),
    case(
        "SSL_do_handshake() failed (SSL: error:14094418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:SSL alert number 48) while SSL handshaking, client: 10.0.0.5, server: 0.0.0.0:443",
        &["unknown_ca"],
        "received server",
        &["server_cert_chain_incomplete"],
    ),
    case(
        "[error] SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert number 40) while SSL handshaking to upstream, client: 10.0.0.5",
        &["handshake_failure"],
        "received client",
        &["no_shared_cipher"],
    ),
    case(
        "upstream SSL certificate verify error: (20:unable to get local issuer certificate) while SSL handshaking to upstream",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "client SSL certificate verify error: (10:certificate has expired) while reading client request headers",
        &["expired"],
        "server",
        &["client_cert_expired"],
    ),
    case(
        "client SSL certificate verify error: (26:unsuitable certificate purpose)",
        &["wrong_purpose"],
        "server",
        &["client_cert_wrong_purpose"],
    ),
    case(
        "client sent no required SSL certificate while reading client request headers, client: 10.0.0.5",
        &["no_client_certificate"],
        "server",
        &["client_cert_missing"],
    ),
    case(
        "no \"ssl_certificate\" is defined in server listening on SSL port while SSL handshaking",
        &["no_certificate_set"],
        "server",
        &["config_missing_material"],
    ),
    case(
        "handshake rejected while SSL handshaking, client: 10.0.0.5, server: 0.0.0.0:443",
        &["no_certificate_for_name"],
        "server",
        &["sni_unknown"],
    ),
    case(
        "upstream SSL certificate does not match \"x\" while SSL handshaking to upstream",
        &["wrong_name"],
        "client",
        &["server_cert_hostname_mismatch"],
    ),
    case(
        "<head><title>400 The SSL certificate error</title></head>",
        &["client_certificate_refused"],
        "",
        &["client_cert_expired"],
    ),
    case(
        "<head><title>400 No required SSL certificate was sent</title></head>",
        &["no_client_certificate"],
        "",
        &["client_cert_missing"],
    ),
    case(
        "<center>The plain HTTP request was sent to HTTPS port</center>",
        &["http_to_tls"],
        "",
        &["plaintext_to_tls_port"],
    ),
    case(
        "SSL_CTX_use_PrivateKey(\"/x.key\") failed (SSL: error:05800074:x509 certificate routines::key values mismatch)",
        &["key_mismatch"],
        "",
        &["key_cert_mismatch"],
    ),
    case(
        "10.0.0.5 - - [21/Nov/2026:06:44:15 +0000] \"\\x16\\x03\\x01\\x02\\x00\\x01\" 400 157 \"-\" \"-\"",
        &["tls_to_http"],
        "server",
        &["tls_to_plaintext_port"],
    ),
    case(
        "recv() failed (104: Connection reset by peer) while SSL handshaking to upstream",
        &["reset"],
        "client",
        &["peer_reset_during_handshake"],
    ),
    case(
        "peer closed connection in SSL handshake while SSL handshaking to upstream",
        &["closed"],
        "client",
        &["peer_closed_during_handshake"],
    ),
    case(
        "SSL_read() failed (SSL: error:1409445C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:SSL alert number 116)",
        &["certificate_required"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "sslv3 alert bad certificate:s3_pkt.c:1259:SSL alert number 42",
        &["bad_certificate"],
        "received",
        &["client_cert_missing"],
    ),
];

#[test]
fn nginx() {
    check(NGINX);
}

const GATEWAYS: &[Case] = &[
    case(
        "[error] 45#45: *1 [lua] init.lua:201: http_ssl_phase(): failed to match any SSL certificate by SNI: x.example.org",
        &["no_certificate_for_name"],
        "server",
        &["sni_unknown"],
    ),
    case(
        "failed to find SNI: please check if the client requests via IP or uses an outdated protocol",
        &["no_name_sent"],
        "server",
        &["sni_missing"],
    ),
    case(
        "client certificate verified with SNI localhost, but the host is test.com",
        &["name_is_not_host"],
        "server",
        &["sni_host_mismatch"],
    ),
    case(
        "client certificate was not present",
        &["no_client_certificate"],
        "server",
        &["client_cert_missing"],
    ),
    case(
        "{\"fault\":{\"faultstring\":\"SSL Handshake failed\",\"detail\":{\"errorcode\":\"messaging.adaptors.http.flow.SslHandshakeFailed\"}}}",
        &["target_handshake_failed"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "{\"fault\":{\"faultstring\":\"SSL Handshake failed sun.security.validator.ValidatorException: PKIX path building failed\",\"detail\":{\"errorcode\":\"messaging.adaptors.http.flow.SslHandshakeFailed\"}}}",
        &["issuer_unknown"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "HTTP/1.1 503 Service Unavailable Received fatal alert: handshake_failure errorcode: messaging.adaptors.http.flow.SslHandshakeFailed",
        &["handshake_failure"],
        "fatal received client",
        &["no_shared_cipher"],
    ),
    case(
        "{\"fault\":{\"faultstring\":\"Unexpected EOF at target\",\"detail\":{\"errorcode\":\"messaging.adaptors.http.UnexpectedEOFAtTarget\"}}}",
        &["eof_at_target"],
        "client",
        &["plaintext_to_tls_port"],
    ),
    case(
        "upstream connect error or disconnect/reset before headers. reset reason: connection failure, transport failure reason: TLS error: 268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED",
        &["verify_failed"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "TLS_error:|268436498:SSL routines:OPENSSL_internal:SSLV3_ALERT_BAD_CERTIFICATE:TLS_error_end",
        &["bad_certificate"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
        &["not_tls"],
        "",
        &["peer_not_tls"],
    ),
];

#[test]
fn gateways() {
    check(GATEWAYS);
}

const SALLYPORT: &[Case] = &[
    case(
        "server_cert_expired",
        &["server_cert_expired"],
        "",
        &["server_cert_expired"],
    ),
    case(
        "{\"error_msg\":\"TLS to the target failed\",\"fault\":{\"faultstring\":\"TLS to the target failed\",\"detail\":{\"errorcode\":\"SslHandshakeFailed\",\"reason\":\"server_cert_expired\",\"request_id\":\"1\"}}}",
        &["server_cert_expired"],
        "client",
        &["server_cert_expired"],
    ),
    case(
        "{\"errorcode\":\"SslHandshakeFailed\"}",
        &["target_handshake_failed"],
        "client",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "X-Fault-Code: ConfigMissingMaterial",
        &["missing_material"],
        "",
        &["config_missing_material"],
    ),
    case(
        "sallyport_tls_handshake_failures_total{alert=\"certificate_required\",cause=\"client_cert_missing\",direction=\"sent\",hop=\"northbound\"} 1",
        &["certificate_required", "client_cert_missing"],
        "sent server",
        &["client_cert_missing"],
    ),
    case(
        "{\"alert\":{\"number\":45,\"name\":\"certificate_expired\",\"direction\":\"sent\",\"level\":\"fatal\"},\"hop\":\"southbound\"}",
        &["certificate_expired"],
        "fatal sent client",
        &["server_cert_expired"],
    ),
    case(
        "{\"errorcode\":\"NoProcessor\"}",
        &["no_processor"],
        "",
        &["tcp_connect_failed"],
    ),
    case(
        "handshake_timeout",
        &["handshake_timeout"],
        "",
        &["handshake_timeout"],
    ),
];

#[test]
fn sallyport() {
    check(SALLYPORT);
}
