//! Request paths: never a panic, and what comes out is in the one form routes are matched with.
//!
//!     cargo +nightly fuzz run path

#![no_main]

use control::path::{is_canonical, normalise};

libfuzzer_sys::fuzz_target!(|raw: &str| {
    if is_canonical(raw) {
        assert_eq!(normalise(raw).as_deref(), Ok(raw));
    }
    let Ok(normal) = normalise(raw) else { return };
    assert!(normal.starts_with('/') && !normal.contains("//") && !normal.contains('\0'));
    assert!(
        normal
            .split('/')
            .all(|segment| segment != "." && segment != "..")
    );
    if !normal.contains('%') {
        assert_eq!(normalise(&normal).as_deref(), Ok(&*normal));
    }
});
