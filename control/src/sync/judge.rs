//! Reading and validating values, many at once on two threads off the async runtime. What `object::read` accepts is good;
//! this file adds the bounds on ids and sizes and turns verdicts into changes. Says nothing about order or publication.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::object::{self, Kind, Object, ReadContext};
use crate::rejection::{Closes, Refusal};
use crate::seal::Keyring;
use crate::snapshot::Change;

use super::Env;
use super::known::{Fresh, Id, hash};

/// Larger values are refused unread, in bytes.
pub(super) const MAX_VALUE: usize = 1 << 20;
/// As APISIX bounds ids, in characters.
const MAX_ID: usize = 64;
/// Up to this many values are read where they are: two thread hops cost more.
const FEW: usize = 16;
const THREADS: usize = 2;

/// What values are judged with.
pub(super) struct Judge {
    pub(super) keyring: Keyring,
    pub(super) env: Env,
}

/// A value's verdict.
pub(super) struct Judged {
    pub(super) fresh: Fresh,
    pub(super) hash: u64,
    pub(super) verdict: Result<Object, Refusal>,
}

impl Judge {
    /// Reads one value.
    pub(super) fn read(&self, (kind, id): &Id, value: &[u8]) -> Result<Object, Refusal> {
        if value.len() > MAX_VALUE {
            return Err(Refusal::new(
                "",
                format!(
                    "the value has {} bytes, at most {MAX_VALUE} are read",
                    value.len()
                ),
            ));
        }
        let context = ReadContext {
            keyring: &self.keyring,
            env: &self.env,
        };
        // One object that trips over a defect of ours must not take the configuration of all others with it.
        let read = catch_unwind(AssertUnwindSafe(|| {
            object::read(*kind, id, value, &context)
        }))
        .unwrap_or_else(|_| {
            Err(Refusal::new(
                "",
                "reading the value failed; this is a defect of Sallyport's",
            ))
        });
        match id_fault(id) {
            None => read,
            Some(reason) => Err(Refusal {
                field: "id".to_owned(),
                reason,
                closes: closed_by(read),
            }),
        }
    }

    fn judge(&self, fresh: Fresh) -> Judged {
        let verdict = self.read(&fresh.id, &fresh.value);
        Judged {
            hash: hash(&fresh.value),
            verdict,
            fresh,
        }
    }
}

/// Judges all of `fresh`, in its order. `None` only when the runtime is going down.
pub(super) async fn judge_all(judge: &Arc<Judge>, mut fresh: Vec<Fresh>) -> Option<Vec<Judged>> {
    if fresh.len() <= FEW {
        return Some(fresh.into_iter().map(|fresh| judge.judge(fresh)).collect());
    }
    let mut tasks = Vec::new();
    let share = fresh.len().div_ceil(THREADS);
    while !fresh.is_empty() {
        let rest = fresh.split_off(share.min(fresh.len()));
        let part = std::mem::replace(&mut fresh, rest);
        let judge = judge.clone();
        tasks.push(tokio::task::spawn_blocking(move || {
            part.into_iter().map(|f| judge.judge(f)).collect::<Vec<_>>()
        }));
    }
    let mut judged = Vec::new();
    for task in tasks {
        judged.extend(task.await.ok()?);
    }
    Some(judged)
}

/// The change that a verdict makes.
pub(super) fn change(id: &Id, mod_revision: u64, verdict: Result<Object, Refusal>) -> Change {
    match verdict {
        Ok(object) => Change::Set(id.0, id.1.clone(), object, mod_revision),
        Err(refusal) => {
            let rejection = refusal.at(id.0, &id.1, mod_revision);
            tracing::warn!(key = %rejection.key, revision = mod_revision, field = %rejection.field,
                reason = %rejection.reason, "object rejected; the last good one, if any, goes on serving");
            Change::Refuse(id.0, id.1.clone(), rejection, refusal.closes)
        }
    }
}

/// APISIX's rule for ids.
fn id_fault(id: &str) -> Option<String> {
    if id.len() > MAX_ID {
        return Some(format!(
            "has {} characters, at most {MAX_ID} are allowed",
            id.len()
        ));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!id.chars().all(allowed)).then(|| "may only have letters, digits, '-', '_' and '.'".to_owned())
}

/// What an object that may not be served would have served.
fn closed_by(read: Result<Object, Refusal>) -> Closes {
    match read {
        Err(refusal) => refusal.closes,
        Ok(Object::Ssl(ssl)) => {
            Closes::Names(ssl.names().iter().map(ToString::to_string).collect())
        }
        // Nobody else has it yet.
        Ok(Object::Route(route)) => Arc::into_inner(route).map_or(Closes::Nothing, |route| {
            Closes::Route(Arc::new(route.shut()))
        }),
        Ok(Object::Upstream(_) | Object::Service(_)) => Closes::Nothing,
    }
}

/// `ssls/1`.
pub(super) fn key_of((kind, id): &(Kind, Arc<str>)) -> String {
    format!("{}/{id}", kind.dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_apisix() {
        assert!(id_fault("a-Z_0.9").is_none() && id_fault(&"x".repeat(64)).is_none());
        assert!(
            id_fault(&"x".repeat(65)).is_some()
                && id_fault("a b").is_some()
                && id_fault("ü").is_some()
        );
    }

    #[test]
    fn a_good_route_under_a_bad_id_is_closed() {
        let judge = Judge {
            keyring: Keyring::default(),
            env: Box::new(|_| None),
        };
        let value = br#"{"uri":"/*","upstream":{"nodes":{"127.0.0.1:80":1}}}"#;
        let refusal = judge.read(&(Kind::Route, "a b".into()), value).unwrap_err();
        assert!(matches!(&refusal.closes, Closes::Route(route) if route.is_closed()));
    }

    #[test]
    fn large_values_are_refused_unread() {
        let judge = Judge {
            keyring: Keyring::default(),
            env: Box::new(|_| None),
        };
        let refusal = judge
            .read(&(Kind::Ssl, "1".into()), &vec![b'x'; MAX_VALUE + 1])
            .unwrap_err();
        assert!(refusal.reason.contains("1048576"), "{}", refusal.reason);
    }
}
