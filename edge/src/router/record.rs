//! What is remembered of one request until its answer has left: then, on drop, it becomes counters and a line of the
//! access log. A request that is cancelled half-way is recorded too.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, Uri, Version};

use super::Router;
use super::client::Client;
use crate::access_log::Line;
use crate::alert::Hop;
use crate::body::Inflow;
use crate::fault::Fault;
use crate::hop::TargetFacts;
use crate::metrics::InFlight;

/// Makes request ids: a random half that tells threads and restarts apart, a counter that tells requests apart.
pub(super) struct Ids {
    thread: u64,
    next: Cell<u64>,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self {
            thread: fastrand::u64(..),
            next: Cell::new(fastrand::u64(..)),
        }
    }

    fn take(&self) -> [u8; 32] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let n = self.next.get();
        self.next.set(n.wrapping_add(1));
        let mut id = [0; 32];
        for (at, digit) in id.iter_mut().enumerate() {
            let half = if at < 16 { self.thread } else { n };
            *digit = HEX[(half >> (60 - (at % 16) * 4)) as usize & 15];
        }
        id
    }
}

/// See the module.
pub(super) struct Record {
    router: Rc<Router>,
    client: Rc<Client>,
    id: [u8; 32],
    started: Instant,
    method: Method,
    uri: Uri,
    version: Version,
    /// The judged host.
    pub(super) host: String,
    /// Status sent.
    pub(super) status: u16,
    /// Why it failed.
    pub(super) fault: Option<Fault>,
    /// The matched route.
    pub(super) route: Option<Arc<str>>,
    /// The southbound side.
    pub(super) target: TargetFacts,
    /// Answer body bytes.
    pub(super) bytes_out: u64,
    inflow: Rc<Inflow>,
    _in_flight: InFlight,
}

impl Record {
    pub(super) fn new(
        router: &Rc<Router>,
        client: &Rc<Client>,
        parts: &http::request::Parts,
        inflow: &Rc<Inflow>,
    ) -> Self {
        Self::of(
            router,
            client,
            (parts.method.clone(), parts.uri.clone(), parts.version),
            inflow,
        )
    }

    /// Of a request whose head was refused.
    pub(super) fn of_refused(router: &Rc<Router>, client: &Rc<Client>) -> Self {
        Self::of(
            router,
            client,
            (Method::GET, Uri::default(), Version::HTTP_11),
            &Rc::default(),
        )
    }

    fn of(
        router: &Rc<Router>,
        client: &Rc<Client>,
        line: (Method, Uri, Version),
        inflow: &Rc<Inflow>,
    ) -> Self {
        Self {
            router: Rc::clone(router),
            client: Rc::clone(client),
            id: router.ids.take(),
            started: Instant::now(),
            method: line.0,
            uri: line.1,
            version: line.2,
            host: String::new(),
            status: 0,
            fault: None,
            route: None,
            target: TargetFacts::default(),
            bytes_out: 0,
            inflow: Rc::clone(inflow),
            _in_flight: router.shared.metrics.in_flight(Hop::Northbound),
        }
    }

    pub(super) fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap_or_default()
    }

    pub(super) const fn started(&self) -> Instant {
        self.started
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let metrics = &self.router.shared.metrics;
        self.router
            .requests
            .of(self.route.as_ref())
            .observe(self.status, took);
        metrics.bytes(Hop::Northbound, false, self.inflow.received());
        metrics.bytes(Hop::Northbound, true, self.bytes_out);
        if !self.router.log.is_on() {
            return;
        }
        self.router.log.write(&Line {
            request_id: self.id(),
            client: self.client.peer,
            method: self.method.as_str(),
            host: &self.host,
            path: self.uri.path(),
            protocol: match self.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2",
                _ => "HTTP/1.1",
            },
            status: self.status,
            fault: self.fault.as_ref(),
            route: self.route.as_deref(),
            target: &self.target,
            duration: took,
            bytes_in: self.inflow.received(),
            bytes_out: self.bytes_out,
            tls: self.client.tls.as_ref().map(super::client::Secure::log),
        });
    }
}
