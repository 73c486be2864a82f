//! What the verifier of one handshake found. QUIC's handshakes run in tasks of their own and end in a code and a text; the
//! chain and the exact fault are kept here until somebody asks.

use std::sync::{Arc, OnceLock};

use rustls_pki_types::CertificateDer;

use crate::alert::evidence::Chain;
use crate::tls::verify::CertFault;

/// See the module. One for each handshake.
#[derive(Debug, Default)]
pub struct Judged(OnceLock<(Chain, Option<CertFault>)>);

impl Judged {
    /// Notes what the peer showed and what is wrong with it. The first note stands: a handshake shows one chain.
    pub(super) fn note(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        found: &Result<(), CertFault>,
    ) {
        self.0.get_or_init(|| {
            let fault = found.as_ref().err().cloned();
            let shown = match fault {
                Some(CertFault::TooLarge) => Arc::from([]),
                _ => std::iter::once(leaf)
                    .chain(rest)
                    .map(|c| c.clone().into_owned())
                    .collect(),
            };
            (Chain::new(shown), fault)
        });
    }

    /// What the peer showed, leaf first; empty if it showed nothing or too much.
    pub fn chain(&self) -> Chain {
        self.0
            .get()
            .map(|(chain, _)| chain.clone())
            .unwrap_or_default()
    }

    /// Why it was refused, if it was.
    pub fn fault(&self) -> Option<CertFault> {
        self.0.get()?.1.clone()
    }
}
