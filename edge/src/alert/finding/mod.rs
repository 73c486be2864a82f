//! What to do about a cause, in words: detail, fix, owner and the command that shows it, with the real names and dates. One
//! file for each family of causes; [`scene`] says who is who. Everything is bounded and printable; texts are made when
//! somebody reads, never for each failure.

mod client_cert;
mod connection;
mod fault;
mod name;
mod offer;
mod ours;
mod owner;
mod scene;
mod server_cert;
mod verify;

use std::net::SocketAddr;
use std::sync::Arc;

use super::Cause;
use super::evidence::Evidence;
use super::rules::Verdict;
use super::words;
use scene::Scene;

/// Characters of a text.
const MOST_TEXT: usize = 1000;

/// Whose move it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The client application northbound.
    Client,
    /// Whoever runs Sallyport.
    Gateway,
    /// The target southbound.
    Target,
}

impl Owner {
    /// Record field `owner`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Target => "target",
        }
    }
}

/// Whose handshake it was: names and ids around the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The other end's address.
    pub peer: Option<SocketAddr>,
    /// Our own end's address.
    pub local: Option<SocketAddr>,
    /// The server name sent, by whichever side.
    pub sni: Option<String>,
    /// The ssl object that answers for the name, or whose client certificate we show.
    pub ssl: Option<Arc<str>>,
    /// The matched route.
    pub route: Option<Arc<str>>,
    /// The upstream's key (an id, or the object it stands in).
    pub upstream: Option<Arc<str>>,
    /// `host:port` as configured.
    pub target: Option<String>,
    /// Id of the request that needed the connection.
    pub request: Option<String>,
    /// Revision of the configuration in force.
    pub revision: u64,
}

/// The texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What happened, in a sentence or two.
    pub detail: String,
    /// What to do.
    pub fix: String,
    /// Who must do it.
    pub owner: Owner,
    /// A shell command that shows it, if there is one.
    pub verify: Option<String>,
}

/// What happened and what to do.
struct Said {
    detail: String,
    fix: String,
}

/// Words for a verdict.
pub fn describe(context: &Context, evidence: &Evidence, verdict: Verdict) -> Finding {
    let scene = Scene { context, evidence };
    let said = said(&scene, verdict.cause);
    Finding {
        detail: words::plain(&said.detail, MOST_TEXT - 1),
        fix: words::plain(&said.fix, MOST_TEXT - 1),
        owner: owner::of(&scene, verdict.cause),
        verify: verify::command(&scene, verdict.cause),
    }
}

fn said(scene: &Scene<'_>, cause: Cause) -> Said {
    match cause {
        Cause::ProtocolVersionMismatch => offer::version(scene),
        Cause::NoSharedCipher => offer::cipher(scene),
        Cause::NoSharedGroup => offer::group(scene),
        Cause::NoSharedSignatureScheme => offer::scheme(scene),
        Cause::NoSharedAlpn => offer::alpn(scene),
        Cause::FallbackRejected => offer::fallback(scene),
        Cause::SniMissing => name::missing(scene),
        Cause::SniUnknown => name::unknown(scene),
        Cause::SniHostMismatch => name::host_mismatch(scene),
        Cause::ClientCertMissing => client_cert::missing(scene),
        Cause::ClientCertExpired => client_cert::expired(scene),
        Cause::ClientCertNotYetValid => client_cert::not_yet_valid(scene),
        Cause::ClientCertUntrustedCa => client_cert::untrusted(scene),
        Cause::ClientCertChainIncomplete => client_cert::incomplete(scene),
        Cause::ClientCertWrongPurpose => client_cert::wrong_purpose(scene),
        Cause::ClientCertRevoked => client_cert::revoked(scene),
        Cause::ClientCertRejectedByPeer => client_cert::rejected(scene),
        Cause::ServerCertExpired => server_cert::expired(scene),
        Cause::ServerCertNotYetValid => server_cert::not_yet_valid(scene),
        Cause::ServerCertUntrustedCa => server_cert::untrusted(scene),
        Cause::ServerCertSelfSigned => server_cert::self_signed(scene),
        Cause::ServerCertChainIncomplete => server_cert::incomplete(scene),
        Cause::ServerCertChainDisordered => server_cert::disordered(scene),
        Cause::ServerCertHostnameMismatch => server_cert::hostname(scene),
        Cause::ServerCertWrongPurpose => server_cert::wrong_purpose(scene),
        Cause::ServerCertRevoked => server_cert::revoked(scene),
        Cause::ServerCertRejectedByPeer => server_cert::rejected(scene),
        Cause::KeyCertMismatch => ours::key_mismatch(scene),
        Cause::PlaintextToTlsPort => connection::plaintext(scene),
        Cause::TlsToPlaintextPort => connection::tls_on_plain(scene),
        Cause::ProxyProtocolMismatch => connection::proxy(scene),
        Cause::PeerNotTls => connection::not_tls(scene),
        Cause::PeerClosedDuringHandshake => connection::closed(scene),
        Cause::PeerResetDuringHandshake => connection::reset(scene),
        Cause::HandshakeTimeout => connection::timeout(scene),
        Cause::TcpConnectFailed => connection::not_connected(scene),
        Cause::ProbeNoData => connection::no_data(scene),
        Cause::ConfigMissingMaterial => ours::missing_material(scene),
        Cause::InternalError => ours::internal(scene),
        Cause::Unknown => ours::unknown(scene),
    }
}

#[cfg(test)]
mod tests;
