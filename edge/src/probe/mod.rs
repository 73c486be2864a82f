//! Asks a TLS server what it is and what it takes, one connection a question, and says what is wrong with it: the active
//! half of diagnosis, for `sallyport diagnose` and for failures that passive evidence does not explain.
//!
//! ```text
//! asked ► run (which trials, in which order) ► connect | hello | session (one connection each) ► judge ► findings ► report
//! ```
//!
//! Never sends a request over TLS, keeps no keys, and changes nothing at the server. Below the roles, above `tls` and `alert`;
//! nothing below imports it.

mod asked;
pub mod background;
mod connect;
mod findings;
mod hello;
mod judge;
mod observe;
mod outcome;
mod report;
mod run;
mod session;
mod trial;
mod wire;

pub use asked::{Asked, DEFAULT_TIMEOUT, Place, Trust};
pub use background::Prober;
pub use findings::{Found, Severity, Topic};
pub use outcome::{Outcome, StepResult};
pub use report::{Overall, Report, Row};
pub use run::{Plan, Tell, probe};
pub use trial::{Step, Trial};
