//! The record's `evidence` object: what was seen, with numbers as names.

use control::certificate::{CertInfo, name_of_der};
use serde::Serialize;

use super::view::AlertView;
use crate::alert::Evidence;
use crate::alert::evidence::{Chain, End, Own, Refusal, Shown};
use crate::alert::finding::Context;
use crate::alert::words;
use crate::handshake::{CertificateRequest, ClientHello, Message, ServerHello, names};

/// Entries of one list that are shown.
const MOST_SHOWN: usize = 40;
/// Characters of an error.
const MOST_ERROR: usize = 1000;

/// See the module.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    end: &'static str,
    refusal: Option<&'static str>,
    error: String,
    alerts: Vec<AlertView>,
    messages: Messages,
    foreign: Option<String>,
    client_hello: Option<HelloView>,
    server_hello: Option<AnswerView>,
    peer_chain: Vec<Certificate>,
    certificate_request: Option<RequestView>,
    own: OwnView,
    local: Option<String>,
    request_id: Option<String>,
    revision: u64,
    elapsed_ms: u128,
    bytes_received: u64,
    bytes_sent: u64,
}

/// Plaintext handshake messages by name.
#[derive(Debug, Serialize)]
struct Messages {
    sent: Vec<String>,
    received: Vec<String>,
}

#[derive(Debug, Serialize)]
struct HelloView {
    versions: Vec<String>,
    suites: Vec<String>,
    suites_total: usize,
    groups: Vec<String>,
    schemes: Vec<String>,
    alpn: Vec<String>,
    sni: Option<String>,
    fallback: bool,
    resumption: bool,
}

#[derive(Debug, Serialize)]
struct AnswerView {
    version: String,
    suite: String,
    group: Option<String>,
    retry: bool,
    alpn: Option<String>,
}

/// One certificate in a few words.
#[derive(Debug, Serialize)]
struct Certificate {
    subject: String,
    issuer: String,
    serial: String,
    not_before: String,
    not_after: String,
    names: Vec<String>,
    key: String,
    fingerprint: String,
}

#[derive(Debug, Serialize)]
struct RequestView {
    authorities: Vec<String>,
    authorities_total: usize,
    schemes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OwnView {
    versions: Vec<String>,
    suites: Vec<String>,
    groups: Vec<String>,
    schemes: Vec<String>,
    alpn: Vec<String>,
    chain: Vec<Certificate>,
    certificate: &'static str,
    trusted: Vec<String>,
    platform_roots: bool,
    verify: bool,
    verify_name: Option<String>,
    client_auth: bool,
}

impl Seen {
    pub(super) fn of(context: &Context, evidence: &Evidence) -> Self {
        Self {
            end: end(&evidence.end),
            refusal: match &evidence.end {
                End::Refused(refusal) => Some(refused(refusal)),
                _ => None,
            },
            error: words::plain(&evidence.error, MOST_ERROR),
            alerts: evidence.alerts.iter().map(AlertView::of).collect(),
            messages: Messages {
                sent: messages(&evidence.sent),
                received: messages(&evidence.received),
            },
            foreign: evidence.foreign.as_ref().map(words::foreign),
            client_hello: evidence.hello.as_ref().map(HelloView::of),
            server_hello: evidence.server_hello.as_ref().map(AnswerView::of),
            peer_chain: certificates(&evidence.peer_chain),
            certificate_request: evidence.request.as_ref().map(RequestView::of),
            own: OwnView::of(&evidence.own),
            local: context.local.map(|local| local.to_string()),
            request_id: context.request.as_deref().map(words::name),
            revision: context.revision,
            elapsed_ms: evidence.elapsed.as_millis(),
            bytes_received: evidence.bytes.0,
            bytes_sent: evidence.bytes.1,
        }
    }
}

impl HelloView {
    fn of(hello: &ClientHello) -> Self {
        let versions = match &hello.supported_versions {
            Some(versions) => versions.clone(),
            None => vec![hello.legacy_version],
        };
        Self {
            versions: named(&versions, names::version),
            suites: named(&hello.cipher_suites, names::suite),
            suites_total: hello.cipher_suites.len(),
            groups: named(&hello.groups, names::group),
            schemes: named(
                hello.signature_schemes.as_deref().unwrap_or_default(),
                names::scheme,
            ),
            alpn: hello
                .alpn
                .iter()
                .take(MOST_SHOWN)
                .map(|name| words::bytes(name))
                .collect(),
            sni: hello.sni.as_deref().map(words::name),
            fallback: hello.fallback_scsv,
            resumption: hello.resumption,
        }
    }
}

impl AnswerView {
    fn of(hello: &ServerHello) -> Self {
        Self {
            version: names::version(hello.version),
            suite: names::suite(hello.cipher_suite),
            group: hello.group.map(names::group),
            retry: hello.retry,
            alpn: hello.alpn.as_deref().map(words::bytes),
        }
    }
}

impl Certificate {
    fn of(info: &CertInfo) -> Self {
        let addresses = info.ip_names().iter().map(ToString::to_string);
        Self {
            subject: info.subject().to_owned(),
            issuer: info.issuer().to_owned(),
            serial: info.serial().to_owned(),
            not_before: words::date(info.not_before()),
            not_after: words::date(info.not_after()),
            names: info.dns_names().iter().cloned().chain(addresses).collect(),
            key: info.key().to_string(),
            fingerprint: info.fingerprint().to_owned(),
        }
    }
}

impl RequestView {
    fn of(request: &CertificateRequest) -> Self {
        let shown = request.authorities.iter().take(MOST_SHOWN);
        Self {
            authorities: shown.filter_map(|der| name_of_der(der)).collect(),
            authorities_total: request.total_authorities,
            schemes: named(&request.schemes, names::scheme),
        }
    }
}

impl OwnView {
    fn of(own: &Own) -> Self {
        Self {
            versions: named(&own.versions, names::version),
            suites: named(&own.suites, names::suite),
            groups: named(&own.groups, names::group),
            schemes: named(&own.schemes, names::scheme),
            alpn: own.alpn.iter().map(|name| words::name(name)).collect(),
            chain: certificates(&own.chain),
            certificate: match own.shown {
                Shown::NotAsked => "not_asked",
                Shown::Nothing => "asked_none_shown",
                Shown::Chain => "shown",
            },
            trusted: own.anchors.iter().map(|name| words::name(name)).collect(),
            platform_roots: own.platform_roots,
            verify: own.verify,
            verify_name: own.verify_name.as_deref().map(words::name),
            client_auth: own.client_auth,
        }
    }
}

fn certificates(chain: &Chain) -> Vec<Certificate> {
    chain.facts().iter().map(Certificate::of).collect()
}

fn named(numbers: &[u16], name: fn(u16) -> String) -> Vec<String> {
    let known = numbers
        .iter()
        .copied()
        .filter(|number| !names::is_grease(*number));
    known.take(MOST_SHOWN).map(name).collect()
}

fn messages(all: &[Message]) -> Vec<String> {
    all.iter()
        .map(|message| names::message(message.kind))
        .collect()
}

const fn end(end: &End) -> &'static str {
    match end {
        End::Refused(_) => "refused",
        End::Alerted => "alert",
        End::Closed => "closed",
        End::Reset => "reset",
        End::TimedOut => "timed_out",
        End::NotConnected => "not_connected",
        End::Other => "other",
    }
}

/// What we refused, as one word.
const fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Version => "version",
        Refusal::Fallback => "fallback",
        Refusal::Cipher => "cipher",
        Refusal::Group => "group",
        Refusal::Scheme => "signature_scheme",
        Refusal::Alpn => "alpn",
        Refusal::SniMissing => "sni_missing",
        Refusal::SniUnknown => "sni_unknown",
        Refusal::MissingMaterial => "missing_material",
        Refusal::HostMismatch => "host_mismatch",
        Refusal::NoClientCertificate => "no_client_certificate",
        Refusal::Certificate(_) => "certificate",
        Refusal::BadSignature => "signature",
        Refusal::TlsOnPlainPort => "tls_on_plain_port",
        Refusal::Protocol => "protocol",
        Refusal::Internal => "internal",
    }
}
