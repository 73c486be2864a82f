//! The data path: from a client's bytes to a target's and back, TLS at both doors.
//!
//! ```text
//! client ─TLS─► listener ► hello ► policy ► handshake ► request ► exemption ► routes ─┐            router
//!                                                                                     ├ hop (a call, or QUIC)
//! target ◄─TLS─ exchange ◄ dial or pool ◄ endpoint ◄ upstream ◄───────────────────────┘            processor
//! ```
//!
//! One plain async function per step, called in that order from one function that reads on a page:
//! `router::connection::serve` and `processor::exchange::run`. Each step returns a value or a [`fault::Fault`].
//!
//! Where the roles are apart, [`hop`] is a network. The router sends the id and version of the route it matched and the newest
//! revision of what serving it depends on. The processor waits (at most a second) until its own configuration has come
//! that far. If it has a newer version of the route by then, it serves the request by the version that the router matched if
//! that one was replaced in the last two seconds; else it takes nothing and the router matches again. So no request is served
//! by an older view than the one it was matched in, however fast a route changes, and a node that is cut off from the store
//! goes on serving whatever has not changed. A processor says when it takes a request: what was not taken may go to another
//! one.
//!
//! A handshake that fails, on whichever leg, takes one way: who ran it gathers [`alert::evidence`] (`tls`, `router`,
//! `processor`, `hop`), [`alert::rules`] name the cause, and [`failures`] makes it a counter, a line and a record. A failed
//! handshake with a target that leaves a doubt is looked into by [`probe`], which `diagnose` runs for people.
//!
//! Imports go one way: main and cli → node → {router, processor, hop} → probe → {tls, failures, alert, http1} → {body, fault,
//! metrics, limits, handshake}. `router` and `processor` never import each other: they meet at `hop`. [`capture`] stands on {alert, handshake} and
//! serves `cli` only.

pub mod access_log;
pub mod alert;
pub mod body;
pub mod capture;
pub mod cli;
pub mod deadline;
pub mod drain;
pub mod failures;
pub mod fault;
pub mod handshake;
pub mod hop;
pub mod http1;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod probe;
pub mod processor;
pub mod router;
pub mod status;
pub mod tls;
