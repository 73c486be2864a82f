//! The rows of the table of alerts: by number what each means, raised by a client or by a server. Who sends which alert
//! for which fault was measured with OpenSSL 3.0, nginx 1.22, Go 1.19, OpenJDK 17, curl 7.88 and rustls 0.23. Data only.

mod certificate;
mod handshake;
mod record;

use super::meaning::{AlertMeaning, Likely, Raised};

/// A row: the alert's number and what it means.
pub(super) type Row = (u8, AlertMeaning);

/// All rows, in three parts.
pub(super) const ALL: [&[Row]; 3] = [certificate::ROWS, handshake::ROWS, record::ROWS];

/// For numbers that are in no row.
pub(super) const UNASSIGNED: AlertMeaning = AlertMeaning {
    what: "No alert has this number.",
    by_client: by(
        "The client sent a number of its own, or the bytes are not a TLS alert.",
        &[],
    ),
    by_server: by(
        "The server sent a number of its own, or the bytes are not a TLS alert.",
        &[],
    ),
};

const fn by(says: &'static str, likely: &'static [Likely]) -> Raised {
    Raised { says, likely }
}

const fn row(number: u8, what: &'static str, by_client: Raised, by_server: Raised) -> Row {
    let meaning = AlertMeaning {
        what,
        by_client,
        by_server,
    };
    (number, meaning)
}
