//! What certificates say and what is wrong with them, in words and numbers for people. Pure: no I/O, no clock, and no
//! decision about trust; the verifiers of the data plane make those.
//!
//! * [`CertInfo`], [`CertNames`]: one certificate, and the names it is for;
//! * [`chain`]: what a list of them amounts to;
//! * [`inventory`]: every certificate in use, and where;
//! * [`mod@assess`], [`finding`]: what is wrong with each.
//!
//! In the line: the first two are leaves, used by the TLS findings of `edge` for what a peer presents, so everything
//! they keep is bounded in size; the others look at a Snapshot for the views of `admin`.

mod advice;
mod algorithm;
pub mod assess;
pub mod chain;
mod distinguished_name;
pub mod finding;
mod info;
pub mod inventory;
mod names;
#[cfg(test)]
mod pki;

pub use advice::time;
pub use algorithm::KeyType;
pub use info::{CertInfo, CertInfoError, Purposes};
pub use names::{CertNames, Covered};

/// The name in `der` (a DER-encoded X.501 Name) in the form that [`CertInfo::subject`] has; `None` if it is none.
pub fn name_of_der(der: &[u8]) -> Option<String> {
    distinguished_name::of_der(der)
}
