//! A deadline that is moved far more often than it is met. Moving it later costs a store: the timer underneath is set
//! again only when it goes off before the time that counts. A leaf.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// See the module.
#[derive(Debug)]
pub struct Deadline {
    at: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Deadline {
    /// Goes off `after` from now.
    pub fn new(after: Duration) -> Self {
        let at = Instant::now() + after;
        Self {
            at,
            timer: Box::pin(tokio::time::sleep_until(at)),
        }
    }

    /// Moves it to `after` from now.
    pub fn set(&mut self, after: Duration) {
        self.set_at(Instant::now() + after);
    }

    /// Moves it to `at`.
    pub fn set_at(&mut self, at: Instant) {
        if at < self.timer.deadline() {
            self.timer.as_mut().reset(at);
        }
        self.at = at;
    }

    /// Ready when it has gone off; to be polled only after whatever is waited for was pending.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.timer.deadline() >= self.at {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.at);
        }
    }
}

/// A bound on a peer's silence. It runs only while somebody waits for the peer: until the first one does, and while what
/// came is being dealt with, the peer is not to blame.
#[derive(Debug)]
pub struct Silence {
    bound: Duration,
    waiting: bool,
    deadline: Deadline,
}

impl Silence {
    /// At most `bound` long.
    pub fn at_most(bound: Duration) -> Self {
        Self {
            bound,
            waiting: false,
            deadline: Deadline::new(bound),
        }
    }

    /// The peer was heard.
    pub const fn broken(&mut self) {
        self.waiting = false;
    }

    /// Ready when the silence lasted too long; to be polled only after whatever is waited for was pending.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            self.waiting = true;
            self.deadline.set(self.bound);
        }
        self.deadline.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_first_wait() {
        let bound = Duration::from_secs(60);
        let mut silence = Silence::at_most(bound);
        // As long as a dial with retries may take.
        tokio::time::sleep(bound * 2).await;
        for _ in 0..2 {
            let began = Instant::now();
            std::future::poll_fn(|cx| silence.poll(cx)).await;
            assert_eq!(began.elapsed(), bound);
            silence.broken();
            tokio::time::sleep(bound * 2).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_last_time_set() {
        let start = Instant::now();
        let mut deadline = Deadline::new(Duration::from_secs(5));
        deadline.set(Duration::from_secs(20));
        std::future::poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 20);
        deadline.set(Duration::from_secs(60));
        deadline.set(Duration::from_secs(1));
        std::future::poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed().as_secs(), 21);
    }
}
