//! Public keys and signature algorithms of certificates, by the names people know them by.

use std::fmt;

use serde::Serialize;
use x509_parser::oid_registry::Oid;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// Shortest RSA modulus that current verifiers take, in bits (OpenSSL's security level 2, rustls, browsers).
const LEAST_RSA_BITS: usize = 2048;

/// Kind and size of a public key. Displays as `RSA 2048 bits`, `EC P-256`, `Ed25519`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// RSA, for any signature scheme, with the size of its modulus.
    Rsa {
        /// Size of the modulus in bits.
        bits: usize,
    },
    /// An elliptic curve key, by the name of its curve (`P-256`), or by its number if it is an unusual one.
    Ec {
        /// The curve.
        curve: String,
    },
    /// Ed25519.
    Ed25519,
    /// Anything else, by its name (`DSA`) or the number of its algorithm.
    Other(String),
}

impl KeyType {
    /// Too short for current verifiers: RSA below 2048 bits.
    pub const fn is_weak(&self) -> bool {
        matches!(self, Self::Rsa { bits } if *bits < LEAST_RSA_BITS)
    }

    /// As Apigee's certificate view writes it: `RSA Public Key, 2048 bits`.
    pub(super) fn apigee(&self) -> String {
        match self {
            Self::Rsa { bits } => format!("RSA Public Key, {bits} bits"),
            Self::Ec { curve } => format!("EC Public Key, {curve}"),
            Self::Ed25519 | Self::Other(_) => format!("{self} Public Key"),
        }
    }

    pub(super) fn of(info: &SubjectPublicKeyInfo<'_>) -> Self {
        let oid = info.algorithm.algorithm.to_id_string();
        match oid.as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => Self::Rsa {
                bits: rsa_bits(info),
            },
            "1.2.840.10045.2.1" => Self::Ec { curve: curve(info) },
            "1.3.101.112" => Self::Ed25519,
            "1.3.101.113" => Self::Other("Ed448".to_owned()),
            "1.2.840.10040.4.1" => Self::Other("DSA".to_owned()),
            _ => Self::Other(oid),
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits} bits"),
            Self::Ec { curve } => write!(f, "EC {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl Serialize for KeyType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The modulus without its leading zeros; 0 if the key cannot be read.
fn rsa_bits(info: &SubjectPublicKeyInfo<'_>) -> usize {
    // The RSASSA-PSS form of a key has another algorithm number and the same content.
    let as_rsa = SubjectPublicKeyInfo {
        algorithm: AlgorithmIdentifier::new(
            x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION,
            None,
        ),
        subject_public_key: info.subject_public_key.clone(),
        raw: info.raw,
    };
    let Ok(PublicKey::RSA(key)) = as_rsa.parsed() else {
        return 0;
    };
    let leading = key.modulus.iter().take_while(|byte| **byte == 0).count();
    key.modulus.get(leading).map_or(0, |first| {
        (key.modulus.len() - leading) * 8 - first.leading_zeros() as usize
    })
}

fn curve(info: &SubjectPublicKeyInfo<'_>) -> String {
    let parameters = info.algorithm.parameters.as_ref();
    let Some(oid) = parameters.and_then(|any| Oid::try_from(any).ok()) else {
        return "unnamed curve".to_owned();
    };
    let oid = oid.to_id_string();
    let name = match oid.as_str() {
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        _ => return oid,
    };
    name.to_owned()
}

/// The name of a signature algorithm as Java and Apigee write it (`SHA256withRSA`), or its number.
pub(super) fn signature_name(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = algorithm.algorithm.to_id_string();
    let name = match oid.as_str() {
        "1.2.840.113549.1.1.2" => "MD2withRSA",
        "1.2.840.113549.1.1.4" => "MD5withRSA",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "SHA1withRSA",
        "1.2.840.113549.1.1.10" => return pss_name(algorithm),
        "1.2.840.113549.1.1.11" => "SHA256withRSA",
        "1.2.840.113549.1.1.12" => "SHA384withRSA",
        "1.2.840.113549.1.1.13" => "SHA512withRSA",
        "1.2.840.113549.1.1.14" => "SHA224withRSA",
        "1.2.840.10045.4.1" => "SHA1withECDSA",
        "1.2.840.10045.4.3.1" => "SHA224withECDSA",
        "1.2.840.10045.4.3.2" => "SHA256withECDSA",
        "1.2.840.10045.4.3.3" => "SHA384withECDSA",
        "1.2.840.10045.4.3.4" => "SHA512withECDSA",
        "1.2.840.10040.4.3" => "SHA1withDSA",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        _ => return oid,
    };
    name.to_owned()
}

/// RSASSA-PSS names its hash in its parameters; absent, it is SHA-1 (RFC 4055, 3.1).
fn pss_name(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let parameters = algorithm.parameters.as_ref();
    let parsed = parameters.and_then(|any| RsaSsaPssParams::try_from(any).ok());
    let Some(parsed) = parsed else {
        return "RSASSA-PSS".to_owned();
    };
    let oid = parsed.hash_algorithm_oid().to_id_string();
    let hash = match oid.as_str() {
        "1.3.14.3.2.26" => "SHA1",
        "2.16.840.1.101.3.4.2.1" => "SHA256",
        "2.16.840.1.101.3.4.2.2" => "SHA384",
        "2.16.840.1.101.3.4.2.3" => "SHA512",
        _ => oid.as_str(),
    };
    format!("{hash}withRSASSA-PSS")
}

/// Made with a hash that verifiers no longer take (SHA-1, MD5, MD2).
pub(super) fn is_weak_signature(name: &str) -> bool {
    ["SHA1with", "MD5with", "MD2with"]
        .iter()
        .any(|weak| name.starts_with(weak))
}
