//! The index against a naive one: every object in a list, every question a scan of all of it. Random histories, applied
//! in steps, at once, and as a fresh build of what is left at the end, must give the same answers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::drafts::Draft;
use super::*;
use crate::object::{HostPattern, PathPattern};

const NAMES: &[&str] = &[
    "a.com",
    "b.a.com",
    "c.b.a.com",
    "*.a.com",
    "*.b.a.com",
    "*",
    "d.org",
];
const ASKED: &[&str] = &[
    "a.com",
    "b.a.com",
    "x.a.com",
    "c.b.a.com",
    "x.b.a.com",
    "x.y.z.a.com",
    "d.org",
    "e",
    "",
];
const HOSTS: &[&str] = &["a.com", "b.a.com", "*.a.com", "*a.com", "*.com", "*"];
const PATHS: &[&str] = &[
    "/", "/*", "/a", "/a*", "/a/*", "/a/*/c", "/a/*c", "/a/b", "/é*",
];
const ASKED_PATHS: &[&str] = &[
    "/", "/a", "/ab", "/a/", "/a/b", "/a/b/c", "/a/b/c/d", "/é", "/è",
];

#[derive(Clone, Debug)]
enum Op {
    SetSsl(u8, Vec<usize>, bool),
    RefuseSsl(u8, Vec<usize>),
    SetRoute(u8, Shape),
    RefuseRoute(u8, Shape),
    SetService(u8, Vec<usize>),
    Remove(u8, u8),
}

#[derive(Clone, Debug)]
struct Shape {
    hosts: Vec<usize>,
    paths: Vec<usize>,
    post_only: bool,
    priority: i64,
    enabled: bool,
    service: Option<u8>,
}

impl Shape {
    fn draft(&self, id: u8) -> Draft {
        route(
            &id.to_string(),
            &pick(HOSTS, &self.hosts),
            &pick(PATHS, &self.paths),
        )
        .with("priority", self.priority)
        .with("status", u8::from(self.enabled))
        .with("methods", self.post_only.then_some(["POST"]))
        .with("service_id", self.service.map(|id| id.to_string()))
    }
}

impl Op {
    fn change(&self) -> Change {
        match self {
            Self::SetSsl(id, names, on) => ssl(&id.to_string(), &pick(NAMES, names))
                .with("status", u8::from(*on))
                .set(),
            Self::RefuseSsl(id, names) => ssl(&id.to_string(), &pick(NAMES, names)).refused(),
            Self::SetRoute(id, shape) => shape.draft(*id).set(),
            Self::RefuseRoute(id, shape) => shape.draft(*id).refused(),
            Self::SetService(id, hosts) => service(&id.to_string(), &pick(HOSTS, hosts)).set(),
            Self::Remove(kind, id) => {
                Change::Remove(Kind::ALL[usize::from(*kind)], id.to_string().into())
            }
        }
    }
}

fn pick(from: &[&'static str], indices: &[usize]) -> Vec<&'static str> {
    let distinct: BTreeSet<usize> = indices.iter().copied().collect();
    distinct.into_iter().map(|at| from[at]).collect()
}

fn some(from: &'static [&'static str], least: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..from.len(), least..4)
}

fn shape() -> impl Strategy<Value = Shape> {
    let enabled = prop::bool::weighted(0.9);
    let service = prop::option::of(0..3u8);
    (
        some(HOSTS, 0),
        some(PATHS, 1),
        any::<bool>(),
        0..2i64,
        enabled,
        service,
    )
        .prop_map(
            |(hosts, paths, post_only, priority, enabled, service)| Shape {
                hosts,
                paths,
                post_only,
                priority,
                enabled,
                service,
            },
        )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..6u8, some(NAMES, 1), prop::bool::weighted(0.9)).prop_map(|(id, n, on)| Op::SetSsl(id, n, on)),
        1 => (0..6u8, some(NAMES, 0)).prop_map(|(id, names)| Op::RefuseSsl(id, names)),
        6 => (0..12u8, shape()).prop_map(|(id, shape)| Op::SetRoute(id, shape)),
        1 => (0..12u8, shape()).prop_map(|(id, shape)| Op::RefuseRoute(id, shape)),
        2 => (0..3u8, some(HOSTS, 0)).prop_map(|(id, hosts)| Op::SetService(id, hosts)),
        3 => (0..4u8, 0..12u8).prop_map(|(kind, id)| Op::Remove(kind, id)),
    ]
}

/// For each key the last good value and the refusal after it.
#[derive(Default)]
struct Naive(BTreeMap<(Kind, String), (Option<Change>, Option<Change>)>);

impl Naive {
    fn take(&mut self, change: &Change) {
        let (Change::Set(kind, id, ..) | Change::Remove(kind, id) | Change::Refuse(kind, id, ..)) =
            change;
        let state = self.0.entry((*kind, id.to_string())).or_default();
        match change {
            Change::Set(..) => *state = (Some(change.clone()), None),
            Change::Remove(..) => *state = (None, None),
            Change::Refuse(..) => state.1 = Some(change.clone()),
        }
    }

    /// What would build this state from nothing.
    fn changes(&self) -> Vec<Change> {
        self.0
            .values()
            .flat_map(|(good, refused)| good.iter().chain(refused))
            .cloned()
            .collect()
    }

    /// (name, id, open) of every claim, by id.
    fn claims(&self) -> Vec<(String, String, bool)> {
        let mut claims = Vec::new();
        for ((_, id), state) in &self.0 {
            match state {
                (Some(Change::Set(_, _, Object::Ssl(ssl), _)), _) if ssl.is_enabled() => {
                    claims.extend(
                        ssl.names()
                            .iter()
                            .map(|name| (name.to_string(), id.clone(), true)),
                    );
                }
                (None, Some(Change::Refuse(_, _, _, Closes::Names(names)))) => {
                    claims.extend(names.iter().map(|name| (name.clone(), id.clone(), false)));
                }
                _ => {}
            }
        }
        claims
    }

    fn named(&self, name: &str) -> String {
        let wildcard = name
            .split_once('.')
            .map(|(_, parent)| format!("*.{parent}"));
        let tried = [Some(name.to_owned()), wildcard, Some("*".to_owned())];
        let claims = self.claims();
        let tried = tried.into_iter().flatten().filter(|_| !name.is_empty());
        let winner = tried
            .filter_map(|key| claims.iter().find(|claim| claim.0 == key))
            .next();
        winner.map_or(String::new(), |(_, id, open)| {
            format!("{}{id}", if *open { '+' } else { '-' })
        })
    }

    fn contested(&self) -> Vec<(String, String)> {
        let claims = self.claims();
        let loses = |c: &(String, String, bool)| {
            c.2 && claims.iter().any(|other| other.0 == c.0 && other.1 < c.1)
        };
        let mut lost: Vec<_> = claims
            .iter()
            .filter(|c| loses(c))
            .map(|c| (c.1.clone(), c.0.clone()))
            .collect();
        lost.dedup();
        lost.sort();
        lost.dedup();
        lost
    }

    fn hosts(&self, route: &Route) -> Vec<HostPattern> {
        let mut hosts = route.hosts().to_vec();
        if let Some(id) = route.service_id().filter(|_| hosts.is_empty())
            && let Some((Some(Change::Set(_, _, Object::Service(s), _)), _)) =
                self.0.get(&(Kind::Service, id.to_string()))
        {
            hosts = s.hosts().to_vec();
        }
        if hosts.is_empty() {
            vec![HostPattern::Any]
        } else {
            hosts
        }
    }

    fn routed(&self, method: &str, host: &str, path: &str) -> String {
        let routes = self.0.values().filter_map(|state| match state {
            (Some(Change::Set(_, _, Object::Route(route), _)), _) => Some(route),
            (None, Some(Change::Refuse(_, _, _, Closes::Route(route)))) => Some(route),
            _ => None,
        });
        let mut best = None;
        for route in routes.filter(|r| r.is_enabled() && r.methods().contains(method)) {
            for host in self
                .hosts(route)
                .iter()
                .filter_map(|pattern| host_rank(pattern, host))
            {
                for (path, length) in route
                    .paths()
                    .iter()
                    .filter_map(|pattern| path_rank(pattern, path))
                {
                    let rank = (host, path, route.priority(), length);
                    let better = best
                        .as_ref()
                        .is_none_or(|(old, holder): &(_, &Arc<Route>)| {
                            rank > *old || (rank == *old && route.id() < holder.id())
                        });
                    if better {
                        best = Some((rank, route));
                    }
                }
            }
        }
        best.map_or(String::new(), |(_, r)| {
            format!("{}{}", if r.is_closed() { '-' } else { '+' }, r.id())
        })
    }
}

fn host_rank(pattern: &HostPattern, host: &str) -> Option<usize> {
    match pattern {
        HostPattern::Any => Some(0),
        HostPattern::Suffix(suffix) => host.ends_with(&**suffix).then_some(suffix.len()),
        HostPattern::Exact(exact) => (**exact == *host).then_some(usize::MAX),
    }
}

fn path_rank(pattern: &PathPattern, path: &str) -> Option<(usize, usize)> {
    match pattern {
        PathPattern::Exact(exact) => (**exact == *path).then_some((usize::MAX, 0)),
        PathPattern::Prefix(prefix) => path.starts_with(&**prefix).then_some((prefix.len(), 0)),
        PathPattern::Glob { prefix, regex } => regex
            .is_match(path)
            .then_some((prefix.len(), regex.as_str().len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_agrees_with_a_scan(steps in prop::collection::vec(prop::collection::vec(op(), 1..6), 1..20)) {
        let mut naive = Naive::default();
        let mut stepped = Snapshot::default();
        let mut all = Vec::new();
        for step in &steps {
            let changes: Vec<Change> = step.iter().map(Op::change).collect();
            changes.iter().for_each(|change| naive.take(change));
            all.extend(changes.clone());
            stepped = stepped.apply(stepped.revision() + 1, changes);
        }
        let at_once = snapshot(all);
        let fresh = snapshot(naive.changes());
        for s in [&stepped, &at_once, &fresh] {
            for name in ASKED {
                prop_assert_eq!(named(s, name), naive.named(name), "name {}", name);
            }
            for (method, host, path) in questions() {
                prop_assert_eq!(routed(s, method, host, path), naive.routed(method, host, path),
                    "{} {}{}", method, host, path);
            }
            prop_assert_eq!(s.name_index.contested().count(), naive.contested().len());
            let lost = naive.contested();
            for (record, (id, name)) in s.name_index.contested().zip(&lost) {
                prop_assert_eq!(&record.key, &format!("ssls/{id}"));
                let start = format!("{name} belongs to ");
                prop_assert!(record.reason.starts_with(&start));
            }
        }
    }
}

fn questions() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let hosts = ["a.com", "b.a.com", "x.y.a.com", "xa.com", "com", "z", ""];
    ["GET", "POST"].into_iter().flat_map(move |method| {
        hosts
            .into_iter()
            .flat_map(move |host| ASKED_PATHS.iter().map(move |path| (method, host, *path)))
    })
}
