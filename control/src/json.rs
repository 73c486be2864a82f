//! Tolerant JSON reading, as APISIX's parser reads it: raw control characters in strings, `//` comments between
//! members. Everything that enters as JSON (Admin API bodies, store values, files) comes through here. It owns the
//! text, not the meaning: what a value may hold is `object`'s business.
//!
//! Strict JSON is read as it is; only a text that fails is rewritten into strict JSON and read again, and the places
//! of errors are mapped back to the text as given.

use serde_json::Value;

/// Where and why the text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at line {line} column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub reason: String,
    /// From 1.
    pub line: usize,
    /// From 1, in bytes.
    pub column: usize,
}

/// Reads one JSON value. Of a key given twice the last one counts; nesting is bounded to 128 levels.
///
/// # Errors
/// [`JsonError`] with the place in the text as given.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let strict = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    match Rewritten::of(bytes) {
        None => Err(place(&strict, bytes, end_of(&strict, bytes))),
        Some(text) => serde_json::from_slice(&text.bytes)
            .map_err(|error| place(&error, bytes, text.original(end_of(&error, &text.bytes)))),
    }
}

/// A text made strict: comments blanked, raw control characters in strings escaped.
struct Rewritten {
    bytes: Vec<u8>,
    /// Offsets, in the text as given, of the characters that were escaped, ascending.
    escaped: Vec<usize>,
}

/// A control character is one byte, its escape `\u00XX` six.
const GROWTH: usize = 5;

impl Rewritten {
    /// `None` if there is nothing to rewrite.
    fn of(given: &[u8]) -> Option<Self> {
        let mut text = Self {
            bytes: Vec::with_capacity(given.len() + 512),
            escaped: Vec::new(),
        };
        let mut commented = false;
        let mut in_string = false;
        let mut at = 0;
        while let Some(&byte) = given.get(at) {
            match byte {
                b'\\' if in_string => {
                    text.bytes.push(byte);
                    at += 1;
                    // What follows a backslash never ends the string; a control character there stays and is an error.
                    if let Some(&next) = given.get(at) {
                        text.bytes.push(next);
                    }
                }
                b'"' => {
                    in_string = !in_string;
                    text.bytes.push(byte);
                }
                0x01..=0x1F if in_string => text.escape(byte, at),
                b'/' if !in_string && given.get(at + 1) == Some(&b'/') => {
                    commented = true;
                    let rest = given.get(at..).unwrap_or_default();
                    let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                    text.bytes.resize(text.bytes.len() + length, b' ');
                    at += length;
                    continue;
                }
                _ => text.bytes.push(byte),
            }
            at += 1;
        }
        (commented || !text.escaped.is_empty()).then_some(text)
    }

    fn escape(&mut self, byte: u8, at: usize) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.escaped.push(at);
        self.bytes.extend_from_slice(b"\\u00");
        self.bytes.push(HEX[usize::from(byte >> 4)]);
        self.bytes.push(HEX[usize::from(byte & 15)]);
    }

    /// The offset in the text as given that `offset` here stands for.
    fn original(&self, offset: usize) -> usize {
        let begun = |index: usize| {
            self.escaped
                .get(index)
                .is_some_and(|at| at + index * GROWTH < offset)
        };
        let (mut low, mut high) = (0, self.escaped.len());
        while low < high {
            let middle = low.midpoint(high);
            if begun(middle) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        match low.checked_sub(1).and_then(|last| self.escaped.get(last)) {
            // Inside the last escape, or behind it.
            Some(last) => (offset.saturating_sub(low * GROWTH)).max(last + 1),
            None => offset,
        }
    }
}

/// Offset just behind the byte an error points at.
fn end_of(error: &serde_json::Error, text: &[u8]) -> usize {
    let mut start = 0;
    for _ in 1..error.line() {
        let rest = text.get(start..).unwrap_or_default();
        start += rest
            .iter()
            .position(|b| *b == b'\n')
            .map_or(rest.len(), |newline| newline + 1);
    }
    (start + error.column()).min(text.len())
}

/// The error with its place: line and column of the byte before `end`.
fn place(error: &serde_json::Error, given: &[u8], end: usize) -> JsonError {
    let before = given.get(..end).unwrap_or(given);
    let line_start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |newline| newline + 1);
    let text = error.to_string();
    let reason = text
        .rfind(" at line ")
        .and_then(|cut| text.get(..cut))
        .unwrap_or(&text);
    JsonError {
        reason: reason.to_owned(),
        line: 1 + before.iter().filter(|b| **b == b'\n').count(),
        column: (before.len() - line_start).max(1),
    }
}

#[cfg(test)]
mod tests;
