//! The etcd store: this directory is the only place that names `etcd_client`. This file owns the connection, the
//! sign-in and the single-key calls; `list` pages through the prefix, `watch` follows it, `lease` keeps keys alive.
//! Every call has a deadline: a stopped etcd would hang it for ever otherwise.

mod lease;
mod list;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{
    Certificate, Client, Compare, CompareOp, ConnectOptions, Error, Identity, ResponseHeader,
    TlsOptions, Txn, TxnOp,
};

pub(super) use lease::Lease;

use super::{Entry, Expect, Listing, Pages, StoreError, Watch, Written};

const CONNECT: Duration = Duration::from_secs(2);
/// For one call, sign-in apart.
const CALL: Duration = Duration::from_secs(5);
/// A connection with a call or a watch on it is pinged after this long without a byte, and dropped after as much again.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Of one message, in bytes; the library's 4 MB are less than a page of certificates can take.
const MAX_MESSAGE: usize = 64 << 20;
/// gRPC's number for what is too large to decode, and for a revision that is compacted away.
const OUT_OF_RANGE: i32 = 11;

/// How to reach etcd.
#[derive(Clone, Default)]
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

impl std::fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("EtcdOptions");
        out.field("endpoints", &self.endpoints)
            .field("tls", &self.tls)
            .field("prefix", &self.prefix);
        out.finish_non_exhaustive()
    }
}

/// An etcd cluster under one prefix.
#[derive(Debug)]
pub struct EtcdStore {
    link: Arc<Link>,
}

/// What calls, listings and watches share.
struct Link {
    client: Client,
    /// For error texts.
    endpoints: String,
    /// With its trailing slash.
    prefix: String,
    user: Option<(String, String)>,
    /// Whether the client holds a token that was good when last heard of.
    signed_in: Arc<tokio::sync::Mutex<bool>>,
    /// Cluster id and raft term of the last listing: another cluster, or a term that fell, is another history.
    origin: Mutex<Option<(u64, u64)>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "etcd {}{}", self.endpoints, self.prefix)
    }
}

impl EtcdStore {
    /// Makes the client; does not wait for etcd to be reachable. Runs on the runtime that later drives the connection.
    ///
    /// # Errors
    /// Bad options only (endpoint syntax, PEM); an etcd that is away is no error here.
    pub async fn new(options: EtcdOptions) -> Result<Self, StoreError> {
        let scheme = if options.tls { "https" } else { "http" };
        let endpoints: Vec<_> = options
            .endpoints
            .iter()
            .map(|e| format!("{scheme}://{e}"))
            .collect();
        let mut connect = ConnectOptions::new()
            .with_connect_timeout(CONNECT)
            .with_timeout(CALL)
            .with_keep_alive(KEEP_ALIVE, KEEP_ALIVE)
            // etcd hangs up on clients that ping without a call in flight; each call finds a dead connection itself.
            .with_keep_alive_while_idle(false)
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if options.tls {
            connect = connect.with_tls(tls(&options));
        }
        let names = endpoints.join(",");
        // Without the user: the client would sign in here and fail if etcd is away.
        let client = Client::connect(&endpoints, Some(connect))
            .await
            .map_err(|e| unavailable(&names, &e))?;
        let prefix = format!("{}/", options.prefix.trim_end_matches('/'));
        let link = Link {
            client,
            endpoints: names,
            prefix,
            user: options.user,
            signed_in: Arc::default(),
            origin: Mutex::new(None),
        };
        Ok(Self {
            link: Arc::new(link),
        })
    }

    /// The same connection and sign-in under another prefix.
    pub(super) fn beside(&self, suffix: &str) -> Self {
        let of = &self.link;
        let link = Link {
            client: of.client.clone(),
            endpoints: of.endpoints.clone(),
            prefix: format!("{}{suffix}/", of.prefix.trim_end_matches('/')),
            user: of.user.clone(),
            signed_in: of.signed_in.clone(),
            origin: Mutex::new(None),
        };
        Self {
            link: Arc::new(link),
        }
    }

    pub(super) async fn lease(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.link.sign_in().await?;
        Lease::grant(self.link.clone(), ttl).await
    }

    pub(super) async fn list(&self) -> Result<Listing, StoreError> {
        let mut pages = self.pages();
        let mut whole = Listing::default();
        while let Some(page) = pages.next().await? {
            whole.revision = page.revision;
            whole.entries.extend(page.entries);
        }
        Ok(whole)
    }

    pub(super) fn pages(&self) -> Pages {
        list::start(self.link.clone())
    }

    pub(super) async fn watch(&self, from: u64) -> Result<Watch, StoreError> {
        watch::open(self.link.clone(), from).await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.link.sign_in().await?;
        let mut kv = self
            .link
            .client
            .kv_client()
            .max_decoding_message_size(MAX_MESSAGE);
        let mut response = self.link.call(kv.get(self.link.full(key), None)).await?;
        Ok(response.take_kvs().into_iter().next().map(|kv| {
            let (create_revision, mod_revision) =
                (number(kv.create_revision()), number(kv.mod_revision()));
            let value = Bytes::from(kv.into_key_value().1);
            Entry {
                key: key.to_owned(),
                value,
                create_revision,
                mod_revision,
            }
        }))
    }

    pub(super) async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Written, StoreError> {
        let Some(ttl) = ttl else {
            self.link.sign_in().await?;
            let key = self.link.full(key);
            let condition = conditions(&key, expect);
            return self
                .link
                .write(condition, TxnOp::put(key, value, None))
                .await;
        };
        let lease = self.lease(ttl).await?;
        let written = lease.put(key, value, expect).await;
        if !matches!(written, Ok(Written::At(_))) {
            // Nobody holds it; if this fails as well it runs out by itself.
            let _ = lease.revoke().await;
        }
        written
    }

    pub(super) async fn delete(&self, key: &str, expect: Expect) -> Result<Written, StoreError> {
        self.link.sign_in().await?;
        let key = self.link.full(key);
        let condition = match expect {
            // Without a condition the deletion of nothing would succeed.
            Expect::Any => Compare::version(key.clone(), CompareOp::Greater, 0),
            Expect::Absent => return Ok(Written::Conflict),
            Expect::Revision(revision) => at_revision(&key, revision),
        };
        self.link
            .write(vec![condition], TxnOp::delete(key, None))
            .await
    }
}

impl Link {
    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The end of the prefix's range: `/` is followed by `0`.
    fn range_end(&self) -> String {
        format!("{}0", self.prefix.trim_end_matches('/'))
    }

    async fn write(
        &self,
        condition: Vec<Compare>,
        operation: TxnOp,
    ) -> Result<Written, StoreError> {
        let txn = Txn::new().when(condition).and_then([operation]);
        let response = self.call(self.client.kv_client().txn(txn)).await?;
        Ok(match response.header() {
            Some(header) if response.succeeded() => Written::At(number(header.revision())),
            _ => Written::Conflict,
        })
    }

    /// Signs in if there is a user and the token is not known to be good.
    async fn sign_in(&self) -> Result<(), StoreError> {
        let Some(user) = &self.user else {
            return Ok(());
        };
        let mut signed_in = self.signed_in.lock().await;
        if !*signed_in {
            let mut client = self.client.clone();
            self.call(client.update_user(Some(user.clone()))).await?;
            *signed_in = true;
        }
        Ok(())
    }

    async fn sign_out(&self) {
        *self.signed_in.lock().await = false;
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        match tokio::time::timeout(CALL, call).await {
            Ok(result) => result.map_err(|e| self.explain(&e)),
            Err(_) => Err(self.away(&format!("no answer within {} s", CALL.as_secs()))),
        }
    }

    fn explain(&self, error: &Error) -> StoreError {
        match error {
            Error::GRpcStatus(status)
                if status.code() as i32 == OUT_OF_RANGE
                    && status.message().contains("compacted") =>
            {
                StoreError::Compacted(0)
            }
            _ => unavailable(&self.endpoints, error),
        }
    }

    fn away(&self, why: &str) -> StoreError {
        StoreError::Unavailable(format!("etcd {}: {why}", self.endpoints))
    }

    /// Remembers whose history is being read.
    fn set_origin(&self, header: &ResponseHeader) {
        let origin = Some((header.cluster_id(), header.raft_term()));
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    fn same_origin(&self, header: &ResponseHeader) -> bool {
        let origin = *self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        origin.is_none_or(|(cluster, term)| {
            header.cluster_id() == cluster && header.raft_term() >= term
        })
    }
}

fn tls(options: &EtcdOptions) -> TlsOptions {
    let mut tls = TlsOptions::new();
    tls = match &options.ca_pem {
        Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
        None => tls.with_native_roots(),
    };
    match &options.identity_pem {
        Some((chain, key)) => tls.identity(Identity::from_pem(chain, key)),
        None => tls,
    }
}

/// The error and what caused it, each once: the outermost text alone is often just "transport error".
fn unavailable(endpoints: &str, error: &Error) -> StoreError {
    let (mut why, mut cause) = match error {
        Error::GRpcStatus(status) => (
            status.message().to_owned(),
            std::error::Error::source(status),
        ),
        Error::TransportError(e) => (e.to_string(), std::error::Error::source(e)),
        other => (other.to_string(), None),
    };
    while let Some(error) = cause {
        let text = error.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        cause = error.source();
    }
    // etcd's words for a wrong password, for none, and for a user without the right.
    if [
        "authentication failed",
        "user name is empty",
        "permission denied",
    ]
    .iter()
    .any(|refused| why.contains(refused))
    {
        why.push_str(" (--etcd-user, --etcd-password-file)");
    }
    StoreError::Unavailable(format!("etcd {endpoints}: {why}"))
}

/// The message did not fit our decoder's bound.
fn is_too_large(error: &Error) -> bool {
    matches!(error, Error::GRpcStatus(s) if s.code() as i32 == OUT_OF_RANGE && !s.message().contains("compacted"))
}

/// What must hold for a write.
fn conditions(key: &str, expect: Expect) -> Vec<Compare> {
    match expect {
        Expect::Any => Vec::new(),
        Expect::Absent => vec![Compare::version(key, CompareOp::Equal, 0)],
        Expect::Revision(revision) => vec![at_revision(key, revision)],
    }
}

fn at_revision(key: &str, revision: u64) -> Compare {
    Compare::mod_revision(key, CompareOp::Equal, signed(revision))
}

/// etcd counts in signed numbers that are never negative.
fn number(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
