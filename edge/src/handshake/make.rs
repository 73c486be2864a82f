//! ClientHellos made by hand, for probes: versions, suites, groups and schemes that rustls does not offer. No keys are
//! derived from them: a probe ends after the server's first answer.

mod key_share;
#[cfg(test)]
mod tests;

use super::{FALLBACK_SCSV, TLS13};

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

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV`: says in a hello without extensions that renegotiation is secure (RFC 5746), which
/// careful servers insist on.
const RENEGOTIATION_SCSV: u16 = 0x00ff;
/// Content of one record (RFC 8446, 5.1).
const MOST_CONTENT: usize = 1 << 14;
/// Entries of a list that are sent: what fits into the shortest length fields there are.
const MOST_VERSIONS: usize = 127;
const MOST_LISTED: usize = 8192;
/// A host name or a protocol name at most.
const MOST_NAME: usize = 255;

/// The hello in one TLS record (more where it does not fit), ready to be sent; `random` fills its 32 random bytes and
/// `session` its session id, which is sent where TLS 1.3 is offered. Lists are cut at 8,192 entries and names at 255 bytes.
///
/// A server's share of the secret cannot be used: the key shares are fixed points. A group without one gets an empty share
/// list, which a server that takes the group answers with HelloRetryRequest.
pub fn client_hello(offer: &Offer, random: &[u8; 32], session: &[u8; 32]) -> Vec<u8> {
    let modern = !offer.bare && offer.versions.contains(&TLS13);
    let mut body = offer.legacy_version.to_be_bytes().to_vec();
    body.extend_from_slice(random);
    length8(&mut body, |out| {
        if modern {
            out.extend_from_slice(session);
        }
    });
    length16(&mut body, |out| {
        numbers(out, &offer.suites);
        if offer.fallback {
            numbers(out, &[FALLBACK_SCSV]);
        }
        if offer.bare {
            numbers(out, &[RENEGOTIATION_SCSV]);
        }
    });
    // One compression method: none.
    body.extend_from_slice(&[1, 0]);
    if !offer.bare {
        length16(&mut body, |out| {
            extensions(out, offer, modern);
            pad(out, offer.pad_to.saturating_sub(4));
        });
    }
    let mut message = vec![1];
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    message.extend_from_slice(&length[1..]);
    message.extend_from_slice(&body);
    in_records(&message, offer.legacy_version)
}

fn in_records(message: &[u8], legacy_version: u16) -> Vec<u8> {
    // What servers of any age take (RFC 8446, 5.1).
    let version = legacy_version.min(0x0301).to_be_bytes();
    let mut wire = Vec::with_capacity(message.len() + 5);
    for content in message.chunks(MOST_CONTENT) {
        wire.push(22);
        wire.extend_from_slice(&version);
        length16(&mut wire, |out| out.extend_from_slice(content));
    }
    wire
}

/// In the order of OpenSSL's clients, which servers have seen most.
fn extensions(out: &mut Vec<u8>, offer: &Offer, modern: bool) {
    extension(out, 0xff01, |out| out.push(0));
    if let Some(name) = &offer.sni {
        extension(out, 0, |out| {
            length16(out, |out| {
                out.push(0);
                length16(out, |out| out.extend_from_slice(cut(name.as_bytes())));
            })
        });
    }
    if !offer.groups.is_empty() {
        extension(out, 11, |out| out.extend_from_slice(&[1, 0]));
        extension(out, 10, |out| {
            length16(out, |out| numbers(out, &offer.groups))
        });
    }
    if !offer.alpn.is_empty() {
        extension(out, 16, |out| {
            length16(out, |out| {
                for name in offer.alpn.iter().take(MOST_VERSIONS) {
                    length8(out, |out| out.extend_from_slice(cut(name)));
                }
            })
        });
    }
    // extended_master_secret
    extension(out, 23, |_| {});
    if !offer.schemes.is_empty() {
        extension(out, 13, |out| {
            length16(out, |out| numbers(out, &offer.schemes))
        });
    }
    if !offer.versions.is_empty() {
        let versions = offer
            .versions
            .get(..MOST_VERSIONS)
            .unwrap_or(&offer.versions);
        extension(out, 43, |out| length8(out, |out| numbers(out, versions)));
    }
    if modern {
        // psk_key_exchange_modes: with (EC)DHE.
        extension(out, 45, |out| out.extend_from_slice(&[1, 1]));
        if let Some(group) = offer.groups.first() {
            extension(out, 51, |out| length16(out, |out| share(out, *group)));
        }
    }
}

fn share(out: &mut Vec<u8>, group: u16) {
    let key = key_share::of(group);
    if !key.is_empty() {
        numbers(out, &[group]);
        length16(out, |out| out.extend_from_slice(key));
    }
}

/// Padding, so that the message's body, of which `out` is all so far, becomes `wanted` bytes.
fn pad(out: &mut Vec<u8>, wanted: usize) {
    if out.len() < wanted {
        let zeros = wanted.saturating_sub(out.len() + 4);
        extension(out, 21, |out| out.resize(out.len() + zeros, 0));
    }
}

fn extension(out: &mut Vec<u8>, kind: u16, content: impl FnOnce(&mut Vec<u8>)) {
    numbers(out, &[kind]);
    length16(out, content);
}

fn numbers(out: &mut Vec<u8>, list: &[u16]) {
    for number in list.iter().take(MOST_LISTED) {
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn cut(name: &[u8]) -> &[u8] {
    name.get(..MOST_NAME).unwrap_or(name)
}

/// What `content` writes, with its length before it in one byte. Callers keep it under 256 bytes.
fn length8(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.push(0);
    content(out);
    let length = u8::try_from(out.len() - at - 1).unwrap_or(u8::MAX);
    if let Some(field) = out.get_mut(at) {
        *field = length;
    }
}

/// The same with two bytes. Callers keep it under 64 KiB.
fn length16(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    content(out);
    let length = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
