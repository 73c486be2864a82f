//! A light walk over a certificate's DER: what reading an object needs (public key, notAfter) in well under a
//! microsecond, for any X.509 version. It verifies nothing; names for people are read on demand with x509-parser.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What the walk finds.
#[derive(Debug)]
pub(super) struct Outline<'c> {
    /// The AlgorithmIdentifier's OID, content octets.
    pub algorithm: &'c [u8],
    /// The subjectPublicKey's bits, without the count of unused ones.
    pub public_key: &'c [u8],
    /// notAfter, unix seconds.
    pub not_after: i64,
    /// Issuer and subject are the same name.
    pub self_issued: bool,
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;

const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];

impl<'c> Outline<'c> {
    /// Walks `der`; `None` if it is not one whole certificate.
    pub(super) fn of(der: &'c [u8]) -> Option<Self> {
        let (certificate, rest) = element(der, SEQUENCE)?;
        if !rest.is_empty() {
            return None;
        }
        let (body, _) = element(certificate, SEQUENCE)?;
        let body = element(body, VERSION).map_or(body, |(_, rest)| rest);
        let (_, body) = element(body, INTEGER)?;
        let (_, body) = element(body, SEQUENCE)?;
        let (issuer, body) = element(body, SEQUENCE)?;
        let (validity, body) = element(body, SEQUENCE)?;
        let (subject, body) = element(body, SEQUENCE)?;
        let (key_info, _) = element(body, SEQUENCE)?;
        let (_, _, not_after) = any(validity)?;
        let (tag, text, _) = any(not_after)?;
        let (algorithm, public_key) = key(key_info)?;
        Some(Self {
            algorithm,
            public_key,
            not_after: unix_time(tag, text)?,
            self_issued: issuer == subject,
        })
    }

    /// Size of the modulus, if the key is RSA.
    pub(super) fn rsa_bits(&self) -> Option<usize> {
        if self.algorithm != RSA {
            return None;
        }
        let (numbers, _) = element(self.public_key, SEQUENCE)?;
        let (modulus, _) = element(numbers, INTEGER)?;
        let leading = modulus.iter().take_while(|b| **b == 0).count();
        let first = modulus.get(leading)?;
        Some((modulus.len() - leading) * 8 - first.leading_zeros() as usize)
    }
}

/// When a chain (leaf first) ends to be good, unix seconds: the earliest notAfter of its leaf and the issuers with it. A
/// root that is sent along does not count, since peers have their own. `None` if nothing can be read.
pub(crate) fn chain_not_after<C: AsRef<[u8]>>(chain: &[C]) -> Option<i64> {
    let outlines = chain
        .iter()
        .map(|der| Outline::of(der.as_ref()))
        .enumerate();
    let counts = outlines
        .filter_map(|(at, outline)| outline.filter(|outline| at == 0 || !outline.self_issued));
    counts.map(|outline| outline.not_after).min()
}

/// When the first certificate of a set ends, unix seconds. `None` if nothing can be read.
pub(crate) fn first_not_after<C: AsRef<[u8]>>(set: &[C]) -> Option<i64> {
    let outlines = set.iter().filter_map(|der| Outline::of(der.as_ref()));
    outlines.map(|outline| outline.not_after).min()
}

/// The key bits of a SubjectPublicKeyInfo with its outer header.
pub(super) fn key_bits(info: &[u8]) -> Option<&[u8]> {
    element(info, SEQUENCE)
        .and_then(|(content, _)| key(content))
        .map(|(_, bits)| bits)
}

/// Algorithm and key bits of a SubjectPublicKeyInfo's content.
fn key(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let (algorithm, rest) = element(info, SEQUENCE)?;
    let (oid, _) = element(algorithm, OID)?;
    let (bits, _) = element(rest, BIT_STRING)?;
    let (unused, bits) = bits.split_first()?;
    (*unused == 0).then_some((oid, bits))
}

/// Content of the element at the start of `der`, which must have `tag`, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(der)?;
    (found == tag).then_some((content, rest))
}

/// Tag, content and rest of the element at the start of `der`.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let octets = usize::from(first & 0x7F);
        if octets == 0 || octets > 4 {
            return None;
        }
        let (digits, after) = rest.split_at_checked(octets)?;
        length = digits
            .iter()
            .fold(0, |value, digit| value << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` as unix seconds.
fn unix_time(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
    };
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let short = number(&digits[..2]);
            (
                if short < 50 {
                    2000 + short
                } else {
                    1900 + short
                },
                &digits[2..],
            )
        }
        (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let two = |at: usize| rest.get(at..at + 2).map(number);
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Days of the Gregorian calendar; years are counted from March so that the leap day ends them.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * months_since_march + 2) / 5 + day - 719_469
}

/// Subject common name and the subject alternative names (DNS and addresses) of a certificate, for findings and
/// listings; both empty if the certificate cannot be read that far.
pub(super) fn names(der: &[u8]) -> (Option<String>, Vec<String>) {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return (None, Vec::new());
    };
    let common = certificate
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.map_or_else(Vec::new, |san| {
        san.value
            .general_names
            .iter()
            .filter_map(alternative_name)
            .collect()
    });
    (common.map(str::to_owned), names)
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => {
            let four = <[u8; 4]>::try_from(*octets).map(std::net::IpAddr::from);
            let address =
                four.or_else(|_| <[u8; 16]>::try_from(*octets).map(std::net::IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{GENERALIZED_TIME, Outline, UTC_TIME, unix_time};

    #[test]
    fn times_are_read_as_seconds() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229120000Z", Some(951_825_600)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "21231231235959Z", Some(4_859_740_799)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20240229000000Z", Some(1_709_164_800)),
            (UTC_TIME, "700101000000", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (GENERALIZED_TIME, "700101000000Z", None),
            (UTC_TIME, "70010100000xZ", None),
        ] {
            assert_eq!(unix_time(tag, text.as_bytes()), seconds, "{text}");
        }
    }

    #[test]
    fn cut_certificates_are_no_certificates() {
        let whole = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let der = whole.cert.der();
        assert!(Outline::of(der).is_some());
        for length in 0..der.len() {
            assert!(Outline::of(&der[..length]).is_none());
        }
        assert!(Outline::of(&[der, [0].as_slice()].concat()).is_none());
    }
}
