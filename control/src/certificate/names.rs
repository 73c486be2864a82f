//! Which names a certificate is for, and whether it covers a given one. Owns the matching rules for listings and findings;
//! the verifiers of handshakes have their own.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::distinguished_name::plain_value;

/// Whether a certificate is for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// By an alternative name.
    Yes,
    /// By the common name only, which counts where there is no alternative name that is a DNS name: for OpenSSL and
    /// Java, not for Go, rustls and browsers.
    ByCommonName,
    /// Not at all.
    No,
}

/// All names of one certificate, as many as it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertNames {
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
    common_name: Option<String>,
}

impl CertNames {
    /// The names in a certificate; none if `der` is not one.
    pub fn of_der(der: &[u8]) -> Self {
        let Ok((_, x509)) = X509Certificate::from_der(der) else {
            return Self::default();
        };
        let mut names = Self {
            common_name: x509
                .subject()
                .iter_common_name()
                .next()
                .and_then(plain_value),
            ..Self::default()
        };
        let alternative = x509.subject_alternative_name().ok().flatten();
        for name in alternative.map_or(&[][..], |san| &san.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
                GeneralName::IPAddress(octets) => names.addresses.extend(address(octets)),
                _ => {}
            }
        }
        names
    }

    /// Whether the certificate is for `name`: an address, a host name, or a pattern `*.host` of an SSL object, which
    /// only the same pattern covers. `*` stands for any name and says nothing to hold against a certificate.
    pub fn cover(&self, name: &str) -> Covered {
        if name == "*" {
            return Covered::Yes;
        }
        if let Ok(wanted) = name.parse::<IpAddr>() {
            return if self.addresses.contains(&wanted) {
                Covered::Yes
            } else {
                Covered::No
            };
        }
        let common_name = self.common_name.as_deref();
        if self.dns.iter().any(|pattern| matches(pattern, name)) {
            Covered::Yes
        } else if self.dns.is_empty() && common_name.is_some_and(|pattern| matches(pattern, name)) {
            Covered::ByCommonName
        } else {
            Covered::No
        }
    }
}

/// RFC 9525, 6.3: case does not count, and `*` is one whole leftmost label.
fn matches(pattern: &str, name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    if pattern.eq_ignore_ascii_case(name) {
        return true;
    }
    let (Some(below), Some((label, parent))) = (pattern.strip_prefix("*."), name.split_once('.'))
    else {
        return false;
    };
    !label.is_empty() && label != "*" && below.eq_ignore_ascii_case(parent)
}

/// 4 or 16 octets (RFC 5280, 4.2.1.6).
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, SanType};

    use super::super::pki::{named, root};
    use super::{CertNames, Covered};

    fn names(params: CertificateParams) -> CertNames {
        CertNames::of_der(&root(params).der)
    }

    #[test]
    fn what_alternative_names_cover() {
        let mut params = named("common.test");
        params.subject_alt_names = [
            SanType::DnsName("A.test".try_into().unwrap()),
            SanType::DnsName("*.wild.test".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
        ]
        .into();
        let names = names(params);
        for (name, expected) in [
            ("a.test", Covered::Yes),
            ("a.test.", Covered::Yes),
            ("b.test", Covered::No),
            ("x.wild.test", Covered::Yes),
            ("wild.test", Covered::No),
            ("x.y.wild.test", Covered::No),
            (".wild.test", Covered::No),
            ("*.wild.test", Covered::Yes),
            ("*.test", Covered::No),
            ("*", Covered::Yes),
            ("192.0.2.1", Covered::Yes),
            ("192.0.2.2", Covered::No),
            ("common.test", Covered::No),
        ] {
            assert_eq!(names.cover(name), expected, "{name}");
        }
    }

    #[test]
    fn the_common_name_counts_where_there_is_no_other() {
        let mut params = named("*.cn.test");
        let by_common_name = names(params.clone());
        assert_eq!(by_common_name.cover("a.cn.test"), Covered::ByCommonName);
        assert_eq!(by_common_name.cover("cn.test"), Covered::No);
        params.subject_alt_names = vec![SanType::IpAddress([192, 0, 2, 1].into())];
        assert_eq!(names(params).cover("a.cn.test"), Covered::ByCommonName);
        assert_eq!(
            CertNames::of_der(b"no certificate").cover("a.test"),
            Covered::No
        );
    }
}
