//! `sallyport diagnose`: probes a TLS server and says what is wrong with it. Owns the flags, the table and the exit code; what is
//! asked and concluded is [`crate::probe`]'s.

use std::io::{IsTerminal as _, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use control::object::{Material, SniChoice};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

use super::capture;
use super::client::{AdminArgs, Client};
use super::status::table;
use super::stop::{self, Stop};
use super::values;
use crate::probe::{self, Asked, Overall, Plan, StepResult, Trust};

/// Time for one connection that can be asked for.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);
/// Bytes of a certificate or key file: a bundle of every public CA is a quarter of this.
const MOST_FILE: u64 = 1 << 20;

/// Probe a TLS server step by step and say what is wrong with it and what to do.
#[derive(clap::Args, Clone, Debug)]
#[command(
    after_help = "Exit code: 0 nothing wrong, 1 warnings, 2 connections fail, 3 no TCP connection; with --upstream \
                  and --ssl the worst of all nodes; with --pcap 2 if handshakes in it failed, 3 if there are none. Bad usage is 2 as well, with one \
                  line on standard error and nothing on standard output.\n\
                  About 45 connections are made, at most two at a time. No request is sent over TLS; one HTTP request is sent in \
                  the clear, to see what the port does with it."
)]
pub struct DiagnoseArgs {
    /// The server.
    #[arg(value_name = "HOST:PORT", value_parser = target, required_unless_present_any = ["upstream", "ssl", "pcap"])]
    target: Option<Target>,
    /// Read a tcpdump capture instead (pcap or pcapng; - is standard input) and say which handshakes in it failed, and why.
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["target", "upstream", "ssl", "sni", "client_cert", "ca", "timeout"])]
    pcap: Option<PathBuf>,
    /// Let every processor of the cluster probe the targets of an upstream, with its own settings.
    #[arg(long, value_name = "ID", conflicts_with_all = ["target", "ssl", "sni", "client_cert", "ca"])]
    upstream: Option<String>,
    /// Let every router of the cluster probe its own listener under the names of an SSL object.
    #[arg(long, value_name = "ID", conflicts_with_all = ["target", "sni", "client_cert", "ca"])]
    ssl: Option<String>,
    /// Server name to send and to find in the certificate; off sends none. [default: HOST]
    #[arg(long, value_name = "NAME|off", value_parser = sni)]
    sni: Option<SniChoice>,
    /// Certificate to show if asked for one: PEM, leaf first.
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// CA certificates to trust, PEM. [default: the platform's]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Time for each connection.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = timeout)]
    timeout: Duration,
    #[command(flatten)]
    admin: AdminArgs,
}

/// `host:port`, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    host: String,
    port: u16,
}

fn target(text: &str) -> Result<Target, String> {
    let wrong = || format!("`{text}` is not HOST:PORT");
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port > 0);
    let port = port.ok_or_else(wrong)?;
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match bracketed {
        Some(address) => {
            let address: std::net::Ipv6Addr = address.parse().map_err(|_| wrong())?;
            address.to_string()
        }
        None if host.parse::<std::net::Ipv4Addr>().is_ok() => host.to_owned(),
        None => values::host_name(host).map_err(|_| wrong())?,
    };
    Ok(Target { host, port })
}

fn sni(text: &str) -> Result<SniChoice, String> {
    if text == "off" {
        return Ok(SniChoice::Off);
    }
    let name = values::host_name(text)?;
    Ok(SniChoice::Name(name.into()))
}

fn timeout(text: &str) -> Result<Duration, String> {
    values::duration(text, &TIMEOUTS)
}

/// Runs `diagnose`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run(args: &DiagnoseArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(diagnose(args)))
}

fn diagnose(args: &DiagnoseArgs) -> Result<ExitCode, Stop> {
    if let Some(path) = &args.pcap {
        return capture::run(path, args.json);
    }
    let object = match (&args.upstream, &args.ssl) {
        (Some(id), _) => ("upstream", id.as_str()),
        (_, Some(id)) => ("ssl", id.as_str()),
        (None, None) => return from_here(args),
    };
    by_the_nodes(args, object)
}

/// Lets the nodes probe, and shows what each found. The exit code is the worst of theirs.
fn by_the_nodes(args: &DiagnoseArgs, (kind, id): (&str, &str)) -> Result<ExitCode, Stop> {
    let client = Client::new(&args.admin)?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair(kind, id);
    let answer = client.get(&format!("/v1/diagnose?{}", query.finish()))?;
    let nodes = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let exits = nodes
        .iter()
        .filter_map(|node| node["report"]["exit"].as_u64());
    let worst = exits.max().and_then(|exit| u8::try_from(exit).ok());
    let text = if args.json {
        format!("{answer:#}")
    } else {
        let pages: Vec<String> = nodes.iter().map(node_page).collect();
        pages.join("\n\n")
    };
    print(&text);
    // Without a report nobody reached anything.
    Ok(ExitCode::from(worst.unwrap_or(Overall::Unreachable.exit())))
}

fn node_page(node: &Value) -> String {
    let name = text(node, "node");
    if let Some(error) = node["error"].as_str() {
        return format!("NODE {name}: {error}");
    }
    let reports = node["report"]["reports"].as_array();
    let pages = reports.into_iter().flatten().map(page);
    std::iter::once(format!("NODE {name}"))
        .chain(pages)
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn text<'v>(of: &'v Value, name: &str) -> &'v str {
    of.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn print(text: &str) {
    // A reader that is gone has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Probes from this machine.
fn from_here(args: &DiagnoseArgs) -> Result<ExitCode, Stop> {
    let asked = asked(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Stop::failed(format!("no runtime: {e}")))?;
    let progress = Progress::new();
    let tell = |step: &StepResult| progress.step(step);
    let report = runtime.block_on(probe::probe(&asked, Plan::Full, &tell));
    progress.end();
    let json = report.json();
    print(&if args.json {
        format!("{json:#}")
    } else {
        page(&json)
    });
    Ok(ExitCode::from(report.overall().exit()))
}

fn asked(args: &DiagnoseArgs) -> Result<Asked, Stop> {
    let trust = match &args.ca {
        Some(path) => Trust::given(&certificates(path)?),
        None => Trust::platform(),
    };
    let sni = args.sni.clone().unwrap_or(SniChoice::Host);
    let target = args.target.as_ref();
    let target = target.ok_or_else(|| Stop::usage("HOST:PORT is missing"))?;
    let mut asked = Asked::new(&target.host, target.port, &sni, trust);
    asked.timeout = args.timeout;
    if let (Some(cert), Some(key)) = (&args.client_cert, &args.client_key) {
        let material = Material::from_pem(&read(cert)?, &read(key)?);
        let material = material.map_err(|e| {
            let (cert, key) = (cert.display(), key.display());
            Stop::usage(format!("--client-cert {cert} --client-key {key}: {e}"))
        })?;
        asked.identity = Some(Arc::new(material));
    }
    Ok(asked)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Stop> {
    let wrong = |what: &str| Stop::usage(format!("--ca {}: {what}", path.display()));
    let text = read(path)?;
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match list {
        Ok(list) if !list.is_empty() => Ok(list),
        Ok(_) => Err(wrong("no certificate in it")),
        Err(_) => Err(wrong("not PEM")),
    }
}

fn read(path: &Path) -> Result<String, Stop> {
    let failed = |e: &dyn std::fmt::Display| Stop::usage(format!("{}: {e}", path.display()));
    let length = std::fs::metadata(path).map_err(|e| failed(&e))?.len();
    if length > MOST_FILE {
        return Err(failed(&"larger than 1 MiB"));
    }
    std::fs::read_to_string(path).map_err(|e| failed(&e))
}

/// One line on standard error that says what is being done, if somebody can see it.
struct Progress {
    shown: bool,
    done: AtomicUsize,
}

impl Progress {
    fn new() -> Self {
        Self {
            shown: std::io::stderr().is_terminal(),
            done: AtomicUsize::new(0),
        }
    }

    fn step(&self, step: &StepResult) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.shown {
            let (name, tried) = (step.trial.step().name(), step.trial.tried());
            eprint!("\r\x1b[K{done} done: {name}, {tried}");
        }
    }

    fn end(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

/// What a person reads of a report.
fn page(report: &Value) -> String {
    let list = |name: &str| report[name].as_array().map_or(&[][..], Vec::as_slice);
    let under = report["sni"].as_str();
    let under = under.map_or_else(String::new, |name| format!(" as {name}"));
    let (target, verdict) = (text(report, "target"), text(report, "verdict"));
    let mut lines = vec![format!("{target}{under}: {verdict}")];
    let row = |step: &Value| {
        let cell = |name| text(step, name).to_owned();
        [
            cell("step"),
            cell("name"),
            cell("tried"),
            cell("result"),
            step["elapsed_ms"].to_string(),
            cell("detail"),
        ]
    };
    let rows: Vec<_> = list("steps").iter().map(row).collect();
    let head = ["STEP", "WHAT", "TRIED", "RESULT", "MS", "DETAIL"];
    lines.extend(table(head, &rows));
    if list("findings").is_empty() {
        lines.extend([String::new(), "Nothing to complain of.".to_owned()]);
    }
    lines.extend(list("findings").iter().flat_map(finding));
    lines.join("\n")
}

fn finding(found: &Value) -> Vec<String> {
    let field = |name| text(found, name);
    let severity = field("severity").to_uppercase();
    let mut lines = vec![
        String::new(),
        format!("{severity}: {} ({})", field("cause"), field("confidence")),
        format!("  {}", field("detail")),
        format!("  Fix ({}): {}", field("owner"), field("fix")),
    ];
    let command = found["verify"].as_str();
    lines.extend(command.map(|command| format!("  Verify: {command}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let of = |host: &str, port| {
            Ok(Target {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!(target("Example.COM:443"), of("example.com", 443));
        assert_eq!(target("127.0.0.1:8443"), of("127.0.0.1", 8443));
        assert_eq!(target("[::1]:8443"), of("::1", 8443));
        for bad in [
            "example.com",
            "example.com:",
            ":443",
            "a b:443",
            "::1:443",
            "x:0",
            "x:65536",
            "https://x:443",
        ] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn server_names() {
        assert_eq!(sni("off"), Ok(SniChoice::Off));
        assert_eq!(sni("A.test"), Ok(SniChoice::Name("a.test".into())));
        assert!(sni("a b").is_err());
    }
}
