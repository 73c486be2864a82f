//! What is asked of a probe: which server, under which name, as whom, and what would be trusted. Made from a command line or
//! from an upstream's policy; the same for every connection of one probe.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use control::certificate::CertInfo;
use control::object::{Material, Protocols, SniChoice};
use rustls::CipherSuite;
use rustls_pki_types::CertificateDer;

use crate::tls::verify::anchors::{Anchors, Ends};

/// Subjects of trusted CAs that are named in texts.
const MOST_SUBJECTS: usize = 20;

/// CAs that a server's chain may lead to.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The CAs.
    pub(super) anchors: Arc<Anchors>,
    /// Their subjects, at most 20; empty for the platform's.
    pub(super) subjects: Vec<String>,
    /// They are the platform's roots.
    pub(super) platform: bool,
}

impl Trust {
    /// Certificates given by the operator.
    pub fn given(list: &[CertificateDer<'static>]) -> Self {
        let known = list.iter().take(MOST_SUBJECTS);
        Self {
            anchors: Arc::new(Anchors::new(list, Ends::AnyCa)),
            subjects: known
                .filter_map(|der| CertInfo::of_der(der).ok())
                .map(|info| info.subject().to_owned())
                .collect(),
            platform: false,
        }
    }

    /// The platform's roots, read from disk now. Those that cannot be read are left out: they trust nobody.
    pub fn platform() -> Self {
        let found = rustls_native_certs::load_native_certs();
        Self {
            anchors: Arc::new(Anchors::new(&found.certs, Ends::AnyCa)),
            subjects: Vec::new(),
            platform: true,
        }
    }
}

/// Where the settings of a probe come from, so that texts can name what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Flags of the command line.
    Flags,
    /// `upstreams/ID`, or the object an upstream stands in.
    Upstream(Arc<str>),
    /// `ssls/ID`: the server probed is our own listener.
    Ssl(Arc<str>),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Server name to send; an address is never sent (RFC 6066, 3).
    pub sni: Option<String>,
    /// Name or address that the certificate must be for.
    pub verify_name: String,
    /// Whether the certificate matters at all.
    pub verify: bool,
    /// Certificate to show when asked for one.
    pub identity: Option<Arc<Material>>,
    /// Whom to trust.
    pub trust: Trust,
    /// Versions the configuration allows.
    pub protocols: Protocols,
    /// Suites it allows; empty means all.
    pub ciphers: Vec<CipherSuite>,
    /// HTTP/2 must be agreed on.
    pub h2: bool,
    /// Time for one connection, look-up of the name included.
    pub timeout: Duration,
    /// Where all this comes from.
    pub place: Place,
}

impl Asked {
    /// With every version and suite, the platform's or the given CAs, and no certificate.
    pub fn new(host: &str, port: u16, sni: &SniChoice, trust: Trust) -> Self {
        let verify_name = match sni {
            SniChoice::Name(name) => name.to_string(),
            SniChoice::Host | SniChoice::Off => host.to_owned(),
        };
        let sent = (*sni != SniChoice::Off && verify_name.parse::<IpAddr>().is_err())
            .then(|| verify_name.clone());
        Self {
            host: host.to_owned(),
            port,
            sni: sent,
            verify_name,
            verify: true,
            identity: None,
            trust,
            protocols: Protocols::ALL,
            ciphers: Vec::new(),
            h2: false,
            timeout: DEFAULT_TIMEOUT,
            place: Place::Flags,
        }
    }

    /// `host:port`, an IPv6 address in brackets.
    pub fn target(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// A name that could be sent where none is: the one verified, if it is no address.
    pub(super) fn name_to_try(&self) -> Option<&str> {
        let name = self.verify_name.as_str();
        name.parse::<IpAddr>().is_err().then_some(name)
    }
}

/// Time for one connection unless said otherwise: what Sallyport itself gives a target to be connected to.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
