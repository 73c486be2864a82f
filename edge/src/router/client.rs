//! What is known of a client for the length of its connection: addresses, TLS facts, and the header values made from them
//! once instead of for every request.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control::object::Ssl;
use http::HeaderValue;
use rustls_pki_types::CertificateDer;

use crate::access_log;
use crate::tls::server::{ClientCert, TlsFacts};

/// Longest `Client-Cert-Chain` that is passed on; a longer one is left out, targets bound their header sections.
const CHAIN_BYTES: usize = 16 << 10;

/// A client.
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// The node's name.
    pub(super) node: Arc<str>,
    pub(super) real_ip: HeaderValue,
    pub(super) port: HeaderValue,
    pub(super) tls: Option<Secure>,
}

/// The TLS side of a client.
pub(super) struct Secure {
    pub(super) facts: TlsFacts,
    /// The object that the handshake was made under.
    pub(super) ssl: Arc<Ssl>,
    /// The name it was found by: the SNI, or the fallback.
    pub(super) name: String,
    /// `Client-Cert` (RFC 9440) of a verified client.
    pub(super) cert: Option<HeaderValue>,
    /// `Client-Cert-Chain` of a verified client that sent one.
    pub(super) chain: Option<HeaderValue>,
    /// Of the leaf shown.
    pub(super) sha256: Option<[u8; 32]>,
    /// Who a verified client is; read when first asked for.
    subject: OnceCell<Option<Subject>>,
}

/// A verified client's certificate as `vars` sees it, in nginx's formats.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) issuer: String,
    /// Upper-case hexadecimal.
    pub(super) serial: String,
    /// Lower-case hexadecimal SHA-1 of the DER.
    pub(super) sha1: String,
}

impl Client {
    pub(super) fn new(
        peer: SocketAddr,
        local: SocketAddr,
        node: &Arc<str>,
        tls: Option<Secure>,
    ) -> Self {
        let text = |text: String| {
            HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"))
        };
        Self {
            real_ip: text(peer.ip().to_canonical().to_string()),
            port: text(local.port().to_string()),
            peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
            local: SocketAddr::new(local.ip().to_canonical(), local.port()),
            node: Arc::clone(node),
            tls,
        }
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

impl Secure {
    pub(super) fn new(facts: TlsFacts, ssl: Arc<Ssl>, name: String) -> Self {
        let shown = match &facts.client {
            ClientCert::Verified { chain, .. } | ClientCert::Refused { chain, .. } => {
                Some(Arc::clone(chain))
            }
            ClientCert::NotAsked | ClientCert::Missing => None,
        };
        let verified = matches!(facts.client, ClientCert::Verified { .. });
        let leaf = shown.as_ref().and_then(|chain| chain.first());
        let rest = shown
            .as_ref()
            .map_or(&[][..], |chain| chain.get(1..).unwrap_or(&[]));
        Self {
            cert: leaf
                .filter(|_| verified)
                .and_then(|leaf| byte_sequences(std::slice::from_ref(leaf))),
            chain: if verified { byte_sequences(rest) } else { None },
            sha256: leaf.map(|leaf| {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf);
                let mut bytes = [0; 32];
                bytes.copy_from_slice(digest.as_ref());
                bytes
            }),
            subject: OnceCell::new(),
            facts,
            ssl,
            name,
        }
    }

    /// Who a verified client is.
    pub(super) fn subject(&self) -> Option<&Subject> {
        let read = || match &self.facts.client {
            ClientCert::Verified { chain, .. } => chain.first().and_then(Subject::read),
            ClientCert::NotAsked | ClientCert::Missing | ClientCert::Refused { .. } => None,
        };
        self.subject.get_or_init(read).as_ref()
    }

    /// For the access log.
    pub(super) fn log(&self) -> access_log::ClientTls<'_> {
        access_log::ClientTls {
            version: self.facts.version,
            cipher: self.facts.cipher,
            sni: self.facts.sni.as_deref(),
            resumed: self.facts.resumed,
            client_cert: match self.facts.client {
                ClientCert::NotAsked => access_log::ClientCert::NotAsked,
                ClientCert::Missing => access_log::ClientCert::None,
                ClientCert::Verified { .. } => access_log::ClientCert::Verified,
                ClientCert::Refused { .. } => access_log::ClientCert::Refused,
            },
            client_sha256: self.sha256.as_ref(),
        }
    }
}

impl Subject {
    fn read(leaf: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf).ok()?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, leaf);
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        Some(Self {
            name: rfc2253(parsed.subject()),
            issuer: rfc2253(parsed.issuer()),
            serial: hex(parsed.raw_serial()).to_uppercase(),
            sha1: hex(digest.as_ref()),
        })
    }
}

/// A distinguished name, most specific part first (RFC 2253), as `$ssl_client_s_dn` has it.
fn rfc2253(name: &x509_parser::x509::X509Name<'_>) -> String {
    let mut parts: Vec<String> = name.to_string().split(", ").map(str::to_owned).collect();
    parts.reverse();
    parts.join(",")
}

/// A list of byte sequences (RFC 8941 section 3.3.5), or `None` for an empty or too long one.
fn byte_sequences(certificates: &[CertificateDer<'_>]) -> Option<HeaderValue> {
    let mut text = String::new();
    for certificate in certificates {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push(':');
        STANDARD.encode_string(certificate, &mut text);
        text.push(':');
    }
    if text.is_empty() || text.len() > CHAIN_BYTES {
        return None;
    }
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_become_rfc_9440_values() {
        let (a, b) = (
            CertificateDer::from(vec![1, 2, 3]),
            CertificateDer::from(vec![255]),
        );
        assert_eq!(byte_sequences(std::slice::from_ref(&a)).unwrap(), ":AQID:");
        assert_eq!(byte_sequences(&[a, b]).unwrap(), ":AQID:, :/w==:");
        assert!(byte_sequences(&[]).is_none());
        assert!(byte_sequences(&[CertificateDer::from(vec![0; 20_000])]).is_none());
    }
}
