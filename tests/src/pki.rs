//! Certificates of every good and bad kind: authorities, chains, leaves that are expired, early, misnamed or for the
//! wrong purpose, RSA and ECDSA. What rcgen cannot make (version 1, APISIX's own recipe) the openssl program makes.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

use crate::process::run;

/// A certificate with its key, and the chain to send with it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The leaf alone, PEM.
    pub cert: String,
    /// Leaf and intermediates, PEM.
    pub chain: String,
    /// The private key, PEM.
    pub key: String,
}

impl Identity {
    /// The chain, DER.
    pub fn chain_der(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes())
            .map(|cert| cert.expect("our own PEM"))
            .collect()
    }

    /// The key, DER.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("our own PEM")
    }

    /// Writes `NAME.crt` and `NAME.key` for programs that want files.
    pub fn write(&self, dir: &Path, name: &str) {
        std::fs::write(dir.join(format!("{name}.crt")), &self.chain).expect("temp dir");
        std::fs::write(dir.join(format!("{name}.key")), &self.key).expect("temp dir");
    }
}

/// Whom a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// P-256.
    Ecdsa,
    /// RSA-2048.
    Rsa,
}

fn new_key(kind: KeyKind) -> KeyPair {
    match kind {
        KeyKind::Ecdsa => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::Rsa => KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256),
    }
    .expect("key generation")
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = OffsetDateTime::now_utc() - Duration::days(30);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(365);
    params
}

/// A certificate authority: a root, or an intermediate under one.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub cert: String,
    /// Its private key, PEM.
    pub key: String,
    /// Intermediates from here towards the root, the root left out; empty for a root.
    above: String,
}

impl Authority {
    /// A self-signed root.
    pub fn root(common_name: &str) -> Self {
        let params = authority_params(common_name);
        let key = new_key(KeyKind::Ecdsa);
        let cert = params.self_signed(&key).expect("signing").pem();
        let key_pem = key.serialize_pem();
        Self {
            issuer: Issuer::new(params, key),
            cert,
            key: key_pem,
            above: String::new(),
        }
    }

    /// An intermediate signed by this one.
    pub fn intermediate(&self, common_name: &str) -> Self {
        let params = authority_params(common_name);
        let key = new_key(KeyKind::Ecdsa);
        let cert = params.signed_by(&key, &self.issuer).expect("signing").pem();
        let key_pem = key.serialize_pem();
        let above = format!("{cert}{}", self.above);
        Self {
            issuer: Issuer::new(params, key),
            cert,
            key: key_pem,
            above,
        }
    }

    /// Begins a leaf signed by this authority.
    pub fn leaf(&self, common_name: &str) -> Leaf<'_> {
        Leaf {
            authority: Some(self),
            params: leaf_params(common_name),
            kind: KeyKind::Ecdsa,
        }
    }

    /// A server's leaf for these names.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.leaf(names[0])
            .names(names)
            .purpose(ExtendedKeyUsagePurpose::ServerAuth)
            .issue()
    }

    /// The list of the certificates that this authority revoked, by serial number; PEM.
    pub fn revocation_list(&self, serials: &[u64]) -> String {
        let now = OffsetDateTime::now_utc();
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now - Duration::days(1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: now - Duration::days(1),
            next_update: now + Duration::days(30),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("signing");
        list.pem().expect("PEM")
    }

    /// A client's leaf.
    pub fn client(&self, common_name: &str) -> Identity {
        self.leaf(common_name)
            .purpose(ExtendedKeyUsagePurpose::ClientAuth)
            .issue()
    }
}

fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

/// A leaf being made.
pub struct Leaf<'a> {
    authority: Option<&'a Authority>,
    params: CertificateParams,
    kind: KeyKind,
}

impl Leaf<'static> {
    /// A leaf signed by itself; `authority` says whether it claims CA:TRUE, as `openssl req -x509` makes it.
    pub fn self_signed(common_name: &str, authority: bool) -> Self {
        let mut params = leaf_params(common_name);
        params.use_authority_key_identifier_extension = false;
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages.clear();
        }
        Self {
            authority: None,
            params,
            kind: KeyKind::Ecdsa,
        }
    }
}

impl Leaf<'_> {
    /// Subject alternative names.
    #[must_use]
    pub fn names(mut self, names: &[&str]) -> Self {
        let names = names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>();
        self.params.subject_alt_names = CertificateParams::new(names)
            .expect("valid names")
            .subject_alt_names;
        self
    }

    /// Adds subject alternative names that are URIs.
    #[must_use]
    pub fn uris(mut self, uris: &[&str]) -> Self {
        let uris = uris.iter().map(|uri| (*uri).try_into().expect("ASCII"));
        self.params.subject_alt_names.extend(uris.map(SanType::URI));
        self
    }

    /// Adds an extended key usage.
    #[must_use]
    pub fn purpose(mut self, purpose: ExtendedKeyUsagePurpose) -> Self {
        self.params.extended_key_usages.push(purpose);
        self
    }

    /// For clients.
    #[must_use]
    pub fn for_clients(self) -> Self {
        self.purpose(ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// For servers.
    #[must_use]
    pub fn for_servers(self) -> Self {
        self.purpose(ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Ended yesterday.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.params.not_before = OffsetDateTime::now_utc() - Duration::days(30);
        self.params.not_after = OffsetDateTime::now_utc() - Duration::days(1);
        self
    }

    /// Begins tomorrow.
    #[must_use]
    pub fn future(mut self) -> Self {
        self.params.not_before = OffsetDateTime::now_utc() + Duration::days(1);
        self.params.not_after = OffsetDateTime::now_utc() + Duration::days(30);
        self
    }

    /// With this serial number.
    #[must_use]
    pub fn serial(mut self, number: u64) -> Self {
        self.params.serial_number = Some(SerialNumber::from(number));
        self
    }

    /// With an RSA key.
    #[must_use]
    pub const fn rsa(mut self) -> Self {
        self.kind = KeyKind::Rsa;
        self
    }

    /// Claims to be an authority.
    #[must_use]
    pub fn claiming_authority(mut self) -> Self {
        self.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self
    }

    /// Signs it.
    pub fn issue(self) -> Identity {
        let key = new_key(self.kind);
        let (cert, above) = match self.authority {
            Some(authority) => (
                self.params.signed_by(&key, &authority.issuer),
                authority.above.as_str(),
            ),
            None => (self.params.self_signed(&key), ""),
        };
        let cert = cert.expect("signing").pem();
        Identity {
            chain: format!("{cert}{above}"),
            cert,
            key: key.serialize_pem(),
        }
    }
}

/// A version 1 client certificate, as `openssl x509 -req` without extensions makes it, signed by `authority`.
pub async fn version_1_client(authority: &Authority, common_name: &str) -> Identity {
    let dir = tempfile::tempdir().expect("temp dir");
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("ca.crt"), &authority.cert).expect("temp dir");
    std::fs::write(at("ca.key"), &authority.key).expect("temp dir");
    let script = format!(
        "cd {dir} && openssl genrsa -out c.key 2048 && openssl req -new -key c.key -subj /CN={common_name} -out c.csr \
         && openssl x509 -req -days 36500 -sha256 -CA ca.crt -CAkey ca.key -CAcreateserial -in c.csr -out c.crt \
         && openssl x509 -in c.crt -noout -text | grep -q 'Version: 1 '",
        dir = dir.path().display()
    );
    let said = run("bash", ["-ec", &script]).await;
    assert_eq!(said.code, 0, "openssl: {}", said.text());
    let read = |name: &str| std::fs::read_to_string(at(name)).expect("openssl wrote it");
    Identity {
        cert: read("c.crt"),
        chain: read("c.crt"),
        key: read("c.key"),
    }
}
