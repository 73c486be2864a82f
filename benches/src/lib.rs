//! What the benchmarks share: objects by the hundred thousand, as they lie in the store. Owns no measuring.
//!
//! * `benches/snapshot.rs`: look-ups and changes, `cargo bench -p cluster-benches`
//! * `src/bin/load.rs`: a whole etcd read into a Snapshot, time and memory
//! * `src/bin/handshakes.rs`: a client that does nothing but full TLS 1.3 handshakes with a certificate
//! * `src/bin/spread.rs`: a cluster of processes: how fast a change reaches all of them, how long a new one takes to join
//! * `hop/run.sh`: one process with both roles beside router and processor apart, requests for each CPU-second
//! * `peers/run.sh`: Sallyport beside nginx, requests and handshakes for each CPU-second

pub mod etcd;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;

/// Objects of each kind in the standard population.
pub const COUNT: usize = 100_000;

/// Routes for each host in the standard population.
pub const ROUTES_PER_HOST: usize = 5;

/// A certificate and its key, PEM.
pub struct Pair {
    /// `cert`
    pub cert: String,
    /// `key`
    pub key: String,
}

/// `count` distinct self-signed P-256 pairs.
///
/// # Errors
/// Those of key generation.
pub fn pairs(count: usize) -> Result<Vec<Pair>, rcgen::Error> {
    (0..count)
        .map(|n| {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let cert = CertificateParams::new([format!("bench{n}.example")])?.self_signed(&key)?;
            Ok(Pair {
                cert: cert.pem(),
                key: key.serialize_pem(),
            })
        })
        .collect()
}

/// The name SSL object `n` serves: every tenth is a wildcard.
pub fn ssl_name(n: usize) -> String {
    let owner = if n.is_multiple_of(10) { "*" } else { "www" };
    format!("{owner}.tenant{n}.example")
}

/// SSL object `n` as it lies in the store.
pub fn ssl(n: usize, pairs: &[Pair]) -> Vec<u8> {
    let pair = &pairs[n % pairs.len()];
    json!({ "sni": ssl_name(n), "cert": pair.cert, "key": pair.key })
        .to_string()
        .into_bytes()
}

/// The host pattern of host `h`: every tenth is a wildcard.
pub fn host(h: usize) -> String {
    let owner = if h.is_multiple_of(10) { "*" } else { "api" };
    format!("{owner}.shop{h}.example")
}

/// Route `n` as it lies in the store: of five below each host two are exact and three are prefixes.
pub fn route(n: usize) -> Vec<u8> {
    let uri = match n % ROUTES_PER_HOST {
        0 => "/*".to_owned(),
        1 => "/health".to_owned(),
        2 => "/api/v1/orders/*".to_owned(),
        3 => "/api/v1/items*".to_owned(),
        _ => "/api/v1/status".to_owned(),
    };
    json!({ "host": host(n / ROUTES_PER_HOST), "uri": uri, "upstream_id": "1" })
        .to_string()
        .into_bytes()
}

/// Route `n` of a population without hosts: all share one index.
pub fn hostless_route(n: usize) -> Vec<u8> {
    let star = if n.is_multiple_of(2) { "/*" } else { "" };
    json!({ "uri": format!("/tenant/{n}/data{star}"), "upstream_id": "1" })
        .to_string()
        .into_bytes()
}
