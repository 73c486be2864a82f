//! Which records are asked for: the parameters of `GET /v1/tls/failures`, read strictly.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::alert::{Cause, Hop, Record};

/// Records listed unless asked otherwise.
const USUAL_LIMIT: usize = 100;
/// Records listed at most: all that a node keeps.
const MOST_LIMIT: usize = 1000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// This leg only.
    pub hop: Option<Hop>,
    /// This cause only.
    pub cause: Option<Cause>,
    /// This server name only.
    pub sni: Option<String>,
    /// At or after this time only.
    pub since: Option<SystemTime>,
    /// At most so many.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            hop: None,
            cause: None,
            sni: None,
            since: None,
            limit: USUAL_LIMIT,
        }
    }
}

/// A parameter that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {reason}")]
pub struct BadFilter {
    /// Its name.
    pub parameter: String,
    /// What it must be.
    pub reason: &'static str,
}

impl Filter {
    /// Reads a query string: `hop`, `cause`, `sni`, `since` (RFC 3339, or how long ago: `900`, `90s`, `15m`, `2h`, `1d`)
    /// and `limit` (1 to 1000). An empty value is as good as none.
    ///
    /// # Errors
    /// [`BadFilter`] for any other parameter, a value out of bounds, or a parameter given twice.
    pub fn parse(query: &str, now: SystemTime) -> Result<Self, BadFilter> {
        let mut filter = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let bad = |reason| BadFilter {
                parameter: name.escape_debug().take(MOST_NAME).collect(),
                reason,
            };
            if seen.iter().any(|before| *before == name) {
                return Err(bad("given twice"));
            }
            filter.set(&name, value.trim(), now).map_err(bad)?;
            seen.push(name.into_owned());
        }
        Ok(filter)
    }

    fn set(&mut self, name: &str, value: &str, now: SystemTime) -> Result<(), &'static str> {
        let given = !value.is_empty();
        match name {
            "hop" if given => self.hop = Some(hop(value)?),
            "cause" if given => self.cause = Some(cause(value)?),
            "sni" if given => self.sni = Some(value.trim_end_matches('.').to_ascii_lowercase()),
            "since" if given => self.since = Some(since(value, now)?),
            "limit" if given => self.limit = limit(value)?,
            "hop" | "cause" | "sni" | "since" | "limit" => {}
            _ => return Err("unknown parameter; there are hop, cause, sni, since, limit"),
        }
        Ok(())
    }

    pub(super) fn takes(&self, record: &Record) -> bool {
        self.hop.is_none_or(|hop| hop == record.hop())
            && self.cause.is_none_or(|cause| cause == record.cause())
            && self.since.is_none_or(|since| record.time >= since)
            && (self.sni.as_ref()).is_none_or(|sni| record.context.sni.as_ref() == Some(sni))
    }
}

/// Characters of an unknown parameter's name that an answer repeats.
const MOST_NAME: usize = 32;

fn hop(value: &str) -> Result<Hop, &'static str> {
    let all = [Hop::Northbound, Hop::Internal, Hop::Southbound];
    let found = all.into_iter().find(|hop| hop.as_str() == value);
    found.ok_or("must be northbound, internal or southbound")
}

fn cause(value: &str) -> Result<Cause, &'static str> {
    let found = Cause::ALL.into_iter().find(|cause| cause.as_str() == value);
    found.ok_or("is no cause id")
}

fn limit(value: &str) -> Result<usize, &'static str> {
    let number = value.parse().ok();
    let fitting = number.filter(|n| (1..=MOST_LIMIT).contains(n));
    fitting.ok_or("must be a number from 1 to 1000")
}

fn since(value: &str, now: SystemTime) -> Result<SystemTime, &'static str> {
    const REASON: &str = "must be a time (RFC 3339) or how long ago (900, 90s, 15m, 2h, 1d)";
    // A plus sign in a query means a space.
    if let Ok(time) = OffsetDateTime::parse(&value.replace(' ', "+"), &Rfc3339) {
        return Ok(time.into());
    }
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("", 1)];
    let split = units
        .into_iter()
        .find_map(|(unit, seconds)| Some((value.strip_suffix(unit)?, seconds)));
    let (number, seconds) = split.ok_or(REASON)?;
    let number: u32 = number.parse().map_err(|_| REASON)?;
    let ago = Duration::from_secs(u64::from(number) * seconds);
    Ok(now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH))
}
