//! What evidence says of ourselves: versions, suites, groups, schemes and trusted CAs of a policy. Read once per policy; a
//! failed handshake takes a copy. [`super::server`] and [`super::client`] add what is an object's or a connection's own.

use std::sync::Arc;

use control::certificate::CertInfo;
use control::object::Material;
use rustls::crypto::CryptoProvider;
use rustls::{SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::CertificateDer;

use crate::alert::evidence::Own;

/// CAs whose subjects are kept.
const MOST_ANCHORS: usize = 20;

/// Versions (ascending), suites and groups of a provider, and the schemes that it can check.
pub(crate) fn of_provider(
    provider: &CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> Own {
    let mut numbers: Vec<u16> = versions.iter().map(|v| v.version.into()).collect();
    numbers.sort_unstable();
    let on = |suite: &rustls::SupportedCipherSuite| {
        versions
            .iter()
            .any(|v| v.version == suite.version().version)
    };
    let suites = provider.cipher_suites.iter().filter(|suite| on(suite));
    let schemes = provider
        .signature_verification_algorithms
        .supported_schemes();
    Own {
        versions: numbers,
        suites: suites.map(|s| s.suite().into()).collect(),
        groups: provider.kx_groups.iter().map(|g| g.name().into()).collect(),
        schemes: schemes.into_iter().map(u16::from).collect(),
        ..Own::default()
    }
}

/// Those of the signature schemes `all` that the keys of `material` can make.
pub(super) fn schemes(material: &[Arc<Material>], all: &[u16]) -> Vec<u16> {
    let keys = || material.iter().filter_map(|m| m.certified_key());
    let can_make = |scheme| keys().any(|k| k.key.choose_scheme(&[scheme]).is_some());
    let made = all
        .iter()
        .filter(|number| can_make(SignatureScheme::from(**number)));
    made.copied().collect()
}

/// The subjects of a list of CAs.
pub(crate) fn subjects(list: &[CertificateDer<'static>]) -> Vec<String> {
    let known = list.iter().take(MOST_ANCHORS);
    let read = known.filter_map(|der| CertInfo::of_der(der).ok());
    read.map(|info| info.subject().to_owned()).collect()
}
