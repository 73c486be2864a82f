//! Verifies clients' certificates as OpenSSL does for APISIX (reference: `verify_depth` counted on the built path, a path
//! ends at a self-signed certificate of the CA list, key usage and purpose are asked for where present). webpki builds and
//! checks paths; leaves it refuses on principle (X.509 v1, CA:TRUE) go to [`super::path`]. One instance per policy.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use control::object::{AuthFailure, ClientAuth};
use dashmap::DashMap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::KeyUsage;

use super::anchors::{Anchors, Ends};
use super::cert::{Cert, Side};
use super::{CertFault, check_size, path, tls12_signature, tls13_signature, webpki_path};
use crate::tls::attempt::Attempt;

/// Good verdicts kept; beyond it the memory starts afresh.
const MAX_VERDICTS: usize = 4096;

/// See the module.
pub struct ClientVerifier {
    anchors: Anchors,
    depth: usize,
    mandatory: bool,
    algorithms: WebPkiSupportedAlgorithms,
    /// Chains found good, by the SHA-256 of what was presented: since when and until when (unix seconds). A verdict
    /// depends on nothing but the chain, this policy and the time, and building a path costs a client that comes back
    /// often more than the rest of its handshake. Proof of the private key is asked for every time.
    verdicts: DashMap<[u8; 32], (i64, i64)>,
}

impl ClientVerifier {
    /// A verifier for an object's client authentication.
    pub fn new(auth: &ClientAuth, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            anchors: Anchors::new(auth.ca(), Ends::SelfSigned),
            depth: usize::try_from(auth.depth()).unwrap_or(usize::MAX),
            mandatory: is_mandatory(auth),
            algorithms,
            verdicts: DashMap::new(),
        }
    }

    /// As [`Self::check`], but a chain found good before is good until its verdict ends.
    ///
    /// # Errors
    /// [`CertFault`].
    pub fn recall_or_check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<i64, CertFault> {
        check_size(leaf, rest)?;
        let key = presented(leaf, rest);
        let seconds = super::seconds(now.as_secs());
        if let Some(verdict) = self.verdicts.get(&key) {
            let (since, until) = *verdict;
            if (since..=until).contains(&seconds) {
                return Ok(until);
            }
        }
        let until = self.check(leaf, rest, now)?;
        if self.verdicts.len() >= MAX_VERDICTS {
            self.verdicts.clear();
        }
        self.verdicts.insert(key, (seconds, until));
        Ok(until)
    }

    /// Judges a chain at `now`. Returns until when the verdict holds: the earliest notAfter of the path, unix seconds.
    ///
    /// # Errors
    /// [`CertFault`].
    pub fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<i64, CertFault> {
        check_size(leaf, rest)?;
        let cert = Cert::parse(leaf)?;
        let seconds = super::seconds(now.as_secs());
        let until = if self.anchors.pinned.iter().any(|p| p == leaf) {
            cert.check_dates(seconds)?;
            cert.not_after()
        } else if cert.is_v1() || cert.ca() == Some(true) {
            let search = path::Search {
                anchors: &self.anchors,
                depth: self.depth,
                side: Side::Client,
                algorithms: self.algorithms.all,
                now: seconds,
            };
            search.run(&cert, &self.candidates(rest))?
        } else {
            cert.check_reversed_dates(seconds)?;
            self.check_with_webpki(leaf, &self.candidates(rest), now)?
        };
        cert.check_purpose(Side::Client)?;
        Ok(until)
    }

    /// What may stand between leaf and anchor: what was presented, and the CA list's own intermediates.
    fn candidates<'c>(&'c self, rest: &'c [CertificateDer<'c>]) -> Vec<CertificateDer<'c>> {
        rest.iter()
            .chain(&self.anchors.intermediates)
            .map(|c| CertificateDer::from(&**c))
            .collect()
    }

    fn check_with_webpki(
        &self,
        leaf: &CertificateDer<'_>,
        candidates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<i64, CertFault> {
        let search = webpki_path::Search {
            anchors: &self.anchors,
            depth: self.depth,
            usage: KeyUsage::client_auth(),
            algorithms: self.algorithms.all,
        };
        search.run(leaf, candidates, now)
    }
}

/// SHA-256 over the certificates and their lengths, leaf first.
fn presented(leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for certificate in std::iter::once(leaf).chain(rest) {
        context.update(&(certificate.len() as u64).to_be_bytes());
        context.update(certificate);
    }
    let mut key = [0; 32];
    key.copy_from_slice(context.finish().as_ref());
    key
}

/// Whether a client without an acceptable certificate is stopped at the handshake. A skip list implies it is not.
pub(crate) fn is_mandatory(auth: &ClientAuth) -> bool {
    auth.failure() == AuthFailure::Alert && auth.skip().is_none()
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.anchors.subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let result = self.recall_or_check(leaf, rest, now);
        let attempt = Attempt::current();
        if let Some(attempt) = &attempt {
            let chain: Arc<[_]> = match &result {
                Err(CertFault::TooLarge) => Arc::from([]),
                _ => std::iter::once(leaf)
                    .chain(rest)
                    .map(|c| c.clone().into_owned())
                    .collect(),
            };
            attempt.judge(chain, &result);
        }
        match result {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            // Let pass only if the verdict reaches the one who answers for it.
            Err(_) if !self.mandatory && attempt.is_some() => Ok(ClientCertVerified::assertion()),
            Err(fault) => Err(fault.for_rustls()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientVerifier")
            .field("depth", &self.depth)
            .field("mandatory", &self.mandatory)
            .finish()
    }
}
