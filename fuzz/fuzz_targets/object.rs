//! The readers of all kinds of objects: never panic, and every refusal says something. The first byte chooses the kind.
#![no_main]

use control::object::{Kind, ReadContext, read};
use control::seal::Keyring;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, value)) = input.split_first() else {
        return;
    };
    let kind = Kind::ALL[usize::from(*choice) % Kind::ALL.len()];
    let keyring = Keyring::default();
    let env = |name: &str| (name.len() < 4).then(|| name.repeat(40));
    if let Err(refusal) = read(
        kind,
        "1",
        value,
        &ReadContext {
            keyring: &keyring,
            env: &env,
        },
    ) {
        assert!(!refusal.reason.is_empty());
    }
});
