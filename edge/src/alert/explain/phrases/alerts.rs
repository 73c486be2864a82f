//! The names of alerts as all stacks spell them: the registry and Java, OpenSSL and curl, Go, GnuTLS, rustls. Some are
//! everyday words, so they count on lines about alerts only.

use super::{Phrase, Place, alert};

const fn name(words: &'static str, number: u8) -> Phrase {
    let mut phrase = alert(words, number);
    phrase.place = Place::AlertLine;
    phrase
}

/// By number.
pub(in crate::alert::explain) const PHRASES: &[Phrase] = &[
    name("close notify", 0),
    name("unexpected message", 10),
    name("bad record mac", 20),
    name("decryption failed", 21),
    name("record overflow", 22),
    name("decompression failure", 30),
    name("decompression failed", 30),
    name("handshake failure", 40),
    name("handshake failed", 40),
    name("no certificate", 41),
    name("no certificate reserved", 41),
    name("bad certificate", 42),
    name("certificate is bad", 42),
    name("unsupported certificate", 43),
    name("certificate is not supported", 43),
    name("certificate revoked", 44),
    name("revoked certificate", 44),
    name("certificate was revoked", 44),
    name("certificate expired", 45),
    name("expired certificate", 45),
    name("certificate is expired", 45),
    name("certificate unknown", 46),
    name("unknown certificate", 46),
    name("illegal parameter", 47),
    name("unknown ca", 48),
    name("unknown certificate authority", 48),
    name("ca is unknown", 48),
    name("access denied", 49),
    name("access was denied", 49),
    name("decode error", 50),
    name("error decoding message", 50),
    name("decrypt error", 51),
    name("error decrypting message", 51),
    name("too many cids requested", 52),
    name("export restriction", 60),
    name("export restriction reserved", 60),
    name("protocol version", 70),
    name("protocol version not supported", 70),
    name("error in protocol version", 70),
    name("insufficient security", 71),
    name("insufficient security level", 71),
    name("internal error", 80),
    name("inappropriate fallback", 86),
    name("user canceled", 90),
    name("user cancelled", 90),
    name("no renegotiation", 100),
    name("no renegotiation is allowed", 100),
    name("missing extension", 109),
    name("an extension was expected but was not seen", 109),
    name("unsupported extension", 110),
    name("an unsupported extension was sent", 110),
    name("certificate unobtainable", 111),
    name("could not retrieve the specified certificate", 111),
    name("unrecognized name", 112),
    name("unrecognised name", 112),
    name("the server name sent was not recognized", 112),
    name("bad certificate status response", 113),
    name("bad certificate hash value", 114),
    name("unknown psk identity", 115),
    name("certificate required", 116),
    name("certificate is required", 116),
    name("general error", 117),
    name("no application protocol", 120),
    name("no supported application protocol could be negotiated", 120),
    name("ech required", 121),
    name("encrypted client hello required", 121),
];

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::*;
    use crate::alert::Alert;

    #[test]
    fn every_assigned_alert_has_its_registered_name() {
        for number in (0..=u8::MAX).filter(|n| Alert(*n).name() != "unassigned") {
            let name = Alert(number).name().replace('_', " ");
            let found = PHRASES.iter().find(|phrase| phrase.words == name);
            let subject = found.and_then(|phrase| phrase.subject);
            assert!(
                matches!(subject, Some(Subject::Alert(Alert(n))) if n == number),
                "{name}"
            );
        }
    }
}
