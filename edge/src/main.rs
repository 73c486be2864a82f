//! The binary `sallyport`: arguments, logging, signals, exit codes (0 done, 1 failed, 2 bad usage or configuration). What a
//! node does is in `edge::node`; what the other subcommands do is in `edge::cli`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use clap::error::ErrorKind;
use edge::cli::serve::ServeArgs;
use edge::cli::{Cli, Command, ServeConfig, diagnose, explain, objects, pki, status, validate};
use edge::node::{Node, StartError};
use tokio::signal::unix::{Signal, SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    // Before anything can make a TLS configuration. It fails only if there is one already, and this is the first line.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused_arguments(&error),
    };
    match cli.command {
        Command::Serve(args) => serve(*args),
        Command::Apply(args) => finished(objects::run_apply(&args)),
        Command::Get(args) => finished(objects::run_get(&args)),
        Command::Delete(args) => finished(objects::run_delete(&args)),
        Command::Diff(args) => finished(objects::run_diff(&args)),
        Command::Validate(args) => finished(validate::run(&args)),
        Command::Explain(args) => finished(explain::run(&args)),
        Command::Pki(args) => finished(pki::run(&args)),
        Command::Status(args) => finished(status::run(&args)),
        Command::Diagnose(args) => finished(diagnose::run(&args)),
    }
}

/// Help and version are answers; everything else is one line on standard error.
fn refused_arguments(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(BAD_USAGE)
        }
        _ => {
            let text = error.to_string();
            // The names of missing arguments and the values that are possible stand on lines of their own.
            let lines: Vec<&str> = text
                .lines()
                .map(str::trim)
                .take_while(|l| !l.is_empty())
                .collect();
            let line = lines.join(" ");
            let line = line.strip_prefix("error: ").unwrap_or(&line);
            eprintln!("sallyport: {line} (see sallyport --help)");
            ExitCode::from(BAD_USAGE)
        }
    }
}

fn serve(args: ServeArgs) -> ExitCode {
    let config = match args.resolve() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("sallyport: {error}");
            return ExitCode::from(BAD_USAGE);
        }
    };
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A StartError's text already ends in its cause; the chain would say it twice.
            let start = error.downcast_ref::<StartError>();
            match start {
                Some(start) => eprintln!("sallyport: {start}"),
                None => eprintln!("sallyport: {error:#}"),
            }
            let usage = start.is_some_and(StartError::is_configuration);
            ExitCode::from(if usage { BAD_USAGE } else { FAILED })
        }
    }
}

/// The exit code of a subcommand; one line for an error it did not report itself.
fn finished(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("sallyport: {error:#}");
        ExitCode::from(FAILED)
    })
}

fn run(config: ServeConfig) -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(tracing_subscriber::EnvFilter::try_new(config.log_level())?)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let done = runtime.block_on(async {
        // Before the node: a signal during a slow start must not be lost.
        let signals = Signals::listen().context("signals cannot be listened to")?;
        let node = Node::start(config).await?;
        let at = node.addresses();
        tracing::info!(
            http = at.http.map(display),
            https = at.https.map(display),
            admin = at.admin.map(display),
            metrics = at.metrics.map(display),
            hop = at.hop.map(display),
            "listening"
        );
        node.run_until(signals.first()).await;
        Ok(())
    });
    // All that matters has been waited for; a name server or a disk that does not answer must not hold up the end.
    runtime.shutdown_background();
    done
}

/// The signals that end a node.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the first one, which asks for a drain. The second one ends the process where it stands.
    async fn first(mut self) {
        self.next().await;
        tracing::info!("draining; a second signal ends the process at once");
        tokio::spawn(async move {
            self.next().await;
            tracing::warn!("ended by a second signal, requests in flight are cut off");
            std::process::exit(i32::from(FAILED));
        });
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
