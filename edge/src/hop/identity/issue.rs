//! Makes the hop CA and the certificates of nodes under it. Pure: `sallyport pki` reads and writes the files.

use std::net::IpAddr;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};

use super::role::{Role, node_uri};
use crate::tls::verify::cert::Cert;

/// The CA's subject.
const CA_NAME: &str = "Sallyport hop CA";
/// The CA's life: long enough that nobody meets its end by surprise, and rotation is a matter of adding a second one.
const CA_LIFE: Duration = Duration::days(3650);
/// A node's: a year, as long as renewal is somebody's task.
const NODE_LIFE: Duration = Duration::days(365);
/// How far before now a validity begins: clocks of nodes differ.
const CLOCK_SLACK: Duration = Duration::hours(1);
/// The longest common name (X.520's upper bound).
const MAX_COMMON_NAME: usize = 64;

/// A certificate and its key, PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

/// What a node's certificate shall say.
#[derive(Clone, Debug)]
pub struct Node {
    /// `--node-id`.
    pub name: String,
    /// What it may do.
    pub roles: Vec<Role>,
    /// Names it is reached at, for others than the hop's own peers, who do not look at them.
    pub names: Vec<String>,
    /// Addresses, likewise.
    pub addresses: Vec<IpAddr>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// `ca.key` is no private key.
    #[error("ca.key holds no private key that can sign")]
    Key,
    /// No certificate in `ca.crt` is a CA with that key.
    #[error("ca.crt has no CA certificate that belongs to ca.key")]
    NoCa,
    /// The CA is past its end.
    #[error("the CA in ca.crt has expired")]
    Expired,
    /// A name cannot stand in a certificate.
    #[error("`{0}` cannot stand in a certificate")]
    Name(String),
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Random,
    /// Encoding or signing failed.
    #[error("certificate: {0}")]
    Encoding(#[from] rcgen::Error),
}

/// A new CA at `now`.
///
/// # Errors
/// [`IssueError`].
pub fn ca(now: OffsetDateTime) -> Result<Issued, IssueError> {
    let mut params = params(CA_NAME, now, CA_LIFE)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok(issued(&certificate, &key))
}

/// A CA with its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    not_after: OffsetDateTime,
}

impl Authority {
    /// Reads a CA. `certificates` may hold several, during a change of CA: the one that belongs to `key` signs.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn read(certificates: &str, key: &str) -> Result<Self, IssueError> {
        let key = KeyPair::from_pem(key).map_err(|_| IssueError::Key)?;
        let public = key.subject_public_key_info();
        for der in CertificateDer::pem_slice_iter(certificates.as_bytes()) {
            let der = der.map_err(|_| IssueError::NoCa)?;
            let Ok(cert) = Cert::parse(&der) else {
                continue;
            };
            if cert.may_issue() && cert.key() == public {
                let not_after = OffsetDateTime::from_unix_timestamp(cert.not_after())
                    .map_err(|_| IssueError::NoCa)?;
                let issuer = Issuer::from_ca_cert_der(&der, key)?;
                return Ok(Self { issuer, not_after });
            }
        }
        Err(IssueError::NoCa)
    }

    /// Signs a certificate for a node at `now`; it does not outlive the CA.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn node(&self, node: &Node, now: OffsetDateTime) -> Result<Issued, IssueError> {
        if self.not_after <= now {
            return Err(IssueError::Expired);
        }
        // Ids may be longer than a common name, which nobody reads: the id stands in a URI.
        let common = if node.name.len() <= MAX_COMMON_NAME {
            node.name.as_str()
        } else {
            "Sallyport node"
        };
        let mut params = params(common, now, NODE_LIFE)?;
        params.not_after = params.not_after.min(self.not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.subject_alt_names = alternative_names(node)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(issued(&certificate, &key))
    }
}

fn issued(certificate: &rcgen::Certificate, key: &KeyPair) -> Issued {
    Issued {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn params(
    common: &str,
    now: OffsetDateTime,
    life: Duration,
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = now - CLOCK_SLACK;
    params.not_after = now + life;
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// 127 random bits: unique without a register, positive, and shorter than the 20 bytes RFC 5280 allows.
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| IssueError::Random)?;
    // A first byte from 1 to 127: neither negative nor one that would be shortened.
    bytes[0] = (bytes[0] & 0x7f).max(1);
    Ok(SerialNumber::from_slice(&bytes))
}

fn alternative_names(node: &Node) -> Result<Vec<SanType>, IssueError> {
    let mut all = Vec::new();
    for name in &node.names {
        all.push(SanType::DnsName(text(name)?));
    }
    all.extend(node.addresses.iter().copied().map(SanType::IpAddress));
    for role in &node.roles {
        all.push(SanType::URI(text(&role.uri())?));
    }
    all.push(SanType::URI(text(&node_uri(&node.name))?));
    Ok(all)
}

fn text(name: &str) -> Result<rcgen::string::Ia5String, IssueError> {
    rcgen::string::Ia5String::try_from(name).map_err(|_| IssueError::Name(name.to_owned()))
}
