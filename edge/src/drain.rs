//! The drain signal: one handle for all threads that says whether the node still takes work, and waits until what was
//! taken is done. Owns no sockets: listeners and connections watch it. A leaf.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Shared by everything that accepts work. Clones are the same drain.
#[derive(Clone)]
pub struct Drain {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` while serving, then when waiting ends.
    deadline: watch::Sender<Option<Instant>>,
    in_flight: AtomicUsize,
    idle: Notify,
}

impl Drain {
    /// Serving.
    pub fn new() -> Self {
        let shared = Shared {
            deadline: watch::Sender::new(None),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Starts draining: no new work from now on, what runs may go on for `timeout`. A second call changes nothing.
    pub fn begin(&self, timeout: Duration) {
        self.shared.deadline.send_if_modified(|deadline| {
            let first = deadline.is_none();
            deadline.get_or_insert_with(|| Instant::now() + timeout);
            first
        });
    }

    /// Whether draining has begun. Takes an uncontended lock: ask once a request, not once a byte.
    pub fn is_draining(&self) -> bool {
        self.shared.deadline.borrow().is_some()
    }

    /// Waits until draining begins; returns when waiting for work in flight ends. For `select!` beside an accept or an
    /// idle connection's read.
    pub async fn draining(&self) -> Instant {
        let mut changes = self.shared.deadline.subscribe();
        loop {
            if let Some(deadline) = *changes.borrow_and_update() {
                return deadline;
            }
            if changes.changed().await.is_err() {
                // Not reached while `self` holds the sender; if it were, nobody could begin a drain any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Work that a drain waits for: one for each connection or tunnel (a shared counter is no place for every request).
    pub fn guard(&self) -> DrainGuard {
        self.shared.in_flight.fetch_add(1, Ordering::SeqCst);
        DrainGuard {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Guards that are alive.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Waits for draining to begin and then to end: true if all work was done, false if the deadline came first.
    pub async fn drained(&self) -> bool {
        let deadline = self.draining().await;
        loop {
            let idle = self.shared.idle.notified();
            tokio::pin!(idle);
            // Registered before the count is read, so that the last guard cannot slip through between the two.
            idle.as_mut().enable();
            if self.in_flight() == 0 {
                return true;
            }
            if tokio::time::timeout_at(deadline, idle).await.is_err() {
                return self.in_flight() == 0;
            }
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

/// Work in flight; see [`Drain::guard`].
#[must_use = "the work counts as done when this is dropped"]
pub struct DrainGuard {
    shared: Arc<Shared>,
}

impl Drop for DrainGuard {
    fn drop(&mut self) {
        if self.shared.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.shared.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn ends_when_the_last_guard_is_gone() {
        let drain = Drain::new();
        let (one, two) = (drain.guard(), drain.guard());
        assert!(!drain.is_draining());
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.drained().await }
        });
        drain.begin(LONG);
        drain.draining().await;
        drop(one);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(two);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn ends_at_the_deadline() {
        let drain = Drain::new();
        let stuck = drain.guard();
        drain.begin(Duration::from_millis(5));
        assert!(!drain.drained().await);
        assert_eq!(drain.in_flight(), 1);
        drop(stuck);
        assert!(drain.drained().await);
    }

    #[tokio::test]
    async fn the_first_deadline_stands() {
        let drain = Drain::new();
        drain.begin(LONG);
        let first = drain.draining().await;
        drain.begin(Duration::ZERO);
        assert_eq!(drain.draining().await, first);
        assert!(drain.drained().await, "nothing in flight");
    }
}
