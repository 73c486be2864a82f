//! Which of an SSL object's certificates a client gets. A callback of rustls, set for each handshake by [`super::server`].

use std::sync::Arc;

use control::object::Ssl;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Picks the certificate whose key can make a signature the client takes.
#[derive(Debug)]
pub(super) struct Certificates(pub(super) Arc<Ssl>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let mut keys = self.0.material().iter().filter_map(|m| m.certified_key());
        let first = keys.clone().next();
        // With none that fits rustls fails by itself, with handshake_failure; without any it would say access_denied.
        keys.find(|key| key.key.choose_scheme(schemes).is_some())
            .or(first)
            .cloned()
    }
}

/// Stands in a base configuration, which no handshake uses.
#[derive(Debug)]
pub(super) struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
