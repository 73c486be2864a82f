//! Table and property tests of the tolerant reader.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::parse;

fn error_at(text: &str) -> (usize, usize) {
    let error = parse(text.as_bytes()).unwrap_err();
    assert!(!error.reason.contains(" at line "), "{}", error.reason);
    (error.line, error.column)
}

#[test]
fn a_number_is_the_same_after_it_was_written() {
    for text in [
        "110555555551471281800",
        "0.1",
        "5e-324",
        "1.7976931348623157e308",
    ] {
        let read = parse(text.as_bytes()).unwrap();
        let written = serde_json::to_vec(&read).unwrap();
        assert_eq!(parse(&written), Ok(read), "{text}");
    }
}

#[test]
fn raw_control_characters_in_strings_are_read() {
    for byte in 1..0x20_u8 {
        let text = [b"{\"a\":\"x".as_slice(), &[byte], b"y\"}"].concat();
        let value = parse(&text).unwrap();
        assert_eq!(value["a"], json!(format!("x{}y", byte as char)));
    }
}

#[test]
fn comment_lines_are_passed_over() {
    let text =
        "{\n  // the id\n  \"id\": \"1\", // why not\n  \"url\": \"http://x//y\" // end\n}// bye";
    assert_eq!(
        parse(text.as_bytes()).unwrap(),
        json!({"id": "1", "url": "http://x//y"})
    );
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    assert_eq!(parse(b"{\"a\":1,\"a\":2}").unwrap(), json!({"a": 2}));
    assert_eq!(parse(b"{\"a\":\"\n\",\"a\":2}").unwrap(), json!({"a": 2}));
}

#[test]
fn what_is_not_json_is_refused() {
    let deep = "[".repeat(100_000);
    let deep_with_comment = format!("// c\n{deep}");
    for text in [
        "",
        "{",
        "{\"a\":1,}",
        "[1,]",
        "{\"a\":\"\u{0}\"}",
        "{\"a\":\"\n\u{0}\"}",
        "/ x\n1",
        "/* x */ 1",
        "\"\\\n\"",
        "1 2",
        "nul",
        "\u{feff}{}",
        &deep,
        &deep_with_comment,
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text:.40?}");
    }
    let error = parse(b"{\"a\":\n\"x\xff\"}").unwrap_err();
    assert_eq!((error.line, error.column), (2, 3));
}

#[test]
fn errors_tell_the_place_in_the_text_as_given() {
    assert_eq!(error_at("{\"a\":1,}"), (1, 8));
    assert_eq!(error_at("// c\n{\"a\":1,}"), (2, 8));
    assert_eq!(error_at("{\"a\":\"x\ny\",}"), (2, 4));
    assert_eq!(error_at("{\"a\":\"\t\t\",}"), (1, 11));
    assert_eq!(error_at("{\"a\":\"\n\n\",\n \"b\" 1}"), (4, 6));
}

proptest! {
    #[test]
    fn never_panics_and_places_lie_in_the_text(text in "[\\[\\]{}\":,/\\\\ntu0-9a \n\t\u{1}\u{0}é]{0,60}") {
        if let Err(error) = parse(text.as_bytes()) {
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!(error.line >= 1 && error.line <= lines.len());
            prop_assert!(error.column >= 1 && error.column <= lines[error.line - 1].len().max(1) + 1);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn strings_with_raw_control_characters_read_as_written(content in "[\u{1}-\u{1f}a-z/ é]{0,40}") {
        let text = format!("// first\n{{\"k\": \"{content}\"}} // last");
        prop_assert_eq!(parse(text.as_bytes()).unwrap(), json!({"k": content}));
    }

    #[test]
    fn strict_json_reads_the_same(members in proptest::collection::btree_map("[a-z\\PC]{0,8}", "\\PC{0,12}", 0..6)) {
        let value = json!(members);
        let written = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(&parse(&written).unwrap(), &value);
        let commented = [b"// c\n".as_slice(), &written].concat();
        prop_assert_eq!(parse(&commented).unwrap(), value);
    }
}

#[test]
fn a_lone_value_is_enough() {
    assert_eq!(parse(b" null ").unwrap(), Value::Null);
}
