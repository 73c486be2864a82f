//! A capture file of anybody's: no panic, and lists within their bounds.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(report) = edge::capture::read(bytes) {
        let counts = report.counts;
        let judged = counts.ok + counts.failed + counts.unfinished;
        assert_eq!(report.conversations.len() + counts.left_out, judged);
        assert!(report.findings.len() <= 200);
        report.json();
    }
});
