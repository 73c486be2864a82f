//! `depends_on` and `route_version` against a naive model: every key's served version in a list, every dependency looked
//! up in it; and the excerpts of replaced routes against the whole Snapshots before. Random histories of changes and
//! refusals.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::drafts::Draft;
use super::*;

/// What an object refers to; which of the fields count depends on its kind.
#[derive(Clone, Debug)]
struct Refers {
    kind: usize,
    id: u8,
    service: Option<u8>,
    upstream: Option<u8>,
    inline: bool,
    certificate: Option<u8>,
    usable: bool,
}

impl Refers {
    fn key(&self) -> (Kind, String) {
        (Kind::ALL[self.kind], self.id.to_string())
    }

    fn draft(&self) -> Draft {
        let id = &*self.id.to_string();
        let named = |id: Option<u8>| id.map(|id| id.to_string());
        let tls = self
            .certificate
            .map(|id| json!({"client_cert_id": id.to_string()}));
        let mut inline = json!({"nodes": {"127.0.0.1:80": 1}, "scheme": "https"});
        if let Some(tls) = &tls {
            inline["tls"] = tls.clone();
        }
        let inline = self.has_inline().then_some(inline);
        match Kind::ALL[self.kind] {
            Kind::Ssl if self.usable => ssl(id, &[]).with("type", "client"),
            Kind::Ssl => ssl(id, &["a.com"]),
            Kind::Upstream => upstream(id).with("scheme", "https").with("tls", tls),
            Kind::Service => service(id, &[])
                .with("upstream_id", named(self.upstream))
                .with("upstream", inline),
            Kind::Route => route(id, &[], &["/"])
                .with("service_id", named(self.service))
                .with("upstream_id", named(self.upstream))
                .with("upstream", inline),
        }
    }

    /// A route must name something, and `upstream_id` and `upstream` exclude each other.
    fn has_inline(&self) -> bool {
        let must = Kind::ALL[self.kind] == Kind::Route && self.service.is_none();
        self.upstream.is_none() && (self.inline || must)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Set(Refers),
    Refuse(Refers),
    Remove(Refers),
}

/// A key's served object with its version, and the version of a refused value without one.
#[derive(Clone, Debug, Default)]
struct State {
    good: Option<(Refers, u64)>,
    refused: Option<u64>,
}

#[derive(Default)]
struct Naive {
    revision: u64,
    keys: BTreeMap<(Kind, String), State>,
}

impl Naive {
    fn take(&mut self, op: &Op, at: u64) -> Change {
        self.revision = at;
        match op {
            Op::Set(refers) => {
                let state = State {
                    good: Some((refers.clone(), at)),
                    refused: None,
                };
                self.keys.insert(refers.key(), state);
                refers.draft().set_at(at)
            }
            Op::Refuse(refers) => {
                self.keys.entry(refers.key()).or_default().refused = Some(at);
                refers.draft().refused_at(at)
            }
            Op::Remove(refers) => {
                self.keys.remove(&refers.key());
                let (kind, id) = refers.key();
                Change::Remove(kind, id.as_str().into())
            }
        }
    }

    fn good(&self, kind: Kind, id: u8) -> Option<&(Refers, u64)> {
        self.keys.get(&(kind, id.to_string()))?.good.as_ref()
    }

    fn route_version(&self, id: u8) -> Option<u64> {
        let state = self.keys.get(&(Kind::Route, id.to_string()))?;
        state
            .good
            .as_ref()
            .map(|(_, version)| *version)
            .or(state.refused)
    }

    fn depends_on(&self, id: u8) -> Option<u64> {
        let Some((route, version)) = self.good(Kind::Route, id) else {
            return self.route_version(id);
        };
        let mut versions = vec![*version];
        let mut giver = route;
        if let Some(id) = route.service {
            let (service, version) = self.good(Kind::Service, id)?;
            versions.push(*version);
            if route.upstream.is_none() && !route.has_inline() {
                giver = service;
            }
        }
        if let Some(id) = giver.upstream {
            let (upstream, version) = self.good(Kind::Upstream, id)?;
            versions.push(*version);
            giver = upstream;
        } else if !giver.has_inline() {
            return None;
        }
        if let Some(id) = giver.certificate {
            let (ssl, version) = self.good(Kind::Ssl, id)?;
            versions.push(*version);
            if !ssl.usable {
                return None;
            }
        }
        versions.into_iter().max()
    }
}

fn refers() -> impl Strategy<Value = Refers> {
    let some = || prop::option::of(0..2u8);
    let usable = prop::bool::weighted(0.8);
    (
        0..4usize,
        0..3u8,
        some(),
        some(),
        any::<bool>(),
        some(),
        usable,
    )
        .prop_map(
            |(kind, id, service, upstream, inline, certificate, usable)| Refers {
                kind,
                id,
                service,
                upstream,
                inline,
                certificate,
                usable,
            },
        )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => refers().prop_map(Op::Set),
        1 => refers().prop_map(Op::Refuse),
        1 => refers().prop_map(Op::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn versions_agree_with_a_list(steps in prop::collection::vec(prop::collection::vec(op(), 1..4), 1..20)) {
        let mut naive = Naive::default();
        let mut s = Snapshot::default();
        let mut revision = 0;
        for step in &steps {
            // As in a store: every write has a revision of its own, a batch has that of its last.
            let changes = step.iter().map(|op| { revision += 1; naive.take(op, revision) }).collect();
            s = s.apply(revision, changes);
            for id in 0..3u8 {
                let text = id.to_string();
                prop_assert_eq!(s.route_version(&text), naive.route_version(id));
                if let Some(route) = s.route_by_id(&text) {
                    prop_assert_eq!(s.depends_on(route).ok(), naive.depends_on(id), "route {}", id);
                }
            }
        }
    }

    #[test]
    fn excerpts_are_the_views_just_before(ops in prop::collection::vec(op(), 1..40), first in 0..40usize) {
        let (first, rest) = ops.split_at(first.min(ops.len()));
        let mut naive = Naive::default();
        let mut revision = 0;
        let mut change = |op: &Op| { revision += 1; (revision, naive.take(op, revision)) };
        let mut before = Snapshot::default();
        for (at, change) in first.iter().map(&mut change) {
            before = before.apply(at, vec![change]);
        }
        let changes: Vec<_> = rest.iter().map(&mut change).collect();
        // One by one: what stood last of each route that could be served.
        let (mut step, mut wanted) = (before.clone(), Vec::new());
        for (at, change) in &changes {
            if let Change::Set(Kind::Route, id, ..) | Change::Remove(Kind::Route, id) = change
                && let Some(route) = step.route_by_id(id).filter(|route| !route.is_closed())
                && let Ok(needs) = step.depends_on(route)
            {
                wanted.push((id.clone(), step.route_version(id), needs, told(&step, route)));
            }
            step = step.apply(*at, vec![change.clone()]);
        }
        let at = before.revision().max(revision);
        let (after, replaced) = before.apply_in_order(at, changes.into_iter().map(|(_, change)| change).collect());
        prop_assert_eq!(replaced.len(), wanted.len());
        for (excerpt, (id, version, needs, told_then)) in replaced.iter().zip(wanted) {
            prop_assert!(excerpt.is_of(&id, version.unwrap()) && !excerpt.is_of("other", version.unwrap()));
            let view = excerpt.snapshot();
            prop_assert_eq!(view.revision(), needs);
            prop_assert_eq!(view.route_version(&id), version);
            let route = view.route_by_id(&id).unwrap();
            prop_assert_eq!(view.depends_on(route).ok(), Some(needs));
            prop_assert_eq!(told(&view, route), told_then);
        }
        for id in ["0", "1", "2"] {
            prop_assert_eq!(after.route_version(id), step.route_version(id));
        }
    }
}

/// Where a route leads, and with which certificate.
fn told(snapshot: &Snapshot, route: &Route) -> String {
    let plan = snapshot.plan(route);
    let identity = plan.as_ref().map(|plan| snapshot.identity(&plan.upstream));
    let identity = identity.map(|found| found.map(|m| m.map(|m| Arc::as_ptr(&m))));
    format!("{plan:?} {identity:?}")
}

#[test]
fn a_view_ends_with_the_revision_before_the_one_that_replaced_it() {
    let node = |port: u16| upstream("u").with("nodes", json!({format!("127.0.0.1:{port}"): 1}));
    let before = Snapshot::default().apply(
        2,
        vec![node(1).set_at(1), route("1", &[], &["/"]).set_at(2)],
    );
    let changes = vec![
        node(2).set_at(3),
        // One transaction.
        node(3).set_at(4),
        route("1", &[], &["/a"]).set_at(4),
        // A refused value replaces nothing, a removal does.
        route("1", &[], &["/b"]).refused_at(5),
        Change::Remove(Kind::Route, "1".into()),
    ];
    let (_, replaced) = before.apply_in_order(6, changes);
    let views: Vec<_> = replaced.iter().map(Excerpt::snapshot).collect();
    let ports = views.iter().map(|view| {
        let nodes = view.upstream("u").unwrap().nodes();
        (view.route_version("1").unwrap(), nodes[0].port)
    });
    assert_eq!(ports.collect::<Vec<_>>(), [(2, 2), (4, 3)]);
    assert_eq!(views[0].revision(), 3);
    assert_eq!(views[1].revision(), 4);
}
