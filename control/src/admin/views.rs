//! Our own views beside APISIX's resources: what is served, what was refused, what a write would change.
//! Reading needs the viewer's key, `diff` the admin's (it is a POST and compares private keys).

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::{AdminState, diff, request, write};
use crate::json;
use crate::object::Kind;
use crate::rejection::Rejection;

/// `GET /v1/config`: the revision served, the newest seen, and what is in it.
pub(super) async fn config(State(state): State<Arc<AdminState>>) -> Answer {
    #[derive(Serialize)]
    struct View {
        revision: u64,
        seen_revision: u64,
        store_connected: bool,
        objects: Map<String, Value>,
        rejected: usize,
    }
    let snapshot = state.snapshot.load_full();
    let status = (state.status)();
    let view = View {
        revision: snapshot.revision(),
        seen_revision: status.seen.max(snapshot.revision()),
        store_connected: status.connected,
        objects: Kind::ALL
            .into_iter()
            .map(|k| (k.dir().to_owned(), snapshot.count(k).into()))
            .collect(),
        rejected: snapshot.rejections().count(),
    };
    Answer::json(StatusCode::OK, &view)
}

/// `GET /v1/rejections`: refused objects with their reasons, in key order.
pub(super) async fn rejections(State(state): State<Arc<AdminState>>) -> Answer {
    #[derive(Serialize)]
    struct View<'a> {
        total: usize,
        list: Vec<&'a Rejection>,
    }
    let snapshot = state.snapshot.load_full();
    let list: Vec<&Rejection> = snapshot.rejections().collect();
    Answer::json(
        StatusCode::OK,
        &View {
            total: list.len(),
            list,
        },
    )
}

/// `POST /v1/diff/{kind}/{id}`: what a PUT of the body would change.
pub(super) async fn diff(
    State(state): State<Arc<AdminState>>,
    Path((dir, id)): Path<(String, String)>,
    request: Request,
) -> Result<Answer, Answer> {
    #[derive(Serialize)]
    struct View {
        key: String,
        change: &'static str,
        fields: Vec<diff::Difference>,
    }
    let Some(kind) = Kind::from_dir(&dir) else {
        return Err(Answer::error(
            StatusCode::NOT_FOUND,
            format!("Unsupported resource type: {dir}"),
        ));
    };
    let mut new = write::object_of(request::body(request).await?, "missing configurations")?;
    let id = write::settle_id(kind, Some(&id), &mut new)?;
    let key = format!("{}/{id}", kind.dir());
    let entry = state.store.get(&key).await?;
    let old = entry.as_ref().and_then(|e| match json::parse(&e.value) {
        Ok(Value::Object(old)) => Some(old),
        _ => None,
    });
    let fields = diff::between(kind, &state.keyring, &old.unwrap_or_default(), &new);
    let change = match (&entry, fields.is_empty()) {
        (None, _) => "added",
        (Some(_), true) => "same",
        (Some(_), false) => "changed",
    };
    Ok(Answer::json(
        StatusCode::OK,
        &View {
            key: format!("{}/{key}", state.prefix),
            change,
            fields,
        },
    ))
}
