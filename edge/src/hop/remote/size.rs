//! Which requests move much: they go over a connection of their own, since one that carries many large bodies lets
//! small answers wait behind them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method};
use http_body::Body as _;

use crate::hop::{Request, Response};

/// Bytes of a body above which it is bulk: from there on QUIC's cost is that of bytes, not of requests.
pub(super) const LARGE: u64 = 32 << 10;
/// What one answer counts for at most, bytes: after a huge one, some two dozen small ones make a route small again.
const MOST: u64 = 1 << 20;
/// Routes remembered by one thread. When it is full it starts afresh: averages are found again within a few answers.
const MAX_ROUTES: usize = 4096;

/// Whether a request by itself is bulk: an upgrade, a large body, or one of unknown length.
pub(super) fn is_bulk(request: &Request) -> bool {
    if request.upgrade.is_some() {
        return true;
    }
    if request.body.is_empty() {
        return false;
    }
    let hint = request.body.size_hint();
    match hint
        .exact()
        .or_else(|| content_length(&request.head.headers))
    {
        Some(length) => length > LARGE,
        None => true,
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Moving averages of the sizes of routes' answers.
#[derive(Default)]
pub(super) struct Sizes(RefCell<HashMap<Arc<str>, u64>>);

impl Sizes {
    /// Whether the route's answers were large lately.
    pub(super) fn is_large(&self, route: &str) -> bool {
        self.0.borrow().get(route).is_some_and(|size| *size > LARGE)
    }

    fn note(&self, route: &Arc<str>, bytes: u64) {
        let bytes = bytes.min(MOST);
        let mut known = self.0.borrow_mut();
        if let Some(average) = known.get_mut(route) {
            *average = *average - *average / 8 + bytes / 8;
            return;
        }
        if known.len() >= MAX_ROUTES {
            known.clear();
        }
        known.insert(Arc::clone(route), bytes);
    }

    /// Notes the size of an answer: from its head, or by counting what passes.
    pub(super) fn watch(
        self: &Rc<Self>,
        route: &Arc<str>,
        method: &Method,
        mut response: Response,
    ) -> Response {
        // A HEAD's content-length is that of an answer it does not get; a tunnel is bulk anyway.
        if *method == Method::HEAD || response.tunnel.is_some() {
            return response;
        }
        let known = response.body.size_hint().exact();
        match known.or_else(|| content_length(&response.head.headers)) {
            Some(length) => self.note(route, length),
            None => {
                let (sizes, route) = (Rc::clone(self), Arc::clone(route));
                response.body = response
                    .body
                    .counted(move |bytes| sizes.note(&route, bytes));
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_move_and_are_bounded() {
        let sizes = Sizes::default();
        let route: Arc<str> = "r".into();
        assert!(!sizes.is_large("r"));
        sizes.note(&route, u64::MAX);
        assert!(sizes.is_large("r"), "the first answer counts whole");
        for _ in 0..40 {
            sizes.note(&route, 200);
        }
        assert!(!sizes.is_large("r"));
        for _ in 0..40 {
            sizes.note(&route, 100_000);
        }
        assert!(sizes.is_large("r"));
        for n in 0..MAX_ROUTES * 2 {
            sizes.note(&n.to_string().into(), 1);
            assert!(sizes.0.borrow().len() <= MAX_ROUTES);
        }
    }
}
