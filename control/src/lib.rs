//! What the cluster should do: objects, the store they live in, and the Snapshot the data path reads.
//!
//! This crate never touches client or target traffic. Its straight line is
//!
//! ```text
//! store (etcd or embedded) ► sync ► object (read, validate) ► snapshot (index, resolve) ► ArcSwap<Snapshot>
//!                  ▲                        │ refused
//!   admin API ─────┘                        └► rejection (reported; the last good one goes on serving)
//! ```
//!
//! * [`certificate`]: what certificates say, for people;
//! * [`json`]: tolerant JSON reading, so that commands pasted from guides work;
//! * [`membership`]: the nodes of the cluster;
//! * [`object`]: one file a kind: wire form and validated form;
//! * [`path`]: request paths, brought to the one form that is matched;
//! * [`rejection`]: why an object was refused;
//! * [`seal`]: private keys at rest;
//! * [`store`]: etcd and embedded behind one set of calls;
//! * [`snapshot`]: the immutable, indexed whole that one revision describes;
//! * [`sync`]: list, watch, last-good file, publishing;
//! * [`tickets`]: the cluster's session ticket keys, sealed in the store;
//! * [`admin`]: the Admin API and our own read-only views.

pub mod admin;
pub mod certificate;
pub mod json;
pub mod membership;
pub mod object;
pub mod path;
pub mod rejection;
pub mod seal;
pub mod snapshot;
pub mod store;
pub mod sync;
pub mod tickets;
