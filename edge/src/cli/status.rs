//! `sallyport status`: what a node serves and what it refused, read from its Admin port.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{AdminArgs, Client};
use super::stop::{self, Stop};

/// Show applied revisions, object counts and rejected objects.
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
    lines(&config, &rejections)
        .iter()
        .for_each(|line| println!("{line}"));
    Ok(ExitCode::SUCCESS)
}

fn lines(config: &Value, rejections: &Value) -> Vec<String> {
    let number = |name: &str| config.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (applied, seen) = (number("revision"), number("seen_revision"));
    let connected = config
        .get("store_connected")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let objects = config.get("objects").and_then(Value::as_object);
    let counts: Vec<String> = objects
        .into_iter()
        .flatten()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    let refused: Vec<&Value> = rejections
        .get("list")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    let mut lines = vec![
        format!(
            "store      {}",
            if connected {
                "connected"
            } else {
                "away, serving what was read before"
            }
        ),
        format!(
            "revision   {applied} applied, {seen} seen, {} behind",
            seen.saturating_sub(applied)
        ),
        format!("objects    {}", counts.join(", ")),
        format!("rejected   {}", refused.len()),
    ];
    for rejection in refused {
        let text = |name: &str| {
            rejection
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let field = if text("field").is_empty() {
            String::new()
        } else {
            format!("{}: ", text("field"))
        };
        let revision = rejection
            .get("revision")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        lines.push(format!(
            "  {} (revision {revision}): {field}{}",
            text("key"),
            text("reason")
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_status_says() {
        let config = json!({"revision": 5, "seen_revision": 7, "store_connected": true, "rejected": 1,
            "objects": {"routes": 2, "ssls": 1}});
        let rejections = json!({"total": 1, "list": [
            {"key": "ssls/1", "revision": 4, "field": "client.ca", "reason": "failed to parse cert"}]});
        let expected = [
            "store      connected",
            "revision   5 applied, 7 seen, 2 behind",
            "objects    2 routes, 1 ssls",
            "rejected   1",
            "  ssls/1 (revision 4): client.ca: failed to parse cert",
        ];
        assert_eq!(lines(&config, &rejections), expected);
    }
}
