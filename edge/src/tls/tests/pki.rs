//! Certificates for tests.

use std::path::Path;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An issuer.
pub(super) struct Ca {
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) params: CertificateParams,
    pub(super) key: KeyPair,
}

/// A certificate with its key, and what is sent along.
pub(super) struct Leaf {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) pem: String,
    pub(super) key: String,
    pub(super) key_der: Vec<u8>,
}

impl Leaf {
    pub(super) fn der(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// The same with more certificates behind it.
    pub(super) fn with(mut self, more: &[&Ca]) -> Self {
        for ca in more {
            self.chain.push(ca.der.clone());
            self.pem.push_str(&ca.pem);
        }
        self
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// A root.
pub(super) fn root(name: &str) -> Ca {
    root_with(name, |_| {})
}

pub(super) fn root_with(name: &str, change: impl Fn(&mut CertificateParams)) -> Ca {
    let mut params = ca_params(name);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    Ca {
        der: cert.der().clone(),
        pem: cert.pem(),
        params,
        key,
    }
}

/// A self-signed certificate that is no CA, or whatever `change` makes of it.
pub(super) fn self_signed(name: &str, change: impl Fn(&mut CertificateParams)) -> Leaf {
    let mut params = params(name);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    leaf(cert.der().clone(), cert.pem(), &key)
}

fn leaf(der: CertificateDer<'static>, pem: String, key: &KeyPair) -> Leaf {
    Leaf {
        chain: vec![der],
        pem,
        key: key.serialize_pem(),
        key_der: key.serialize_der(),
    }
}

impl Ca {
    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// An intermediate under this one.
    pub(super) fn sub(&self, name: &str) -> Self {
        self.sub_with(name, |_| {})
    }

    pub(super) fn sub_with(&self, name: &str, change: impl Fn(&mut CertificateParams)) -> Self {
        self.certify(name, KeyPair::generate().unwrap(), change)
    }

    /// An intermediate with a given key: a cross-signature.
    pub(super) fn certify(
        &self,
        name: &str,
        key: KeyPair,
        change: impl Fn(&mut CertificateParams),
    ) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let cert = params.signed_by(&key, &self.issuer()).unwrap();
        Self {
            der: cert.der().clone(),
            pem: cert.pem(),
            params,
            key,
        }
    }

    /// A client's certificate.
    pub(super) fn client(&self, name: &str) -> Leaf {
        self.leaf(name, |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
        })
    }

    /// A server's, for `name`.
    pub(super) fn server(&self, name: &str) -> Leaf {
        let san = name.try_into().unwrap();
        self.leaf(name, |p| {
            p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            p.subject_alt_names = match name.parse() {
                Ok(ip) => vec![rcgen::SanType::IpAddress(ip)],
                Err(_) => vec![rcgen::SanType::DnsName(Clone::clone(&san))],
            };
        })
    }

    pub(super) fn leaf(&self, name: &str, change: impl Fn(&mut CertificateParams)) -> Leaf {
        let mut params = params(name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer()).unwrap();
        leaf(cert.der().clone(), cert.pem(), &key)
    }
}

pub(super) fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

/// As `openssl x509 -days -1` makes them.
pub(super) fn expired_before_it_began(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2021, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 1);
}

pub(super) fn future(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2090, 1, 1);
    params.not_after = date_time_ymd(2091, 1, 1);
}

/// Runs `openssl` with `arguments`, split at spaces, in `dir`.
pub(super) fn openssl(dir: &Path, arguments: &str) {
    let run = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// A certificate and key that openssl wrote.
pub(super) fn read(dir: &Path, cert: &str, key: &str) -> Leaf {
    let pem = std::fs::read_to_string(dir.join(cert)).unwrap();
    let key = std::fs::read_to_string(dir.join(key)).unwrap();
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key_der = match PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap() {
        PrivateKeyDer::Pkcs8(key) => PrivatePkcs8KeyDer::secret_pkcs8_der(&key).to_vec(),
        _ => panic!("not PKCS#8"),
    };
    Leaf {
        chain,
        pem,
        key,
        key_der,
    }
}
