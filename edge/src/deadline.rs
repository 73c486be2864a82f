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

#[cfg(test)]
mod tests {
    use super::*;

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
