//! The command line: one module a subcommand, each with its arguments and what it does with them. `serve` becomes a
//! [`config::ServeConfig`] here and a node in `main`.

pub mod capture;
pub mod client;
pub mod config;
pub mod diagnose;
pub mod explain;
pub mod files;
pub mod hop;
pub mod objects;
pub mod pki;
mod roles;
pub mod serve;
mod sources;
pub mod status;
pub mod stop;
pub mod store;
pub mod validate;
pub mod values;

pub use config::ServeConfig;
pub use roles::Roles;
pub use sources::ConfigError;

/// An edge proxy that terminates and originates mTLS and says why a handshake failed.
#[derive(clap::Parser)]
#[command(name = "sallyport", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Run roles of a node; by default all of them with the embedded store
    Serve(Box<serve::ServeArgs>),
    /// Write the objects of a file through the Admin API
    Apply(objects::ApplyArgs),
    /// Show objects
    Get(objects::GetArgs),
    /// Delete an object
    Delete(objects::DeleteArgs),
    /// Show what applying a file would change
    Diff(objects::DiffArgs),
    /// Check the objects of a file; needs no server
    Validate(validate::ValidateArgs),
    /// Say what a TLS error or an alert number means; needs no server
    Explain(explain::ExplainArgs),
    /// Make the certificates of the hop between routers and processors
    Pki(pki::PkiArgs),
    /// Applied revision, objects, rejected objects
    Status(status::StatusArgs),
    /// Probe a TLS server and say what is wrong with it
    Diagnose(Box<diagnose::DiagnoseArgs>),
}
