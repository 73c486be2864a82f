//! A certificate chain with its private key: compact DER, the signing key parsed on first use.
//! Owned by an [`Ssl`](super::Ssl) (served, or of type client) or inline by an upstream.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

use super::certificate::{self, Outline};
use super::fingerprint::sha256;
use super::pem::{self, Block};

/// Why a certificate or key cannot be used. Messages never quote key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// The certificate text is not PEM, or a block in it is broken.
    #[error("failed to parse cert: {0}")]
    Cert(String),
    /// The key text is not PEM, or its content is not a key we can sign with.
    #[error("failed to parse key: {0}")]
    Key(String),
    /// The key does not belong to the first certificate.
    #[error("the private key does not match the certificate's public key")]
    Mismatch,
}

/// Chain (leaf first) and key.
pub struct Material {
    chain: Arc<[CertificateDer<'static>]>,
    key: PrivateKeyDer<'static>,
    identity: [u8; 32],
    not_after: i64,
    certified: OnceLock<Option<Arc<CertifiedKey>>>,
}

impl Material {
    /// Reads PEM texts: first certificate is the leaf, the rest the chain; PKCS#1, SEC1 and PKCS#8 keys.
    /// Text around the blocks is allowed. Checks that key and leaf belong together.
    ///
    /// # Errors
    /// [`MaterialError`], one per fault.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, MaterialError> {
        let chain = certificates(cert).map_err(MaterialError::Cert)?;
        let key = private_key(key).map_err(MaterialError::Key)?;
        let leaf = chain.first().and_then(|leaf| Outline::of(leaf));
        let leaf = leaf.ok_or_else(|| MaterialError::Cert(CERT_FAILED.to_owned()))?;
        let Ok(signer) = any_supported_type(&key) else {
            return Err(MaterialError::Key(unusable(&leaf)));
        };
        let public = signer.public_key().ok_or(MaterialError::Mismatch)?;
        if certificate::key_bits(&public) != Some(leaf.public_key) {
            return Err(MaterialError::Mismatch);
        }
        let (identity, not_after) = (sha256(&chain[0]), leaf.not_after);
        Ok(Self {
            chain: chain.into(),
            key,
            identity,
            not_after,
            certified: OnceLock::new(),
        })
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The same, to be kept.
    pub const fn shared_chain(&self) -> &Arc<[CertificateDer<'static>]> {
        &self.chain
    }

    /// The key ready to sign, parsed on the first call and shared from then on (lock-free afterwards).
    /// `None` only if the key turned out unusable, which `from_pem` already excludes.
    pub fn certified_key(&self) -> Option<&Arc<CertifiedKey>> {
        self.certified
            .get_or_init(|| {
                let signer = any_supported_type(&self.key).ok()?;
                Some(Arc::new(CertifiedKey::new(self.chain.to_vec(), signer)))
            })
            .as_ref()
    }

    /// SHA-256 over the leaf certificate: tells two identities apart in pool keys and caches.
    pub const fn identity(&self) -> &[u8; 32] {
        &self.identity
    }

    /// The leaf's notAfter, unix seconds.
    pub const fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The leaf's subject common name and its alternative names (DNS, addresses), read anew at each call: for
    /// findings and listings. Both empty if the certificate cannot be read that far.
    pub fn leaf_names(&self) -> (Option<String>, Vec<String>) {
        self.chain
            .first()
            .map_or_else(Default::default, |leaf| certificate::names(leaf))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// APISIX's (OpenSSL's) words; what exactly is wrong follows where there is more to say.
const CERT_FAILED: &str = "PEM_read_bio_X509_AUX() failed";
const KEY_FAILED: &str = "PEM_read_bio_PrivateKey() failed";

/// The certificates of a PEM text, at least one; the first block must be one.
pub(super) fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let blocks = pem::blocks(text).map_err(|fault| format!("{CERT_FAILED}: {fault}"))?;
    let is_certificate = |label: &str| matches!(label, "CERTIFICATE" | "X509 CERTIFICATE");
    match blocks.first() {
        None => return Err(CERT_FAILED.to_owned()),
        Some(first) if !is_certificate(first.label) => {
            return Err(format!(
                "{CERT_FAILED}: the first block is {}, not CERTIFICATE",
                first.label
            ));
        }
        Some(_) => {}
    }
    let mut chain = Vec::with_capacity(blocks.len());
    for (index, block) in blocks
        .into_iter()
        .enumerate()
        .filter(|(_, block)| is_certificate(block.label))
    {
        if Outline::of(&block.der).is_none() {
            return Err(format!(
                "{CERT_FAILED}: block {} is not an X.509 certificate",
                index + 1
            ));
        }
        chain.push(compact(block.der).into());
    }
    Ok(chain)
}

/// The first private key of a PEM text; blocks that only announce one (EC PARAMETERS) are passed over.
fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, String> {
    let blocks = pem::blocks(text).map_err(|fault| format!("{KEY_FAILED}: {fault}"))?;
    for Block { label, der } in blocks {
        return Ok(match label {
            "PRIVATE KEY" => PrivatePkcs8KeyDer::from(compact(der)).into(),
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(compact(der)).into(),
            "EC PRIVATE KEY" => PrivateSec1KeyDer::from(compact(der)).into(),
            "ENCRYPTED PRIVATE KEY" => {
                return Err(format!(
                    "{KEY_FAILED}: the key is encrypted, passphrases are not supported"
                ));
            }
            _ => continue,
        });
    }
    Err(KEY_FAILED.to_owned())
}

/// Decoding leaves spare room; objects are kept by the hundred thousand.
fn compact(mut der: Vec<u8>) -> Vec<u8> {
    der.shrink_to_fit();
    der
}

fn unusable(leaf: &Outline<'_>) -> String {
    match leaf.rsa_bits() {
        Some(bits) if bits < 2048 => {
            format!(
                "{KEY_FAILED}: an RSA key of {bits} bits is too short, at least 2048 are needed"
            )
        }
        _ => format!(
            "{KEY_FAILED}: not a key that can sign (RSA from 2048 bits, ECDSA P-256, P-384, P-521, Ed25519)"
        ),
    }
}
