//! Which of an SSL object's certificates a client gets. A callback of rustls, set for each handshake by [`super::server`].

use std::sync::Arc;

use control::object::Ssl;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::attempt::Attempt;

/// Picks the certificate whose key can make a signature the client takes.
#[derive(Debug)]
pub(super) struct Certificates(pub(super) Arc<Ssl>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let material = self.0.material().iter().enumerate();
        let mut keys = material.filter_map(|(index, m)| Some((index, m.certified_key()?)));
        let first = keys.clone().next();
        // With none that fits rustls fails by itself, with handshake_failure; without any it would say access_denied.
        let (index, key) = keys
            .find(|(_, key)| key.key.choose_scheme(schemes).is_some())
            .or(first)?;
        if let Some(attempt) = Attempt::current() {
            // The first choice stands; rustls asks once per handshake.
            let _ = attempt.served.set(index);
        }
        Some(Arc::clone(key))
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
