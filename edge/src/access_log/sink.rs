//! The writer thread behind the log, and the buffers that the data-plane threads fill for it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Metrics;

/// A buffer with this much in it is written out at once.
const FULL: usize = 32 << 10;
/// Else all are written out this often.
const TICK: Duration = Duration::from_millis(200);
/// A buffer never holds more: what a thread logs in some 40 ms at full speed. Lines beyond it are given up.
const CAP: usize = 1 << 20;

/// What one thread has logged and the writer thread has not fetched yet. Locked for a line's time by the one and for a
/// swap by the other.
#[derive(Default)]
pub(super) struct Buffer {
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    lines: u64,
    dropped: u64,
}

/// What the threads and the writer tell each other.
#[derive(Default)]
struct Signals {
    buffers: Vec<Arc<Buffer>>,
    /// Somebody wants a round now.
    wanted: bool,
    /// Rounds begun and rounds finished.
    begun: u64,
    finished: u64,
    closed: bool,
}

/// The log's shared end. Dropping the last one lets the thread finish.
pub(super) struct Sink {
    shared: Arc<Shared>,
}

struct Shared {
    signals: Mutex<Signals>,
    wake: Condvar,
    round_over: Condvar,
}

impl Sink {
    pub(super) fn start(output: Output, metrics: Arc<Metrics>) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            signals: Mutex::default(),
            wake: Condvar::new(),
            round_over: Condvar::new(),
        });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || run(&thread, output, &metrics))?;
        Ok(Arc::new(Self { shared }))
    }

    pub(super) fn register(&self) -> Arc<Buffer> {
        let buffer = Arc::new(Buffer::default());
        lock(&self.shared.signals).buffers.push(Arc::clone(&buffer));
        buffer
    }

    /// Lets `write` add one line to `buffer`, unless there is no room.
    pub(super) fn append(&self, buffer: &Buffer, write: impl FnOnce(&mut Vec<u8>)) {
        let mut pending = lock(&buffer.pending);
        if pending.bytes.len() >= CAP {
            pending.dropped += 1;
            return;
        }
        let before = pending.bytes.len();
        write(&mut pending.bytes);
        pending.lines += 1;
        let became_full = before < FULL && pending.bytes.len() >= FULL;
        drop(pending);
        if became_full {
            lock(&self.shared.signals).wanted = true;
            self.shared.wake.notify_one();
        }
    }

    pub(super) fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut signals = lock(&self.shared.signals);
        // A round that has begun may have passed some buffer already: wait for the next one.
        let target = signals.begun + 1;
        signals.wanted = true;
        self.shared.wake.notify_one();
        while signals.finished < target {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            signals = self
                .shared
                .round_over
                .wait_timeout(signals, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        lock(&self.shared.signals).closed = true;
        self.shared.wake.notify_one();
    }
}

/// Where lines end up.
pub(super) enum Output {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Output {
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::File {
            path: path.to_owned(),
            file: append_to(path)?,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Self::File { file, .. } => file.write_all(bytes),
        }
    }

    /// After a rotation the path names another file, or none.
    fn follow_rotation(&mut self) {
        let Self::File { path, file } = self else {
            return;
        };
        let same = match (std::fs::metadata(&*path), file.metadata()) {
            (Ok(named), Ok(open)) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
            _ => false,
        };
        if same {
            return;
        }
        match append_to(path) {
            Ok(fresh) => *file = fresh,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "access log could not be opened again")
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn run(shared: &Shared, mut output: Output, metrics: &Metrics) {
    let mut scratch = Pending::default();
    let mut complained = false;
    loop {
        let (buffers, closed) = next_round(shared);
        output.follow_rotation();
        for buffer in &buffers {
            std::mem::swap(&mut *lock(&buffer.pending), &mut scratch);
            let mut lost = std::mem::take(&mut scratch.dropped);
            if !scratch.bytes.is_empty() {
                match output.write(&scratch.bytes) {
                    Ok(()) => complained = false,
                    Err(error) => {
                        lost += scratch.lines;
                        if !std::mem::replace(&mut complained, true) {
                            tracing::error!(%error, "access log cannot be written; lines are lost");
                        }
                    }
                }
            }
            metrics.access_log_dropped(lost);
            scratch.bytes.clear();
            scratch.lines = 0;
        }
        drop(buffers);
        finish_round(shared);
        if closed {
            return;
        }
    }
}

/// Waits for a tick, a full buffer or a flush, and takes the list of buffers.
fn next_round(shared: &Shared) -> (Vec<Arc<Buffer>>, bool) {
    let signals = lock(&shared.signals);
    let idle = |s: &mut Signals| !s.wanted && !s.closed;
    let waited = shared.wake.wait_timeout_while(signals, TICK, idle);
    let mut signals = waited.unwrap_or_else(PoisonError::into_inner).0;
    signals.wanted = false;
    signals.begun += 1;
    (signals.buffers.clone(), signals.closed)
}

fn finish_round(shared: &Shared) {
    let mut signals = lock(&shared.signals);
    signals.finished = signals.begun;
    // Buffers whose thread has ended and that are empty are done with.
    signals
        .buffers
        .retain(|b| Arc::strong_count(b) > 1 || !lock(&b.pending).bytes.is_empty());
    shared.round_over.notify_all();
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
