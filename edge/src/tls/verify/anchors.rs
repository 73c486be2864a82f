//! What a list of CA certificates stands for: anchors that issue, certificates trusted as they are, and certificates
//! that only help to build a path. Built once per policy.

use rustls::DistinguishedName;
use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::cert::Cert;

/// How a list is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// As OpenSSL without `X509_V_FLAG_PARTIAL_CHAIN`, and so APISIX: a path ends at a self-signed certificate.
    SelfSigned,
    /// Any CA in the list ends a path.
    AnyCa,
}

/// A CA that ends paths.
#[derive(Debug)]
pub(super) struct Anchor {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
    pub(super) path_len: Option<usize>,
    pub(super) constrained: bool,
    pub(super) subject: Vec<u8>,
    pub(super) key: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub struct Anchors {
    /// One for one with `facts`.
    pub(crate) trust: Vec<TrustAnchor<'static>>,
    pub(super) facts: Vec<Anchor>,
    /// CAs in the list that are not self-signed: paths may lead over them.
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    /// Self-signed certificates in the list: each is trusted byte for byte.
    pub(super) pinned: Vec<CertificateDer<'static>>,
    subjects: Vec<DistinguishedName>,
}

impl Anchors {
    /// Reads a list. A certificate that cannot be read is left out: it trusts nobody.
    pub fn new(list: &[CertificateDer<'static>], ends: Ends) -> Self {
        let mut anchors = Self {
            trust: Vec::new(),
            facts: Vec::new(),
            intermediates: Vec::new(),
            pinned: Vec::new(),
            subjects: Vec::new(),
        };
        for der in list {
            if let Ok(cert) = Cert::parse(der) {
                anchors.add(der, &cert, ends);
            }
        }
        anchors
    }

    /// Subjects of the list, for the CertificateRequest.
    pub fn subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn add(&mut self, der: &CertificateDer<'static>, cert: &Cert<'_>, ends: Ends) {
        self.subjects
            .push(DistinguishedName::from(cert.subject().to_vec()));
        let self_signed = cert.is_self_signed();
        if self_signed || ends == Ends::AnyCa {
            self.pinned.push(der.clone());
        }
        if !self_signed && cert.may_issue() {
            self.intermediates.push(der.clone());
        }
        if !cert.may_anchor() || !(self_signed || ends == Ends::AnyCa) {
            return;
        }
        let Ok(trust) = webpki::anchor_from_trusted_cert(der) else {
            return;
        };
        self.trust.push(trust.to_owned());
        self.facts.push(Anchor {
            not_before: cert.not_before(),
            not_after: cert.not_after(),
            path_len: cert.path_len(),
            constrained: cert.has_name_constraints(),
            subject: cert.subject().to_vec(),
            key: cert.key().to_vec(),
        });
    }

    /// The facts of an anchor out of `trust`.
    pub(super) fn facts_of(&self, anchor: &TrustAnchor<'_>) -> Option<&Anchor> {
        self.trust
            .iter()
            .zip(&self.facts)
            .find(|(a, _)| std::ptr::eq::<TrustAnchor<'_>>(*a, anchor))
            .map(|(_, f)| f)
    }
}
