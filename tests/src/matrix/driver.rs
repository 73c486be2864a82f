//! A peer program that runs for the length of a test and does what it is told, many things at a time: one line an order,
//! one line an answer (`peers/` has the programs).

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Deadline for one answer; the programs give up a connection after 15 s.
const PATIENCE: Duration = Duration::from_secs(30);

type Waiting = Arc<Mutex<HashMap<u64, UnboundedSender<Told>>>>;

/// One line of answer.
#[derive(Clone, Debug)]
pub struct Told {
    /// `ok`, `failed`, `listening`, `saw` or `broken`.
    pub word: String,
    /// The rest.
    pub text: String,
}

/// The answers to one order.
pub struct Answers(UnboundedReceiver<Told>);

impl Answers {
    /// The next one.
    pub async fn next(&mut self) -> Told {
        tokio::time::timeout(PATIENCE, self.0.recv())
            .await
            .unwrap_or_else(|_| panic!("no answer of the peer in {PATIENCE:?}"))
            .expect("the peer program ended")
    }

    /// What came until now.
    pub fn so_far(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// See the module.
pub struct Driver {
    input: AsyncMutex<ChildStdin>,
    waiting: Waiting,
    next: AtomicU64,
    /// Ended on drop.
    _child: Child,
}

impl Driver {
    /// Starts the program.
    pub fn start(command: std::process::Command) -> Self {
        let mut command = Command::from(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = child.stdout.take().expect("stdout is piped");
        let input = AsyncMutex::new(child.stdin.take().expect("stdin is piped"));
        let waiting = Waiting::default();
        let told = Arc::clone(&waiting);
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut fields = line.splitn(3, '\t');
                let id = fields.next().and_then(|id| id.parse::<u64>().ok());
                let (Some(id), Some(word)) = (id, fields.next()) else {
                    continue;
                };
                let text = fields.next().unwrap_or_default().to_owned();
                let word = word.to_owned();
                if let Some(to) = told.lock().expect("no holder panics").get(&id) {
                    // Nobody waits any more: the case is over.
                    drop(to.send(Told { word, text }));
                }
            }
            // Whoever waits must learn that there will be no answer.
            told.lock().expect("no holder panics").clear();
        });
        Self {
            input,
            waiting,
            next: AtomicU64::new(1),
            _child: child,
        }
    }

    /// Gives an order.
    pub async fn order(&self, verb: &str, fields: &[(&str, String)]) -> Answers {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (to, answers) = unbounded_channel();
        self.waiting
            .lock()
            .expect("no holder panics")
            .insert(id, to);
        let fields = fields
            .iter()
            .map(|(name, value)| format!("\t{name}={value}"))
            .collect::<String>();
        let line = format!("{id}\t{verb}{fields}\n");
        let mut input = self.input.lock().await;
        input
            .write_all(line.as_bytes())
            .await
            .expect("the peer program runs");
        input.flush().await.expect("the peer program runs");
        Answers(answers)
    }
}
