//! What serving one route reads, taken out of a Snapshot: a version of the route can be kept for those who still ask for
//! it without all that was beside it. Owns no time and no choice of what is kept; that is [`crate::sync`]'s.

use std::sync::Arc;

use super::Snapshot;
use super::held::Held;
use crate::object::{Route, Service, Ssl, Upstream};

/// See the module.
#[derive(Clone)]
pub struct Excerpt {
    needs: u64,
    route: (Arc<str>, Held<Route>),
    service: Option<(Arc<str>, Held<Service>)>,
    upstream: Option<(Arc<str>, Held<Upstream>)>,
    certificate: Option<(Arc<str>, Held<Ssl>)>,
}

impl Excerpt {
    /// Of the valid route `id`; `None` if there is none, or if what it refers to is missing.
    pub(super) fn of(snapshot: &Snapshot, id: &str) -> Option<Self> {
        let (id, held) = snapshot.routes.get_key_value(id)?;
        let needs = snapshot.depends_on(&held.object).ok()?;
        let read = snapshot.read_by(&held.object).ok()?;
        Some(Self {
            needs,
            route: (id.clone(), held.clone()),
            service: read.service.map(|(id, held)| (id.clone(), held.clone())),
            upstream: read.upstream.map(|(id, held)| (id.clone(), held.clone())),
            certificate: read
                .certificate
                .map(|(id, held)| (id.clone(), held.clone())),
        })
    }

    /// Whether it is of the version of route `id` that store revision `version` wrote.
    pub fn is_of(&self, id: &str, version: u64) -> bool {
        self.route.1.revision == version && *self.route.0 == *id
    }

    /// A Snapshot of these objects alone. Its revision is that of the newest of them: who needs a later one must not be
    /// served in it. The route is found by its id; no request is matched in it.
    pub fn snapshot(&self) -> Snapshot {
        let mut whole = Snapshot {
            revision: self.needs,
            changed: self.needs,
            ..Snapshot::default()
        };
        let (id, held) = self.route.clone();
        whole.routes.insert(id, held);
        if let Some((id, held)) = self.service.clone() {
            whole.services.insert(id, held);
        }
        if let Some((id, held)) = self.upstream.clone() {
            whole.upstreams.insert(id, held);
        }
        if let Some((id, held)) = self.certificate.clone() {
            whole.ssls.insert(id, held);
        }
        whole
    }
}
