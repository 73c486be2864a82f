//! What a processor tells of the target's side. Texts that are static in this program are found again in its tables; one
//! that a neighbouring release knows and this one does not is `unknown`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::WireError;
use super::number::{self, Input};
use crate::hop::{TargetFacts, TargetTls};
use crate::tls;

/// Most tries told of: those of the largest upstreams are cut off.
const MOST_TRIES: usize = 1000;

/// Appends `facts` as one piece with its length before it, in which later releases may add fields.
pub(super) fn put(out: &mut Vec<u8>, facts: &TargetFacts) {
    let mut block = Vec::with_capacity(96);
    put_option(&mut block, facts.upstream.as_deref());
    put_option(&mut block, facts.target.as_deref());
    put_address(&mut block, facts.address);
    let statuses = &facts.statuses[..facts.statuses.len().min(MOST_TRIES)];
    number::put(&mut block, statuses.len() as u64);
    for status in statuses {
        number::put(&mut block, u64::from(*status));
    }
    number::put(&mut block, u64::from(facts.retries));
    block.push(u8::from(facts.reused));
    block.push(u8::from(facts.tls.is_some()));
    if let Some(tls) = &facts.tls {
        number::put_bytes(&mut block, tls.version.as_bytes());
        number::put_bytes(&mut block, tls.cipher.as_bytes());
        put_option(&mut block, tls.sni.as_deref());
        block.push(u8::from(tls.resumed));
        block.push(u8::from(tls.client_cert));
    }
    number::put_bytes(out, &block);
}

pub(super) fn read(input: &mut Input) -> Result<TargetFacts, WireError> {
    let mut block = Input(input.bytes("target facts")?);
    let mut facts = TargetFacts {
        upstream: option(&mut block)?.map(Arc::from),
        target: option(&mut block)?.map(Arc::from),
        address: address(&mut block)?,
        ..TargetFacts::default()
    };
    let tries: usize = block.small("tries")?;
    if tries > MOST_TRIES {
        return Err(WireError::TooLong("tries"));
    }
    for _ in 0..tries {
        facts.statuses.push(block.small("a status")?);
    }
    facts.retries = block.small("retries")?;
    facts.reused = block.flag("reuse")?;
    if block.flag("TLS")? {
        facts.tls = Some(Arc::new(TargetTls {
            version: version(&block.text("a TLS version")?),
            cipher: tls::cipher_name(&block.text("a cipher")?),
            sni: option(&mut block)?,
            resumed: block.flag("resumption")?,
            client_cert: block.flag("a client certificate")?,
        }));
    }
    block.tagged(|_, _| Ok(false))?;
    Ok(facts)
}

fn version(text: &str) -> &'static str {
    match text {
        "TLSv1.3" => "TLSv1.3",
        "TLSv1.2" => "TLSv1.2",
        _ => "unknown",
    }
}

fn put_option(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        number::put_bytes(out, text.as_bytes());
    }
}

fn option(input: &mut Input) -> Result<Option<String>, WireError> {
    input
        .flag("a name")?
        .then(|| input.text("a name"))
        .transpose()
}

/// Appends an address: 0, 4 or 6, then its bytes.
pub(super) fn put_address(out: &mut Vec<u8>, address: Option<IpAddr>) {
    match address {
        None => out.push(0),
        Some(IpAddr::V4(ip)) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
}

pub(super) fn address(input: &mut Input) -> Result<Option<IpAddr>, WireError> {
    match input.byte("an address")? {
        0 => Ok(None),
        4 => {
            let mut octets = [0; 4];
            octets.copy_from_slice(&input.take(4, "an address")?);
            Ok(Some(Ipv4Addr::from(octets).into()))
        }
        6 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&input.take(16, "an address")?);
            Ok(Some(Ipv6Addr::from(octets).into()))
        }
        _ => Err(WireError::Malformed("an address")),
    }
}
