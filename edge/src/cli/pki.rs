//! `sallyport pki`: the hop CA and the nodes' certificates as files. Owns names, modes and the rule that nothing is ever
//! overwritten; what stands in a certificate is [`crate::hop::identity::issue`]'s.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use time::OffsetDateTime;

use super::stop::{self, Stop};
use super::values;
use crate::hop::identity::Role;
use crate::hop::identity::issue::{self, Authority};

const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const NODE_CERTIFICATE: &str = "node.crt";
const NODE_KEY: &str = "node.key";
/// Keys and their directories are their owner's alone.
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o700;

/// Make the certificates by which routers and processors know each other.
#[derive(clap::Args, Clone, Debug)]
pub struct PkiArgs {
    #[command(subcommand)]
    command: PkiCommand,
}

#[derive(clap::Subcommand, Clone, Debug)]
enum PkiCommand {
    /// Make the hop CA: ca.crt and ca.key
    Init(InitArgs),
    /// Make a node's ca.crt, node.crt and node.key, signed by the hop CA
    Node(NodeArgs),
}

#[derive(clap::Args, Clone, Debug)]
struct InitArgs {
    /// Directory to write to; made if absent
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

#[derive(clap::Args, Clone, Debug)]
struct NodeArgs {
    /// Directory of the CA
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// What the node may do: router, processor, control
    #[arg(long, value_name = "ROLE", value_delimiter = ',', value_parser = role, required = true)]
    role: Vec<Role>,
    /// The node's id
    #[arg(long, value_name = "NODE", value_parser = values::node_id)]
    name: String,
    /// Further names and addresses of the node
    #[arg(long, value_name = "HOST,IP", value_delimiter = ',', value_parser = san)]
    san: Vec<San>,
    /// Directory to write to; made if absent
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum San {
    Name(String),
    Address(IpAddr),
}

fn role(text: &str) -> Result<Role, String> {
    Role::named(text.trim())
        .ok_or_else(|| format!("`{text}` is no role: router, processor, control"))
}

fn san(text: &str) -> Result<San, String> {
    let text = text.trim();
    match text.parse() {
        Ok(address) => Ok(San::Address(address)),
        Err(_) => values::host_name(text)
            .map(San::Name)
            .map_err(|_| format!("`{text}` is neither a DNS name nor an IP address")),
    }
}

/// Runs `pki`.
///
/// # Errors
/// None: failures are printed and become the exit code.
pub fn run(args: &PkiArgs) -> anyhow::Result<ExitCode> {
    let now = OffsetDateTime::now_utc();
    let done = match &args.command {
        PkiCommand::Init(args) => init(args, now),
        PkiCommand::Node(args) => node(args, now),
    };
    Ok(stop::code(done.map(|()| ExitCode::SUCCESS)))
}

fn init(args: &InitArgs, now: OffsetDateTime) -> Result<(), Stop> {
    let made = issue::ca(now).map_err(|e| Stop::failed(e.to_string()))?;
    write_all(
        &args.dir,
        &[
            (CA_KEY, KEY_MODE, &made.key),
            (CA_CERTIFICATE, CERTIFICATE_MODE, &made.certificate),
        ],
    )
}

fn node(args: &NodeArgs, now: OffsetDateTime) -> Result<(), Stop> {
    let certificates = read(&args.dir.join(CA_CERTIFICATE))?;
    let key = read(&args.dir.join(CA_KEY))?;
    let refused = |e| Stop::usage(format!("--dir {}: {e}", args.dir.display()));
    let made = Authority::read(&certificates, &key)
        .and_then(|ca| ca.node(&described(args), now))
        .map_err(refused)?;
    write_all(
        &args.out,
        &[
            (NODE_KEY, KEY_MODE, &made.key),
            (NODE_CERTIFICATE, CERTIFICATE_MODE, &made.certificate),
            (CA_CERTIFICATE, CERTIFICATE_MODE, &certificates),
        ],
    )
}

/// Every role, name and address once; the node's id is among the names if it can be one.
fn described(args: &NodeArgs) -> issue::Node {
    let mut node = issue::Node {
        name: args.name.clone(),
        roles: Vec::new(),
        names: values::host_name(&args.name).into_iter().collect(),
        addresses: Vec::new(),
    };
    for role in &args.role {
        add(&mut node.roles, *role);
    }
    for san in &args.san {
        match san {
            San::Name(name) => add(&mut node.names, name.clone()),
            San::Address(address) => add(&mut node.addresses, *address),
        }
    }
    node
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn read(path: &Path) -> Result<String, Stop> {
    std::fs::read_to_string(path)
        .map_err(|e| Stop::usage(format!("--dir: {}: {e}", path.display())))
}

/// Writes all files or none: what is there already stays, and what was written before a failure goes again.
fn write_all(dir: &Path, files: &[(&str, u32, &str)]) -> Result<(), Stop> {
    for (name, ..) in files {
        let path = dir.join(name);
        // A dangling link counts too.
        if path.symlink_metadata().is_ok() {
            return Err(Stop::failed(format!(
                "{}: is there already and is not overwritten",
                path.display()
            )));
        }
    }
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(dir)
        .map_err(|e| Stop::failed(format!("{}: {e}", dir.display())))?;
    for (done, (name, mode, text)) in files.iter().enumerate() {
        let path = dir.join(name);
        if let Err(error) = write_new(&path, *mode, text) {
            // Ours alone: each was made by `create_new` in this loop.
            for (written, ..) in &files[..done] {
                let _ = std::fs::remove_file(dir.join(written));
            }
            return Err(Stop::failed(format!("{}: {error}", path.display())));
        }
    }
    Ok(())
}

/// The file has its mode from its first moment; a file that came between is not touched.
fn write_new(path: &Path, mode: u32, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests;
