//! The etcd store: the only file that names etcd_client.

use std::time::Duration;

use bytes::Bytes;

use super::{Entry, Expect, Listing, StoreError, Watch, Written};

/// How to reach etcd.
#[derive(Clone, Debug, Default)]
pub struct EtcdOptions {
    /// `host:port`, at least one.
    pub endpoints: Vec<String>,
    /// Use TLS (`etcds://`).
    pub tls: bool,
    /// Key prefix without trailing slash, e.g. `/apisix`.
    pub prefix: String,
    /// PEM bundle the servers must chain to; without it the platform's roots.
    pub ca_pem: Option<Vec<u8>>,
    /// PEM client certificate and key.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
    /// User and password.
    pub user: Option<(String, String)>,
}

/// An etcd cluster under one prefix.
#[derive(Debug)]
pub struct EtcdStore {}

impl EtcdStore {
    /// Makes the client; does not wait for etcd to be reachable.
    ///
    /// # Errors
    /// Bad options only (endpoint syntax, PEM); an etcd that is away is no error here.
    pub async fn new(_options: EtcdOptions) -> Result<Self, StoreError> {
        Err(StoreError::Unavailable("not implemented".to_owned()))
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
