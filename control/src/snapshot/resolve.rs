//! References between objects, resolved within one Snapshot when a request needs them. A reference that leads nowhere
//! fails that request: nothing older or broader takes its place.

use std::sync::Arc;

use super::held::Held;
use super::{MissingReference, Plan, Snapshot};
use crate::object::{ClientIdentity, Kind, Material, Route, Service, Ssl, Upstream, Usage};

/// See [`Snapshot::read_by`].
pub(super) struct ReadBy<'a> {
    pub(super) service: Option<(&'a Arc<str>, &'a Held<Service>)>,
    pub(super) upstream: Option<(&'a Arc<str>, &'a Held<Upstream>)>,
    pub(super) certificate: Option<(&'a Arc<str>, &'a Held<Ssl>)>,
}

impl Snapshot {
    /// Where a matched route sends its requests. The route's own upstream, else its service's.
    ///
    /// # Errors
    /// [`MissingReference`] if the service or the upstream is not there, even if the route could do without the service:
    /// it may have meant to restrict the route.
    pub fn plan(&self, route: &Route) -> Result<Plan, MissingReference> {
        let service = route
            .service_id()
            .map(|id| self.referred_service(route, id))
            .transpose()?;
        let upstream = match self.named_or_inline(
            Kind::Route,
            route.id(),
            route.upstream_id(),
            route.upstream(),
        )? {
            Some(upstream) => upstream,
            None => self.upstream_of_service(route, service)?,
        };
        Ok(Plan {
            timeouts: route.timeouts().unwrap_or_else(|| upstream.timeouts()),
            websocket: route
                .websocket()
                .unwrap_or_else(|| service.is_some_and(|s| s.websocket())),
            upstream: upstream.clone(),
        })
    }

    /// The certificate to show to an upstream's targets; `None` if it asks for none.
    ///
    /// # Errors
    /// [`MissingReference`] if `client_cert_id` does not lead to an enabled SSL object of type client.
    pub fn identity(&self, upstream: &Upstream) -> Result<Option<Arc<Material>>, MissingReference> {
        let id = match &upstream.tls().identity {
            ClientIdentity::None => return Ok(None),
            ClientIdentity::Inline(material) => return Ok(Some(material.clone())),
            ClientIdentity::Ssl(id) => id,
        };
        let missing = |why| MissingReference {
            from: upstream.key().to_string(),
            to: reference(Kind::Ssl, id),
            why,
        };
        let ssl = self
            .ssl(id)
            .ok_or_else(|| missing(self.absence(Kind::Ssl, id)))?;
        if ssl.usage() != Usage::Client {
            return Err(missing("is not of type client"));
        }
        if !ssl.is_enabled() {
            return Err(missing("is disabled"));
        }
        ssl.material()
            .first()
            .cloned()
            .map(Some)
            .ok_or_else(|| missing("has no certificate"))
    }

    /// The newest store revision among the objects that serving `route` reads: itself, its service, its upstream, that
    /// upstream's client certificate. A closed route reads nothing but itself.
    ///
    /// # Errors
    /// [`MissingReference`]: requests fail for the want of it.
    pub fn depends_on(&self, route: &Route) -> Result<u64, MissingReference> {
        let own = self.held_route(route.id()).map(|held| held.revision);
        if route.is_closed() {
            return Ok(own.unwrap_or_default());
        }
        let read = self.read_by(route)?;
        let service = read.service.map(|(_, held)| held.revision);
        let upstream = read.upstream.map(|(_, held)| held.revision);
        let certificate = read.certificate.map(|(_, held)| held.revision);
        let all = [own, service, upstream, certificate];
        Ok(all.into_iter().flatten().max().unwrap_or_default())
    }

    /// The objects that serving `route` reads besides itself, and their ids.
    pub(super) fn read_by(&self, route: &Route) -> Result<ReadBy<'_>, MissingReference> {
        let plan = self.plan(route)?;
        let service = route
            .service_id()
            .and_then(|id| self.services.get_key_value(id));
        // Of the objects that may give it, the one that does; an inline upstream has its owner's revision.
        let upstream_id = match (route.upstream_id(), route.upstream()) {
            (None, None) => service.and_then(|(_, held)| held.object.upstream_id()),
            (id, _) => id,
        };
        let mut certificate = None;
        if plan.upstream.scheme().is_tls() {
            self.identity(&plan.upstream)?;
            if let ClientIdentity::Ssl(id) = &plan.upstream.tls().identity {
                certificate = self.ssls.get_key_value(id);
            }
        }
        Ok(ReadBy {
            service,
            upstream: upstream_id.and_then(|id| self.upstreams.get_key_value(id)),
            certificate,
        })
    }

    /// Whether the newest value of the object was refused; a last good version may be served all the same.
    pub fn is_refused(&self, kind: Kind, id: &str) -> bool {
        self.rejections.contains_key(&reference(kind, id))
    }

    /// The store revision of the route version that requests are matched with under `id`: of the refused value if the
    /// route is closed; `None` if there is none.
    pub fn route_version(&self, id: &str) -> Option<u64> {
        self.held_route(id).map(|held| held.revision)
    }

    pub(super) fn held_route(&self, id: &str) -> Option<&Held<Route>> {
        self.routes.get(id).or_else(|| self.closed_routes.get(id))
    }

    fn referred_service(&self, route: &Route, id: &str) -> Result<&Arc<Service>, MissingReference> {
        self.service(id).ok_or_else(|| MissingReference {
            from: reference(Kind::Route, route.id()),
            to: reference(Kind::Service, id),
            why: self.absence(Kind::Service, id),
        })
    }

    fn upstream_of_service<'a>(
        &'a self,
        route: &Route,
        service: Option<&'a Arc<Service>>,
    ) -> Result<&'a Arc<Upstream>, MissingReference> {
        let found = match service {
            Some(s) => {
                self.named_or_inline(Kind::Service, s.id(), s.upstream_id(), s.upstream())?
            }
            None => None,
        };
        // The readers refuse a route that names neither; a service without an upstream is legal.
        found.ok_or_else(|| MissingReference {
            from: reference(Kind::Route, route.id()),
            to: "an upstream".to_owned(),
            why: "neither it nor its service gives",
        })
    }

    /// The upstream an object gives, by id or inline; by id wins, as in APISIX.
    fn named_or_inline<'a>(
        &'a self,
        kind: Kind,
        from: &str,
        id: Option<&Arc<str>>,
        inline: Option<&'a Arc<Upstream>>,
    ) -> Result<Option<&'a Arc<Upstream>>, MissingReference> {
        let Some(id) = id else { return Ok(inline) };
        self.upstream(id).map(Some).ok_or_else(|| MissingReference {
            from: reference(kind, from),
            to: reference(Kind::Upstream, id),
            why: self.absence(Kind::Upstream, id),
        })
    }

    fn absence(&self, kind: Kind, id: &str) -> &'static str {
        if self.is_refused(kind, id) {
            "is rejected"
        } else {
            "does not exist"
        }
    }
}

fn reference(kind: Kind, id: &str) -> String {
    format!("{}/{id}", kind.dir())
}
