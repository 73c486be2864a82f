//! `sallyport validate`: objects checked offline by the data plane's own rules. No server, no store; references
//! between objects are not followed (`apply` does that).

use std::path::PathBuf;
use std::process::ExitCode;

use control::object::{self, ReadContext};
use control::seal::Keyring;
use serde_json::Value;

use super::files::{self, FileArgs};
use super::stop::{self, Stop};

/// Check objects without a server.
#[derive(clap::Args, Clone, Debug)]
pub struct ValidateArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Keys that open sealed private keys in the objects, one per line.
    #[arg(long, env = "SALLYPORT_KEYRING_FILE", value_name = "PATH")]
    keyring_file: Option<PathBuf>,
}

/// Runs `validate`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    Ok(stop::code(validate(args)))
}

fn validate(args: &ValidateArgs) -> Result<ExitCode, Stop> {
    let keyring = keyring(args)?;
    let items = files::read(&args.files)?;
    let env = |name: &str| std::env::var(name).ok();
    let context = ReadContext {
        keyring: &keyring,
        env: &env,
    };
    let mut refused = 0;
    for item in &items {
        let bytes = Value::Object(item.object.clone()).to_string();
        if let Err(refusal) = object::read(item.kind, &item.id, bytes.as_bytes(), &context) {
            refused += 1;
            let field = if refusal.field.is_empty() {
                String::new()
            } else {
                format!("{}: ", refusal.field)
            };
            eprintln!(
                "sallyport: {}: {}: {field}{}",
                item.place,
                item.key(),
                refusal.reason
            );
        }
    }
    if refused > 0 {
        return Err(Stop::failed(format!(
            "{refused} of {} objects are invalid",
            items.len()
        )));
    }
    println!("{} objects are valid", items.len());
    Ok(ExitCode::SUCCESS)
}

fn keyring(args: &ValidateArgs) -> Result<Keyring, Stop> {
    let Some(path) = &args.keyring_file else {
        return Ok(Keyring::default());
    };
    let named = |e: &dyn std::fmt::Display| Stop::usage(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| named(&e))?;
    Keyring::parse(&text).map_err(|e| named(&e))
}
