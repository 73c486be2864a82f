//! Header and trailer fields: names and values in their order, repeated ones each on its own.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::number::{self, Input};
use super::{MOST_FIELDS, WireError};

/// Appends `headers`.
pub(super) fn encode(out: &mut Vec<u8>, headers: &HeaderMap) -> Result<(), WireError> {
    if headers.len() > MOST_FIELDS {
        return Err(WireError::TooLong("a header section"));
    }
    number::put(out, headers.len() as u64);
    for (name, value) in headers {
        number::put_bytes(out, name.as_str().as_bytes());
        number::put_bytes(out, value.as_bytes());
    }
    Ok(())
}

/// Reads what [`encode`] wrote.
pub(super) fn read(input: &mut Input) -> Result<HeaderMap, WireError> {
    let count: usize = input.small("a header count")?;
    if count > MOST_FIELDS {
        return Err(WireError::TooLong("a header section"));
    }
    let mut headers = HeaderMap::with_capacity(count.min(64));
    for _ in 0..count {
        let name = HeaderName::from_bytes(&input.bytes("a header's name")?)
            .map_err(|_| WireError::Malformed("a header's name"))?;
        let value = value(input.bytes("a header's value")?)?;
        headers
            .try_append(name, value)
            .map_err(|_| WireError::TooLong("a header section"))?;
    }
    Ok(headers)
}

/// The payload of a TRAILERS frame.
///
/// # Errors
/// [`WireError`].
pub fn decode(payload: Bytes) -> Result<HeaderMap, WireError> {
    let mut input = Input(payload);
    let fields = read(&mut input)?;
    if input.is_empty() {
        Ok(fields)
    } else {
        Err(WireError::Malformed("a trailer section"))
    }
}

pub(super) fn value(bytes: Bytes) -> Result<HeaderValue, WireError> {
    HeaderValue::from_maybe_shared(bytes).map_err(|_| WireError::Malformed("a header's value"))
}

/// HTTP's version as a byte.
pub(super) const fn version_code(version: Version) -> u8 {
    match version {
        Version::HTTP_09 => 9,
        Version::HTTP_10 => 10,
        Version::HTTP_2 => 20,
        Version::HTTP_3 => 30,
        _ => 11,
    }
}

pub(super) fn version(input: &mut Input) -> Result<Version, WireError> {
    match input.byte("a version")? {
        9 => Ok(Version::HTTP_09),
        10 => Ok(Version::HTTP_10),
        11 => Ok(Version::HTTP_11),
        20 => Ok(Version::HTTP_2),
        30 => Ok(Version::HTTP_3),
        _ => Err(WireError::Malformed("a version")),
    }
}
