//! Who a node is to the others: the hop CA, its own certificate with its role in it, and the TLS configurations made of
//! them, read again when the files change.
//!
//! [`issue`] makes certificates, `files` reads them, `set` checks a whole set and makes configurations of it, `verify`
//! judges peers, `judged` keeps what it found in one handshake.

mod files;
pub mod issue;
mod judged;
mod role;
mod set;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::watch;
use tokio::time::Instant;

pub use judged::Judged;
pub use role::Role;

use self::files::Files;
use self::set::Set;
use crate::alert::evidence::Own;
use crate::tls::verify::CertFault;

/// Between two looks at the files: soon enough for a renewal, and three small reads cost nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Left of our certificate's life when warnings begin: a month, as certificate authorities do.
const WARN_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Between two such warnings.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Certificate, key and trust of this node, always the newest good ones.
pub struct HopIdentity {
    dir: PathBuf,
    roles: Vec<Role>,
    current: ArcSwap<Set>,
    generation: watch::Sender<u64>,
}

/// Why the directory given by `--hop-tls` is not usable: names the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// A file is missing or is not what it must be.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key could be read by others.
    #[error("{}: has mode {mode:04o}, and must be its owner's alone: 0600 or 0400", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is no CA in the file.
    #[error("{}: no CA certificate is in it", path.display())]
    NoCa {
        /// The file.
        path: PathBuf,
    },
    /// There is no certificate in the file.
    #[error("{}: no certificate is in it", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The others would refuse our certificate.
    #[error("{}: {fault} (for ca.crt beside it)", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: CertFault,
    },
    /// The node has a role that its certificate has not.
    #[error("{}: has not the role {role} (sallyport pki node --role {role})", path.display())]
    Role {
        /// The file.
        path: PathBuf,
        /// The role.
        role: &'static str,
    },
    /// Key and certificate are not of one pair.
    #[error("{}: does not belong to node.crt beside it", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
    },
    /// The TLS library makes no configuration of them.
    #[error("hop TLS: {0}")]
    Tls(String),
}

impl HopIdentity {
    /// Reads `ca.crt`, `node.crt` and `node.key` in `dir`; the certificate must be of that CA and have all of `roles`.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(dir: &Path, roles: &[Role]) -> Result<Self, IdentityError> {
        let set = Set::build(dir, &Files::read(dir)?, roles, UnixTime::now())?;
        Ok(Self {
            dir: dir.to_owned(),
            roles: roles.to_owned(),
            current: ArcSwap::from_pointee(set),
            generation: watch::Sender::new(0),
        })
    }

    /// For a processor: TLS 1.3, ALPN [`super::quic::ALPN`], asks for a client certificate of the hop CA with the role
    /// router.
    pub fn server(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.current.load().server)
    }

    /// For a router: shows our certificate, accepts a server certificate of the hop CA with the role processor.
    pub fn client(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.current.load().client)
    }

    /// [`Self::server`] for one handshake; what its verifier finds goes to `judged`.
    ///
    /// # Errors
    /// rustls', which [`Self::load`] excludes.
    pub fn server_noting(
        &self,
        judged: &Arc<Judged>,
    ) -> Result<rustls::ServerConfig, rustls::Error> {
        self.current.load().server_noting(judged)
    }

    /// The same of [`Self::client`].
    ///
    /// # Errors
    /// rustls', which [`Self::load`] excludes.
    pub fn client_noting(
        &self,
        judged: &Arc<Judged>,
    ) -> Result<rustls::ClientConfig, rustls::Error> {
        self.current.load().client_noting(judged)
    }

    /// What evidence of a failed handshake says of this node.
    pub fn own(&self) -> Own {
        self.current.load().own.clone()
    }

    /// Whether a peer's chain (leaf first) would be accepted now, as one of `role`.
    pub fn still_good(&self, chain: &[CertificateDer<'_>], role: Role) -> bool {
        let Some((leaf, rest)) = chain.split_first() else {
            return false;
        };
        let trust = Arc::clone(&self.current.load().trust);
        trust.check(leaf, rest, role, UnixTime::now()).is_ok()
    }

    /// Grows whenever other files are in use.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The node's name as its certificate has it; empty if it has none.
    pub fn name(&self) -> String {
        self.current.load().name.clone()
    }

    /// Our certificate chain, leaf first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current.load().chain.clone()
    }

    /// When the others begin to refuse us: the end of our certificate, or of its CA if that is sooner. Unix seconds.
    pub fn not_after(&self) -> i64 {
        self.current.load().not_after
    }

    /// Looks at the files every few seconds and takes over what is new and good. Runs for ever.
    pub async fn follow(self: &Arc<Self>) {
        let mut problem = None;
        let mut warned: Option<Instant> = None;
        loop {
            // Off the runtime's thread: the directory may be on a network file system that hangs.
            let this = Arc::clone(self);
            if let Ok(looked) = tokio::task::spawn_blocking(move || this.refresh()).await {
                self.report(looked, &mut problem);
            }
            if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY)
                && let Some(left) = self.ends_soon(UnixTime::now())
            {
                let days = left / (24 * 3600);
                tracing::warn!(node = %self.name(), days, "the hop certificate ends soon");
                warned = Some(Instant::now());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// One look at the files; whether other ones are in use now. What is not whole or not good changes nothing.
    fn refresh(&self) -> Result<bool, IdentityError> {
        let files = Files::read(&self.dir)?;
        if files.digest == self.current.load().digest {
            return Ok(false);
        }
        let set = Set::build(&self.dir, &files, &self.roles, UnixTime::now())?;
        self.current.store(Arc::new(set));
        self.generation.send_modify(|generation| *generation += 1);
        Ok(true)
    }

    /// One line for each thing that happened, however often it is seen.
    fn report(&self, looked: Result<bool, IdentityError>, problem: &mut Option<IdentityError>) {
        match looked {
            Ok(new) => {
                *problem = None;
                if new {
                    tracing::info!(
                        node = %self.name(), not_after = self.not_after(), "the hop certificate was renewed"
                    );
                }
            }
            Err(error) if problem.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "new hop certificates are not usable, the old ones stay");
                *problem = Some(error);
            }
        }
    }

    /// Seconds left, if they are few.
    fn ends_soon(&self, now: UnixTime) -> Option<i64> {
        let left = self
            .not_after()
            .saturating_sub(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        let few = i64::try_from(WARN_BEFORE.as_secs()).unwrap_or(i64::MAX);
        (left < few).then_some(left.max(0))
    }
}

#[cfg(test)]
pub(in crate::hop) mod tests;
