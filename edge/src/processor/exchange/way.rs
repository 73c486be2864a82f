//! The way to a target for one request: names, identity and trust, which together say what connections may be used.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use control::object::{Material, SniChoice, Upstream};

use crate::alert::finding::Context;
use crate::alert::{Cause, Hop};
use crate::fault::{Fault, FaultCode};
use crate::hop::{Request, TargetTls};
use crate::probe::background::{Address, Policy};
use crate::processor::Processor;
use crate::processor::dial::{self, Dialled, Doubt, Handshake, context};
use crate::processor::endpoint::Target;
use crate::processor::host::{self, TlsName};
use crate::processor::pool::{Facts, PoolKey, Shelf, TlsKey};
use crate::processor::shared::Shared;

/// See the module.
pub(super) struct Way<'a> {
    upstream: &'a Upstream,
    target: &'a Target,
    route: &'a Arc<str>,
    revision: u64,
    tls: Option<WayTls<'a>>,
}

struct WayTls<'a> {
    name: TlsName<'a>,
    identity: Option<Arc<Material>>,
    verify: bool,
}

impl<'a> Way<'a> {
    /// The way of `request` to `target`, which gets `host` as Host.
    pub(super) fn to(
        processor: &Processor,
        request: &'a Request,
        upstream: &'a Upstream,
        target: &'a Target,
        host: &'a [u8],
    ) -> Result<Self, Fault> {
        let way = Self {
            upstream,
            target,
            route: request.route.id(),
            revision: request.snapshot.revision(),
            tls: None,
        };
        if !upstream.scheme().is_tls() {
            return Ok(way);
        }
        let identity = request
            .snapshot
            .identity(upstream)
            .map_err(|missing| Fault::of_missing(&missing))?;
        let policy = upstream.tls();
        let Some(name) = host::tls_name(&policy.sni, host) else {
            return Err(Fault::processor(
                FaultCode::SslHandshakeFailed,
                "the Host is no name to verify",
            )
            .because(Cause::ServerCertHostnameMismatch));
        };
        let verify = policy.verify.unwrap_or(processor.shared.verify);
        Ok(Self {
            tls: Some(WayTls {
                name,
                identity,
                verify,
            }),
            ..way
        })
    }

    /// The pool's shelf for exactly this way.
    pub(super) fn shelf(&self, processor: &Processor) -> Rc<Shelf> {
        let mut last = self.target.shelf.borrow_mut();
        if let Some((key, shelf)) = last.as_ref()
            && self.is(key)
        {
            return shelf.clone();
        }
        let key = self.key();
        let shelf = processor.pool.shelf(&key);
        *last = Some((key, shelf.clone()));
        shelf
    }

    /// Whether `key` is this way's, without making one.
    fn is(&self, key: &PoolKey) -> bool {
        let tls = match (&self.tls, &key.tls) {
            (None, None) => true,
            (Some(ours), Some(key)) => {
                key.verify_name == ours.name.verify
                    && key.sni == ours.name.sni.is_some()
                    && key.verify == ours.verify
                    && key.policy == self.upstream.tls().policy
                    && key.identity.as_ref() == ours.identity.as_ref().map(|m| m.identity())
            }
            _ => false,
        };
        // Host and port are the target's own, whose shelf this is.
        tls && key.h2 == self.upstream.scheme().is_h2()
    }

    fn key(&self) -> PoolKey {
        let node = &self.target.node;
        let tls = self.tls.as_ref().map(|tls| TlsKey {
            verify_name: tls.name.verify.to_owned(),
            sni: tls.name.sni.is_some(),
            verify: tls.verify,
            policy: self.upstream.tls().policy,
            identity: tls.identity.as_ref().map(|m| *m.identity()),
        });
        PoolKey {
            host: node.host.clone(),
            port: node.port,
            h2: self.upstream.scheme().is_h2(),
            tls,
        }
    }

    /// Who looks into a handshake of ours that fails for no clear reason, if that is wanted.
    fn doubt(&self, shared: &Shared, tls: &WayTls<'_>, sni: Option<&str>) -> Option<Doubt> {
        let prober = Arc::clone(shared.prober.as_ref()?);
        let node = &self.target.node;
        let address = Address {
            host: &node.host,
            port: node.port,
            verify_name: tls.name.verify,
            sni,
        };
        let h2 = self.upstream.scheme().is_h2();
        let policy = Policy::new(
            self.upstream.key(),
            address,
            self.upstream.tls(),
            tls.identity.as_ref(),
            (tls.verify, h2),
        );
        Some(Doubt {
            prober,
            policy: Arc::new(policy),
        })
    }

    /// A new connection.
    pub(super) async fn dial(
        &self,
        processor: &Processor,
        limit: std::time::Duration,
    ) -> Result<(Dialled, Rc<Facts>), Fault> {
        let shared = &processor.shared;
        let h2 = self.upstream.scheme().is_h2();
        let tls = match &self.tls {
            None => None,
            Some(tls) => {
                let sni = if self.upstream.tls().sni == SniChoice::Off {
                    None
                } else {
                    tls.name.sni
                };
                let context = Context {
                    sni: sni.map(str::to_owned),
                    route: Some(Arc::clone(self.route)),
                    revision: self.revision,
                    ..context(self.upstream, &self.target.name)
                };
                let config = shared
                    .tls
                    .config(
                        self.upstream.tls(),
                        (&self.target.node.host, self.target.node.port),
                        tls.identity.as_ref(),
                        tls.verify,
                        h2,
                    )
                    .map_err(|e| dial::refused(&shared.failures, context.clone(), None, e))?;
                Some(Handshake {
                    config,
                    name: TlsName {
                        verify: tls.name.verify,
                        sni,
                    },
                    context,
                    doubt: self.doubt(shared, tls, sni),
                })
            }
        };
        let mut dialled = dial::dial(shared, &self.target.node, limit, tls).await?;
        let tls = dialled.session.as_ref().map(|s| {
            Arc::new(TargetTls {
                version: s.version,
                cipher: s.cipher,
                sni: s.sni.clone(),
                resumed: s.resumed,
                client_cert: s.client_cert,
            })
        });
        let open = shared
            .metrics
            .connection(Hop::Southbound, if h2 { "h2" } else { "http/1.1" });
        let facts = Facts {
            address: dialled.address,
            tls,
            unproven: RefCell::new(dialled.unproven.take()),
            _open: open,
        };
        Ok((dialled, Rc::new(facts)))
    }
}
