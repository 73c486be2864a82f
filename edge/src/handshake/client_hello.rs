//! What a ClientHello says (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2): a pure, bounded parser. It reads what policy and
//! diagnosis need and passes over the rest. Does no I/O and judges nothing.

use rustls_pki_types::{DnsName, ServerName};

use super::ParseError;
use super::reader::{Reader, list16};

/// TLS 1.2 on the wire.
pub const TLS12: u16 = 0x0303;
/// TLS 1.3 on the wire.
pub const TLS13: u16 = 0x0304;
/// `TLS_FALLBACK_SCSV` (RFC 7507).
pub const FALLBACK_SCSV: u16 = 0x5600;

/// The parts of a ClientHello that decide something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`.
    pub legacy_version: u16,
    /// `supported_versions`, if sent.
    pub supported_versions: Option<Vec<u16>>,
    /// Cipher suites, signalling values included.
    pub cipher_suites: Vec<u16>,
    /// `supported_groups`; empty if not sent.
    pub groups: Vec<u16>,
    /// `signature_algorithms`, if sent.
    pub signature_schemes: Option<Vec<u16>>,
    /// Groups of `key_share`, if sent.
    pub key_shares: Option<Vec<u16>>,
    /// ALPN protocols; empty if not sent.
    pub alpn: Vec<Box<[u8]>>,
    /// Server name: lower case, without a trailing dot. An IP literal, which RFC 6066 forbids, counts as none.
    pub sni: Option<Box<str>>,
    /// `TLS_FALLBACK_SCSV` is among the suites.
    pub fallback_scsv: bool,
    /// A pre-shared key (TLS 1.3) or a session ticket (TLS 1.2) is offered.
    pub resumption: bool,
}

impl ClientHello {
    /// Reads one handshake message: type, length, body.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(message: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader(message);
        if reader.u8("message type")? != 1 {
            return Err(ParseError::Field("not a ClientHello"));
        }
        let mut body = Reader(reader.vec24("message length")?);
        reader.done("data after the ClientHello")?;
        let mut hello = Self {
            legacy_version: body.u16("legacy_version")?,
            ..Self::default()
        };
        body.take(32, "random")?;
        if body.vec8("session id")?.len() > 32 {
            return Err(ParseError::Field("session id"));
        }
        hello.cipher_suites = list16(body.vec16("cipher suites")?, "cipher suites")?;
        hello.fallback_scsv = hello.cipher_suites.contains(&FALLBACK_SCSV);
        if body.vec8("compression methods")?.is_empty() {
            return Err(ParseError::Field("compression methods"));
        }
        // RFC 5246 allows a hello without extensions.
        if !body.0.is_empty() {
            hello.extensions(body.vec16("extensions")?)?;
        }
        body.done("data after the extensions")?;
        Ok(hello)
    }

    /// Versions offered: the extension's, or by `legacy_version` alone at most TLS 1.2 (RFC 8446, 4.2.1).
    pub fn offers(&self, version: u16) -> bool {
        match &self.supported_versions {
            Some(versions) => versions.contains(&version),
            None => version <= TLS12 && self.legacy_version >= version,
        }
    }

    /// The highest real version offered, GREASE (RFC 8701) left out.
    pub fn best_version(&self) -> u16 {
        match &self.supported_versions {
            Some(versions) => versions
                .iter()
                .copied()
                .filter(|v| *v >> 8 == 3)
                .max()
                .unwrap_or(0),
            None => self.legacy_version.min(TLS12),
        }
    }

    fn extensions(&mut self, bytes: &[u8]) -> Result<(), ParseError> {
        let mut reader = Reader(bytes);
        let mut seen = Vec::with_capacity(20);
        while !reader.0.is_empty() {
            let kind = reader.u16("extension type")?;
            let body = reader.vec16("extension length")?;
            seen.push(kind);
            self.extension(kind, body)?;
        }
        // Sorted once rather than compared each to each: the sender chooses how many there are.
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(ParseError::Duplicate);
        }
        Ok(())
    }

    fn extension(&mut self, kind: u16, body: &[u8]) -> Result<(), ParseError> {
        let mut reader = Reader(body);
        match kind {
            0 => self.sni = server_name(reader.vec16("server_name")?)?,
            10 => self.groups = list16(reader.vec16("supported_groups")?, "supported_groups")?,
            13 => {
                let schemes = list16(
                    reader.vec16("signature_algorithms")?,
                    "signature_algorithms",
                )?;
                self.signature_schemes = Some(schemes);
            }
            16 => self.alpn = protocols(reader.vec16("alpn")?)?,
            35 => {
                self.resumption |= !body.is_empty();
                return Ok(());
            }
            41 => {
                self.resumption = true;
                return Ok(());
            }
            43 => {
                self.supported_versions = Some(list16(
                    reader.vec8("supported_versions")?,
                    "supported_versions",
                )?)
            }
            51 => self.key_shares = Some(key_shares(reader.vec16("key_share")?)?),
            _ => return Ok(()),
        }
        reader.done("data after an extension")
    }
}

/// RFC 6066, 3: exactly one name of type host_name is ever in use.
fn server_name(bytes: &[u8]) -> Result<Option<Box<str>>, ParseError> {
    let mut reader = Reader(bytes);
    let mut name = None;
    while !reader.0.is_empty() {
        let kind = reader.u8("server_name")?;
        let value = reader.vec16("server_name")?;
        if kind != 0 || name.is_some() {
            return Err(ParseError::ServerName);
        }
        name = Some(value);
    }
    let name = name.ok_or(ParseError::ServerName)?;
    let text = str::from_utf8(name).map_err(|_| ParseError::ServerName)?;
    match ServerName::try_from(text) {
        Ok(ServerName::IpAddress(_)) => return Ok(None),
        Ok(ServerName::DnsName(_)) => {}
        _ => return Err(ParseError::ServerName),
    }
    let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    DnsName::try_from(lower.as_str()).map_err(|_| ParseError::ServerName)?;
    Ok(Some(lower.into_boxed_str()))
}

fn protocols(bytes: &[u8]) -> Result<Vec<Box<[u8]>>, ParseError> {
    let mut reader = Reader(bytes);
    let mut list = Vec::new();
    while !reader.0.is_empty() {
        let name = reader.vec8("alpn")?;
        if name.is_empty() {
            return Err(ParseError::Field("alpn"));
        }
        list.push(name.into());
    }
    if list.is_empty() {
        return Err(ParseError::Field("alpn"));
    }
    Ok(list)
}

fn key_shares(bytes: &[u8]) -> Result<Vec<u16>, ParseError> {
    let mut reader = Reader(bytes);
    let mut groups = Vec::new();
    while !reader.0.is_empty() {
        groups.push(reader.u16("key_share")?);
        reader.vec16("key_share")?;
    }
    Ok(groups)
}
