//! A node's entry as JSON. Members that a newer release adds are passed over; only the id is needed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Me, Member};
use crate::rejection::Rejection;
use crate::snapshot::Snapshot;

/// So many refused objects are listed, the others counted: the entry is rewritten whole with every change.
const MAX_REJECTED: usize = 100;
/// Of one reason, in characters; it may quote a name from the object.
const MAX_REASON: usize = 500;

/// The wire form.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    id: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    version: String,
    #[serde(default)]
    addresses: BTreeMap<String, String>,
    #[serde(default)]
    started: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    leaving: bool,
    #[serde(default)]
    applied_revision: u64,
    #[serde(default)]
    rejected: Vec<Refused>,
    /// How many are refused, where that is more than are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    rejected_total: usize,
}

#[derive(Debug, Serialize, Deserialize)]
struct Refused {
    #[serde(default)]
    key: String,
    #[serde(default)]
    revision: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    field: String,
    #[serde(default)]
    reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Entry {
    /// Of this node, as it serves `snapshot`.
    pub(super) fn of(me: &Me, snapshot: &Snapshot, leaving: bool) -> Self {
        let rejected: Vec<_> = snapshot
            .rejections()
            .take(MAX_REJECTED)
            .map(refused)
            .collect();
        let total = snapshot.rejections().count();
        Self {
            id: me.id.clone(),
            roles: me.roles.clone(),
            version: me.version.clone(),
            addresses: me.addresses.clone(),
            started: me.started.clone(),
            leaving,
            applied_revision: snapshot.revision(),
            rejected_total: if total > rejected.len() { total } else { 0 },
            rejected,
        }
    }

    /// What has to be known of a member to find it again.
    pub(super) fn lasting(member: &Member) -> Self {
        Self {
            id: member.id.clone(),
            roles: member.roles.clone(),
            version: member.version.clone(),
            addresses: member.addresses.clone(),
            started: member.started.clone(),
            leaving: member.leaving,
            applied_revision: 0,
            rejected: Vec::new(),
            rejected_total: 0,
        }
    }

    pub(super) fn into_member(self) -> Member {
        let rejected: Vec<_> = self.rejected.into_iter().map(rejection).collect();
        Member {
            id: self.id,
            roles: self.roles,
            version: self.version,
            addresses: self.addresses,
            started: self.started,
            applied_revision: self.applied_revision,
            rejected_total: self.rejected_total.max(rejected.len()),
            rejected,
            leaving: self.leaving,
            gone_since: None,
        }
    }
}

fn refused(rejection: &Rejection) -> Refused {
    Refused {
        key: rejection.key.clone(),
        revision: rejection.revision,
        field: rejection.field.chars().take(MAX_REASON).collect(),
        reason: rejection.reason.chars().take(MAX_REASON).collect(),
    }
}

fn rejection(refused: Refused) -> Rejection {
    Rejection {
        key: refused.key,
        revision: refused.revision,
        field: refused.field,
        reason: refused.reason,
    }
}

/// The member that the entry under `key` describes.
pub(super) fn read(key: &str, value: &[u8]) -> Result<Member, String> {
    let entry: Entry = serde_json::from_slice(value).map_err(|e| e.to_string())?;
    if entry.id == key {
        Ok(entry.into_member())
    } else {
        Err(format!("it says that it is of node {:?}", entry.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_release_says_is_read_as_far_as_it_is_known() {
        let value = br#"{"id":"a","roles":["processor"],"moon_phase":3,"addresses":{"hop":"h:1"},
            "rejected":[{"key":"ssls/1","revision":4,"reason":"no","since":1}],"rejected_total":150}"#;
        let member = read("a", value).unwrap();
        assert_eq!(member.addresses["hop"], "h:1");
        assert_eq!((member.rejected.len(), member.rejected_total), (1, 150));
        assert!(read("b", value).unwrap_err().contains("\"a\""));
        assert!(read("a", b"{}").is_err() && read("a", b"[]").is_err());
    }

    #[test]
    fn an_entry_is_as_documented_and_bounded() {
        let me = Me {
            id: "a".into(),
            roles: vec!["router".into()],
            version: "1".into(),
            addresses: BTreeMap::new(),
            started: "2030-01-01T00:00:00Z".into(),
        };
        let json = serde_json::to_string(&Entry::of(&me, &Snapshot::default(), false)).unwrap();
        let expected = r#"{"id":"a","roles":["router"],"version":"1","addresses":{},"started":"2030-01-01T00:00:00Z","applied_revision":0,"rejected":[]}"#;
        assert_eq!(json, expected);
        let refuse = |n| {
            let refusal = crate::rejection::Refusal::new("f", "r".repeat(9_000));
            let kind = crate::object::Kind::Route;
            let id = format!("{n}");
            let rejection = refusal.at(kind, &id, n);
            crate::snapshot::Change::Refuse(kind, id.into(), rejection, refusal.closes)
        };
        let snapshot = Snapshot::default().apply(7, (0..250).map(refuse).collect());
        let json = serde_json::to_vec(&Entry::of(&me, &snapshot, true)).unwrap();
        let member = read("a", &json).unwrap();
        assert!(json.len() < 100 * 1024 && member.leaving);
        assert_eq!((member.rejected.len(), member.rejected_total), (100, 250));
    }
}
