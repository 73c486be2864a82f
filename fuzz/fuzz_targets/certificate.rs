//! Bytes that a peer shows as its certificate: what is said of it is bounded and moves no cursor.

#![no_main]

use control::certificate::{CertInfo, CertNames, name_of_der};
use libfuzzer_sys::fuzz_target;

/// Bytes of a text at most: 256 characters of four.
const MOST_TEXT: usize = 1024;

fuzz_target!(|bytes: &[u8]| {
    let safe = |text: &str| {
        assert!(text.len() <= MOST_TEXT, "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    };
    if let Some(name) = name_of_der(bytes) {
        safe(&name);
    }
    let names = CertNames::of_der(bytes);
    let _ = names.cover("a.example.test");
    let Ok(info) = CertInfo::of_der(bytes) else {
        return;
    };
    info.dns_names().iter().for_each(|name| safe(name));
    safe(info.subject());
    safe(info.issuer());
    safe(info.serial());
    info.issuer_url().into_iter().for_each(safe);
    let _ = info.apigee_json(i64::MAX);
});
