//! Whose turn it is on an HTTP/2 stream that is being answered. hyper asks an answer's body for more only when the
//! client has taken the last piece, and waits for that as long as the client likes; here the wait has a bound, so that a
//! client that never opens its window cannot hold a stream, and the target's connection behind it, for ever.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::deadline::Deadline;

tokio::task_local! {
    static TURN: Rc<Turn>;
}

/// One stream's; see the module.
#[derive(Default)]
pub(super) struct Turn {
    clients: Cell<bool>,
    pieces: Cell<u64>,
}

impl Turn {
    /// That of the stream whose task is running.
    pub(super) fn of_this_stream() -> Option<Rc<Self>> {
        TURN.try_with(Rc::clone).ok()
    }

    /// A piece was given: the client has to take it.
    pub(super) fn pass_to_client(&self) {
        self.clients.set(true);
        self.pieces.set(self.pieces.get() + 1);
    }

    /// The client took it: the target has to give more.
    pub(super) fn take_back(&self) {
        self.clients.set(false);
    }
}

/// Runs a stream's task, but gives it up (hyper then resets the stream) when its client takes nothing for `patience`.
pub(super) async fn within(patience: Duration, stream: impl Future<Output = ()>) {
    let turn = Rc::new(Turn::default());
    let mut stream = std::pin::pin!(TURN.scope(Rc::clone(&turn), stream));
    let mut due: Option<(u64, Deadline)> = None;
    std::future::poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !turn.clients.get() {
            return Poll::Pending;
        }
        let now = turn.pieces.get();
        // Made only for a stream that has to wait: most answers are taken at once.
        let (piece, deadline) = due.get_or_insert_with(|| (now, Deadline::new(patience)));
        if *piece != now {
            *piece = now;
            deadline.set(patience);
        }
        deadline.poll(cx)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_and_a_slow_target_is_not() {
        let start = Instant::now();
        within(MINUTE, async {
            sleep(MINUTE * 5).await;
            let turn = Turn::of_this_stream().unwrap();
            for _ in 0..3 {
                turn.pass_to_client();
                sleep(MINUTE * 2 / 3).await;
            }
            turn.take_back();
            sleep(MINUTE * 5).await;
            turn.pass_to_client();
            std::future::pending().await
        })
        .await;
        assert_eq!(start.elapsed(), MINUTE * 13);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ends_ends() {
        within(MINUTE, async {}).await;
    }
}
