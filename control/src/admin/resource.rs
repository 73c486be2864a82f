//! The methods on `/apisix/admin/{kind}[/{id}[/{path}]]`: which store call each one is, and its status and body.
//! Statuses and texts are APISIX's (reference 6.2).

use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::request::{self, Args};
use super::{AdminState, listing, merge, references, secrets, write};
use crate::json as tolerant;
use crate::object::Kind;
use crate::store::{Entry, Expect, Written};

/// Longest wait for this node to serve a write.
const SERVED: Duration = Duration::from_millis(100);
/// How often the published Snapshot is looked at meanwhile.
const POLL: Duration = Duration::from_millis(1);

/// What a request is about.
struct Target {
    kind: Kind,
    id: Option<String>,
    sub_path: Vec<String>,
}

/// Answers everything below `/apisix/admin` once the key has been checked.
pub(super) async fn answer(state: &AdminState, request: Request) -> Result<Answer, Answer> {
    let method = request.method().clone();
    let segments = request::segments(request.uri().path());
    let args = Args::parse(request.uri().query().unwrap_or_default());
    let mut rest = segments.into_iter();
    let first = rest.next().unwrap_or_default();
    let id = rest.next();
    let sub_path: Vec<String> = rest.collect();
    match (first.as_str(), id.as_deref(), &method) {
        ("plugins", Some("list"), &Method::GET) => {
            return Ok(Answer::json(StatusCode::OK, &["prometheus"]));
        }
        ("schema", Some("validate"), &Method::POST) => {
            return check_only(
                state,
                sub_path.first().map(String::as_str).unwrap_or_default(),
                request,
            )
            .await;
        }
        _ => {}
    }
    let Some(kind) = Kind::from_dir(&first) else {
        return Err(unsupported(&first));
    };
    if ![
        Method::GET,
        Method::PUT,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
    ]
    .contains(&method)
    {
        return Err(Answer::error(StatusCode::NOT_FOUND, "not found"));
    }
    let body = request::body(request).await?;
    let target = Target { kind, id, sub_path };
    args.ttl()?;
    match method {
        Method::GET => get(state, &target, &args).await,
        Method::PUT => put(state, &target, body, &args).await,
        Method::POST => post(state, &target, body, &args).await,
        Method::PATCH => patch(state, &target, body, &args).await,
        _ => delete(state, &target, &args).await,
    }
}

async fn get(state: &AdminState, target: &Target, args: &Args) -> Result<Answer, Answer> {
    let Some(id) = &target.id else {
        let listing = state.store.list().await?;
        return listing::answer(&state.prefix, target.kind, &listing, args);
    };
    let entry = fetch(state, target.kind, id).await?;
    Ok(Answer::json(
        StatusCode::OK,
        &listing::Item::new(&state.prefix, target.kind, &entry),
    ))
}

async fn put(
    state: &AdminState,
    target: &Target,
    body: Option<Value>,
    args: &Args,
) -> Result<Answer, Answer> {
    let kind = target.kind;
    let mut object = write::object_of(body, "missing configurations")?;
    let id = write::settle_id(kind, target.id.as_deref(), &mut object)?;
    write::forbid_times(&object)?;
    let key = format!("{}/{id}", kind.dir());
    let old = state.store.get(&key).await?;
    let now = write::now();
    let created = old
        .as_ref()
        .and_then(|e| tolerant::parse(&e.value).ok()?.get("create_time").cloned());
    object.insert(
        "create_time".to_owned(),
        created.unwrap_or_else(|| now.clone()),
    );
    object.insert("update_time".to_owned(), now);
    let bytes = write::prepare(state, kind, &id, &mut object).await?;
    let done = state
        .store
        .put(&key, bytes, Expect::Any, args.ttl()?)
        .await?;
    served(state, done).await;
    let status = if old.is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok(written(state, kind, status, &key, object))
}

/// Waits until this node serves what was written, so that commands pasted one behind the other see their effect. A node
/// that lags answers all the same: the write is done.
async fn served(state: &AdminState, done: Written) {
    let Written::At(revision) = done else { return };
    let applied = async {
        while state.snapshot.load().revision() < revision {
            tokio::time::sleep(POLL).await;
        }
    };
    let _ = tokio::time::timeout(SERVED, applied).await;
}

async fn post(
    state: &AdminState,
    target: &Target,
    body: Option<Value>,
    args: &Args,
) -> Result<Answer, Answer> {
    let kind = target.kind;
    let mut object = write::object_of(body, "missing configurations")?;
    if target.id.is_some() || object.contains_key("id") {
        return Err(Answer::bad(format!(
            "wrong {} id, do not need it",
            kind.name()
        )));
    }
    write::forbid_times(&object)?;
    let now = write::now();
    object.insert("create_time".to_owned(), now.clone());
    object.insert("update_time".to_owned(), now);
    // Validated before an id is drawn: a refused body must not move the store's revision.
    write::prepare(state, kind, "new", &mut object).await?;
    let drawn = state
        .store
        .put("gen_id", Bytes::from_static(b"1"), Expect::Any, None)
        .await?;
    let Written::At(revision) = drawn else {
        return Err(Answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "no id could be drawn",
        ));
    };
    let id = format!("{revision:020}");
    object.insert("id".to_owned(), id.as_str().into());
    let key = format!("{}/{id}", kind.dir());
    match state
        .store
        .put(&key, write::to_bytes(&object)?, Expect::Absent, args.ttl()?)
        .await?
    {
        done @ Written::At(_) => {
            served(state, done).await;
            Ok(written(state, kind, StatusCode::CREATED, &key, object))
        }
        Written::Conflict => Err(Answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "the drawn id is taken",
        )),
    }
}

async fn patch(
    state: &AdminState,
    target: &Target,
    body: Option<Value>,
    args: &Args,
) -> Result<Answer, Answer> {
    let Some(id) = &target.id else {
        return Err(missing_id(target.kind));
    };
    let Some(patch) = body else {
        return Err(Answer::bad("missing new configuration"));
    };
    if target.sub_path.is_empty() && !patch.is_object() {
        return Err(Answer::bad("invalid configuration"));
    }
    let entry = fetch(state, target.kind, id).await?;
    overwrite(state, target, &entry, patch, args).await
}

/// The second half of a PATCH: changes what was read, and writes it only if nobody else did meanwhile.
async fn overwrite(
    state: &AdminState,
    target: &Target,
    entry: &Entry,
    patch: Value,
    args: &Args,
) -> Result<Answer, Answer> {
    let kind = target.kind;
    let Ok(Value::Object(mut object)) = tolerant::parse(&entry.value) else {
        return Err(Answer::bad(
            "the stored value is not a JSON object; replace it with PUT",
        ));
    };
    let sets_time = patch.get("update_time").is_some() && target.sub_path.is_empty();
    match patch {
        Value::Object(members) if target.sub_path.is_empty() => merge::merge(&mut object, members),
        value => merge::replace(&mut object, &target.sub_path, value).map_err(Answer::bad)?,
    }
    let id = write::settle_id(kind, target.id.as_deref(), &mut object)?;
    let now = write::now();
    if !sets_time {
        object.insert("update_time".to_owned(), now.clone());
    }
    object.entry("create_time").or_insert(now);
    let bytes = write::prepare(state, kind, &id, &mut object).await?;
    match state
        .store
        .put(
            &entry.key,
            bytes,
            Expect::Revision(entry.mod_revision),
            args.ttl()?,
        )
        .await?
    {
        done @ Written::At(_) => {
            served(state, done).await;
            Ok(written(state, kind, StatusCode::OK, &entry.key, object))
        }
        Written::Conflict => Err(Answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "value changed before overwritten",
        )),
    }
}

async fn delete(state: &AdminState, target: &Target, args: &Args) -> Result<Answer, Answer> {
    let Some(id) = &target.id else {
        return Err(missing_id(target.kind));
    };
    if !write::is_id(id) {
        return Err(Answer::no_key());
    }
    if args.get("force") != Some("true") {
        references::check_unused(&state.store, target.kind, id).await?;
    }
    let key = format!("{}/{id}", target.kind.dir());
    match state.store.delete(&key, Expect::Any).await? {
        done @ Written::At(_) => {
            served(state, done).await;
            let body = json!({"deleted": "1", "key": format!("{}/{key}", state.prefix)});
            Ok(Answer::json(StatusCode::OK, &body))
        }
        Written::Conflict => Err(Answer::no_key()),
    }
}

/// `schema/validate/{kind}`: what a write would say, without the write and without looking at references.
async fn check_only(state: &AdminState, dir: &str, request: Request) -> Result<Answer, Answer> {
    // APISIX takes both the directory's and the singular name here.
    let Some(kind) = Kind::ALL
        .into_iter()
        .find(|k| k.dir() == dir || k.name() == dir)
    else {
        return Err(unsupported(dir));
    };
    let mut object = write::object_of(request::body(request).await?, "missing configurations")?;
    let id = if object.contains_key("id") {
        write::settle_id(kind, None, &mut object)?
    } else {
        "new".to_owned()
    };
    let bytes = write::to_bytes(&object)?;
    write::validate(state, kind, &id, &bytes)?;
    Ok(Answer::empty(StatusCode::OK))
}

async fn fetch(state: &AdminState, kind: Kind, id: &str) -> Result<Entry, Answer> {
    if !write::is_id(id) {
        return Err(Answer::no_key());
    }
    state
        .store
        .get(&format!("{}/{id}", kind.dir()))
        .await?
        .ok_or_else(Answer::no_key)
}

fn written(
    state: &AdminState,
    kind: Kind,
    status: StatusCode,
    key: &str,
    object: Map<String, Value>,
) -> Answer {
    let mut value = Value::Object(object);
    secrets::strip(kind, &mut value);
    Answer::written(status, &format!("{}/{key}", state.prefix), &value)
}

fn unsupported(resource: &str) -> Answer {
    Answer::error(
        StatusCode::NOT_FOUND,
        format!("Unsupported resource type: {resource}"),
    )
}

fn missing_id(kind: Kind) -> Answer {
    Answer::bad(format!("missing {} id", kind.name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arc_swap::ArcSwap;

    use super::*;
    use crate::admin::{AdminKeys, Secret, StoreStatus};
    use crate::seal::{Keyring, Sealer};
    use crate::snapshot::Snapshot;
    use crate::store::{EmbeddedStore, Store};

    #[tokio::test]
    async fn a_patch_of_a_value_that_changed_meanwhile_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let keyring = Keyring::default();
        let sealer = Sealer::for_dir(dir.path(), &keyring).unwrap();
        let state = AdminState {
            store: Arc::new(Store::Embedded(
                EmbeddedStore::open(dir.path(), &sealer).unwrap(),
            )),
            prefix: "/apisix".to_owned(),
            keys: AdminKeys {
                admin: Secret::new("0123456789abcdef"),
                viewer: None,
            },
            keyring,
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            status: Arc::new(StoreStatus::default),
            members: tokio::sync::watch::channel(Arc::from([])).1,
            certificates: Arc::new(crate::certificate::inventory::NodeCertificates::default),
        };
        let key = "upstreams/1";
        let value = Bytes::from_static(br#"{"nodes":{"127.0.0.1:80":1}}"#);
        state
            .store
            .put(key, value.clone(), Expect::Any, None)
            .await
            .unwrap();
        let read = state.store.get(key).await.unwrap().unwrap();
        state
            .store
            .put(key, value, Expect::Any, None)
            .await
            .unwrap();
        let target = Target {
            kind: Kind::Upstream,
            id: Some("1".to_owned()),
            sub_path: Vec::new(),
        };
        let refused = overwrite(
            &state,
            &target,
            &read,
            json!({"desc": "d"}),
            &Args::default(),
        )
        .await
        .unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
