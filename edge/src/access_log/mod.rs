//! The access log: one JSON line a request with the TLS facts of both hops. Threads write lines into buffers of
//! their own; one writer thread empties them to standard output or a file. Traffic never waits for a disk: when a
//! buffer is full its lines are given up and counted. [`line`] is the format, [`sink`] the writer thread.

mod line;
mod sink;

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use line::{ClientCert, ClientTls, Line};

use crate::metrics::Metrics;
use sink::{Buffer, Sink};

/// Where lines go (`--access-log`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output, the default.
    Stdout,
    /// Nowhere.
    Off,
    /// Appended to this file, which is opened again when it was renamed or removed.
    File(PathBuf),
}

/// The log of one node. Clones are the same log.
#[derive(Clone)]
pub struct AccessLog {
    sink: Option<Arc<Sink>>,
}

impl AccessLog {
    /// The log for a destination.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn open(destination: &Destination, metrics: &Arc<Metrics>) -> io::Result<Self> {
        match destination {
            Destination::Stdout => Self::stdout(metrics),
            Destination::Off => Ok(Self::off()),
            Destination::File(path) => Self::file(path, metrics)
                .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
        }
    }

    /// To standard output.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn stdout(metrics: &Arc<Metrics>) -> io::Result<Self> {
        Ok(Self {
            sink: Some(Sink::start(sink::Output::Stdout, Arc::clone(metrics))?),
        })
    }

    /// Appended to a file.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn file(path: &Path, metrics: &Arc<Metrics>) -> io::Result<Self> {
        Ok(Self {
            sink: Some(Sink::start(sink::Output::file(path)?, Arc::clone(metrics))?),
        })
    }

    /// No log.
    pub const fn off() -> Self {
        Self { sink: None }
    }

    /// A thread's own way into the log.
    pub fn writer(&self) -> Writer {
        let sink = self
            .sink
            .as_ref()
            .map(|sink| (Arc::clone(sink), sink.register()));
        Writer {
            sink,
            clock: RefCell::new(line::Clock::default()),
        }
    }

    /// Blocks until every line written before this call is out, at most `limit`; false if it was not done by then.
    /// For the end of a drain.
    pub fn flush(&self, limit: Duration) -> bool {
        self.sink.as_ref().is_none_or(|sink| sink.flush(limit))
    }
}

/// One thread's way into the log. Not for sharing between threads; inside one, a `Rc` of it serves all tasks.
pub struct Writer {
    sink: Option<(Arc<Sink>, Arc<Buffer>)>,
    clock: RefCell<line::Clock>,
}

impl Writer {
    /// Whether lines go anywhere, for callers that would have to gather facts for one.
    pub const fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    /// Writes one line, stamped with the present time. Never blocks on I/O.
    pub fn write(&self, line: &Line<'_>) {
        let Some((sink, buffer)) = &self.sink else {
            return;
        };
        let mut clock = self.clock.borrow_mut();
        sink.append(buffer, |out| {
            line::write(out, line, clock.stamp(SystemTime::now()))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hop::TargetFacts;

    fn sample(target: &TargetFacts) -> Line<'_> {
        Line {
            request_id: "id",
            client: "127.0.0.1:1".parse().unwrap(),
            method: "GET",
            host: "a",
            path: "/",
            protocol: "HTTP/1.1",
            status: 200,
            fault: None,
            route: None,
            target,
            duration: Duration::from_millis(1),
            bytes_in: 0,
            bytes_out: 0,
            tls: None,
        }
    }

    #[test]
    fn lines_of_all_threads_reach_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let log = AccessLog::file(&path, &Metrics::new()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (writer, target) = (log.writer(), TargetFacts::default());
                    (0..1000).for_each(|_| writer.write(&sample(&target)));
                });
            }
        });
        assert!(log.flush(Duration::from_secs(10)));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4000);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn a_renamed_file_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let log = AccessLog::file(&path, &Metrics::new()).unwrap();
        let (writer, target) = (log.writer(), TargetFacts::default());
        writer.write(&sample(&target));
        assert!(log.flush(Duration::from_secs(10)));
        std::fs::rename(&path, dir.path().join("old")).unwrap();
        writer.write(&sample(&target));
        assert!(log.flush(Duration::from_secs(10)));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert_eq!(
            std::fs::read_to_string(dir.path().join("old"))
                .unwrap()
                .lines()
                .count(),
            1
        );
    }

    #[test]
    fn a_broken_destination_costs_lines_and_is_counted() {
        let metrics = Metrics::new();
        let log = AccessLog::file(Path::new("/dev/full"), &metrics).unwrap();
        let (writer, target) = (log.writer(), TargetFacts::default());
        (0..3).for_each(|_| writer.write(&sample(&target)));
        assert!(log.flush(Duration::from_secs(10)));
        assert!(
            metrics
                .encode()
                .contains("\nsallyport_access_log_dropped_lines_total 3\n"),
            "{}",
            metrics.encode()
        );
    }

    #[test]
    fn off_is_off() {
        let log = AccessLog::off();
        let writer = log.writer();
        assert!(!writer.is_on());
        writer.write(&sample(&TargetFacts::default()));
        assert!(log.flush(Duration::ZERO));
    }
}
