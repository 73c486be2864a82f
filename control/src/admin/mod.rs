//! The Admin API: APISIX's resources under `/apisix/admin`, and our own views of the configuration under `/v1`.
//!
//! It owns the HTTP side (keys, paths, statuses, bodies), what a write adds to an object (id, times, sealed keys) and
//! the checks across objects. It does not own what makes a single object valid (`object::read`, the data plane's own
//! rule) nor where objects live (`store`).
//!
//! ```text
//! serve ► auth ► request ► resource ┬► write ► object::read ► references ► store
//!                                   └► listing ◄ store
//!                        ► views (Snapshot, diff), nodes (Members), certs (certificate)
//!                        ► failures (gather ► every node's page)
//! ```
//!
//! A private key goes in and never comes out: it is sealed before it is stored and cut from every answer.

mod answer;
mod auth;
mod certs;
mod diagnose;
mod diff;
mod failures;
mod gather;
pub mod keys;
mod listing;
mod merge;
mod nodes;
mod references;
mod request;
mod resource;
mod secrets;
mod serve;
mod views;
mod write;

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::{Method, StatusCode};

use answer::Answer;
pub use keys::{AdminKeys, Secret};
pub use references::references;
pub use serve::serve;

use crate::certificate::inventory::NodeCertificates;
use crate::membership::Members;
use crate::seal::Keyring;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// What `sync` knows of the store, for `/v1/config`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The watch is running.
    pub connected: bool,
    /// Newest revision seen; the Snapshot's own is the newest applied.
    pub seen: u64,
}

/// Everything the Admin API works with.
#[derive(Clone)]
pub struct AdminState {
    /// Where objects are read and written.
    pub store: Arc<Store>,
    /// The store's key prefix without trailing slash (`/apisix`): the start of every `key` in answers.
    pub prefix: String,
    /// Who may read and write.
    pub keys: AdminKeys,
    /// Seals private keys before they are stored, and opens them for validation.
    pub keyring: Keyring,
    /// What the data plane serves.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// What `sync` knows of the store.
    pub status: Arc<dyn Fn() -> StoreStatus + Send + Sync>,
    /// The nodes, for `/v1/nodes`.
    pub members: Members,
    /// What the node has besides the Snapshot, for `/v1/certs`. May read files: it is called off the runtime's threads.
    pub certificates: Arc<dyn Fn() -> NodeCertificates + Send + Sync>,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminState")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// The whole Admin API. Other views may be merged in (it sets the fallback); put them through [`behind_key`] first.
pub fn router(state: AdminState) -> Router {
    let keys = state.keys.clone();
    let state = Arc::new(state);
    let own = Router::new()
        .route("/v1/certs", get(certs::certs))
        .route("/v1/config", get(views::config))
        .route("/v1/nodes", get(nodes::nodes))
        .route("/v1/diagnose", get(diagnose::diagnose))
        .route("/v1/tls/failures", get(failures::failures))
        .route("/v1/rejections", get(views::rejections))
        .route("/v1/diff/{kind}/{id}", post(views::diff))
        .with_state(Arc::clone(&state));
    Router::new()
        .route("/apisix/admin", any(entry))
        .route("/apisix/admin/{*rest}", any(entry))
        .with_state(state)
        .merge(behind_key(own, keys))
        .fallback(not_found)
}

/// Puts every route of `router` behind the admin or viewer key, with APISIX's answers for a missing or wrong one.
pub fn behind_key(router: Router, keys: AdminKeys) -> Router {
    router
        .method_not_allowed_fallback(not_found)
        .layer(middleware::from_fn_with_state(
            Arc::new(keys),
            auth::require,
        ))
}

async fn not_found() -> Response {
    Answer::error(StatusCode::NOT_FOUND, "not found").into_response()
}

/// Everything under `/apisix/admin`.
async fn entry(State(state): State<Arc<AdminState>>, request: Request) -> Response {
    let method = request.method().clone();
    if method == Method::OPTIONS {
        return answer::preflight();
    }
    let path = request.uri().path().to_owned();
    if method == Method::HEAD && path == "/apisix/admin" {
        return Answer::empty(StatusCode::OK).into_response();
    }
    let answer = match auth::check(&state.keys, &request) {
        Ok(()) => resource::answer(&state, request)
            .await
            .unwrap_or_else(|refused| refused),
        Err(refused) => refused,
    };
    if method != Method::GET {
        tracing::info!(%method, path, status = answer.status().as_u16(), "admin");
    }
    answer.into_response()
}
