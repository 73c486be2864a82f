//! What certificates say, in words and numbers for people: one certificate ([`CertInfo`]), the names it is
//! for ([`CertNames`]), what a list of them amounts
//! to ([`chain`]). Pure: no I/O, no clock, and no decision about trust; the verifiers of the data plane make those.
//! In the line: leaf of this crate; the views of `admin` and the TLS findings of `edge` call it, for certificates of
//! the configuration and for those that a peer presents, so everything here is bounded in size.

mod algorithm;
pub mod chain;
mod distinguished_name;
mod info;
mod names;
#[cfg(test)]
mod pki;

pub use algorithm::KeyType;
pub use info::{CertInfo, CertInfoError, Purposes};
pub use names::{CertNames, Covered};

/// The name in `der` (a DER-encoded X.501 Name) in the form that [`CertInfo::subject`] has; `None` if it is none.
pub fn name_of_der(der: &[u8]) -> Option<String> {
    distinguished_name::of_der(der)
}
