//! Who is who in a failed handshake, and what they and our objects are called in its texts.

use control::certificate::{CertInfo, name_of_der};

use super::Context;
use super::words;
use crate::alert::evidence::{End, Evidence, Refusal, Side};
use crate::alert::{CertFault, Hop};

/// Names of one list.
pub(super) const MOST_NAMES: usize = 5;
/// Numbers (suites, groups) of one list.
pub(super) const MOST_NUMBERS: usize = 6;
const SECONDS_A_DAY: i64 = 86_400;

/// See the module.
pub(super) struct Scene<'a> {
    pub(super) context: &'a Context,
    pub(super) evidence: &'a Evidence,
}

impl Scene<'_> {
    pub(super) const fn hop(&self) -> Hop {
        self.evidence.hop
    }

    /// We are the server of this handshake.
    pub(super) fn serves(&self) -> bool {
        self.evidence.side == Side::Server
    }

    /// The certificate at fault is one of ours: a client's where we are the client.
    pub(super) fn is_ours(&self, clients: bool) -> bool {
        clients != self.serves()
    }

    /// What the other end is: `client`, `target`, `router`.
    pub(super) fn kind(&self) -> &'static str {
        match (self.hop(), self.evidence.side) {
            (Hop::Internal, Side::Server) => "router",
            (Hop::Internal, Side::Client) => "processor",
            (_, Side::Server) => "client",
            (Hop::Southbound, Side::Client) => "target",
            (Hop::Northbound, Side::Client) => "server",
        }
    }

    /// The other end with its address: `the target api.test:443 (192.0.2.1:443)`.
    pub(super) fn peer(&self) -> String {
        let kind = self.kind();
        let address = self.context.peer.map(|peer| peer.to_string());
        match (&self.context.target, address) {
            (Some(target), Some(address)) if *target == address => format!("the {kind} {address}"),
            (Some(target), Some(address)) => {
                format!("the {kind} {} ({address})", words::name(target))
            }
            (Some(target), None) => format!("the {kind} {}", words::name(target)),
            (None, Some(address)) => format!("the {kind} {address}"),
            (None, None) => format!("the {kind}"),
        }
    }

    /// The same at the beginning of a sentence.
    pub(super) fn the_peer(&self) -> String {
        capital(&self.peer())
    }

    /// The object whose policy and certificate it was: `ssls/7`.
    pub(super) fn ssl(&self) -> String {
        match &self.context.ssl {
            Some(id) if id.contains('/') => words::name(id),
            Some(id) => format!("ssls/{}", words::name(id)),
            None => "the ssl object".to_owned(),
        }
    }

    /// `upstreams/3 field tls.sni`, or `routes/1 field upstream.tls.sni` where it stands in another object.
    pub(super) fn upstream(&self, field: &str) -> String {
        match self.context.upstream.as_deref() {
            None => format!("the upstream's field {field}"),
            Some(key) if key.starts_with("upstreams/") => {
                format!("{} field {field}", words::name(key))
            }
            Some(key) if key.contains('/') => {
                format!("{} field upstream.{field}", words::name(key))
            }
            Some(id) => format!("upstreams/{} field {field}", words::name(id)),
        }
    }

    /// Where our own certificate for this handshake is configured.
    pub(super) fn own_place(&self) -> String {
        match (self.hop(), self.serves()) {
            (Hop::Internal, _) => "node.crt and node.key in the directory of --hop-tls".to_owned(),
            (_, true) => format!("{} fields cert and key", self.ssl()),
            (_, false) if self.context.ssl.is_some() => {
                format!("{} fields cert and key", self.ssl())
            }
            (_, false) => format!("{} and tls.client_key", self.upstream("tls.client_cert")),
        }
    }

    /// Where the CAs are configured that we trust for the peer.
    pub(super) fn trust_place(&self) -> String {
        match (self.hop(), self.serves()) {
            (Hop::Internal, _) => "ca.crt in the directory of --hop-tls".to_owned(),
            (_, true) => format!("{} field client.ca", self.ssl()),
            (_, false) => self.upstream("tls.ca_certs"),
        }
    }

    /// The CAs that we trust for the peer: `any of the 2 CAs of ssls/7 field client.ca: CN=A, CN=B`.
    pub(super) fn trusted(&self) -> String {
        let own = &self.evidence.own;
        if own.platform_roots {
            return "any CA of the platform's root store".to_owned();
        }
        let place = self.trust_place();
        match own.anchors.len() {
            0 => format!("any CA of {place}"),
            1 => format!(
                "the CA of {place}: {}",
                words::list(&own.anchors, MOST_NAMES)
            ),
            n => format!(
                "any of the {n} CAs of {place}: {}",
                words::list(&own.anchors, MOST_NAMES)
            ),
        }
    }

    /// The names of the CAs that the peer asked for a certificate of; `None` if it named none.
    pub(super) fn wanted(&self) -> Option<String> {
        let request = self.evidence.request.as_ref()?;
        let named: Vec<String> = request
            .authorities
            .iter()
            .filter_map(|der| name_of_der(der))
            .collect();
        (!named.is_empty()).then(|| words::list(&named, MOST_NAMES))
    }

    /// The server name, whoever sent it.
    pub(super) fn sni(&self) -> Option<String> {
        let sent = self
            .evidence
            .hello
            .as_ref()
            .and_then(|hello| hello.sni.as_deref());
        self.context.sni.as_deref().or(sent).map(words::name)
    }

    /// The name that the target's certificate must be for.
    pub(super) fn expected(&self) -> Option<String> {
        let expected = self.evidence.own.verify_name.as_deref().map(words::name);
        expected.or_else(|| self.sni())
    }

    /// The chain in question, leaf first.
    pub(super) fn chain(&self, ours: bool) -> &[CertInfo] {
        if ours {
            self.evidence.own.chain.facts()
        } else {
            self.evidence.peer_chain.facts()
        }
    }

    pub(super) fn leaf(&self, ours: bool) -> Option<&CertInfo> {
        self.chain(ours).first()
    }

    /// `certificate CN=app1 (issuer CN=Corp CA, serial 07:bc)`.
    pub(super) fn certificate(&self, ours: bool) -> String {
        self.leaf(ours)
            .map_or_else(|| "certificate".to_owned(), certificate)
    }

    /// We ended it, by a decision of ours.
    pub(super) const fn refused(&self) -> bool {
        matches!(self.evidence.end, End::Refused(_))
    }

    /// The verifier's word on the peer's certificate.
    pub(super) const fn fault(&self) -> Option<&CertFault> {
        match &self.evidence.end {
            End::Refused(Refusal::Certificate(fault)) => Some(fault),
            _ => None,
        }
    }

    /// `with alert 48 (unknown_ca)`, or how it ended without one.
    pub(super) fn how(&self) -> String {
        match (self.evidence.decisive_alert(), &self.evidence.end) {
            (Some(seen), _) => format!("with alert {} ({})", seen.alert.0, seen.alert.name()),
            (None, End::Closed) => "by closing the connection without an alert".to_owned(),
            (None, End::Reset) => "by resetting the connection".to_owned(),
            (None, End::TimedOut) => "by not going on in time".to_owned(),
            (None, _) => "without an alert".to_owned(),
        }
    }

    /// When it failed.
    pub(super) fn now(&self) -> String {
        words::date(self.evidence.at)
    }

    /// ` (12 days ago)`, ` (in 3 days)`; nothing for less than a day.
    pub(super) fn days(&self, when: i64) -> String {
        let days = self.evidence.at.saturating_sub(when) / SECONDS_A_DAY;
        match days {
            0 => String::new(),
            1 => " (1 day ago)".to_owned(),
            -1 => " (in 1 day)".to_owned(),
            d if d > 0 => format!(" ({d} days ago)"),
            d => format!(" (in {} days)", d.unsigned_abs()),
        }
    }

    /// The exact error, where it says more than the texts: ` (not valid …)`.
    pub(super) fn error(&self) -> String {
        match words::plain(&self.evidence.error, 200) {
            error if error.is_empty() => String::new(),
            error => format!(" ({error})"),
        }
    }
}

/// `certificate CN=app1 (issuer CN=Corp CA, serial 07:bc)`.
pub(super) fn certificate(info: &CertInfo) -> String {
    format!(
        "certificate {} (issuer {}, serial {})",
        subject(info),
        or_none(info.issuer()),
        info.serial()
    )
}

/// The subject, or the first name of a certificate without one.
pub(super) fn subject(info: &CertInfo) -> String {
    match (info.subject(), info.dns_names().first()) {
        ("", Some(name)) => name.clone(),
        (subject, _) => or_none(subject).to_owned(),
    }
}

fn or_none(name: &str) -> &str {
    if name.is_empty() {
        "without a name"
    } else {
        name
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
