//! References between objects, resolved within one Snapshot when a request needs them. A reference that leads nowhere
//! fails that request: nothing older or broader takes its place.

use std::sync::Arc;

use super::{MissingReference, Plan, Snapshot};
use crate::object::{ClientIdentity, Kind, Material, Route, Service, Upstream, Usage};

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
            .ssls
            .get(id)
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

    fn referred_service(&self, route: &Route, id: &str) -> Result<&Arc<Service>, MissingReference> {
        self.services.get(id).ok_or_else(|| MissingReference {
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
        self.upstreams
            .get(id)
            .map(Some)
            .ok_or_else(|| MissingReference {
                from: reference(kind, from),
                to: reference(Kind::Upstream, id),
                why: self.absence(Kind::Upstream, id),
            })
    }

    fn absence(&self, kind: Kind, id: &str) -> &'static str {
        if self.rejections.contains_key(&reference(kind, id)) {
            "is rejected"
        } else {
            "does not exist"
        }
    }
}

fn reference(kind: Kind, id: &str) -> String {
    format!("{}/{id}", kind.dir())
}
