//! The embedded store: one node, one file that survives kill -9, the same semantics as etcd.

use std::time::Duration;

use bytes::Bytes;

use super::{Entry, Expect, Listing, StoreError, Watch, Written};

/// A single node's store.
#[derive(Debug)]
pub struct EmbeddedStore {}

impl EmbeddedStore {
    /// Opens or creates the store in directory `dir` (file mode 0600, directory 0700).
    ///
    /// # Errors
    /// [`StoreError::Disk`] naming the file.
    pub fn open(_dir: &std::path::Path) -> Result<Self, StoreError> {
        Err(StoreError::Disk("not implemented".to_owned()))
    }
    pub(super) async fn list(&self) -> Result<Listing, StoreError> {
        Err(StoreError::Unavailable("not implemented".to_owned()))
    }
    pub(super) async fn watch(&self, _from: u64) -> Result<Watch, StoreError> {
        Err(StoreError::Unavailable("not implemented".to_owned()))
    }
    pub(super) async fn get(&self, _key: &str) -> Result<Option<Entry>, StoreError> {
        Err(StoreError::Unavailable("not implemented".to_owned()))
    }
    pub(super) async fn put(
        &self,
        _key: &str,
        _value: Bytes,
        _expect: Expect,
        _ttl: Option<Duration>,
    ) -> Result<Written, StoreError> {
        Err(StoreError::Unavailable("not implemented".to_owned()))
    }
    pub(super) async fn delete(&self, _key: &str, _expect: Expect) -> Result<Written, StoreError> {
        Err(StoreError::Unavailable("not implemented".to_owned()))
    }
}
