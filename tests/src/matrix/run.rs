//! The ground of a matrix test: certificates, the peer programs that run all the time, and so many cases at a time.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::driver::Driver;
use super::zoo::Zoo;
use super::{Stack, program};

/// Cases under way at a time: more than the machine has cores, since most of them wait for processes.
const AT_A_TIME: usize = 8;

/// See the module.
pub struct Peers {
    /// The certificates.
    pub zoo: Zoo,
    python: Driver,
    go: Option<Driver>,
    java: Option<Driver>,
    gnutls: bool,
}

impl Peers {
    /// Starts those that are installed, and says which are not.
    pub async fn start() -> Arc<Self> {
        let programs = tokio::task::spawn_blocking(|| {
            // Built side by side, as each is another's wait.
            let java = std::thread::spawn(program::java);
            let go = program::go();
            (program::python(), go, java.join().expect("javac"))
        });
        let (python, go, java) = programs.await.expect("the peer programs are built");
        let peers = Self {
            zoo: Zoo::new(),
            python: Driver::start(python),
            go: go.map(Driver::start),
            java: java.map(Driver::start),
            gnutls: program::is_there("gnutls-cli") && program::is_there("gnutls-serv"),
        };
        for stack in Stack::CLIENTS {
            if !peers.has(stack) {
                println!("LEFT OUT: {} is not installed", stack.name());
            }
        }
        Arc::new(peers)
    }

    /// Whether a stack is installed.
    pub const fn has(&self, stack: Stack) -> bool {
        match stack {
            Stack::Go => self.go.is_some(),
            Stack::Java => self.java.is_some(),
            Stack::GnuTls => self.gnutls,
            _ => true,
        }
    }

    /// The program that is a stack.
    pub fn driver(&self, stack: Stack) -> &Driver {
        match stack {
            Stack::Python => Some(&self.python),
            Stack::Go => self.go.as_ref(),
            Stack::Java => self.java.as_ref(),
            _ => None,
        }
        .unwrap_or_else(|| panic!("no program for {}", stack.name()))
    }
}

/// Runs all of them, some at a time; the results are in the order of the jobs.
pub async fn side_by_side<T, F>(jobs: Vec<F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = JoinSet::new();
    for (index, job) in jobs.into_iter().enumerate() {
        let turns = Arc::clone(&turns);
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.expect("never closed");
            (index, job.await)
        });
    }
    let mut done = Vec::new();
    while let Some(one) = running.join_next().await {
        match one {
            Ok(one) => done.push(one),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
