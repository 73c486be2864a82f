//! What a node may do, as its certificate says it: URIs among its alternative names. Reads and spells them; whom to
//! believe is [`super::verify`]'s.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

const ROLE: &str = "sallyport:role:";
const NODE: &str = "sallyport:node:";

/// A node's role as its certificate says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends requests.
    Router,
    /// Takes requests.
    Processor,
    /// Reads other nodes' views.
    Control,
}

impl Role {
    /// As `--role` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Processor => "processor",
            Self::Control => "control",
        }
    }

    /// The role of this name.
    pub fn named(text: &str) -> Option<Self> {
        [Self::Router, Self::Processor, Self::Control]
            .into_iter()
            .find(|role| role.as_str() == text)
    }

    /// The URI that stands for it in a certificate.
    pub fn uri(self) -> String {
        format!("{ROLE}{}", self.as_str())
    }
}

/// The URI that names a node in its certificate.
pub(super) fn node_uri(name: &str) -> String {
    format!("{NODE}{name}")
}

/// Whether the certificate has this role: one of its URIs is the role's, to the last byte. A certificate that cannot be
/// read, or has its alternative names twice, has none.
pub(super) fn has_role(certificate: &CertificateDer<'_>, role: Role) -> bool {
    let wanted = role.uri();
    uris(certificate, |uri| (uri == wanted).then_some(())).is_some()
}

/// The name of the node that a certificate was made for.
pub(super) fn node_name(certificate: &CertificateDer<'_>) -> Option<String> {
    uris(certificate, |uri| uri.strip_prefix(NODE).map(str::to_owned))
}

/// The first URI that `pick` takes.
fn uris<T>(certificate: &CertificateDer<'_>, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
    let (rest, x509) = X509Certificate::from_der(certificate).ok()?;
    let names = x509.subject_alternative_name().ok()??;
    names
        .value
        .general_names
        .iter()
        .filter(|_| rest.is_empty())
        .find_map(|name| match name {
            GeneralName::URI(uri) => pick(uri),
            _ => None,
        })
}
