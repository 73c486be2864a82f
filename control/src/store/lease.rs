//! Several keys that stay only while their holder renews them.

use bytes::Bytes;

use super::{Expect, StoreError, Written, etcd, memory};

/// See the module; made by [`Store::lease`](super::Store::lease). Dropping it lets it run out, [`Self::revoke`] ends it at once.
#[derive(Debug)]
pub struct Lease(pub(super) Of);

#[derive(Debug)]
pub(super) enum Of {
    Etcd(etcd::Lease),
    Memory(memory::Lease),
}

impl Lease {
    /// Starts its time again; false if it has run out: then another one has to be made, and the keys put again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew(&self) -> Result<bool, StoreError> {
        match &self.0 {
            Of::Etcd(lease) => lease.renew().await,
            Of::Memory(_) => Ok(true),
        }
    }

    /// Writes `key`, which goes when this lease does, if `expect` holds.
    ///
    /// # Errors
    /// [`StoreError`]; also if the lease has run out.
    pub async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        match &self.0 {
            Of::Etcd(lease) => lease.put(key, value, expect).await,
            Of::Memory(lease) => Ok(lease.put(key, value, expect)),
        }
    }

    /// Ends it and deletes its keys.
    ///
    /// # Errors
    /// [`StoreError`]; then it runs out by itself.
    pub async fn revoke(self) -> Result<(), StoreError> {
        match &self.0 {
            Of::Etcd(lease) => lease.revoke().await,
            Of::Memory(lease) => {
                lease.revoke();
                Ok(())
            }
        }
    }
}
