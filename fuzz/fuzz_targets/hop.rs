//! The hop's bytes: never a panic, never more in hand than the bounds allow, the same frames whatever way they are cut.
//!
//!     cargo +nightly fuzz run hop

#![no_main]

use bytes::BytesMut;
use edge::hop::wire::{self, Decoder, Kind, Piece};

fn frames(raw: &[u8], cut: usize) -> (Vec<Piece>, bool) {
    let (mut decoder, mut buf) = (Decoder::default(), BytesMut::new());
    let mut frames = Vec::new();
    for part in raw.chunks(cut) {
        buf.extend_from_slice(part);
        loop {
            match decoder.decode(&mut buf) {
                Ok(Some(Piece::Data(_))) => {}
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return (frames, false),
            }
        }
        assert!(buf.len() <= wire::HEAD_BYTES + 16);
    }
    (frames, true)
}

libfuzzer_sys::fuzz_target!(|raw: &[u8]| {
    let whole = frames(raw, raw.len().max(1));
    assert_eq!(whole, frames(raw, 3));
    for frame in whole.0 {
        let Piece::Frame(kind, payload) = frame else {
            continue;
        };
        match kind {
            Kind::Request => drop(wire::decode_request(payload)),
            Kind::Answer => drop(wire::decode_answer(payload)),
            Kind::Failed => drop(wire::decode_failed(payload)),
            Kind::NotTaken => drop(wire::decode_not_taken(payload)),
            Kind::Trailers => drop(wire::decode_trailers(payload)),
            Kind::Broken => drop(wire::decode_broken(&payload)),
            Kind::Data | Kind::End | Kind::Taken | Kind::Continue => {}
        }
    }
});
