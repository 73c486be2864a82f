//! How an upstream picks among its nodes: the validated `type`, `hash_on` and `key`.

/// The balancing algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Balance {
    /// Smooth weighted round robin.
    RoundRobin,
    /// Consistent hashing on a request property.
    Chash(HashOn),
    /// Fewest requests in flight per weight.
    LeastConn,
    /// Peak-EWMA latency of two picked at random.
    Ewma,
}

/// What `chash` hashes; an absent value falls back to the client's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HashOn {
    /// A variable: `uri`, `remote_addr`, `arg_x`, ...
    Var(String),
    /// A request header.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A template of `$variables`.
    Vars(String),
}
