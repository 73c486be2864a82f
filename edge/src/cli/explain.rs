//! `sallyport explain`: prints what a pasted TLS error or alert number means. What it means is in
//! `edge::alert::explain`; here are the arguments, the text's way in and the page out. Needs no server.

use std::io::Read;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::stop::{self, Stop};
use crate::alert::Direction;
use crate::alert::explain::{
    self, Era, Explanation, Level, Likely, MAX_TEXT_BYTES, Reading, Side, Source, advice,
};

/// Explain an error line or an alert number.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Exit codes: 0 explained, 1 not understood, 2 bad usage.")]
pub struct ExplainArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The error as it was printed, in quotes; - reads standard input, at most 64 KiB of it.
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
}

/// What is said when nothing of a text is understood.
const NOT_UNDERSTOOD: &str = "not understood; known are alert numbers and names, errors of OpenSSL, curl, Java, Go, nginx, rustls, \
    Python, Node.js, GnuTLS, browsers, Envoy, Apigee and APISIX, and Sallyport's own causes and faults";

/// Runs `explain`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(run_on(args)))
}

fn run_on(args: &ExplainArgs) -> Result<ExitCode, Stop> {
    let text = match args.text.as_slice() {
        [only] if only == "-" => from_stdin()?,
        words => words.join(" "),
    };
    if text.trim().is_empty() {
        return Err(Stop::usage(
            "there is no text to explain (see sallyport explain --help)",
        ));
    }
    let explanations = explain::explain(&text);
    if explanations.is_empty() {
        return Err(Stop::failed(NOT_UNDERSTOOD));
    }
    if args.json {
        println!("{:#}", as_json(&explanations));
    } else {
        print!("{}", as_text(&explanations));
    }
    Ok(ExitCode::SUCCESS)
}

/// Standard input up to the bound; says so if there was more.
fn from_stdin() -> Result<String, Stop> {
    let mut bytes = Vec::new();
    let bound = MAX_TEXT_BYTES as u64 + 1;
    std::io::stdin()
        .take(bound)
        .read_to_end(&mut bytes)
        .map_err(|error| Stop::failed(format!("standard input: {error}")))?;
    if bytes.len() > MAX_TEXT_BYTES {
        eprintln!("sallyport: only the first 64 KiB were read");
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn as_text(explanations: &[Explanation]) -> String {
    let pages: Vec<String> = explanations.iter().map(page).collect();
    pages.join("\n")
}

fn page(of: &Explanation) -> String {
    let mut lines = vec![headline(of), format!("  found in: {}", of.quote)];
    if !of.what.is_empty() {
        lines.push(format!("  {}", of.what));
    }
    lines.extend(of.era.map(|era| format!("  {}", era_note(era))));
    for reading in &of.readings {
        lines.push(
            format!("\n  {}: {}", reading.when, reading.says)
                .trim_end()
                .to_owned(),
        );
        for (at, likely) in reading.likely.iter().enumerate() {
            lines.push(format!(
                "    {}. {}: {}",
                at + 1,
                likely.cause.as_str(),
                likely.why
            ));
            let advice = advice::on(likely.cause);
            lines.push(format!("       {}", advice.mend));
            lines.extend(advice.command.map(|command| format!("         {command}")));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// `TLS alert 80, internal_error: fatal, received by the client (OpenSSL)`
fn headline(of: &Explanation) -> String {
    let title = match of.alert {
        Some(alert) => format!("TLS alert {}, {}", alert.0, of.name),
        None => of.name.to_owned(),
    };
    let level = of.level.map(|level| level.as_str().to_owned());
    let direction = of.direction.map(|direction| match of.side {
        Some(side) => format!("{} by the {}", direction.as_str(), side.as_str()),
        None => direction.as_str().to_owned(),
    });
    let facts: Vec<String> = level.into_iter().chain(direction).collect();
    let facts = match facts.as_slice() {
        [] => String::new(),
        facts => format!(": {}", facts.join(", ")),
    };
    let source = of.source.map(|source| format!(" ({})", source.as_str()));
    format!("{title}{facts}{}", source.unwrap_or_default())
}

const fn era_note(era: Era) -> &'static str {
    match era {
        Era::Ssl3 => {
            "`sslv3 alert` says that SSL 3.0 first had this alert, not that the connection used SSL 3.0."
        }
        Era::Tls1 => {
            "`tlsv1` says that TLS 1.0 or an extension first had this alert, not that the connection used TLS 1.0."
        }
        Era::Tls13 => {
            "`tlsv13 alert` says that TLS 1.3 first had this alert; some servers send it in TLS 1.2 too."
        }
    }
}

const fn era_id(era: Era) -> &'static str {
    match era {
        Era::Ssl3 => "SSLv3",
        Era::Tls1 => "TLSv1",
        Era::Tls13 => "TLSv1.3",
    }
}

/// `{"explanations":[…]}`; what does not show in the text is null.
fn as_json(explanations: &[Explanation]) -> Value {
    json!({ "explanations": explanations.iter().map(one_as_json).collect::<Vec<_>>() })
}

fn one_as_json(of: &Explanation) -> Value {
    let alert = of.alert.map(|alert| {
        json!({
            "number": alert.0,
            "name": alert.name(),
            "level": of.level.map(Level::as_str),
            "direction": of.direction.map(Direction::as_str),
            "defined_in": of.era.map(era_id),
        })
    });
    json!({
        "quote": of.quote,
        "name": of.name,
        "alert": alert,
        "source": of.source.map(Source::as_str),
        "side": of.side.map(Side::as_str),
        "what": of.what,
        "readings": of.readings.iter().map(reading_as_json).collect::<Vec<_>>(),
    })
}

fn reading_as_json(of: &Reading) -> Value {
    json!({
        "by": of.by.map(Side::as_str),
        "when": of.when,
        "says": of.says,
        "causes": of.likely.iter().map(likely_as_json).collect::<Vec<_>>(),
    })
}

fn likely_as_json(of: &Likely) -> Value {
    let advice = advice::on(of.cause);
    json!({
        "cause": of.cause.as_str(),
        "why": of.why,
        "fix": advice.mend,
        "command": advice.command,
    })
}
