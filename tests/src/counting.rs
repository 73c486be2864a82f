//! A target for loads: it answers each request with the Host it was asked for, the request's id and the length of its
//! body, and counts how often it has seen each id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::answer::{Answer, Received};
use crate::target::Target;

/// A running target.
pub struct CountingTarget {
    target: Target,
    seen: Arc<Mutex<HashMap<String, u32>>>,
}

impl CountingTarget {
    /// One that takes so long for each answer.
    pub async fn start(delay: Duration) -> Self {
        let seen = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&seen);
        let target = Target::start(move |received| {
            let answer = Answer::ok(&told(received, &counts));
            match delay {
                Duration::ZERO => answer,
                _ => Answer::After(delay, Box::new(answer)),
            }
        })
        .await;
        Self { target, seen }
    }

    /// `host:port`.
    pub fn node(&self) -> String {
        self.target.node()
    }

    /// Requests that it has seen more than once and whose ids begin so.
    pub fn doubles(&self, prefix: &str) -> Vec<String> {
        let seen = self.seen.lock().expect("no holder panics");
        let twice = seen
            .iter()
            .filter(|(id, count)| **count > 1 && id.starts_with(prefix));
        twice.map(|(id, _)| id.clone()).collect()
    }

    /// How many different requests it has seen.
    pub fn requests(&self) -> usize {
        self.seen.lock().expect("no holder panics").len()
    }
}

fn told(received: &Received, counts: &Mutex<HashMap<String, u32>>) -> String {
    let id = received.target().rsplit('=').next().unwrap_or_default();
    *counts
        .lock()
        .expect("no holder panics")
        .entry(id.to_owned())
        .or_default() += 1;
    let host = received.message.header("host").unwrap_or_default();
    format!("{host} {id} {}", received.message.length)
}
