//! The names of one connection to a target: what is sent, what is verified, and what rustls is told, which files sessions
//! under its name. A step of [`super::client`].

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;

use super::failure;
use crate::alert::Evidence;
use crate::alert::evidence::Side;

/// The names of one connection.
pub(super) struct Names {
    /// Given to rustls: sent if a host name and SNI is on, and the key of its session store.
    pub(super) rustls: ServerName<'static>,
    /// To verify, where it is another.
    pub(super) verify: Option<ServerName<'static>>,
    /// On the wire.
    pub(super) sent: Option<String>,
}

impl Names {
    pub(super) fn resolve(verify_name: &str, sni: Option<&str>) -> Result<Self, Box<Evidence>> {
        let parse = |text: &str| {
            let bare = text
                .strip_prefix('[')
                .and_then(|t| t.strip_suffix(']'))
                .unwrap_or(text);
            ServerName::try_from(bare.to_ascii_lowercase()).map_err(|_| {
                failure::internal(
                    Side::Client,
                    format!("{text:?} is neither a host name nor an address"),
                )
            })
        };
        let verify = parse(verify_name)?;
        let Some(sni) = sni.map(parse).transpose()? else {
            return Ok(Self {
                rustls: verify,
                verify: None,
                sent: None,
            });
        };
        let sent = match &sni {
            ServerName::DnsName(name) => Some(name.as_ref().trim_end_matches('.').to_owned()),
            _ => None,
        };
        if sni == verify {
            return Ok(Self {
                rustls: verify,
                verify: None,
                sent,
            });
        }
        match sent {
            // An address is never sent; rustls gets the name to verify.
            None => Ok(Self {
                rustls: verify,
                verify: None,
                sent: None,
            }),
            sent => Ok(Self {
                rustls: sni,
                verify: Some(verify),
                sent,
            }),
        }
    }

    /// The name the certificate must be for.
    pub(super) fn verified(&self) -> &ServerName<'static> {
        self.verify.as_ref().unwrap_or(&self.rustls)
    }

    /// The configuration as it is if rustls would then send what it should and file sessions under the verified name;
    /// else a copy that does, without sessions.
    pub(super) fn settle(&self, tls: &Arc<ClientConfig>) -> Arc<ClientConfig> {
        let would_send = tls.enable_sni && matches!(self.rustls, ServerName::DnsName(_));
        if self.verify.is_none() && would_send == self.sent.is_some() {
            return Arc::clone(tls);
        }
        let mut other = ClientConfig::clone(tls);
        other.enable_sni = self.sent.is_some();
        other.resumption = Resumption::disabled();
        Arc::new(other)
    }
}
