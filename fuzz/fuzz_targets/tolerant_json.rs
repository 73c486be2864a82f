//! The tolerant JSON reader: never panics, agrees with strict reading wherever that succeeds, and tells places that
//! lie in the text.
#![no_main]

use control::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let strict = serde_json::from_slice::<serde_json::Value>(text);
    match (json::parse(text), strict) {
        (Ok(read), Ok(strict)) => assert_eq!(read, strict),
        (Ok(read), Err(_)) => {
            let written = serde_json::to_vec(&read).expect("a value can be written");
            assert_eq!(json::parse(&written).ok(), Some(read));
        }
        (Err(error), Ok(_)) => panic!("strict JSON was refused: {error}"),
        (Err(error), Err(_)) => {
            let line = text
                .split(|b| *b == b'\n')
                .nth(error.line - 1)
                .expect("the line is in the text");
            assert!(error.column >= 1 && error.column <= line.len() + 1);
        }
    }
});
