//! Takes fields off the front of a handshake message, each with its bounds checked. What they mean is for the messages.

use super::ParseError;

/// The bytes not read yet.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'a [u8], ParseError> {
        let (head, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(ParseError::Field(field))?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, ParseError> {
        let (head, rest) = self.0.split_first().ok_or(ParseError::Field(field))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, ParseError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(ParseError::Field(field))?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*head))
    }

    pub(super) fn vec8(&mut self, field: &'static str) -> Result<&'a [u8], ParseError> {
        let length = usize::from(self.u8(field)?);
        self.take(length, field)
    }

    pub(super) fn vec16(&mut self, field: &'static str) -> Result<&'a [u8], ParseError> {
        let length = usize::from(self.u16(field)?);
        self.take(length, field)
    }

    pub(super) fn vec24(&mut self, field: &'static str) -> Result<&'a [u8], ParseError> {
        let high = usize::from(self.u8(field)?);
        let length = high << 16 | usize::from(self.u16(field)?);
        self.take(length, field)
    }

    pub(super) const fn done(&self, field: &'static str) -> Result<(), ParseError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ParseError::Field(field))
        }
    }
}
/// A list of 16-bit values that must not be empty.
pub(super) fn list16(bytes: &[u8], field: &'static str) -> Result<Vec<u16>, ParseError> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    if pairs.is_empty() || !odd.is_empty() {
        return Err(ParseError::Field(field));
    }
    Ok(pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}
