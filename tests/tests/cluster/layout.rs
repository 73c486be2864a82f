//! The code's own promises: which way imports go, headers, sizes, no unsafe code.

use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every Rust file of a crate's sources.
fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    let crates = [
        "control/src",
        "edge/src",
        "tests/src",
        "tests/tests",
        "benches/src",
    ];
    crates
        .iter()
        .flat_map(|dir| sources(&workspace().join(dir)))
        .collect()
}

/// Lines before the inline tests.
fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// Top modules of `edge` that a file imports, `crate::x` and `edge::x` alike.
fn imports(text: &str) -> Vec<String> {
    let code = before_tests(text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let places = code.flat_map(|line| {
        line.split("crate::")
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    places
        .map(|rest| {
            rest.chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect::<String>()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn imports_inside_edge_go_one_way() {
    let leaves = [
        "fault", "metrics", "limits", "body", "alert", "deadline", "drain",
    ];
    let below_roles = ["tls", "alert", "http1", "hop"];
    let forbidden: [(&str, Vec<&str>); 6] = [
        ("router", vec!["processor", "node", "cli"]),
        ("processor", vec!["router", "node", "cli"]),
        ("hop", vec!["node", "cli"]),
        ("tls", vec!["router", "processor", "node", "cli", "hop"]),
        ("http1", vec!["router", "processor", "node", "cli", "hop"]),
        (
            "alert",
            vec![
                "router",
                "processor",
                "node",
                "cli",
                "hop",
                "tls",
                "http1",
                "metrics",
            ],
        ),
    ];
    let edge = workspace().join("edge/src");
    let mut wrong = Vec::new();
    for (path, text) in sources(&edge) {
        let inside = path.strip_prefix(&edge).unwrap();
        let module = inside
            .iter()
            .next()
            .unwrap()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        let banned = forbidden
            .iter()
            .find(|(name, _)| *name == module)
            .map(|(_, banned)| banned.clone());
        let leaf_bans = || {
            let upper = ["router", "processor", "node", "cli"]
                .iter()
                .chain(below_roles.iter().filter(|m| **m != "alert"));
            if leaves.contains(&module.as_str()) && ["fault", "limits"].contains(&module.as_str()) {
                upper.copied().collect()
            } else {
                Vec::new()
            }
        };
        let banned = banned.unwrap_or_else(leaf_bans);
        for import in imports(&text) {
            if banned.contains(&import.as_str()) {
                wrong.push(format!("{} imports crate::{import}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn control_never_imports_edge_and_only_one_file_names_etcd_client() {
    let control = workspace().join("control/src");
    for (path, text) in sources(&control) {
        assert!(!text.contains("edge::"), "{}", path.display());
        let inside = path.strip_prefix(&control).unwrap();
        let of_etcd = inside.starts_with("store/etcd.rs") || inside.starts_with("store/etcd");
        assert!(
            of_etcd || !text.contains("etcd_client"),
            "{}",
            path.display()
        );
    }
    let manifest = std::fs::read_to_string(workspace().join("control/Cargo.toml")).unwrap();
    assert!(!manifest.contains("edge"));
}

#[test]
fn every_file_opens_with_its_purpose_and_is_of_readable_size() {
    let mut wrong = Vec::new();
    for (path, text) in all_sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not open with //!", path.display()));
        }
        let lines = before_tests(&text).lines().count();
        if lines > 400 {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
        if text.contains("Placeholder") && !path.ends_with("layout.rs") {
            wrong.push(format!("{} is a placeholder", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_is_no_unsafe_code_and_no_unfinished_code() {
    let unsafe_word = ["un", "safe "].concat();
    let unfinished = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
    ];
    for (path, text) in all_sources() {
        for line in text.lines() {
            let code = line.split("//").next().unwrap_or_default();
            let uses = [
                format!("{unsafe_word}{{"),
                format!("{unsafe_word}fn"),
                format!("{unsafe_word}impl"),
            ];
            assert!(
                !uses.iter().any(|word| code.contains(word)),
                "{}: {line}",
                path.display()
            );
            assert!(
                !unfinished.iter().any(|word| line.contains(word)),
                "{}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn ring_is_not_among_the_dependencies() {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    let said = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "-p",
            "edge",
            "-i",
            "ring",
            "--target",
            "all",
            "-e",
            "normal",
        ])
        .current_dir(workspace())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        !lock.contains("name = \"ring\"") || !text.contains("edge"),
        "{text}"
    );
}
