//! A record's JSON.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Record;

/// A record as it is shown.
#[derive(Debug, Serialize)]
pub struct View<'a> {
    id: u64,
    time: String,
    node: &'a str,
    hop: &'static str,
    role: &'static str,
    cause: &'static str,
}

impl<'a> View<'a> {
    /// Of a record of `node`.
    pub fn of(record: &'a Record, node: &'a str) -> Self {
        Self {
            id: record.id,
            time: OffsetDateTime::from(record.time)
                .format(&Rfc3339)
                .unwrap_or_default(),
            node,
            hop: record.evidence.hop.as_str(),
            role: record.evidence.side.as_str(),
            cause: record.verdict.cause.as_str(),
        }
    }
}
