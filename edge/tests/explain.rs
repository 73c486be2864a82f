//! `sallyport explain` as it is typed: the page, JSON, standard input, exit codes.

#![allow(clippy::unwrap_used)] // A test stops at the first surprise.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn explain(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sallyport"))
        .arg("explain")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read all, or anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_line_becomes_a_page_with_causes_and_commands() {
    let line = "curl: (35) error:0A000438:SSL routines::tlsv1 alert internal error";
    let said = explain(&[line], b"");
    assert_eq!(said.status.code(), Some(0));
    let page = stdout(&said);
    for part in [
        "TLS alert 80, internal_error: received by the client (OpenSSL)\n",
        "found in: error:0A000438:SSL routines::tlsv1 alert internal error\n",
        "`tlsv1` says that TLS 1.0 or an extension first had this alert",
        "The client received it from the server: The server failed by itself.",
        "1. sni_unknown: ",
        "openssl s_client -connect HOST:PORT -servername NAME </dev/null\n",
    ] {
        assert!(page.contains(part), "{part} in\n{page}");
    }
}

#[test]
fn words_are_one_text_wherever_flags_stand() {
    for args in [&["alert", "116"][..], &["--", "- alert 116"]] {
        let said = explain(args, b"");
        assert_eq!(said.status.code(), Some(0), "{args:?}");
        assert!(
            stdout(&said).starts_with("TLS alert 116, certificate_required\n"),
            "{args:?}"
        );
    }
    let said = explain(&["alert", "116", "--json"], b"");
    assert!(serde_json::from_slice::<Value>(&said.stdout).is_ok());
}

#[test]
fn json_says_the_same_from_standard_input() {
    let said = explain(
        &["--json", "-"],
        b"* TLSv1.3 (IN), TLS alert, unknown (628):\n\xff\n",
    );
    assert_eq!(said.status.code(), Some(0));
    let json: Value = serde_json::from_slice(&said.stdout).unwrap();
    let first = &json["explanations"][0];
    assert_eq!(first["alert"]["number"], 116);
    assert_eq!(first["alert"]["name"], "certificate_required");
    assert_eq!(first["alert"]["level"], "fatal");
    assert_eq!(first["alert"]["direction"], "received");
    assert_eq!(first["side"], "client");
    assert_eq!(first["source"], "curl");
    let reading = &first["readings"][0];
    assert_eq!(reading["by"], "server");
    assert_eq!(reading["causes"][0]["cause"], "client_cert_missing");
    assert!(
        reading["causes"][0]["command"]
            .as_str()
            .unwrap()
            .starts_with("openssl s_client")
    );
}

#[test]
fn what_is_not_understood_ends_with_one_line_and_1() {
    let said = explain(&["the weather is fine"], b"");
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(stdout(&said), "");
    assert_eq!(stderr(&said).lines().count(), 1);
    assert!(stderr(&said).starts_with("sallyport: not understood; known are alert numbers"));
}

#[test]
fn no_text_is_bad_usage() {
    for (args, input) in [(&[][..], &b""[..]), (&[""], b""), (&["-"], b" \n")] {
        let said = explain(args, input);
        assert_eq!(said.status.code(), Some(2), "{args:?}");
        assert_eq!(stderr(&said).lines().count(), 1, "{}", stderr(&said));
    }
}

#[test]
fn standard_input_is_read_to_a_bound() {
    let mut text = b"alert 40\n".to_vec();
    text.resize(200 * 1024, b'x');
    text.extend(b"\nalert 45\n");
    let said = explain(&["-"], &text);
    assert_eq!(said.status.code(), Some(0));
    assert!(stdout(&said).contains("alert 40") && !stdout(&said).contains("alert 45"));
    assert_eq!(
        stderr(&said),
        "sallyport: only the first 64 KiB were read\n"
    );
}
