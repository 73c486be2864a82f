//! The code's own promises: which way imports go, headers, sizes, no unsafe code. The rules themselves stand in
//! `tests/shape.sh`, which shows what breaks them.

use std::path::{Path, PathBuf};

use cluster_tests::process::run;
use tokio::process::Command;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn the_source_keeps_its_shape() {
    let script = workspace().join("tests/shape.sh");
    let said = run("bash", [script]).await;
    assert_eq!(said.code, 0, "{}", said.text());
}

#[test]
fn unsafe_code_is_forbidden_in_the_whole_workspace() {
    let read = |path: &str| std::fs::read_to_string(workspace().join(path)).unwrap();
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
    for member in ["control", "edge", "tests", "benches"] {
        let manifest = read(&format!("{member}/Cargo.toml"));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{member} takes the workspace's lints"
        );
    }
}

#[tokio::test]
async fn ring_is_not_among_the_programs_dependencies() {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace()).args([
        "tree",
        "--offline",
        "--locked",
        "-p",
        "edge",
        "-e",
        "normal",
    ]);
    let said = cluster_tests::process::finish(command, "").await;
    assert_eq!(said.code, 0, "{}", said.text());
    assert!(!said.stdout.contains(" ring v"), "{}", said.stdout);
}
