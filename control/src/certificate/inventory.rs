//! Every certificate in use: what a Snapshot's objects serve, present and trust, and what the node itself adds. Owns where
//! certificates are and how urgent each is at a glance; what is wrong with one is for `assess`.
//! In the line: `admin` lists what this finds.

use rustls_pki_types::CertificateDer;
use serde::Serialize;

use crate::object::{
    ClientIdentity, Kind, Material, Ssl, Upstream, Usage, chain_not_after, first_not_after,
};
use crate::snapshot::Snapshot;

/// What certificates are in use for. The names are those of the label `kind` of the metric
/// `tls_certificate_not_after_seconds`, which has no `ca`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Served to clients for the names of an SSL object.
    Server,
    /// Shown to targets by upstreams that refer to an SSL object of type client.
    Client,
    /// Shown to targets, inline in an upstream.
    UpstreamClient,
    /// Trusted: what clients' or targets' certificates must lead to.
    Ca,
    /// The node's own, towards other nodes.
    Hop,
}

impl Use {
    const ALL: [Self; 5] = [
        Self::Server,
        Self::Client,
        Self::UpstreamClient,
        Self::Ca,
        Self::Hop,
    ];

    /// As it is written in answers and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::UpstreamClient => "upstream_client",
            Self::Ca => "ca",
            Self::Hop => "hop",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// One chain, or one set of anchors, and where it is in use.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// For what.
    pub usage: Use,
    /// `ssls/1`, `upstreams/2`, `routes/3` for an upstream inline in it, `nodes/NAME` for the node's own.
    pub id: String,
    /// Where in the object: `cert`, `certs[0]`, `client.ca`, `tls.ca_certs`, `upstream.tls.client_cert`, `node.crt`.
    pub field: String,
    /// Names it is served for; for the node's own its name.
    pub names: Vec<&'a str>,
    /// The chain, leaf first; or anchors, in no order.
    pub certificates: &'a [CertificateDer<'static>],
    /// When the first of them that is needed ends, unix seconds.
    pub not_after: i64,
}

/// What a node has besides its Snapshot.
#[derive(Clone, Debug, Default)]
pub struct NodeCertificates {
    /// The node's name and the chain that it shows to other nodes, if there is one.
    pub hop: Option<(String, Vec<CertificateDer<'static>>)>,
    /// The platform's roots: an issuer among them is nobody's missing intermediate. May be empty.
    pub roots: Vec<CertificateDer<'static>>,
}

/// All entries; those that end first come first. Objects that are disabled are not in use.
pub fn entries<'a>(snapshot: &'a Snapshot, own: &'a NodeCertificates) -> Vec<Entry<'a>> {
    let mut all = Vec::new();
    for ssl in snapshot.ssls().filter(|ssl| ssl.is_enabled()) {
        of_ssl(ssl, &mut all);
    }
    for upstream in snapshot.all_upstreams() {
        of_upstream(upstream, &mut all);
    }
    if let Some((name, chain)) = &own.hop {
        all.push(Entry {
            usage: Use::Hop,
            id: format!("nodes/{name}"),
            field: "node.crt".to_owned(),
            names: vec![name],
            certificates: chain,
            not_after: chain_not_after(chain).unwrap_or(i64::MAX),
        });
    }
    all.sort_by(|a, b| {
        let place = |entry: &Entry<'_>| (entry.not_after, entry.usage);
        place(a)
            .cmp(&place(b))
            .then_with(|| (&a.id, &a.field).cmp(&(&b.id, &b.field)))
    });
    all
}

fn of_ssl<'a>(ssl: &'a Ssl, all: &mut Vec<Entry<'a>>) {
    let id = format!("{}/{}", Kind::Ssl.dir(), ssl.id());
    let usage = match ssl.usage() {
        Usage::Server => Use::Server,
        Usage::Client => Use::Client,
    };
    for (number, material) in ssl.material().iter().enumerate() {
        let field = match number.checked_sub(1) {
            None => "cert".to_owned(),
            Some(index) => format!("certs[{index}]"),
        };
        all.push(Entry {
            names: ssl.names().iter().map(AsRef::as_ref).collect(),
            ..chain(usage, id.clone(), field, material)
        });
    }
    if let Some(client) = ssl.client() {
        all.push(anchors(id, "client.ca".to_owned(), client.ca()));
    }
}

fn of_upstream<'a>(upstream: &'a Upstream, all: &mut Vec<Entry<'a>>) {
    let id = upstream.key().to_string();
    let below = if id.starts_with(Kind::Upstream.dir()) {
        "tls"
    } else {
        "upstream.tls"
    };
    let tls = upstream.tls();
    if let ClientIdentity::Inline(material) = &tls.identity {
        let field = format!("{below}.client_cert");
        all.push(chain(Use::UpstreamClient, id.clone(), field, material));
    }
    if !tls.ca_certs.is_empty() {
        all.push(anchors(id, format!("{below}.ca_certs"), &tls.ca_certs));
    }
}

fn chain(usage: Use, id: String, field: String, material: &Material) -> Entry<'_> {
    Entry {
        usage,
        id,
        field,
        names: Vec::new(),
        certificates: material.chain(),
        not_after: chain_not_after(material.chain()).unwrap_or_else(|| material.not_after()),
    }
}

fn anchors<'a>(id: String, field: String, set: &'a [CertificateDer<'static>]) -> Entry<'a> {
    Entry {
        usage: Use::Ca,
        id,
        field,
        names: Vec::new(),
        certificates: set,
        not_after: first_not_after(set).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests;
