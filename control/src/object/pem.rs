//! PEM blocks: text to labelled DER. Text around whole blocks is passed over; a block that is cut or garbled is an
//! error, never skipped. Knows nothing of what the DER holds. Used by `material` and `client_auth`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One block.
pub(super) struct Block<'t> {
    /// `CERTIFICATE`, `EC PRIVATE KEY`, ...
    pub label: &'t str,
    /// Decoded content.
    pub der: Vec<u8>,
}

/// Reads every block of `text`.
///
/// # Errors
/// What is wrong with the first broken block; the content is never quoted.
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    let mut scratch = Vec::new();
    while let Some(line) = lines.next() {
        let number = found.len() + 1;
        if boundary(line, "-----END ").is_some() {
            return Err(format!(
                "an END line without its BEGIN stands before block {number}"
            ));
        }
        let Some(label) = boundary(line, "-----BEGIN ") else {
            continue;
        };
        scratch.clear();
        let mut ended = false;
        for line in lines.by_ref() {
            if let Some(end) = boundary(line, "-----END ") {
                if end != label {
                    return Err(format!(
                        "block {number} begins as {label} and ends as {end}"
                    ));
                }
                ended = true;
                break;
            }
            if line.contains(':') {
                return Err(format!(
                    "block {number} has headers: it is encrypted, passphrases are not supported"
                ));
            }
            scratch.extend(line.bytes().filter(|b| !b.is_ascii_whitespace()));
        }
        if !ended {
            return Err(format!("block {number} has no END line"));
        }
        let der = STANDARD
            .decode(&scratch)
            .map_err(|_| format!("block {number} is not base64"))?;
        found.push(Block { label, der });
    }
    Ok(found)
}

/// The label, if `line` is a boundary of the given kind.
fn boundary<'t>(line: &'t str, kind: &str) -> Option<&'t str> {
    line.trim().strip_prefix(kind)?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn whole_blocks_with_text_around_are_read() {
        let text = "subject=x\r\n-----BEGIN A B-----\r\nAQ\r\nID\r\n-----END A B-----\r\nmore: text\n-----BEGIN C-----\n\
                    AQ==\n-----END C-----";
        let found = blocks(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].label, found[0].der.as_slice()),
            ("A B", [1, 2, 3].as_slice())
        );
        assert_eq!(
            (found[1].label, found[1].der.as_slice()),
            ("C", [1].as_slice())
        );
        assert!(blocks("no block at all").unwrap().is_empty());
    }

    #[test]
    fn broken_blocks_are_refused() {
        for (text, says) in [
            ("-----BEGIN A-----\nAQID\n", "block 1 has no END line"),
            ("AQID\n-----END A-----\n", "without its BEGIN"),
            (
                "-----BEGIN A-----\nAQID\n-----END B-----",
                "begins as A and ends as B",
            ),
            (
                "-----BEGIN A-----\nAQID\n-----BEGIN A-----\nAQID\n-----END A-----",
                "not base64",
            ),
            ("-----BEGIN A-----\nA*ID\n-----END A-----", "not base64"),
            ("-----BEGIN A-----\nAQI\n-----END A-----", "not base64"),
            (
                "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n-----END A-----",
                "passphrase",
            ),
            (
                "-----BEGIN A-----\nAQID\n-----END A-----\n-----BEGIN A-----\nAQ",
                "block 2 has no END line",
            ),
        ] {
            let error = blocks(text).err().unwrap();
            assert!(error.contains(says), "{error}");
        }
    }
}
