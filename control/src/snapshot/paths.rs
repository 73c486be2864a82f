//! The paths of one host pattern and the routes at each: exact paths, then prefixes, longest first. Knows nothing of
//! hosts; `routes` holds one of these for each host pattern.
//!
//! Among routes at one path: highest `priority` first, then the longer pattern, then the lower id (as text). The first
//! that takes method, client address and `vars` wins. A priority never lets a shorter path win over a longer one.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Ask;
use super::table::{Ends, Run, Table};
use crate::object::{Methods, PathPattern, Route};

/// Routes at one path, best first.
type Candidates = Run<Candidate>;

#[derive(Clone)]
struct Candidate {
    route: Arc<Route>,
    /// Which of the route's paths it is, if that one is a glob and its regex decides.
    glob: Option<usize>,
    /// Copied from the route, so that most look-ups decide without another cache line.
    methods: Methods,
    /// Whether the route asks for more than host, path and method.
    restricted: bool,
}

impl Candidate {
    fn new(route: &Arc<Route>, glob: Option<usize>) -> Self {
        let restricted = !route.remote_addrs().is_empty() || route.vars().is_some();
        Self {
            route: route.clone(),
            glob,
            methods: route.methods(),
            restricted,
        }
    }

    fn regex(&self) -> Option<&regex::Regex> {
        match self.route.paths().get(self.glob?)? {
            PathPattern::Glob { regex, .. } => Some(regex),
            PathPattern::Exact(_) | PathPattern::Prefix(_) => None,
        }
    }

    fn rank(&self) -> (Reverse<i64>, Reverse<usize>, &str) {
        let length = self.regex().map_or(0, |regex| regex.as_str().len());
        (
            Reverse(self.route.priority()),
            Reverse(length),
            self.route.id(),
        )
    }

    fn takes(&self, ask: &Ask<'_>) -> bool {
        self.methods.contains(ask.method)
            && self.regex().is_none_or(|regex| regex.is_match(ask.path))
            && (!self.restricted || lets_in(&self.route, ask))
    }
}

/// Whether the route's client networks and `vars` take the request.
fn lets_in(route: &Route, ask: &Ask<'_>) -> bool {
    let client = ask.remote.to_canonical();
    let networks = route.remote_addrs();
    (networks.is_empty() || networks.iter().any(|net| net.contains(&client)))
        && route
            .vars()
            .is_none_or(|expression| expression.holds(ask.var))
}

/// What changes at one path.
#[derive(Default)]
struct Edit {
    gone: HashSet<Arc<str>>,
    added: Vec<Candidate>,
}

/// What changes below one host pattern, collected first so that every path is rewritten once.
#[derive(Default)]
pub(super) struct PathEdits {
    exact: HashMap<Box<str>, Edit>,
    prefix: HashMap<Box<str>, Edit>,
}

impl PathEdits {
    fn at(&mut self, pattern: &PathPattern) -> &mut Edit {
        let (edits, key) = match pattern {
            PathPattern::Exact(path) => (&mut self.exact, path),
            PathPattern::Prefix(prefix) | PathPattern::Glob { prefix, .. } => {
                (&mut self.prefix, prefix)
            }
        };
        edits.entry(key.clone()).or_default()
    }

    /// The route leaves all its paths.
    pub(super) fn remove(&mut self, route: &Route) {
        for pattern in route.paths() {
            self.at(pattern).gone.insert(route.id().clone());
        }
    }

    /// The route comes to all its paths.
    pub(super) fn add(&mut self, route: &Arc<Route>) {
        for (index, pattern) in route.paths().iter().enumerate() {
            let glob = matches!(pattern, PathPattern::Glob { .. }).then_some(index);
            self.at(pattern).added.push(Candidate::new(route, glob));
        }
    }
}

/// The index below one host pattern.
#[derive(Clone, Default)]
pub(super) struct Paths {
    exact: Table<Candidates>,
    prefix: Table<Candidates>,
    prefix_ends: Ends,
}

impl Paths {
    /// The route for `ask`, whose host is already known to fit.
    pub(super) fn find(&self, ask: &Ask<'_>) -> Option<&Arc<Route>> {
        let first =
            |list: &'_ Candidates| list.all().iter().position(|candidate| candidate.takes(ask));
        if let Some(list) = self.exact.get(ask.path)
            && let Some(at) = first(list)
        {
            return Some(&list.all()[at].route);
        }
        for end in self.prefix_ends.within(ask.path.len()) {
            if ask.path.as_bytes()[..end.length].last().copied() == end.byte
                && let Some(list) = ask
                    .path
                    .get(..end.length)
                    .and_then(|prefix| self.prefix.get(prefix))
                && let Some(at) = first(list)
            {
                return Some(&list.all()[at].route);
            }
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefix.is_empty()
    }

    pub(super) fn apply(&mut self, edits: PathEdits) {
        for (path, edit) in edits.exact {
            let _ = rewrite(&mut self.exact, &path, edit);
        }
        for (prefix, edit) in edits.prefix {
            let (length, byte) = (prefix.len(), prefix.bytes().last());
            match rewrite(&mut self.prefix, &prefix, edit) {
                (false, true) => self.prefix_ends.add(length, byte),
                (true, false) => self.prefix_ends.remove(length, byte),
                _ => {}
            }
        }
    }
}

/// Rewrites the candidates at one path; tells whether there were any before, and whether there are now.
fn rewrite(table: &mut Table<Candidates>, path: &str, edit: Edit) -> (bool, bool) {
    let old = table.get(path).map_or(&[][..], Candidates::all);
    let before = !old.is_empty();
    let kept = old
        .iter()
        .filter(|candidate| !edit.gone.contains(candidate.route.id()));
    let mut new: Vec<Candidate> = kept.cloned().chain(edit.added).collect();
    new.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let new = Candidates::new(new);
    let after = new.is_some();
    match new {
        Some(candidates) => table.insert(path, candidates),
        None => table.remove(path),
    }
    (before, after)
}
