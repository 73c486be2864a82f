//! SHA-256 over the parts of a meaning, each with its length in front so that no two different sequences of parts
//! are the same bytes. For `ssl` (version), `client_auth` and `upstream_tls` (policy), `material` (identity).

use aws_lc_rs::digest;

/// A hash under way.
pub(super) struct Fingerprint(digest::Context);

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Adds one part.
    pub(super) fn part(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// Adds a list as one part, so that its end is marked.
    pub(super) fn list<T: AsRef<[u8]>>(&mut self, parts: impl ExactSizeIterator<Item = T>) {
        self.0.update(&(parts.len() as u64).to_be_bytes());
        for part in parts {
            self.part(part.as_ref());
        }
    }

    pub(super) fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// SHA-256 of `bytes` alone.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}
