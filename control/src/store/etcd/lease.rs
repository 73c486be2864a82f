//! Leases: granted, renewed one call at a time, revoked. Who holds one decides when; nothing here runs by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{Error, PutOptions, TxnOp};

use super::{Link, conditions};
use crate::store::{Expect, StoreError, Written};

/// A lease of etcd's; dropping it lets it run out.
#[derive(Debug)]
pub(in crate::store) struct Lease {
    link: Arc<Link>,
    id: i64,
}

impl Lease {
    /// etcd may make a very short `ttl` longer (2 s with its default election timeout).
    pub(super) async fn grant(link: Arc<Link>, ttl: Duration) -> Result<Self, StoreError> {
        let seconds = i64::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
        let mut client = link.client.lease_client();
        let granted = link.call(client.grant(seconds.max(1), None)).await?;
        let id = granted.id();
        Ok(Self { link, id })
    }

    /// Starts its time again; false if it has run out.
    pub(in crate::store) async fn renew(&self) -> Result<bool, StoreError> {
        self.link.sign_in().await?;
        let mut client = self.link.client.lease_client();
        // The answer to the stream's first message; the stream ends when it is dropped here.
        let answered = async {
            match client.keep_alive(self.id).await {
                Ok(_) => Ok(true),
                Err(Error::LeaseKeepAliveError(_)) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.link.call(answered).await
    }

    pub(in crate::store) async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        self.link.sign_in().await?;
        let key = self.link.full(key);
        let options = PutOptions::new().with_lease(self.id);
        let condition = conditions(&key, expect);
        self.link
            .write(condition, TxnOp::put(key, value, Some(options)))
            .await
    }

    /// Ends it and deletes its keys.
    pub(in crate::store) async fn revoke(&self) -> Result<(), StoreError> {
        self.link.sign_in().await?;
        let mut client = self.link.client.lease_client();
        self.link.call(client.revoke(self.id)).await.map(|_| ())
    }
}
