//! Bytes of a client's first flight: neither reader nor parser may panic, and what is whole stays as it is when more
//! bytes follow.

#![no_main]

use edge::handshake::ClientHello;
use edge::tls::hello::read_bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = ClientHello::parse(bytes);
    if let Ok(Some(facts)) = read_bytes(bytes) {
        let longer = [bytes, b"more"].concat();
        // The only bound that more bytes may run into.
        if let Ok(again) = read_bytes(&longer) {
            assert_eq!(again, Some(facts));
        }
    }
});
