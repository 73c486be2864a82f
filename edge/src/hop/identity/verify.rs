//! Whether a peer's chain makes it one of the cluster: a path to the hop CA, dates, purpose, and the role in its
//! certificate.
//!
//! The name a router dials is not compared: processors come, go and move by scaling, and none of them is better than
//! another. What a peer is, is said by the CA and the role.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::KeyUsage;

use super::judged::Judged;
use super::role::{Role, has_role};
use crate::tls::verify::anchors::{Anchors, Ends};
use crate::tls::verify::cert::Side;
use crate::tls::verify::webpki_path::Search;
use crate::tls::verify::{CertFault, check_size, tls12_signature, tls13_signature};

/// Intermediates between a node and a CA of `ca.crt`. `sallyport pki` makes none; a company's own PKI has one or two.
const MAX_INTERMEDIATES: usize = 2;

/// The hop's CAs.
#[derive(Debug)]
pub(super) struct Trust {
    anchors: Anchors,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    /// Trusts the CAs among `certificates`: all of them, so that a new one can be added before the old one goes. `None`
    /// if there is none.
    pub(super) fn new(
        certificates: &[CertificateDer<'static>],
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Option<Self> {
        let anchors = Anchors::new(certificates, Ends::AnyCa);
        (!anchors.trust.is_empty()).then_some(Self {
            anchors,
            algorithms,
        })
    }

    /// Judges path, dates and purpose. Returns the earliest notAfter of the path, unix seconds.
    pub(super) fn check_path(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        side: Side,
        now: UnixTime,
    ) -> Result<i64, CertFault> {
        check_size(leaf, rest)?;
        let usage = match side {
            Side::Client => KeyUsage::client_auth(),
            Side::Server => KeyUsage::server_auth(),
        };
        let search = Search {
            anchors: &self.anchors,
            depth: MAX_INTERMEDIATES,
            usage,
            algorithms: self.algorithms.all,
        };
        search.run(leaf, rest, now)
    }

    /// Judges a peer that must have `role`. The path comes first: what a stranger's certificate says of itself counts
    /// for nothing.
    pub(super) fn check(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        role: Role,
        now: UnixTime,
    ) -> Result<(), CertFault> {
        let side = match role {
            Role::Processor => Side::Server,
            Role::Router | Role::Control => Side::Client,
        };
        self.check_path(leaf, rest, side, now)?;
        if has_role(leaf, role) {
            Ok(())
        } else {
            Err(CertFault::WrongPurpose)
        }
    }
}

/// Demands one role of the peer in a handshake.
pub(super) struct PeerVerifier {
    pub(super) trust: Arc<Trust>,
    pub(super) role: Role,
    /// Where to note what it found.
    pub(super) judged: Option<Arc<Judged>>,
}

impl PeerVerifier {
    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let found = self.trust.check(leaf, rest, self.role, now);
        if let Some(judged) = &self.judged {
            judged.note(leaf, rest, &found);
        }
        found.map_err(|fault| fault.for_rustls())
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A router has one certificate; a stranger need not learn our CA's name.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(leaf, rest, now)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_signature(message, cert, dss, &self.trust.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls13_signature(message, cert, dss, &self.trust.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(leaf, rest, now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_signature(message, cert, dss, &self.trust.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls13_signature(message, cert, dss, &self.trust.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerVerifier")
            .field("role", &self.role)
            .finish()
    }
}
