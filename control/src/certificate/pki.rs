//! Certificates for the tests of this module.

use std::io::Write;
use std::process::{Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::CertInfo;

/// A certificate with the key to issue others.
pub(super) struct Party {
    pub(super) der: Vec<u8>,
    pub(super) params: CertificateParams,
    pub(super) key: KeyPair,
}

pub(super) fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.use_authority_key_identifier_extension = true;
    params
}

pub(super) fn ca(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// Signed by itself.
pub(super) fn root(params: CertificateParams) -> Party {
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    Party {
        der: cert.der().to_vec(),
        params,
        key,
    }
}

impl Party {
    pub(super) fn issue(&self, params: CertificateParams) -> Self {
        self.certify(params, KeyPair::generate().unwrap())
    }

    /// For a key that is there already: a cross-signature.
    pub(super) fn certify(&self, params: CertificateParams, key: KeyPair) -> Self {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let cert = params.signed_by(&key, &issuer).unwrap();
        Self {
            der: cert.der().to_vec(),
            params,
            key,
        }
    }

    pub(super) fn info(&self) -> CertInfo {
        CertInfo::of_der(&self.der).unwrap()
    }
}

/// What the openssl command line prints.
pub(super) fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}
