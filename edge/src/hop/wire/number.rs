//! Numbers (QUIC's variable-length integers, RFC 9000 section 16), and reading what is made of them.

use bytes::{Buf, Bytes};

use super::WireError;

/// The largest number that can be written; larger ones are written as this.
pub(super) const MOST: u64 = (1 << 62) - 1;

/// Appends `n`.
pub(super) fn put(out: &mut Vec<u8>, n: u64) {
    let n = n.min(MOST);
    let bytes = n.to_be_bytes();
    match n {
        0..=0x3f => out.push(bytes[7]),
        0x40..=0x3fff => out.extend_from_slice(&[bytes[6] | 0x40, bytes[7]]),
        0x4000..=0x3fff_ffff => {
            out.extend_from_slice(&[bytes[4] | 0x80, bytes[5], bytes[6], bytes[7]]);
        }
        _ => {
            out.push(bytes[0] | 0xc0);
            out.extend_from_slice(&bytes[1..]);
        }
    }
}

/// The number at the start of `bytes` and its length; `None` if it is not whole.
pub(super) fn parse(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let rest = bytes.get(1..length)?;
    let n = rest
        .iter()
        .fold(u64::from(first & 0x3f), |n, b| n << 8 | u64::from(*b));
    Some((n, length))
}

/// Appends `bytes` with their length before them.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes being read; every step says what it reads, for the error.
pub(super) struct Input(pub(super) Bytes);

impl Input {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, WireError> {
        let byte = *self.0.first().ok_or(WireError::Short(what))?;
        self.0.advance(1);
        Ok(byte)
    }

    pub(super) fn number(&mut self, what: &'static str) -> Result<u64, WireError> {
        let (n, length) = parse(&self.0).ok_or(WireError::Short(what))?;
        self.0.advance(length);
        Ok(n)
    }

    /// `n` bytes, shared with the input.
    pub(super) fn take(&mut self, n: usize, what: &'static str) -> Result<Bytes, WireError> {
        if n > self.0.len() {
            return Err(WireError::Short(what));
        }
        Ok(self.0.split_to(n))
    }

    /// Bytes with their length before them.
    pub(super) fn bytes(&mut self, what: &'static str) -> Result<Bytes, WireError> {
        let n = self.number(what)?;
        self.take(usize::try_from(n).unwrap_or(usize::MAX), what)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, WireError> {
        let bytes = self.bytes(what)?;
        String::from_utf8(bytes.into()).map_err(|_| WireError::Malformed(what))
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, WireError> {
        T::try_from(self.number(what)?).map_err(|_| WireError::Malformed(what))
    }

    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, WireError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Malformed(what)),
        }
    }

    /// The tagged fields to the end of the input: `known` takes those it knows and says so.
    pub(super) fn tagged(
        mut self,
        mut known: impl FnMut(u8, &mut Self) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        while !self.is_empty() {
            let tag = self.byte("a field's tag")?;
            let mut value = Self(self.bytes("a field")?);
            if !known(tag, &mut value)? && tag & super::MAY_IGNORE == 0 {
                return Err(WireError::UnknownField(tag));
            }
        }
        Ok(())
    }
}

/// Appends a tagged field whose value `write` makes.
pub(super) fn put_tagged(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    put_bytes(out, value);
}
