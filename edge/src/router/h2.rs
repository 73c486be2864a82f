//! HTTP/2 with a client: framing and flow control are hyper's, requests are ours.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::Router;
use super::client::Client;
use super::h2_body::{AnswerBody, RequestBody};
use super::h2_turn;
use super::request::{self, Asked};
use crate::body::Body;
use crate::deadline::Deadline;
use crate::tls::Stream;

/// A silent peer is asked for a sign of life this often, and given as long to answer.
const PING: Duration = Duration::from_secs(20);

/// Runs hyper's tasks, one for each stream, on this thread, with so much patience for a client that takes nothing.
#[derive(Clone, Copy)]
struct ThisThread(Duration);

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for ThisThread {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(h2_turn::within(self.0, task));
    }
}

/// Serves an HTTP/2 connection until it ends: by the client, for being idle, or by draining.
pub(super) async fn serve(router: &Rc<Router>, client: &Rc<Client>, stream: Stream) {
    let limits = &router.limits;
    let running = Rc::new(Cell::new(0_u32));
    let service = service_fn(|asked| {
        // Boxed where it is made: hyper and tokio move what they are given several times.
        let work = Box::pin(answer(
            Rc::clone(router),
            Rc::clone(client),
            asked,
            Running::new(&running),
        ));
        async move { Ok::<_, Infallible>(work.await) }
    });
    let mut connection = pin!(
        http2::Builder::new(ThisThread(limits.body_idle))
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .serve_connection(TokioIo::new(stream), service)
    );
    let mut draining = pin!(router.shared.drain.draining());
    let mut idle = Deadline::new(limits.idle);
    let mut ending = false;
    let ended = std::future::poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        if running.get() > 0 {
            idle.set(limits.idle);
        }
        let idled = idle.poll(cx).is_ready();
        if !ending && (idled || draining.as_mut().poll(cx).is_ready()) {
            ending = true;
            // Time for the client to take its leave. One that does not, or never even spoke, is not waited for.
            idle.set(limits.header);
            connection.as_mut().graceful_shutdown();
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            return idle.poll(cx).map(Ok);
        }
        if ending && idled {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    });
    if let Err(error) = ended.await {
        tracing::debug!(peer = %client.peer, %error, "HTTP/2 connection ended");
    }
}

async fn answer(
    router: Rc<Router>,
    client: Rc<Client>,
    asked: Request<Incoming>,
    running: Running,
) -> Response<AnswerBody> {
    let (parts, incoming) = asked.into_parts();
    let inflow = Rc::default();
    let body = RequestBody::wrap(incoming, &inflow, &router.limits);
    let head = parts.method == http::Method::HEAD;
    let asked = Asked {
        parts,
        body,
        inflow,
        expects_continue: false,
    };
    let answer = request::serve(&router, &client, asked).await;
    // Our own faults have a body whatever the method.
    let body = if head { Body::Empty } else { answer.body };
    Response::from_parts(answer.parts, AnswerBody::new(body, answer.record, running))
}

/// Counts a stream until its answer has left.
pub(super) struct Running(Rc<Cell<u32>>);

impl Running {
    fn new(count: &Rc<Cell<u32>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
