//! What rules a ClientHello out before rustls sees it: where rustls would answer with an alert that misleads, or would not
//! mind at all. A step of [`super::server`].

use control::object::{Protocols, Ssl};
use rustls::SignatureScheme;

use crate::alert::Alert;
use crate::alert::evidence::Refusal;
use crate::handshake::{ClientHello, TLS12, TLS13};

/// Signature schemes of a hello that are told of: real ones have about twenty, and 8,000 fit.
const MOST_TOLD: usize = 32;

/// Why a hello is refused, the alert that is right for it, and the exact words.
pub(super) type Unacceptable = (Refusal, Alert, String);

/// What rules a hello out, with the alert that is right for it: rustls would answer some of these with another.
pub(super) fn unacceptable(
    hello: &ClientHello,
    ssl: &Ssl,
    served: Protocols,
) -> Option<Unacceptable> {
    let shared = |version, ours| ours && hello.offers(version);
    if !shared(TLS13, served.tls13) && !shared(TLS12, served.tls12) {
        let why = format!("client offers at most {:#06x}", hello.best_version());
        return Some((Refusal::Version, Alert::PROTOCOL_VERSION, why));
    }
    let best = if served.tls13 { TLS13 } else { TLS12 };
    if hello.fallback_scsv && hello.best_version() < best {
        let why = format!(
            "TLS_FALLBACK_SCSV with {:#06x}, ours is {best:#06x}",
            hello.best_version()
        );
        return Some((Refusal::Fallback, Alert::INAPPROPRIATE_FALLBACK, why));
    }
    let schemes: Vec<_> = hello
        .signature_schemes
        .iter()
        .flatten()
        .map(|s| SignatureScheme::from(*s))
        .collect();
    let mut keys = ssl
        .material()
        .iter()
        .filter_map(|m| m.certified_key())
        .peekable();
    if keys.peek().is_none() {
        let why = format!("ssls/{} has no usable key", ssl.id());
        return Some((Refusal::MissingMaterial, Alert::UNRECOGNIZED_NAME, why));
    }
    if !keys.any(|key| key.key.choose_scheme(&schemes).is_some()) {
        let told = &schemes[..schemes.len().min(MOST_TOLD)];
        let why = format!("client takes signatures {told:?}");
        return Some((Refusal::Scheme, Alert::HANDSHAKE_FAILURE, why));
    }
    None
}
