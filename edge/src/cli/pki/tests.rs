//! `sallyport pki` into temporary directories, judged by openssl.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use clap::Parser as _;

use super::*;
use crate::cli::Cli;

/// As from the shell.
fn pki(arguments: &[&str]) -> Result<(), Stop> {
    let parsed = Cli::try_parse_from([&["sallyport", "pki"], arguments].concat())
        .map_err(|e| Stop::usage(e.to_string()))?;
    let crate::cli::Command::Pki(PkiArgs { command }) = parsed.command else {
        panic!("another subcommand")
    };
    match command {
        PkiCommand::Init(args) => init(&args, OffsetDateTime::now_utc()),
        PkiCommand::Node(args) => node(&args, OffsetDateTime::now_utc()),
    }
}

fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

fn node_in(ca: &Path, out: &Path, more: &[&str]) -> Result<(), Stop> {
    let base = ["node", "--dir", path(ca), "--out", path(out)];
    pki(&[&base, more].concat())
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

fn openssl(arguments: &str) -> String {
    let run = Command::new("openssl")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn what_openssl_makes_of_them() {
    let temp = tempfile::tempdir().unwrap();
    let (ca, out) = (temp.path().join("ca"), temp.path().join("a/b"));
    pki(&["init", "--dir", path(&ca)]).unwrap();
    node_in(
        &ca,
        &out,
        &[
            "--role",
            "router, processor,router",
            "--name",
            "Edge-1",
            "--san",
            "etcd.example,10.0.0.1,::1,edge-1",
        ],
    )
    .unwrap();
    for (file, expected) in [
        (ca.clone(), 0o700),
        (ca.join("ca.key"), 0o600),
        (out.clone(), 0o700),
        (out.join("node.key"), 0o600),
    ] {
        assert_eq!(mode(&file), expected);
    }
    let (ca, out) = (path(&ca), path(&out));
    for purpose in ["sslserver", "sslclient"] {
        openssl(&format!(
            "verify -x509_strict -purpose {purpose} -CAfile {out}/ca.crt {out}/node.crt"
        ));
    }
    openssl(&format!(
        "verify -verify_hostname etcd.example -CAfile {out}/ca.crt {out}/node.crt"
    ));
    openssl(&format!(
        "verify -verify_ip 10.0.0.1 -CAfile {out}/ca.crt {out}/node.crt"
    ));
    let node = openssl(&format!("x509 -noout -text -in {out}/node.crt"));
    for part in [
        "Issuer: CN = Sallyport hop CA",
        "Subject: CN = Edge-1",
        "DNS:edge-1, DNS:etcd.example, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1, \
         URI:sallyport:role:router, URI:sallyport:role:processor, URI:sallyport:node:Edge-1\n",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "CA:FALSE",
        "X509v3 Authority Key Identifier",
        "X509v3 Subject Key Identifier",
        "NIST CURVE: P-256",
    ] {
        assert!(node.contains(part), "{part} is not in\n{node}");
    }
    let root = openssl(&format!("x509 -noout -text -in {ca}/ca.crt"));
    for part in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "NIST CURVE: P-256",
    ] {
        assert!(root.contains(part), "{part} is not in\n{root}");
    }
}

#[test]
fn how_long_they_hold() {
    let temp = tempfile::tempdir().unwrap();
    let (ca, out) = (temp.path().join("ca"), temp.path().join("n"));
    pki(&["init", "--dir", path(&ca)]).unwrap();
    node_in(&ca, &out, &["--role", "router", "--name", "r"]).unwrap();
    let (ca, out) = (path(&ca), path(&out));
    let day = 86_400;
    for (file, days) in [
        (format!("{ca}/ca.crt"), 3649),
        (format!("{out}/node.crt"), 364),
    ] {
        openssl(&format!(
            "x509 -noout -checkend {} -in {file}",
            days * day + day / 2
        ));
    }
}

#[test]
fn a_certificate_does_not_outlive_its_ca() {
    let temp = tempfile::tempdir().unwrap();
    let ca = temp.path().join("ca");
    let before = OffsetDateTime::now_utc() - time::Duration::days(3600);
    init(&InitArgs { dir: ca.clone() }, before).unwrap();
    let out = temp.path().join("n");
    node_in(&ca, &out, &["--role", "control", "--name", "c"]).unwrap();
    let out = path(&out);
    openssl(&format!("verify -CAfile {out}/ca.crt {out}/node.crt"));
    let end = |file| openssl(&format!("x509 -noout -enddate -in {out}/{file}"));
    assert_eq!(end("node.crt"), end("ca.crt"));
}

#[test]
fn nothing_is_overwritten() {
    let temp = tempfile::tempdir().unwrap();
    let ca = temp.path().join("ca");
    pki(&["init", "--dir", path(&ca)]).unwrap();
    let before = std::fs::read(ca.join("ca.key")).unwrap();
    let refused = pki(&["init", "--dir", path(&ca)]).unwrap_err();
    assert_eq!(
        refused,
        Stop::failed(format!(
            "{}/ca.key: is there already and is not overwritten",
            path(&ca)
        ))
    );
    assert_eq!(std::fs::read(ca.join("ca.key")).unwrap(), before);

    let node = ["--role", "router", "--name", "r"];
    for present in ["ca.crt", "node.crt", "node.key"] {
        let out = tempfile::tempdir().unwrap();
        symlink("/nowhere/at/all", out.path().join(present)).unwrap();
        let Err(Stop::Failed(text)) = node_in(&ca, out.path(), &node) else {
            panic!("{present} was overwritten")
        };
        assert!(text.contains(present), "{text}");
        assert_eq!(out.path().read_dir().unwrap().count(), 1, "{present}");
    }
}

#[test]
fn a_set_that_breaks_off_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let files = [("a", KEY_MODE, "a"), ("no/such/b", KEY_MODE, "b")];
    let Err(Stop::Failed(text)) = write_all(temp.path(), &files) else {
        panic!("written where there is no directory")
    };
    assert!(text.contains("no/such/b"), "{text}");
    assert_eq!(temp.path().read_dir().unwrap().count(), 0);
}

#[test]
fn the_ca_whose_key_it_is_signs() {
    let temp = tempfile::tempdir().unwrap();
    let (old, new) = (temp.path().join("old"), temp.path().join("new"));
    for dir in [&old, &new] {
        pki(&["init", "--dir", path(dir)]).unwrap();
    }
    let both = [&old, &new].map(|d| std::fs::read_to_string(d.join("ca.crt")).unwrap());
    std::fs::write(new.join("ca.crt"), both.concat()).unwrap();
    let out = temp.path().join("n");
    node_in(&new, &out, &["--role", "router", "--name", "r"]).unwrap();
    assert_eq!(
        std::fs::read_to_string(out.join("ca.crt")).unwrap(),
        both.concat()
    );
    std::fs::write(temp.path().join("new.crt"), &both[1]).unwrap();
    openssl(&format!(
        "verify -CAfile {}/new.crt {}/node.crt",
        path(temp.path()),
        path(&out)
    ));

    std::fs::write(new.join("ca.crt"), &both[0]).unwrap();
    let out = temp.path().join("m");
    let Err(Stop::Usage(text)) = node_in(&new, &out, &["--role", "router", "--name", "r"]) else {
        panic!("signed for another CA")
    };
    assert!(text.contains("belongs to ca.key"), "{text}");
    assert!(!out.exists());
}

#[test]
fn refusals_name_flag_or_file() {
    let temp = tempfile::tempdir().unwrap();
    let ca = temp.path().join("ca");
    pki(&["init", "--dir", path(&ca)]).unwrap();
    let out = temp.path().join("out");
    for (arguments, expected) in [
        (&["--role", "router"][..], "--name"),
        (&["--name", "r"], "--role"),
        (&["--role", "root", "--name", "r"], "--role"),
        (&["--role", "", "--name", "r"], "--role"),
        (&["--role", "router", "--name", "a b"], "--name"),
        (
            &["--role", "router", "--name", "r", "--san", "*.a"],
            "--san",
        ),
        (
            &["--role", "router", "--name", "r", "--san", "a,,b"],
            "--san",
        ),
    ] {
        let Err(Stop::Usage(text)) = node_in(&ca, &out, arguments) else {
            panic!("{arguments:?} was taken")
        };
        assert!(text.contains(expected), "{text}");
    }
    let nowhere = temp.path().join("nowhere");
    let Err(Stop::Usage(text)) = node_in(&nowhere, &out, &["--role", "router", "--name", "r"])
    else {
        panic!("signed without a CA")
    };
    assert!(text.contains("nowhere/ca.crt"), "{text}");
    std::fs::write(ca.join("ca.key"), "nothing").unwrap();
    let Err(Stop::Usage(text)) = node_in(&ca, &out, &["--role", "router", "--name", "r"]) else {
        panic!("signed without a key")
    };
    assert!(text.contains("ca.key"), "{text}");
    assert!(!out.exists());
}

#[test]
fn an_id_that_is_no_name_stands_in_the_uri_alone() {
    let temp = tempfile::tempdir().unwrap();
    let ca = temp.path().join("ca");
    pki(&["init", "--dir", path(&ca)]).unwrap();
    let name = "x".repeat(100);
    for name in ["10.0.0.1", name.as_str()] {
        let out = temp.path().join(&name[..2]);
        node_in(&ca, &out, &["--role", "router", "--name", name]).unwrap();
        let text = openssl(&format!("x509 -noout -text -in {}/node.crt", path(&out)));
        assert!(
            !text.contains("DNS:") && !text.contains("IP Address"),
            "{text}"
        );
        assert!(
            text.contains(&format!("URI:sallyport:node:{name}")),
            "{text}"
        );
    }
}
