//! `sallyport diagnose --pcap FILE`: what a tcpdump capture says of the handshakes in it. Owns the file, the table and the exit
//! code; what is read and concluded is [`crate::capture`]'s.

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;

use super::status::table;
use super::stop::Stop;
use crate::alert::Alert;
use crate::capture::{self, CaptureError, Conversation, Exit, Finding, Report};

/// Reads `path` (`-`: standard input) and prints a table and findings, or JSON. The exit code is 0 if all is well, 1 for
/// warnings, 2 if handshakes failed, 3 if there is none in it or it is no capture.
///
/// # Errors
/// [`Stop::Usage`]: the file cannot be opened.
pub fn run(path: &Path, json: bool) -> Result<ExitCode, Stop> {
    let name = path.display();
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let file =
            File::open(path).map_err(|error| Stop::usage(format!("--pcap {name}: {error}")))?;
        Box::new(BufReader::new(file))
    };
    let report = match capture::read(input) {
        Ok(report) => report,
        Err(CaptureError::Io(error)) => return Err(Stop::usage(format!("--pcap {name}: {error}"))),
        Err(error) => {
            eprintln!("sallyport: --pcap {name}: {error}");
            return Ok(ExitCode::from(Exit::Nothing.code()));
        }
    };
    let text = if json {
        format!("{:#}", report.json())
    } else {
        page(&name.to_string(), &report)
    };
    // A reader that is gone has seen enough.
    let _ = writeln!(io::stdout(), "{text}");
    Ok(ExitCode::from(report.exit().code()))
}

/// What a person reads.
fn page(name: &str, report: &Report) -> String {
    let counts = &report.counts;
    let mut lines = vec![format!(
        "{name}: {} packets, {} handshakes: {} ok, {} failed, {} unfinished",
        counts.packets,
        counts.ok + counts.failed + counts.unfinished,
        counts.ok,
        counts.failed,
        counts.unfinished
    )];
    for (count, what) in [
        (counts.no_data, "connections without a byte (health checks)"),
        (counts.other, "connections of other protocols"),
    ] {
        if count > 0 {
            lines.push(format!("{count} {what} are passed over"));
        }
    }
    lines.extend(report.notes.iter().map(|note| format!("Note: {note}")));
    let numbered = (1_usize..).zip(&report.conversations);
    let rows: Vec<_> = numbered.map(|(number, one)| row(number, one)).collect();
    let head = [
        "#", "TIME", "CLIENT", "SERVER", "SNI", "OFFERED", "VERSION", "OUTCOME", "ALERT",
    ];
    lines.extend(table(head, &rows));
    lines.extend(report.findings.iter().flat_map(finding));
    lines.join("\n")
}

fn row(number: usize, one: &Conversation) -> [String; 9] {
    let alert = one.alert.map(|(by, alert)| {
        let name = Alert(alert.number).name();
        format!("{} {name} from the {}", alert.number, by.as_str())
    });
    [
        number.to_string(),
        one.time(),
        one.client.to_string(),
        one.server.to_string(),
        one.sni().unwrap_or("-").to_owned(),
        offered(one),
        one.version().unwrap_or_else(|| "-".to_owned()),
        one.outcome_text().to_owned(),
        alert.unwrap_or_else(|| "-".to_owned()),
    ]
}

/// The versions offered: the lowest and the highest, which is what matters.
fn offered(one: &Conversation) -> String {
    match one.offered().as_slice() {
        [] => "-".to_owned(),
        [only] => only.clone(),
        [lowest, .., highest] => format!("{lowest}-{highest}"),
    }
}

fn finding(found: &Finding) -> Vec<String> {
    let numbers: Vec<String> = found
        .conversations
        .iter()
        .map(ToString::to_string)
        .collect();
    let more = match found.count - found.conversations.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mut lines = vec![
        String::new(),
        format!(
            "{}: {} ({}) in #{}{more}",
            found.severity.as_str().to_uppercase(),
            found.cause.as_str(),
            found.confidence.as_str(),
            numbers.join(", #")
        ),
        format!("  {}", found.detail),
        format!("  Fix ({}): {}", found.owner.as_str(), found.fix),
    ];
    let verify = found.verify.iter();
    lines.extend(verify.map(|command| format!("  Verify: {command}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_who_sent_which_alert_and_what_to_do() {
        let bytes = include_bytes!("../../tests/captures/server_certificates.pcap");
        let page = page("a.pcap", &capture::read(&bytes[..]).unwrap());
        let lines: Vec<&str> = page.lines().collect();
        assert!(
            lines[0].ends_with(" packets, 5 handshakes: 1 ok, 4 failed, 0 unfinished"),
            "{page}"
        );
        assert!(lines[2].starts_with("#  TIME"), "{page}");
        let row: Vec<&str> = lines[3].split_whitespace().collect();
        assert_eq!(
            row[4..8],
            [
                "www.example.com",
                "TLSv1.0-TLSv1.3",
                "TLSv1.2",
                "server_cert_expired"
            ]
        );
        assert!(
            lines[3].ends_with("45 certificate_expired from the client"),
            "{page}"
        );
        assert!(
            page.contains("\nERROR: server_cert_expired (certain) in #1\n"),
            "{page}"
        );
        assert!(page.contains("expired at 2023-01-01T00:00:00Z."), "{page}");
        assert!(
            page.contains("\nWARNING: server_cert_expired (certain) in #2\n"),
            "{page}"
        );
        assert!(
            page.contains("\n  Fix (server): Put a new certificate"),
            "{page}"
        );
    }

    #[test]
    fn what_is_no_capture_is_told_from_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pcap");
        assert!(matches!(run(&path, false), Err(Stop::Usage(_))));
        std::fs::write(&path, b"no capture").unwrap();
        let code = run(&path, false).unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(3)));
    }
}
