//! Names of numbers in hellos (IANA's TLS registries): versions, suites, groups, signature schemes, messages. Numbers without
//! a name are shown as hexadecimal.

mod suites;

use suites::SUITES;

/// `TLSv1.2` and so on; `SSLv3`; GREASE and unknown numbers in hexadecimal.
pub fn version(number: u16) -> String {
    named(
        number,
        match number {
            0x0002 => "SSLv2",
            0x0300 => "SSLv3",
            0x0301 => "TLSv1.0",
            0x0302 => "TLSv1.1",
            0x0303 => "TLSv1.2",
            0x0304 => "TLSv1.3",
            _ => "",
        },
    )
}

/// IANA name of a cipher suite.
pub fn suite(number: u16) -> String {
    let found = SUITES.binary_search_by_key(&number, |(known, _)| *known);
    named(
        number,
        found.ok().and_then(|i| SUITES.get(i)).map_or("", |s| s.1),
    )
}

/// The cipher suite of this IANA name.
pub fn suite_number(name: &str) -> Option<u16> {
    let found = SUITES.iter().find(|(_, known)| *known == name);
    found.map(|(number, _)| *number)
}

/// Name of a group: `x25519`, `secp256r1`, `X25519MLKEM768`.
pub fn group(number: u16) -> String {
    named(
        number,
        match number {
            1 => "sect163k1",
            2 => "sect163r1",
            3 => "sect163r2",
            4 => "sect193r1",
            5 => "sect193r2",
            6 => "sect233k1",
            7 => "sect233r1",
            8 => "sect239k1",
            9 => "sect283k1",
            10 => "sect283r1",
            11 => "sect409k1",
            12 => "sect409r1",
            13 => "sect571k1",
            14 => "sect571r1",
            15 => "secp160k1",
            16 => "secp160r1",
            17 => "secp160r2",
            18 => "secp192k1",
            19 => "secp192r1",
            20 => "secp224k1",
            21 => "secp224r1",
            22 => "secp256k1",
            23 => "secp256r1",
            24 => "secp384r1",
            25 => "secp521r1",
            26 => "brainpoolP256r1",
            27 => "brainpoolP384r1",
            28 => "brainpoolP512r1",
            29 => "x25519",
            30 => "x448",
            31 => "brainpoolP256r1tls13",
            32 => "brainpoolP384r1tls13",
            33 => "brainpoolP512r1tls13",
            41 => "curveSM2",
            0x0100 => "ffdhe2048",
            0x0101 => "ffdhe3072",
            0x0102 => "ffdhe4096",
            0x0103 => "ffdhe6144",
            0x0104 => "ffdhe8192",
            0x0200 => "MLKEM512",
            0x0201 => "MLKEM768",
            0x0202 => "MLKEM1024",
            0x11eb => "SecP256r1MLKEM768",
            0x11ec => "X25519MLKEM768",
            0x11ed => "SecP384r1MLKEM1024",
            0x6399 => "X25519Kyber768Draft00",
            _ => "",
        },
    )
}

/// Name of a signature scheme: `ecdsa_secp256r1_sha256`.
pub fn scheme(number: u16) -> String {
    named(
        number,
        match number {
            // TLS 1.2's pairs of hash and signature that RFC 8446 gave no name.
            0x0101 => "rsa_pkcs1_md5",
            0x0202 => "dsa_sha1",
            0x0301 => "rsa_pkcs1_sha224",
            0x0302 => "dsa_sha224",
            0x0303 => "ecdsa_sha224",
            0x0402 => "dsa_sha256",
            0x0502 => "dsa_sha384",
            0x0602 => "dsa_sha512",
            0x0201 => "rsa_pkcs1_sha1",
            0x0203 => "ecdsa_sha1",
            0x0401 => "rsa_pkcs1_sha256",
            0x0403 => "ecdsa_secp256r1_sha256",
            0x0501 => "rsa_pkcs1_sha384",
            0x0503 => "ecdsa_secp384r1_sha384",
            0x0601 => "rsa_pkcs1_sha512",
            0x0603 => "ecdsa_secp521r1_sha512",
            0x0704 => "eccsi_sha256",
            0x0708 => "sm2sig_sm3",
            0x0804 => "rsa_pss_rsae_sha256",
            0x0805 => "rsa_pss_rsae_sha384",
            0x0806 => "rsa_pss_rsae_sha512",
            0x0807 => "ed25519",
            0x0808 => "ed448",
            0x0809 => "rsa_pss_pss_sha256",
            0x080a => "rsa_pss_pss_sha384",
            0x080b => "rsa_pss_pss_sha512",
            0x081a => "ecdsa_brainpoolP256r1tls13_sha256",
            0x081b => "ecdsa_brainpoolP384r1tls13_sha384",
            0x081c => "ecdsa_brainpoolP512r1tls13_sha512",
            0x0904 => "mldsa44",
            0x0905 => "mldsa65",
            0x0906 => "mldsa87",
            _ => "",
        },
    )
}

/// Name of a handshake message: `ClientHello`, `Certificate`.
pub fn message(kind: u8) -> String {
    let name = match kind {
        0 => "HelloRequest",
        1 => "ClientHello",
        2 => "ServerHello",
        3 => "HelloVerifyRequest",
        4 => "NewSessionTicket",
        5 => "EndOfEarlyData",
        6 => "HelloRetryRequest",
        8 => "EncryptedExtensions",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        20 => "Finished",
        21 => "CertificateURL",
        22 => "CertificateStatus",
        23 => "SupplementalData",
        24 => "KeyUpdate",
        25 => "CompressedCertificate",
        67 => "NextProtocol",
        254 => "MessageHash",
        _ => return format!("message {kind}"),
    };
    name.to_owned()
}

/// RFC 8701's reserved values, which mean nothing.
pub const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

fn named(number: u16, name: &str) -> String {
    if name.is_empty() {
        format!("{number:#06x}")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_found_and_in_order() {
        assert!(SUITES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(suite(0x0005), "TLS_RSA_WITH_RC4_128_SHA");
        assert_eq!(suite(0x000a), "TLS_RSA_WITH_3DES_EDE_CBC_SHA");
        assert_eq!(suite(0x00ff), "TLS_EMPTY_RENEGOTIATION_INFO_SCSV");
        assert_eq!(suite(0x1302), "TLS_AES_256_GCM_SHA384");
        assert_eq!(suite(0x5600), "TLS_FALLBACK_SCSV");
        assert_eq!(suite(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(suite(0x1a1a), "0x1a1a");
        assert_eq!(suite_number("TLS_RSA_WITH_AES_128_CBC_SHA"), Some(0x002f));
        assert_eq!(suite_number("AES128-SHA"), None);
    }

    /// What rustls has is named as rustls does, save that it writes TLS 1.3's suites its own way.
    #[test]
    fn rustls_agrees() {
        for known in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            let number = u16::from(known.suite());
            let name = known.suite().as_str().unwrap().replace("TLS13_", "TLS_");
            assert_eq!(suite(number), name);
        }
        for known in rustls::crypto::aws_lc_rs::ALL_KX_GROUPS {
            let name = known.name().as_str().unwrap();
            assert!(group(u16::from(known.name())).eq_ignore_ascii_case(name));
        }
    }

    #[test]
    fn what_has_no_name_is_a_number() {
        assert_eq!(version(0x0303), "TLSv1.2");
        assert_eq!(version(0x7f1c), "0x7f1c");
        assert_eq!(group(0x9a9a), "0x9a9a");
        assert_eq!(scheme(0x0807), "ed25519");
        assert_eq!(scheme(0x0000), "0x0000");
        assert_eq!(message(13), "CertificateRequest");
        assert_eq!(message(99), "message 99");
        assert!(is_grease(0x9a9a) && !is_grease(0x9a8a) && !is_grease(0x9b9b));
    }
}
