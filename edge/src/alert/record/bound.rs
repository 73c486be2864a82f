//! How much of a failure is kept: peers choose how long their hellos, chains and lists are.

use std::mem::size_of;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::Record;
use crate::alert::CertFault;
use crate::alert::evidence::{Chain, End, MOST_CERTIFICATES, Refusal};
use crate::handshake::transcript::{MOST_ALERTS, MOST_MESSAGES};
use crate::handshake::{CertificateRequest, ClientHello};

/// Bytes of certificates that a record keeps of the peer's chain; the leaf is kept whatever its size (TLS libraries take
/// at most 64 KiB for all). Real chains have two to six KiB.
pub const MOST_DER: usize = 16 << 10;
/// Entries of one list of a hello: real ones have at most a hundred suites.
const MOST_NUMBERS: usize = 128;
/// ALPN protocols of a hello: real ones have two.
const MOST_PROTOCOLS: usize = 16;
/// Bytes of the names in a CertificateRequest.
const MOST_NAMES: usize = 8 << 10;
/// Bytes of an error's text, and of any other one.
const MOST_TEXT: usize = 1024;

impl Record {
    /// Cuts off what is over the bounds above, and forgets what can be read again from the certificates.
    pub(super) fn bound(&mut self) {
        let evidence = &mut *self.evidence;
        // The last ones: the one that ended it is among them.
        let too_many = evidence.alerts.len().saturating_sub(MOST_ALERTS);
        evidence.alerts.drain(..too_many);
        evidence.sent.truncate(MOST_MESSAGES);
        evidence.received.truncate(MOST_MESSAGES);
        cut(&mut evidence.error);
        if let Some(hello) = &mut evidence.hello {
            bound_hello(hello);
        }
        if let Some(request) = &mut evidence.request {
            bound_request(request);
        }
        evidence.peer_chain = kept(&evidence.peer_chain);
        evidence.own.chain = Chain::new(evidence.own.chain.shared());
        for text in [
            &mut self.context.sni,
            &mut self.context.target,
            &mut self.context.request,
        ]
        .into_iter()
        .flatten()
        {
            cut(text);
        }
        if let Some(revision) = &mut self.revision {
            cut(&mut revision.note);
        }
    }

    /// Bytes that it takes, more or less: what [`Self::bound`] leaves, with our own chain although others share it.
    pub fn weight(&self) -> usize {
        let evidence = &*self.evidence;
        let der = |chain: &Chain| {
            chain
                .der()
                .iter()
                .map(|c| c.len() + size_of::<CertificateDer<'_>>())
                .sum::<usize>()
        };
        let hello = evidence.hello.as_ref().map_or(0, |hello| {
            let lists = [
                Some(&hello.cipher_suites),
                Some(&hello.groups),
                hello.supported_versions.as_ref(),
                hello.signature_schemes.as_ref(),
                hello.key_shares.as_ref(),
            ];
            let numbers: usize = lists
                .into_iter()
                .flatten()
                .map(|list| list.capacity() * 2)
                .sum();
            numbers + hello.alpn.iter().map(|name| name.len() + 16).sum::<usize>()
        });
        let names = evidence.request.as_ref().map_or(0, |r| {
            r.authorities.iter().map(|name| name.len() + 16).sum()
        });
        let anchors: usize = evidence
            .own
            .anchors
            .iter()
            .map(|name| name.capacity() + 24)
            .sum();
        let judged = match &evidence.end {
            End::Refused(Refusal::Certificate(CertFault::WrongName(names))) => {
                names.iter().map(|name| name.capacity() + 24).sum()
            }
            _ => 0,
        };
        let context = [
            &self.context.sni,
            &self.context.target,
            &self.context.request,
        ];
        let texts: usize = context.into_iter().flatten().map(String::capacity).sum();
        size_of::<Self>()
            + size_of::<crate::alert::Evidence>()
            + der(&evidence.peer_chain)
            + der(&evidence.own.chain)
            + hello
            + names
            + anchors
            + judged
            + texts
            + evidence.error.capacity()
            + (evidence.sent.capacity() + evidence.received.capacity())
                * size_of::<crate::handshake::Message>()
    }
}

fn bound_hello(hello: &mut ClientHello) {
    shorten(&mut hello.cipher_suites);
    shorten(&mut hello.groups);
    for list in [
        &mut hello.supported_versions,
        &mut hello.signature_schemes,
        &mut hello.key_shares,
    ]
    .into_iter()
    .flatten()
    {
        shorten(list);
    }
    hello.alpn.truncate(MOST_PROTOCOLS);
    hello.alpn.shrink_to_fit();
}

fn shorten(list: &mut Vec<u16>) {
    list.truncate(MOST_NUMBERS);
    list.shrink_to_fit();
}

fn bound_request(request: &mut CertificateRequest) {
    shorten(&mut request.schemes);
    let mut bytes = 0;
    request.authorities.retain(|name| {
        bytes += name.len();
        bytes <= MOST_NAMES
    });
    request.authorities.shrink_to_fit();
}

/// The leaf, and those of its issuers that fit.
fn kept(chain: &Chain) -> Chain {
    let mut bytes = 0;
    let fitting = chain
        .der()
        .iter()
        .take(MOST_CERTIFICATES)
        .take_while(|certificate| {
            let first = bytes == 0;
            bytes += certificate.len();
            first || bytes <= MOST_DER
        });
    let count = fitting.count();
    match chain.der() {
        all if count == all.len() => Chain::new(chain.shared()),
        all => Chain::new(Arc::from(&all[..count])),
    }
}

fn cut(text: &mut String) {
    if text.len() <= MOST_TEXT {
        return;
    }
    let end = (0..=MOST_TEXT)
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text.shrink_to_fit();
}
