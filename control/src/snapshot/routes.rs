//! Host patterns and the paths below each: request → route, as APISIX's radixtree_host_uri finds it. Knows nothing of
//! objects' tables or references. In the line: filled by [`Snapshot::apply`](super::Snapshot::apply), read through
//! [`Snapshot::route`](super::Snapshot::route).
//!
//! The exact host first, then suffix patterns, longest first (a suffix spans labels), then routes for any host; if
//! nothing below one host pattern takes the request, the next less specific one is asked.

use std::collections::HashMap;
use std::sync::Arc;

use super::Ask;
use super::paths::{PathEdits, Paths};
use super::table::{Ends, Map};
use crate::object::{HostPattern, Route};

/// What changes, collected by host pattern so that each is rewritten once.
#[derive(Default)]
pub(super) struct RouteEdits(HashMap<HostPattern, PathEdits>);

impl RouteEdits {
    /// The route leaves these hosts.
    pub(super) fn remove(&mut self, route: &Route, hosts: &[HostPattern]) {
        for host in hosts {
            self.at(host).remove(route);
        }
    }

    /// The route comes to these hosts.
    pub(super) fn add(&mut self, route: &Arc<Route>, hosts: &[HostPattern]) {
        for host in hosts {
            self.at(host).add(route);
        }
    }

    fn at(&mut self, host: &HostPattern) -> &mut PathEdits {
        self.0.entry(host.clone()).or_default()
    }
}

/// The route index.
#[derive(Clone, Default)]
pub(super) struct Routes {
    exact: Map<Arc<Paths>>,
    /// By what follows the `*`.
    suffix: Map<Arc<Paths>>,
    suffix_ends: Arc<Ends>,
    any: Arc<Paths>,
}

impl Routes {
    pub(super) fn find(&self, ask: &Ask<'_>) -> Option<&Arc<Route>> {
        if let Some(route) = self.exact.get(ask.host).and_then(|paths| paths.find(ask)) {
            return Some(route);
        }
        for end in self.suffix_ends.within(ask.host.len()) {
            let at = ask.host.len() - end.length;
            if ask.host.as_bytes().get(at).copied() == end.byte
                && let Some(paths) = ask
                    .host
                    .get(at..)
                    .and_then(|suffix| self.suffix.get(suffix))
                && let Some(route) = paths.find(ask)
            {
                return Some(route);
            }
        }
        self.any.find(ask)
    }

    pub(super) fn apply(&mut self, edits: RouteEdits) {
        for (host, edits) in edits.0 {
            match host {
                HostPattern::Any => Arc::make_mut(&mut self.any).apply(edits),
                HostPattern::Exact(host) => {
                    rewrite(&mut self.exact, &host, edits);
                }
                HostPattern::Suffix(suffix) => {
                    let (length, byte) = (suffix.len(), suffix.bytes().next());
                    match rewrite(&mut self.suffix, &suffix, edits) {
                        (false, true) => Arc::make_mut(&mut self.suffix_ends).add(length, byte),
                        (true, false) => Arc::make_mut(&mut self.suffix_ends).remove(length, byte),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Rewrites one host's paths; tells whether there were any before, and whether there are now.
fn rewrite(map: &mut Map<Arc<Paths>>, host: &str, edits: PathEdits) -> (bool, bool) {
    let old = map.get(host);
    let before = old.is_some();
    let mut paths = old.map_or_else(Paths::default, |paths| Paths::clone(paths));
    paths.apply(edits);
    let after = !paths.is_empty();
    if after {
        map.insert(host.into(), Arc::new(paths));
    } else {
        map.remove(host);
    }
    (before, after)
}
