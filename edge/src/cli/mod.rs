//! The subcommands beside `serve`. (The command line's root joins them.)

pub mod client;
pub mod files;
pub mod objects;
pub mod status;
pub mod stop;
pub mod validate;
