//! One good set of files: checked, and made into the TLS configurations of both ends.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use super::IdentityError;
use super::files::{Files, ca_path, certificate_path, key_path};
use super::judged::Judged;
use super::role::{Role, has_role, node_name};
use super::verify::{PeerVerifier, Trust};
use crate::alert::evidence::{Chain, Own, Shown};
use crate::hop::quic::ALPN;
use crate::tls;
use crate::tls::verify::cert::Side;

/// See the module.
pub(super) struct Set {
    pub(super) server: Arc<ServerConfig>,
    pub(super) client: Arc<ClientConfig>,
    pub(super) trust: Arc<Trust>,
    /// What evidence says of this node.
    pub(super) own: Own,
    key: Arc<SingleCertAndKey>,
    provider: Arc<CryptoProvider>,
    /// Our certificate, then its issuers as they are in the file.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// The node's name as its certificate has it; empty if it has none.
    pub(super) name: String,
    /// When the first certificate of our path ends, unix seconds.
    pub(super) not_after: i64,
    pub(super) digest: [u8; 32],
}

impl Set {
    /// Checks what was read from `dir` and makes the configurations.
    pub(super) fn build(
        dir: &Path,
        files: &Files,
        roles: &[Role],
        now: UnixTime,
    ) -> Result<Self, IdentityError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (ca_path, path) = (ca_path(dir), certificate_path(dir));
        let ca = certificates(&ca_path, &files.ca)?;
        let trust = Trust::new(&ca, provider.signature_verification_algorithms)
            .ok_or(IdentityError::NoCa { path: ca_path })?;
        let chain = certificates(&path, &files.certificate)?;
        let Some((leaf, rest)) = chain.split_first() else {
            return Err(IdentityError::NoCertificate { path });
        };
        let mut not_after = i64::MAX;
        for side in [Side::Server, Side::Client] {
            let until = trust.check_path(leaf, rest, side, now);
            not_after = until.map_err(|fault| IdentityError::Refused {
                path: path.clone(),
                fault,
            })?;
        }
        if let Some(&role) = roles.iter().find(|role| !has_role(leaf, **role)) {
            return Err(IdentityError::Role {
                path,
                role: role.as_str(),
            });
        }
        let name = node_name(leaf).unwrap_or_default();
        let own = own(&provider, &ca, &chain);
        let key = certified(dir, chain.clone(), &files.key, &provider)?;
        let (trust, key) = (Arc::new(trust), Arc::new(SingleCertAndKey::from(key)));
        let failed = |error: rustls::Error| IdentityError::Tls(error.to_string());
        Ok(Self {
            server: Arc::new(server(&provider, &trust, &key, None).map_err(failed)?),
            client: Arc::new(client(&provider, &trust, &key, None).map_err(failed)?),
            trust,
            own,
            key,
            provider,
            chain,
            name,
            not_after,
            digest: files.digest,
        })
    }

    /// [`Self::server`] for one handshake, whose verifier says what it finds.
    pub(super) fn server_noting(
        &self,
        judged: &Arc<Judged>,
    ) -> Result<ServerConfig, rustls::Error> {
        let judged = Some(Arc::clone(judged));
        server(&self.provider, &self.trust, &self.key, judged)
    }

    /// The same of [`Self::client`].
    pub(super) fn client_noting(
        &self,
        judged: &Arc<Judged>,
    ) -> Result<ClientConfig, rustls::Error> {
        let judged = Some(Arc::clone(judged));
        client(&self.provider, &self.trust, &self.key, judged)
    }
}

fn own(
    provider: &CryptoProvider,
    ca: &[CertificateDer<'static>],
    chain: &[CertificateDer<'static>],
) -> Own {
    Own {
        alpn: vec![String::from_utf8_lossy(ALPN).into_owned()],
        chain: Chain::new(chain.into()),
        shown: Shown::Chain,
        anchors: tls::own::subjects(ca),
        verify: true,
        client_auth: true,
        ..tls::own::of_provider(provider, &[&rustls::version::TLS13])
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let malformed = |reason: String| IdentityError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|e| malformed(e.to_string()))
}

fn certified(
    dir: &Path,
    chain: Vec<CertificateDer<'static>>,
    pem: &[u8],
    provider: &CryptoProvider,
) -> Result<CertifiedKey, IdentityError> {
    // No error text of a parser: it may quote what it read.
    let unreadable = |_| IdentityError::Unreadable {
        path: key_path(dir),
        reason: "no private key that can be read".to_owned(),
    };
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(unreadable)?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => IdentityError::Mismatch {
            path: key_path(dir),
        },
        _ => IdentityError::Unreadable {
            path: key_path(dir),
            reason: "no private key that can sign".to_owned(),
        },
    })
}

/// TLS 1.3 alone, since QUIC has no other. No tickets and no early data: a resumed session would skip the check of the
/// peer's certificate, and a connection of the hop is made once for many requests.
fn server(
    provider: &Arc<CryptoProvider>,
    trust: &Arc<Trust>,
    key: &Arc<SingleCertAndKey>,
    judged: Option<Arc<Judged>>,
) -> Result<ServerConfig, rustls::Error> {
    let verifier = PeerVerifier {
        trust: Arc::clone(trust),
        role: Role::Router,
        judged,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::clone(key) as _);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

fn client(
    provider: &Arc<CryptoProvider>,
    trust: &Arc<Trust>,
    key: &Arc<SingleCertAndKey>,
    judged: Option<Arc<Judged>>,
) -> Result<ClientConfig, rustls::Error> {
    let verifier = PeerVerifier {
        trust: Arc::clone(trust),
        role: Role::Processor,
        judged,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::clone(key) as _);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // Nobody looks at the name; see `verify`.
    config.enable_sni = false;
    Ok(config)
}
