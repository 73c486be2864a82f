//! Peers that are programs of our own, for stacks whose tools cannot do all that is needed: built once and kept beside
//! the test programs, since every test is a process of its own.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

const PYTHON: &str = include_str!("peers/tls_peer.py");
const GO: &str = include_str!("peers/tls_peer.go");
const JAVA: &str = include_str!("peers/TlsPeer.java");

/// Whether a tool is installed.
pub fn is_there(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

/// How to start Python's peer. Debian's own interpreter is meant: another may have another OpenSSL.
pub fn python() -> Command {
    let dir = kept("python", PYTHON, |dir| {
        std::fs::write(dir.join("tls_peer.py"), PYTHON).expect("a directory of ours");
    });
    let own = Path::new("/usr/bin/python3");
    let mut command = Command::new(if own.exists() {
        own
    } else {
        "python3".as_ref()
    });
    command
        .args(["-W", "ignore", "-B"])
        .arg(dir.join("tls_peer.py"));
    command
}

/// How to start Go's peer; `None` where there is no Go.
pub fn go() -> Option<Command> {
    if !is_there("go") {
        return None;
    }
    let dir = kept("go", GO, |dir| {
        std::fs::write(dir.join("tls_peer.go"), GO).expect("a directory of ours");
        let mut build = Command::new("go");
        build
            .args(["build", "-o", "tls_peer", "tls_peer.go"])
            .env("CGO_ENABLED", "0")
            .env("GO111MODULE", "off")
            .env("GOCACHE", dir.join("cache"));
        built(build, dir);
        std::fs::remove_dir_all(dir.join("cache")).expect("a directory of ours");
    });
    Some(Command::new(dir.join("tls_peer")))
}

/// How to start Java's peer; `None` where there is no JDK.
pub fn java() -> Option<Command> {
    if !is_there("java") || !is_there("javac") {
        return None;
    }
    let dir = kept("java", JAVA, |dir| {
        std::fs::write(dir.join("TlsPeer.java"), JAVA).expect("a directory of ours");
        let mut build = Command::new("javac");
        build.args(["-d", ".", "TlsPeer.java"]);
        built(build, dir);
    });
    let mut command = Command::new("java");
    command
        .args(["-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp"])
        .arg(dir)
        .arg("TlsPeer");
    Some(command)
}

fn built(mut build: Command, dir: &Path) {
    let output = build
        .current_dir(dir)
        .output()
        .unwrap_or_else(|error| panic!("{build:?}: {error}"));
    assert!(
        output.status.success(),
        "{build:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The directory in which `make` made something of `source`, this time or an earlier one.
fn kept(name: &str, source: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let test = std::env::current_exe().expect("a running test");
    let base = test
        .parent()
        .and_then(Path::parent)
        .expect("target/debug/deps/TEST")
        .join("matrix-peers");
    std::fs::create_dir_all(&base).expect("the target directory");
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    let dir = base.join(format!("{name}-{:016x}", hasher.finish()));
    // Held until the end of this function, by one process at a time.
    let lock = File::create(base.join(format!("{name}.lock"))).expect("the target directory");
    lock.lock().expect("a lock");
    if !dir.exists() {
        let half = base.join(format!("{name}.half"));
        if half.exists() {
            std::fs::remove_dir_all(&half).expect("a directory of ours");
        }
        std::fs::create_dir(&half).expect("a directory of ours");
        make(&half);
        std::fs::rename(&half, &dir).expect("a directory of ours");
    }
    dir
}
