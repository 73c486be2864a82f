//! What TLS 1.3 hides: everything after the ServerHello is encrypted, alerts too. Lengths and order of the encrypted records
//! still tell who gave up, and whether a client certificate was asked for (RFC 8446, 4.4 and 5.2). Sizes are a sign, not a
//! proof: implementations may pad.

use super::flows::Flow;
use crate::handshake::transcript::{Record, records};

/// Content type and authentication tag that encryption adds to a record.
const ADDED: usize = 17;
/// An encrypted alert: level and number.
const ALERT: usize = 2 + ADDED;
/// A Certificate message without a certificate: head, empty context, empty list.
const EMPTY_CERTIFICATE: usize = 4 + 1 + 3;
/// Certificate, CertificateVerify and Finished of a client together: less is none of the kind.
const LEAST_CERTIFICATE: usize = 250;

/// What a client answered to the server's flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientFlight {
    /// Nothing yet.
    None,
    /// An alert instead of its Finished.
    Alert,
    /// Its Finished only: no certificate was asked for.
    Finished,
    /// It was asked for a certificate and had none.
    NoCertificate,
    /// It showed a certificate.
    Certificate,
    /// Its length fits nothing.
    Unclear,
}

/// How a TLS 1.3 handshake went on behind the ServerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hidden {
    pub(super) flight: ClientFlight,
    /// The server answered the flight with nothing but a record of an alert's length.
    pub(super) server_alert: bool,
    /// The server sent something else after it.
    pub(super) served: bool,
}

/// Reads the encrypted records of a connection on which TLS 1.3 with this cipher suite was agreed.
pub(super) fn look(flow: &Flow, cipher_suite: u16, client: &[u8], skipped: usize) -> Hidden {
    let finished = 4 + hash_length(cipher_suite);
    let client = encrypted(client);
    let flight = client_flight(&client, finished);
    let mut hidden = Hidden {
        flight,
        server_alert: false,
        served: false,
    };
    let Some((first, _)) = client.first() else {
        return hidden;
    };
    if matches!(flight, ClientFlight::None | ClientFlight::Alert) {
        return hidden;
    }
    let flight_packet = flow.from_client.packet_of(skipped + first);
    let packet = |at| flow.from_server.packet_of(at);
    let server = encrypted(flow.from_server.data());
    let mut answers = server.iter().filter(|(at, _)| packet(*at) > flight_packet);
    hidden.server_alert = match (answers.next(), answers.next()) {
        // A client's close_notify has an alert's length as well, and the server's follows it.
        (Some((at, ALERT)), None) => !client.iter().skip(1).any(|(said, length)| {
            *length == ALERT && flow.from_client.packet_of(skipped + said) < packet(*at)
        }),
        _ => false,
    };
    hidden.served = !hidden.server_alert
        && server
            .last()
            .is_some_and(|(at, _)| packet(*at) > flight_packet);
    hidden
}

/// Offset and length of each whole record of type application data.
fn encrypted(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut at = 0;
    let mut found = Vec::new();
    for record in records(bytes) {
        if is_encrypted(&record) {
            found.push((at, record.length));
        }
        at += 5 + record.content.len();
    }
    found
}

const fn is_encrypted(record: &Record<'_>) -> bool {
    record.kind == 23 && record.whole()
}

/// By the lengths of its records. Messages may be a record each, or together in one.
fn client_flight(client: &[(usize, usize)], finished: usize) -> ClientFlight {
    let lengths: Vec<usize> = client.iter().map(|(_, length)| *length).collect();
    let (alone, none_shown) = (finished + ADDED, EMPTY_CERTIFICATE + ADDED);
    match lengths[..] {
        [] => ClientFlight::None,
        [ALERT, ..] => ClientFlight::Alert,
        [first, ..] if first == alone => ClientFlight::Finished,
        [first, second, ..] if first == none_shown && second == alone => {
            ClientFlight::NoCertificate
        }
        [first, ..] if first == alone + EMPTY_CERTIFICATE => ClientFlight::NoCertificate,
        [first, ..] if first >= LEAST_CERTIFICATE => ClientFlight::Certificate,
        _ => ClientFlight::Unclear,
    }
}

/// Length of the suite's hash, and so of a Finished (RFC 8446, 4.4.4).
const fn hash_length(cipher_suite: u16) -> usize {
    if cipher_suite == 0x1302 { 48 } else { 32 }
}
