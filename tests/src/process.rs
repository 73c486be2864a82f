//! Child processes: output captured line by line, signals, an end by process id on drop.

use std::ffi::OsStr;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// A running program with both of its output streams captured.
pub struct Process {
    child: Child,
    pid: u32,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `command`.
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let lines = Arc::new(Mutex::new(Vec::new()));
        capture(child.stdout.take().expect("stdout is piped"), &lines);
        capture(child.stderr.take().expect("stderr is piped"), &lines);
        let pid = child.id().expect("just started");
        Self { child, pid, lines }
    }

    /// Its process id.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Every line written so far, stdout and stderr mixed.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no writer panics").clone()
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`, `KILL`).
    pub fn signal(&self, name: &str) {
        let done = std::process::Command::new("kill")
            .args([&format!("-{name}"), &self.pid.to_string()])
            .status();
        assert!(
            done.is_ok_and(|status| status.success()),
            "kill -{name} {}",
            self.pid
        );
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits for its end.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => status.expect("a child of ours"),
            Err(_) => panic!(
                "process {} still runs after {within:?}; its last lines:\n{}",
                self.pid,
                self.tail()
            ),
        }
    }

    /// Ends it at once and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child of ours");
    }

    /// The last lines, for messages.
    pub fn tail(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

fn capture(stream: impl AsyncRead + Send + Unpin + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    tokio::spawn(async move {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.lock().expect("no writer panics").push(text);
            line.clear();
        }
    });
}

/// What a finished command said.
#[derive(Debug)]
pub struct Said {
    /// Exit code; -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end with `input` on its standard input, at most a minute.
pub async fn run_with<S: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = S>,
    input: &str,
) -> Said {
    let mut command = Command::new(program);
    command.args(args);
    finish(command, input).await
}

/// Runs a command to its end with nothing on its standard input.
pub async fn run<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Said {
    run_with(program, args, "").await
}

/// Runs a prepared command to its end.
pub async fn finish(mut command: Command, input: &str) -> Said {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    tokio::spawn(async move {
        // A program that ends without reading its input is none of our business.
        drop(stdin.write_all(input.as_bytes()).await);
    });
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    output
        .unwrap_or_else(|_| panic!("{command:?} did not end in a minute"))
        .expect("output can be read")
        .into()
}
