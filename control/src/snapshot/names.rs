//! TLS names: who answers for an SNI or a Host. Owns the name index and the record of contested names; knows nothing
//! of routes, handshakes or stores. In the line: filled by [`Snapshot::apply`](super::Snapshot::apply), read through
//! [`Snapshot::tls_policy`](super::Snapshot::tls_policy).
//!
//! The rules, the same on every node whatever the order of arrival:
//!
//! * the exact name, else the wildcard one label up (`*.x` covers exactly one label), else `*`. Unlike APISIX, a
//!   wildcard that does not fit never hides a shorter one that does;
//! * of several objects that claim one name the lowest id has it. Ids compare as text, so `10` comes before `2`;
//! * a refused object without a last good version keeps its claims, closed: where it would have had the name, the
//!   name is shut, and neither a wildcard nor a later id opens it (a later id might ask for no client certificate).

use std::collections::HashMap;
use std::sync::Arc;

use super::NameMatch;
use super::table::{Map, Run};
use crate::object::{Kind, Ssl};
use crate::rejection::Rejection;

/// One object's claim to a name.
#[derive(Clone)]
pub(super) enum Claim {
    /// It would serve the name.
    Open(Arc<Ssl>),
    /// It was refused: it keeps the name shut.
    Closed(Arc<str>),
}

impl Claim {
    fn id(&self) -> &Arc<str> {
        match self {
            Self::Open(ssl) => ssl.id(),
            Self::Closed(id) => id,
        }
    }

    fn answer(&self) -> NameMatch<'_> {
        match self {
            Self::Open(ssl) => NameMatch::Open(ssl),
            Self::Closed(id) => NameMatch::Closed(id),
        }
    }
}

/// A claim made (`Some`) or given up. A later edit of the same name and id replaces an earlier one.
pub(super) struct NameEdit {
    pub(super) id: Arc<str>,
    pub(super) claim: Option<Claim>,
}

/// All claims to one name, the winner first.
type Claims = Run<Claim>;

impl Claims {
    fn answer(&self) -> NameMatch<'_> {
        self.all().first().map_or(NameMatch::Unknown, Claim::answer)
    }
}

/// The name index.
#[derive(Clone, Default)]
pub(super) struct Names {
    exact: Map<Claims>,
    /// By what follows `*.`.
    wildcard: Map<Claims>,
    any: Option<Claims>,
    /// By (id, name): valid objects that do not have a name they claim.
    contested: imbl::OrdMap<(Arc<str>, Arc<str>), Rejection>,
}

impl Names {
    /// Who answers for `name` (lower case, no trailing dot). An empty name is nobody's, not even `*`'s.
    pub(super) fn find(&self, name: &str) -> NameMatch<'_> {
        if name.is_empty() {
            return NameMatch::Unknown;
        }
        if let Some(claims) = self.exact.get(name) {
            return claims.answer();
        }
        if let Some((label, parent)) = name.split_once('.')
            && !label.is_empty()
            && let Some(claims) = self.wildcard.get(parent)
        {
            return claims.answer();
        }
        self.any.as_ref().map_or(NameMatch::Unknown, Claims::answer)
    }

    /// Valid objects that do not have a name they claim, ordered by id, then name.
    pub(super) fn contested(&self) -> impl Iterator<Item = &Rejection> {
        self.contested.values()
    }

    /// Carries out `edits`, each touched name once however many edits it has.
    pub(super) fn apply(&mut self, revision: u64, edits: Vec<(Box<str>, NameEdit)>) {
        let mut by_name: HashMap<Box<str>, Vec<NameEdit>> = HashMap::with_capacity(edits.len());
        for (name, edit) in edits {
            by_name.entry(name).or_default().push(edit);
        }
        for (name, edits) in by_name {
            self.rewrite(revision, &name, edits);
        }
    }

    fn rewrite(&mut self, revision: u64, name: &str, mut edits: Vec<NameEdit>) {
        edits.reverse();
        edits.sort_by(|a, b| a.id.cmp(&b.id));
        edits.dedup_by(|earlier, last| earlier.id == last.id);
        let before = self.claims(name).cloned();
        let old = before.as_ref().map_or(&[][..], Claims::all);
        let untouched = |claim: &&Claim| {
            edits
                .binary_search_by(|edit| edit.id.cmp(claim.id()))
                .is_err()
        };
        let mut new: Vec<Claim> = old.iter().filter(untouched).cloned().collect();
        new.extend(edits.iter().filter_map(|edit| edit.claim.clone()));
        new.sort_by(|a, b| a.id().cmp(b.id()));
        if old.len() > 1 || new.len() > 1 {
            self.record(revision, name, old, &new);
        }
        self.store(name, Claims::new(new));
    }

    fn claims(&self, name: &str) -> Option<&Claims> {
        match name.strip_prefix('*') {
            Some("") => self.any.as_ref(),
            Some(rest) if rest.starts_with('.') => self.wildcard.get(&rest[1..]),
            _ => self.exact.get(name),
        }
    }

    fn store(&mut self, name: &str, claims: Option<Claims>) {
        let (map, key) = match name.strip_prefix('*') {
            Some("") => {
                self.any = claims;
                return;
            }
            Some(rest) if rest.starts_with('.') => (&mut self.wildcard, &rest[1..]),
            _ => (&mut self.exact, name),
        };
        match claims {
            Some(claims) => map.insert(key.into(), claims),
            None => map.remove(key),
        };
    }

    /// Brings the record of contested names up to date for one name.
    fn record(&mut self, revision: u64, name: &str, old: &[Claim], new: &[Claim]) {
        let name: Arc<str> = name.into();
        for loser in old.iter().skip(1) {
            let still = new.iter().skip(1).any(|c| c.id() == loser.id());
            if !still {
                self.contested.remove(&(loser.id().clone(), name.clone()));
            }
        }
        let Some((winner, losers)) = new.split_first() else {
            return;
        };
        let why = match winner {
            Claim::Open(_) => "serves it",
            Claim::Closed(_) => "is refused and keeps it shut",
        };
        let reason = format!(
            "{name} belongs to {}/{}, which has the lower id and {why}",
            Kind::Ssl.dir(),
            winner.id()
        );
        for loser in losers {
            let key = (loser.id().clone(), name.clone());
            match loser {
                Claim::Closed(_) => drop(self.contested.remove(&key)),
                Claim::Open(_) if self.contested.get(&key).is_some_and(|r| r.reason == reason) => {}
                Claim::Open(ssl) => {
                    let key_text = format!("{}/{}", Kind::Ssl.dir(), ssl.id());
                    let record = Rejection {
                        key: key_text,
                        revision,
                        field: "sni".to_owned(),
                        reason: reason.clone(),
                    };
                    self.contested.insert(key, record);
                }
            }
        }
    }
}
