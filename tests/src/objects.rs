//! The objects tests write, as short as they can be.

use serde_json::{Value, json};

use crate::pki::{Authority, Identity};

/// An upstream of one plain node.
pub fn upstream(node: &str) -> Value {
    json!({"type": "roundrobin", "nodes": {node: 1}})
}

/// A route of every path to one plain node.
pub fn route(node: &str) -> Value {
    json!({"uri": "/*", "upstream": upstream(node)})
}

/// A route of every path to an https node with these `tls` settings; the node's Host and SNI is `host`.
pub fn https_route(node: &str, host: &str, tls: &Value) -> Value {
    let upstream = json!({
        "type": "roundrobin", "scheme": "https", "nodes": {node: 1},
        "pass_host": "rewrite", "upstream_host": host, "tls": tls,
    });
    json!({"uri": "/*", "upstream": upstream})
}

/// An SSL object for one name.
pub fn ssl(name: &str, identity: &Identity) -> Value {
    json!({"sni": name, "cert": identity.chain, "key": identity.key})
}

/// An SSL object that demands certificates of this authority.
pub fn mtls(name: &str, identity: &Identity, authority: &Authority) -> Value {
    json!({"sni": name, "cert": identity.chain, "key": identity.key, "client": {"ca": authority.cert}})
}
