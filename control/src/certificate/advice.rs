//! What to do about a finding, in words: with the object, the field and the names in question, and an openssl command that
//! shows whether it is done right. Also how names, dates and spans are written in findings.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::CertInfo;
use super::inventory::{Entry, Use};

/// How many names are written out in a command or a sentence of advice.
const MOST_LISTED: usize = 5;

/// Shows what a new certificate says.
const SHOW: &str =
    "openssl x509 -in new.pem -noout -subject -issuer -dates -ext subjectAltName,extendedKeyUsage";
/// Shows that a chain leads to a root.
const VERIFY: &str = "openssl verify -CAfile root.pem -untrusted intermediates.pem leaf.pem";

/// Advice about one entry.
pub(super) struct Advice<'a> {
    entry: &'a Entry<'a>,
}

impl<'a> Advice<'a> {
    pub(super) const fn new(entry: &'a Entry<'a>) -> Self {
        Self { entry }
    }

    /// `cert and key of ssls/1`
    fn place(&self) -> String {
        let Entry { id, field, .. } = self.entry;
        match self.entry.usage {
            Use::Hop => format!("node.crt and node.key of {id}"),
            Use::Ca => format!("{field} of {id}"),
            Use::Server | Use::Client | Use::UpstreamClient => {
                format!("{field} and {} of {id}", key_field(field))
            }
        }
    }

    /// A new certificate for the old one.
    pub(super) fn renew(&self) -> String {
        match self.entry.usage {
            Use::Hop => {
                "Make a new one with `sallyport pki node` and put it into the directory of --hop-tls; it is read within \
                 seconds, without a restart"
                    .to_owned()
            }
            Use::Ca => self.replace_anchor(),
            Use::Server | Use::Client | Use::UpstreamClient => format!(
                "Put a new certificate with its chain, leaf first, and its key into {}; it is in use at once, without a \
                 restart. Look at it before: {SHOW}",
                self.place()
            ),
        }
    }

    /// A new issuer behind the same leaf.
    pub(super) fn replace_issuer(&self, issuers: &[&CertInfo]) -> String {
        let source = issuers.iter().find_map(|issuer| issuer.issuer_url());
        let source =
            source.map_or_else(String::new, |url| format!(" (the next one up is at {url})"));
        format!(
            "Get the authority's current chain{source} and put it behind the leaf in {} of {}. It is right if this \
             says OK: {VERIFY}",
            self.entry.field, self.entry.id
        )
    }

    /// An authority's certificate that comes to its end.
    pub(super) fn replace_anchor(&self) -> String {
        format!(
            "Add the authority's new certificate to {}, and take the old one away when no peer's certificate leads to it \
             any more. A peer's certificate leads to the new one if this says OK: openssl verify -CAfile new-ca.pem \
             -untrusted intermediates.pem peer.pem",
            self.place()
        )
    }

    /// For what is valid only later.
    pub(super) fn wait_or_set_clock(&self, renew: &str) -> String {
        format!("See that this machine's clock is right (date -u). If it is: {renew}")
    }

    pub(super) fn stronger(&self) -> String {
        match self.entry.usage {
            Use::Ca => format!(
                "Ask the authority for its current certificate, and add it to {}. What it is signed with: openssl x509 \
                 -in ca.pem -noout -text | grep -E 'Signature Algorithm|Public-Key'",
                self.place()
            ),
            _ => format!(
                "Have it issued anew with RSA from 2048 bits on or ECDSA P-256, signed with SHA-256, for {}. What it is \
                 signed with: openssl x509 -in new.pem -noout -text | grep -E 'Signature Algorithm|Public-Key'",
                self.place()
            ),
        }
    }

    /// `numbers` are the right order, from 1.
    pub(super) fn reorder(&self, numbers: &[String]) -> String {
        format!(
            "Write the certificates of {} of {} in the order {}. It is right if each issuer is the next subject: openssl \
             crl2pkcs7 -nocrl -certfile chain.pem | openssl pkcs7 -print_certs -noout",
            self.entry.field,
            self.entry.id,
            numbers.join(", ")
        )
    }

    pub(super) fn append_issuer(&self, last: &CertInfo) -> String {
        let source = match last.issuer_url() {
            Some(url) => format!("it is at {url}"),
            None => "its authority has it".to_owned(),
        };
        format!(
            "If {} is an intermediate and not a root that peers have, append its certificate ({source}) to {} of {}. The \
             chain is whole if this says OK: {VERIFY}",
            quoted(last.issuer()),
            self.entry.field,
            self.entry.id
        )
    }

    pub(super) fn no_longer_self_signed(&self) -> String {
        format!(
            "Give peers this certificate to trust, or put one of an authority that they trust into {}. Where it comes \
             from: openssl x509 -in new.pem -noout -subject -issuer",
            self.place()
        )
    }

    pub(super) fn purpose(&self, usage: &str) -> String {
        format!(
            "Have it issued with the extended key usage {usage}, and put it into {}. Look at it before: {SHOW}",
            self.place()
        )
    }

    pub(super) fn names(&self, names: &[&str]) -> String {
        let wanted: Vec<String> = names
            .iter()
            .take(MOST_LISTED)
            .map(|name| format!("DNS:{name}"))
            .collect();
        let more = match names.len().saturating_sub(MOST_LISTED) {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        format!(
            "Have it issued with the subject alternative name {}{more}, and put it into {}; or take the name out of \
             snis. Look at it before: {SHOW}",
            wanted.join(","),
            self.place()
        )
    }
}

/// The field of the key that goes with a certificate's field.
fn key_field(field: &str) -> String {
    match field.rsplit_once("client_cert") {
        Some((before, _)) => format!("{before}client_key"),
        None => field.replacen("cert", "key", 1),
    }
}

/// How a certificate is called: its subject, or its serial number if it has none.
pub(super) fn name(cert: &CertInfo) -> String {
    match cert.subject() {
        "" => format!("the certificate with the serial number {}", cert.serial()),
        subject => quoted(subject),
    }
}

/// A distinguished name in a sentence.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// The names that a certificate is for.
pub(super) fn names_of(cert: &CertInfo) -> String {
    let addresses = cert.ip_names().iter().map(ToString::to_string);
    let all: Vec<String> = cert.dns_names().iter().cloned().chain(addresses).collect();
    let texts: Vec<&str> = all.iter().map(String::as_str).collect();
    match (texts.as_slice(), cert.common_name()) {
        ([], Some(common_name)) => format!("{common_name} by its common name"),
        ([], None) => "no name".to_owned(),
        (texts, _) => list(texts, MOST_LISTED),
    }
}

/// `a, b, c and 2 more`
pub(super) fn list(texts: &[&str], most: usize) -> String {
    let shown = texts[..texts.len().min(most)].join(", ");
    match texts.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A time in UTC (RFC 3339), or the number of seconds where that form has no room for it.
pub fn time(unix: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(unix).ok();
    time.and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("unix time {unix}"))
}

/// A span in the unit that fits, rounded down: `5 days`, `1 hour`, `3 minutes`.
pub(super) fn span(seconds: i64) -> String {
    let (count, unit) = match seconds.max(0) {
        s if s >= 86_400 => (s / 86_400, "day"),
        s if s >= 3_600 => (s / 3_600, "hour"),
        s if s >= 60 => (s / 60, "minute"),
        s => (s, "second"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_spans_and_lists() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(4_859_740_799), "2123-12-31T23:59:59Z");
        assert_eq!(time(i64::MAX), "unix time 9223372036854775807");
        for (seconds, text) in [
            (-1, "0 seconds"),
            (1, "1 second"),
            (119, "1 minute"),
            (7_200, "2 hours"),
            (86_400, "1 day"),
            (400 * 86_400, "400 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(list(&["a", "b"], 2), "a, b");
        assert_eq!(list(&["a", "b", "c"], 1), "a and 2 more");
    }

    #[test]
    fn a_key_stands_beside_its_certificate() {
        for (cert, key) in [
            ("cert", "key"),
            ("certs[2]", "keys[2]"),
            ("tls.client_cert", "tls.client_key"),
            ("upstream.tls.client_cert", "upstream.tls.client_key"),
        ] {
            assert_eq!(key_field(cert), key);
        }
    }
}
