//! A certificate chain with its private key: compact DER, the signing key parsed on first use.
//! Owned by an [`Ssl`](super::Ssl) (served, or of type client) or inline by an upstream.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

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
    pub fn from_pem(_cert: &str, _key: &str) -> Result<Self, MaterialError> {
        Err(MaterialError::Mismatch)
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The key ready to sign, parsed on the first call and shared from then on (lock-free afterwards).
    /// `None` only if the key turned out unusable, which `from_pem` already excludes.
    pub fn certified_key(&self) -> Option<&Arc<CertifiedKey>> {
        self.certified
            .get_or_init(|| {
                let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&self.key).ok()?;
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
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}
