//! `GET /v1/nodes`: every node that is known, what it applied, how far that is behind, and what it refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;

use super::AdminState;
use super::answer::Answer;
use crate::membership::Member;
use crate::rejection::Rejection;

#[derive(Serialize)]
struct View<'a> {
    /// The newest store revision that this node has heard of.
    revision: u64,
    total: usize,
    list: Vec<Node<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    id: &'a str,
    roles: &'a [String],
    version: &'a str,
    addresses: &'a BTreeMap<String, String>,
    started: &'a str,
    applied_revision: u64,
    /// To the newest change of an object.
    lag: u64,
    state: &'static str,
    rejected: &'a [Rejection],
    /// Of very many only the first are listed.
    rejected_total: usize,
}

/// Answers from the last known set if the store is away.
pub(super) async fn nodes(State(state): State<Arc<AdminState>>) -> Answer {
    let snapshot = state.snapshot.load_full();
    let revision = (state.status)().seen.max(snapshot.revision());
    // The store's revision moves with every node's entry too; nobody is behind for that.
    let newest = if revision > snapshot.revision() {
        revision
    } else {
        snapshot.changed()
    };
    let members = state.members.borrow().clone();
    let list: Vec<_> = members.iter().map(|member| node(member, newest)).collect();
    let view = View {
        revision,
        total: list.len(),
        list,
    };
    Answer::json(StatusCode::OK, &view)
}

fn node(member: &Member, newest: u64) -> Node<'_> {
    Node {
        id: &member.id,
        roles: &member.roles,
        version: &member.version,
        addresses: &member.addresses,
        started: &member.started,
        applied_revision: member.applied_revision,
        lag: newest.saturating_sub(member.applied_revision),
        state: member.state().name(),
        rejected: &member.rejected,
        rejected_total: member.rejected_total,
    }
}
