//! Numbers: alone, packed by OpenSSL, by curl, by QUIC.

use super::{Case, case, check};

const ALERT_NUMBERS: &[Case] = &[
    case(
        "80",
        &["internal_error"],
        "",
        &["sni_unknown", "sni_missing"],
    ),
    case(
        "alert 116",
        &["certificate_required"],
        "",
        &["client_cert_missing"],
    ),
    case(
        "number 42",
        &["bad_certificate"],
        "",
        &["client_cert_missing"],
    ),
    case(
        "SSL alert number 112",
        &["unrecognized_name"],
        "",
        &["sni_unknown", "sni_missing"],
    ),
    case("0x50", &["internal_error"], "", &["sni_unknown"]),
    case("0x250", &["internal_error"], "fatal", &["sni_unknown"]),
    case("592", &["internal_error"], "fatal", &["sni_unknown"]),
    case(
        "628",
        &["certificate_required"],
        "fatal",
        &["client_cert_missing"],
    ),
    case(
        "(628)",
        &["certificate_required"],
        "fatal",
        &["client_cert_missing"],
    ),
    case("368", &["unrecognized_name"], "warning", &["sni_unknown"]),
    case(
        "1116",
        &["certificate_required"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "alert(40)",
        &["handshake_failure"],
        "",
        &["no_shared_cipher", "sni_missing", "client_cert_missing"],
    ),
    case("99", &["unassigned"], "", &[]),
    case(
        "(20)",
        &["issuer_unknown", "bad_record_mac"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case("20", &["bad_record_mac"], "", &["internal_error"]),
    case(
        "CRYPTO_ERROR 0x178 (remote): tls: no application protocol",
        &["no_application_protocol"],
        "",
        &["no_shared_alpn"],
    ),
    case(
        "connection closed: CRYPTO_ERROR 304",
        &["unknown_ca"],
        "",
        &["client_cert_untrusted_ca"],
    ),
];

#[test]
fn alert_numbers() {
    check(ALERT_NUMBERS);
}

const PACKED_ERROR_CODES: &[Case] = &[
    case(
        "error:14094438",
        &["internal_error"],
        "received",
        &["sni_unknown"],
    ),
    case(
        "error:1409445C",
        &["certificate_required"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "error:0A000438",
        &["internal_error"],
        "received",
        &["sni_unknown"],
    ),
    case(
        "0A000412",
        &["bad_certificate"],
        "received",
        &["client_cert_missing"],
    ),
    case(
        "0x0A000418",
        &["unknown_ca"],
        "received",
        &["client_cert_untrusted_ca"],
    ),
    case(
        "error:0A0003E8:SSL routines::reason(1000)",
        &["close_notify"],
        "received",
        &["protocol_version_mismatch"],
    ),
    case(
        "error:0A0000C1",
        &["no_shared_cipher"],
        "",
        &["no_shared_cipher"],
    ),
    case("error:0A00010B", &["not_tls"], "", &["peer_not_tls"]),
    case("error:1408F10B", &["not_tls"], "", &["peer_not_tls"]),
    case(
        "error:0B080074",
        &["key_mismatch"],
        "",
        &["key_cert_mismatch"],
    ),
    case(
        "error:05800074",
        &["key_mismatch"],
        "",
        &["key_cert_mismatch"],
    ),
    case(
        "error:0480006C",
        &["unreadable_file"],
        "",
        &["config_missing_material"],
    ),
    case(
        "268435581:SSL routines",
        &["verify_failed"],
        "",
        &["server_cert_untrusted_ca"],
    ),
    case(
        "268436496",
        &["handshake_failure"],
        "received",
        &["no_shared_cipher"],
    ),
    case(
        "error:1000007d",
        &["verify_failed"],
        "",
        &["server_cert_untrusted_ca"],
    ),
];

#[test]
fn packed_error_codes() {
    check(PACKED_ERROR_CODES);
}
