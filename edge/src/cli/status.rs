//! `sallyport status`: the cluster's nodes, what each serves and what it refused, and what is wrong with certificates in
//! use, read from one node's Admin port.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{AdminArgs, Client};
use super::stop::{self, Stop};

/// Certificates with findings that are listed; the rest are counted.
const MOST_CERTIFICATES: usize = 20;

/// Show the nodes, their applied revisions, object counts, rejected objects, and certificates that expire or are faulty.
#[derive(clap::Args, Clone, Debug)]
pub struct StatusArgs {
    #[command(flatten)]
    admin: AdminArgs,
}

/// Runs `status`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(status(args)))
}

fn status(args: &StatusArgs) -> Result<ExitCode, Stop> {
    let client = Client::new(&args.admin)?;
    let config = client.get("/v1/config")?;
    let rejections = client.get("/v1/rejections")?;
    let nodes = client.get("/v1/nodes")?;
    let certificates = client.get(&format!(
        "/v1/certs?severity=warning&page_size={MOST_CERTIFICATES}"
    ))?;
    let nodes = list(&nodes);
    let mut all = summary(&config, list(&rejections).len());
    if nodes.is_empty() {
        all.extend(
            list(&rejections)
                .into_iter()
                .map(|r| format!("  {}", refusal(r))),
        );
    }
    all.extend(node_table(&nodes));
    all.extend(refusal_table(&nodes));
    all.extend(certificate_table(&certificates));
    all.iter().for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

fn list(view: &Value) -> Vec<&Value> {
    let list = view.get("list").and_then(Value::as_array);
    list.into_iter().flatten().collect()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn summary(config: &Value, refused: usize) -> Vec<String> {
    let (applied, seen) = (number(config, "revision"), number(config, "seen_revision"));
    let connected = config
        .get("store_connected")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let store = if connected {
        "connected"
    } else {
        "away, serving what was read before"
    };
    let objects = config.get("objects").and_then(Value::as_object);
    let counts: Vec<String> = objects
        .into_iter()
        .flatten()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    let behind = seen.saturating_sub(applied);
    vec![
        format!("store      {store}"),
        format!("revision   {applied} applied, {seen} seen, {behind} behind"),
        format!("objects    {}", counts.join(", ")),
        format!("rejected   {refused}"),
    ]
}

/// `ssls/1 (revision 4): client.ca: failed to parse cert`
fn refusal(rejection: &Value) -> String {
    let field = match text(rejection, "field") {
        "" => String::new(),
        field => format!("{field}: "),
    };
    let (key, reason) = (text(rejection, "key"), text(rejection, "reason"));
    let revision = number(rejection, "revision");
    format!("{key} (revision {revision}): {field}{reason}")
}

fn node_table(nodes: &[&Value]) -> Vec<String> {
    let head = [
        "NODE", "ROLES", "VERSION", "APPLIED", "LAG", "REJECTED", "STATE",
    ];
    let rows = nodes.iter().map(|node| {
        let roles = node.get("roles").and_then(Value::as_array);
        let roles: Vec<_> = roles
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        [
            text(node, "id").to_owned(),
            roles.join(","),
            text(node, "version").to_owned(),
            number(node, "applied_revision").to_string(),
            number(node, "lag").to_string(),
            number(node, "rejected_total").to_string(),
            text(node, "state").to_owned(),
        ]
    });
    table(head, &rows.collect::<Vec<_>>())
}

fn refusal_table(nodes: &[&Value]) -> Vec<String> {
    let mut rows = Vec::new();
    for node in nodes {
        let listed = node.get("rejected").and_then(Value::as_array);
        let listed: Vec<_> = listed.into_iter().flatten().collect();
        let id = || text(node, "id").to_owned();
        rows.extend(listed.iter().map(|r| [id(), refusal(r)]));
        let more = number(node, "rejected_total").saturating_sub(listed.len() as u64);
        if more > 0 {
            rows.push([id(), format!("and {more} more")]);
        }
    }
    table(["NODE", "REJECTED OBJECT"], &rows)
}

/// What is wrong with certificates in use, errors and warnings; a line for each, and at most [`MOST_CERTIFICATES`].
fn certificate_table(view: &Value) -> Vec<String> {
    let (mut rows, mut shown) = (Vec::new(), 0);
    for certificate in list(view) {
        let findings = certificate.get("findings").and_then(Value::as_array);
        let findings = findings.into_iter().flatten();
        let lines: Vec<_> = findings
            .filter(|finding| text(finding, "severity") != "info")
            .map(|finding| {
                [
                    format!("{} {}", text(certificate, "id"), text(certificate, "field")),
                    text(finding, "severity").to_owned(),
                    text(finding, "finding").to_owned(),
                    text(finding, "detail").to_owned(),
                ]
            })
            .collect();
        if shown > 0 && rows.len() + lines.len() > MOST_CERTIFICATES {
            break;
        }
        rows.extend(lines);
        shown += 1;
    }
    let more = number(view, "total").saturating_sub(shown);
    let mut lines = table(["CERTIFICATE", "SEVERITY", "FINDING", "DETAIL"], &rows);
    if more > 0 {
        lines.push(format!(
            "and {more} more certificates: GET /v1/certs?severity=warning has them all, and what to do"
        ));
    }
    lines
}

/// Columns as wide as they need be, after an empty line; nothing without rows.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let head = head.map(str::to_owned);
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(rows).map(|row| &row[column]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(String::new())
        .chain(std::iter::once(&head).chain(rows).map(line))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_status_says() {
        let config = json!({"revision": 5, "seen_revision": 7, "store_connected": true, "rejected": 1,
            "objects": {"routes": 2, "ssls": 1}});
        let expected = [
            "store      connected",
            "revision   5 applied, 7 seen, 2 behind",
            "objects    2 routes, 1 ssls",
            "rejected   1",
        ];
        assert_eq!(summary(&config, 1), expected);
    }

    #[test]
    fn nodes_and_what_each_refused() {
        let refused = json!({"key": "ssls/1", "revision": 4, "field": "client.ca", "reason": "failed to parse cert"});
        let nodes = json!({"list": [
            {"id": "edge-1", "roles": ["router", "processor"], "version": "0.1.0", "applied_revision": 5, "lag": 2,
             "state": "alive", "rejected": [refused], "rejected_total": 3},
            {"id": "é", "roles": ["control"], "version": "0.1.0", "applied_revision": 7, "lag": 0,
             "state": "gone", "rejected": [], "rejected_total": 0},
        ]});
        let expected = [
            "",
            "NODE    ROLES             VERSION  APPLIED  LAG  REJECTED  STATE",
            "edge-1  router,processor  0.1.0    5        2    3         alive",
            "é       control           0.1.0    7        0    0         gone",
        ];
        assert_eq!(node_table(&list(&nodes)), expected);
        let expected = [
            "",
            "NODE    REJECTED OBJECT",
            "edge-1  ssls/1 (revision 4): client.ca: failed to parse cert",
            "edge-1  and 2 more",
        ];
        assert_eq!(refusal_table(&list(&nodes)), expected);
        assert!(node_table(&[]).is_empty());
    }

    #[test]
    fn certificates_with_faults() {
        let finding = |kind: &str, severity: &str| json!({"finding": kind, "severity": severity, "detail": "\"CN=a\" ...", "fix": "..."});
        let view = json!({"total": 2, "list": [
            {"id": "ssls/1", "field": "cert", "findings": [
                finding("expired", "error"), finding("no_san", "warning"), finding("chain_incomplete", "info")]},
            {"id": "upstreams/2", "field": "tls.ca_certs", "findings": [finding("weak_key", "warning")]},
        ]});
        let expected = [
            "",
            "CERTIFICATE               SEVERITY  FINDING   DETAIL",
            "ssls/1 cert               error     expired   \"CN=a\" ...",
            "ssls/1 cert               warning   no_san    \"CN=a\" ...",
            "upstreams/2 tls.ca_certs  warning   weak_key  \"CN=a\" ...",
        ];
        assert_eq!(certificate_table(&view), expected);
        assert!(certificate_table(&json!({"total": 0, "list": []})).is_empty());

        let two = [finding("expired", "error"), finding("no_san", "warning")];
        let row = json!({"id": "ssls/1", "field": "cert", "findings": two});
        let many = json!({"total": 5000, "list": vec![row; MOST_CERTIFICATES]});
        let lines = certificate_table(&many);
        assert_eq!(lines.len(), 2 + MOST_CERTIFICATES + 1);
        assert_eq!(
            lines.last().unwrap(),
            "and 4990 more certificates: GET /v1/certs?severity=warning has them all, and what to do"
        );
    }
}
