//! Private keys at rest: AES-256-GCM for what we write, APISIX's AES-CBC for what we find (reference: APISIX
//! data_encryption). No default keys. Used by `object` (open), `admin` (seal before storing) and `sync` (the file).

/// The operator's keys, first one encrypts. Empty: values are stored in the clear and only clear ones can be read.
#[derive(Clone, Default)]
pub struct Keyring {}

impl Keyring {
    /// Opens a key value: clear PEM is returned as it is, sealed values are opened with the first key that fits.
    ///
    /// # Errors
    /// A sentence without any key material.
    pub fn open(&self, value: &str) -> Result<String, String> {
        Ok(value.to_owned())
    }
}
