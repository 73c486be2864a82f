//! `sallyport diagnose --pcap`: files of tcpdump's, and what is none.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use cluster_tests::node::binary;
use cluster_tests::process::{Said, run};
use serde_json::Value;
use tokio::process::Command;

fn capture(name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    workspace.join("edge/tests/captures").join(name)
}

async fn diagnose(args: &[&str]) -> Said {
    let all = ["diagnose"].iter().chain(args);
    run(binary().to_str().unwrap(), all).await
}

#[tokio::test]
async fn a_capture_is_explained() {
    let path = capture("server_certificates.pcap");
    let said = diagnose(&["--pcap", path.to_str().unwrap()]).await;
    assert_eq!(said.code, 2, "{}", said.text());
    for part in [
        "5 handshakes: 1 ok, 4 failed, 0 unfinished",
        "45 certificate_expired from the client",
        "ERROR: server_cert_chain_incomplete (high) in #5",
        "not the certificate of its issuer \"CN=Example Issuing CA\"",
        "Fix (server): ",
    ] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
}

#[tokio::test]
async fn json_comes_from_standard_input_too() {
    let mut command = Command::new(binary());
    let file = std::fs::File::open(capture("client_certificates.pcap")).unwrap();
    command
        .args(["diagnose", "--json", "--pcap", "-"])
        .stdin(Stdio::from(file));
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let outcomes: Vec<_> = report["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["cause"])
        .collect();
    assert_eq!(
        outcomes,
        [
            &Value::Null,
            &Value::from("client_cert_missing"),
            &Value::from("client_cert_untrusted_ca")
        ]
    );
}

#[tokio::test]
async fn what_is_no_capture_is_refused() {
    let readme = capture("README.md");
    let said = diagnose(&["--pcap", readme.to_str().unwrap()]).await;
    assert_eq!((said.code, said.stdout.as_str()), (3, ""));
    assert!(
        said.stderr
            .contains("not a capture: neither pcap nor pcapng"),
        "{}",
        said.stderr
    );

    let said = diagnose(&["--pcap", "/nonexistent/a.pcap"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(
        said.stderr.contains("/nonexistent/a.pcap"),
        "{}",
        said.stderr
    );

    let said = diagnose(&["--pcap", "a.pcap", "example.com:443"]).await;
    assert_eq!(said.code, 2, "{}", said.text());
}
