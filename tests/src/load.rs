//! A bounded, steady load on routers: workers with kept connections, one request at a time each, every answer's body
//! checked against its own request. The targets behind must be [`crate::counting::CountingTarget`]s.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::http1::{Framing, Message, Wire};
use crate::wait::eventually;

/// Failures whose texts are kept between two looks.
const TEXTS: usize = 8;

/// Deadline for every worker to end a request or a few: a dead processor's idle timeout and retries are in it.
const PATIENCE: Duration = Duration::from_secs(40);

/// Routers that may change while a load runs.
pub type Routers = Arc<Mutex<Vec<SocketAddr>>>;

/// What a load asks, and of whom.
#[derive(Clone)]
pub struct Plan {
    /// Begins the id of every request; loads of one test need different ones.
    pub name: &'static str,
    /// The routers; a worker goes to the next one when its own no longer accepts.
    pub routers: Routers,
    /// Requests at a time.
    pub workers: usize,
    /// Bytes of body of a POST; `None` is a GET.
    pub post: Option<usize>,
    /// Path, without a query.
    pub path: &'static str,
    /// A worker's pause between an answer and the next request.
    pub pause: Duration,
    /// What the target must say it was asked as.
    pub hosts: Hosts,
}

/// Which Hosts may reach the target.
#[derive(Clone)]
pub enum Hosts {
    /// The client's own.
    Same,
    /// `v<number>.test`, and a request never meets a number below the floor at the time it is sent. With
    /// `answers_raise_it` every answer's number becomes the floor; else only the test raises it.
    Rising {
        /// The lowest number that may be met.
        floor: Arc<AtomicU64>,
        /// Whether what one request met is the least that the next may meet.
        answers_raise_it: bool,
    },
    /// The target is deploy/targets/plain.conf's, which says what it was asked.
    Demo,
}

impl Plan {
    /// GETs by six workers at about 200 a second.
    pub fn gets(routers: &[SocketAddr]) -> Self {
        Self {
            name: "get",
            routers: Arc::new(Mutex::new(routers.to_vec())),
            workers: 6,
            post: None,
            path: "/",
            pause: Duration::from_millis(15),
            hosts: Hosts::Same,
        }
    }

    /// POSTs of 300 bytes by four workers at about 100 a second.
    pub fn posts(routers: &[SocketAddr]) -> Self {
        Self {
            name: "post",
            workers: 4,
            post: Some(300),
            pause: Duration::from_millis(25),
            ..Self::gets(routers)
        }
    }

    /// Starts it.
    pub fn start(self) -> Load {
        let shared = Arc::new(Shared::default());
        let ended = Arc::new(
            (0..self.workers)
                .map(|_| AtomicU64::new(0))
                .collect::<Vec<_>>(),
        );
        let workers = (0..self.workers)
            .map(|number| {
                let worker = Worker {
                    plan: self.clone(),
                    number,
                    kept: None,
                    at: number,
                    shared: Arc::clone(&shared),
                };
                tokio::spawn(worker.run(Arc::clone(&ended)))
            })
            .collect();
        Load {
            name: self.name,
            shared,
            ended,
            workers,
        }
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    tally: Mutex<Tally>,
}

/// Figures of a load.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests begun.
    pub sent: u64,
    /// Answered with 200 and the right body.
    pub ok: u64,
    /// Everything else.
    pub failed: u64,
    /// Sent once more because a kept connection was closed without a byte of an answer.
    pub again: u64,
    /// The longest a request took.
    pub slowest: Duration,
    /// What the first failures were, since [`Load::look`] if that was called.
    pub texts: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "sent {}, ok {}, failed {}, sent again on a new connection {}, slowest {:?}",
            self.sent, self.ok, self.failed, self.again, self.slowest
        )?;
        self.texts
            .iter()
            .try_for_each(|text| write!(out, "\n    {text}"))
    }
}

/// A running load; dropped, it ends.
pub struct Load {
    name: &'static str,
    shared: Arc<Shared>,
    ended: Arc<Vec<AtomicU64>>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    /// The figures so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().expect("no holder panics").clone()
    }

    /// The figures so far; the next ones will have the texts of later failures only.
    pub fn look(&self) -> Tally {
        let mut tally = self.shared.tally.lock().expect("no holder panics");
        let texts = std::mem::take(&mut tally.texts);
        Tally {
            texts,
            ..tally.clone()
        }
    }

    /// Failures so far.
    pub fn failed(&self) -> u64 {
        self.tally().failed
    }

    /// Waits until each worker has begun and ended so many requests from now on, well or not.
    pub async fn turns(&self, requests: u64) {
        let read = || self.ended.iter().map(|count| count.load(Ordering::Relaxed));
        // The request in flight now began earlier.
        let wanted = read().map(|count| count + 1 + requests).collect::<Vec<_>>();
        eventually("every worker goes on", PATIENCE, || async {
            if read().zip(&wanted).all(|(count, wanted)| count >= *wanted) {
                Ok(())
            } else {
                Err(format!(
                    "{}: {:?} of {wanted:?}; {}",
                    self.name,
                    read().collect::<Vec<_>>(),
                    self.tally()
                ))
            }
        })
        .await;
    }

    /// Lets so much time pass, and then each worker end two requests more.
    pub async fn lasts(&self, time: Duration) {
        tokio::time::sleep(time).await;
        self.turns(2).await;
    }

    /// Ends it after the requests in flight, prints the figures and gives them.
    pub async fn stop(mut self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in std::mem::take(&mut self.workers) {
            worker.await.expect("a worker does not panic");
        }
        let tally = self.tally();
        println!("{}: {tally}", self.name);
        tally
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

struct Worker {
    plan: Plan,
    number: usize,
    kept: Option<Wire<TcpStream>>,
    at: usize,
    shared: Arc<Shared>,
}

/// Why a request got no answer.
enum Lost {
    /// The connection was closed before a byte of it.
    Unanswered(String),
    /// Anything else.
    Broken(String),
}

impl Worker {
    async fn run(mut self, ended: Arc<Vec<AtomicU64>>) {
        let mut turn = 0u64;
        while !self.shared.stop.load(Ordering::Relaxed) {
            turn += 1;
            let id = format!("{}-{}-{turn}", self.plan.name, self.number);
            let floor = match &self.plan.hosts {
                Hosts::Same | Hosts::Demo => 0,
                Hosts::Rising { floor, .. } => floor.load(Ordering::SeqCst),
            };
            self.note(|tally| tally.sent += 1);
            let begun = Instant::now();
            let outcome = self.ask(&id).await;
            let took = begun.elapsed();
            let outcome = outcome.and_then(|answer| self.judge(&id, floor, &answer));
            self.note(|tally| {
                tally.slowest = tally.slowest.max(took);
                match outcome {
                    Ok(()) => tally.ok += 1,
                    Err(text) => {
                        tally.failed += 1;
                        if tally.texts.len() < TEXTS {
                            tally.texts.push(format!("{id} after {took:?}: {text}"));
                        }
                    }
                }
            });
            ended[self.number].fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(self.plan.pause).await;
        }
    }

    fn note(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.shared.tally.lock().expect("no holder panics"));
    }

    fn request(&self, id: &str) -> String {
        let path = self.plan.path;
        match self.plan.post {
            None => format!("GET {path}?id={id} HTTP/1.1\r\nHost: load.test\r\n\r\n"),
            Some(size) => format!(
                "POST {path}?id={id} HTTP/1.1\r\nHost: load.test\r\nContent-Length: {size}\r\n\r\n{}",
                "b".repeat(size)
            ),
        }
    }

    /// One request; again if a kept connection turns out to be closed, as any client must.
    async fn ask(&mut self, id: &str) -> Result<Message, String> {
        let request = self.request(id);
        loop {
            let (mut wire, kept) = match self.kept.take() {
                Some(wire) => (wire, true),
                None => (self.open().await?, false),
            };
            match exchange(&mut wire, &request).await {
                Ok(answer) => {
                    let closes = answer
                        .header("connection")
                        .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                    self.kept = (!closes).then_some(wire);
                    return Ok(answer);
                }
                Err(Lost::Unanswered(_)) if kept => self.note(|tally| tally.again += 1),
                Err(Lost::Unanswered(text) | Lost::Broken(text)) => return Err(text),
            }
        }
    }

    /// A connection to this worker's router, or to the next that accepts.
    async fn open(&mut self) -> Result<Wire<TcpStream>, String> {
        let mut refused = String::new();
        let routers = self.plan.routers.lock().expect("no holder panics").clone();
        for _ in &routers {
            let router = routers[self.at % routers.len()];
            match TcpStream::connect(router).await {
                Ok(stream) => {
                    drop(stream.set_nodelay(true));
                    return Ok(Wire::new(stream));
                }
                Err(error) => refused = format!("connect {router}: {error}"),
            }
            self.at += 1;
        }
        Err(refused)
    }

    fn judge(&self, id: &str, floor: u64, answer: &Message) -> Result<(), String> {
        let text = answer.text();
        if answer.status() != 200 {
            let source = answer.header("x-fault-source").unwrap_or("no fault");
            return Err(format!("{} {source}: {}", answer.status(), text.trim_end()));
        }
        if let Hosts::Demo = self.plan.hosts {
            let method = self.plan.post.map_or("GET", |_| "POST");
            let expected = format!("plain target: {method} {}?id={id} from ", self.plan.path);
            return text
                .starts_with(&expected)
                .then_some(())
                .ok_or_else(|| format!("not this request's answer: {text}"));
        }
        let words = text.split(' ').collect::<Vec<_>>();
        let length = self.plan.post.unwrap_or(0).to_string();
        let [host, told, size] = words[..] else {
            return Err(format!("not the target's answer: {text}"));
        };
        if (told, size) != (id, length.as_str()) {
            return Err(format!("another request's answer: {text}"));
        }
        match &self.plan.hosts {
            Hosts::Same if host == "load.test" => Ok(()),
            Hosts::Same | Hosts::Demo => Err(format!("asked as {host}")),
            Hosts::Rising {
                floor: present,
                answers_raise_it,
            } => {
                let number = host.trim_start_matches('v').trim_end_matches(".test");
                let number = number.parse().map_err(|_| format!("asked as {host}"))?;
                if *answers_raise_it {
                    present.fetch_max(number, Ordering::SeqCst);
                }
                if number < floor {
                    return Err(format!("version {number}, but it was sent after {floor}"));
                }
                Ok(())
            }
        }
    }
}

async fn exchange(wire: &mut Wire<TcpStream>, request: &str) -> Result<Message, Lost> {
    let unanswered =
        |error: io::Error| Lost::Unanswered(format!("closed without an answer: {error}"));
    // An answer may have been sent before the connection was closed; reading it tells.
    let sent = wire.send(request).await;
    let head = match (wire.read_head().await, sent) {
        (Ok(Some(head)), _) => head,
        (Ok(None), _) => return Err(unanswered(io::ErrorKind::UnexpectedEof.into())),
        (Err(error), _) if error.kind() == io::ErrorKind::ConnectionReset => {
            return Err(unanswered(error));
        }
        (Err(error), _) => return Err(Lost::Broken(format!("no whole head: {error}"))),
    };
    let framing = Framing::of(&head, Framing::ToTheEnd);
    let answer = wire.read_body(head, framing).await;
    answer.map_err(|error| Lost::Broken(format!("a cut answer: {error}")))
}
