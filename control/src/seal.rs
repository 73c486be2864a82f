//! Private keys at rest: AES-256-GCM for what we write, APISIX's AES-CBC for what we find (reference: APISIX
//! data_encryption). No default keys. [`Keyring`] is used by `object` (open) and `admin` (seal before storing);
//! [`Sealer`] by `store` and `sync` for the files in the data directory. Says nothing about where values live.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{hkdf, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Opens what we sealed ourselves; the number is the format's.
const OURS: &str = "sallyport:1:";
/// Begins what was sealed for one purpose, which its label names; the number is the format's.
const LABELLED: &str = "sallyport:labelled:1:";
/// The least a key may have; what is shorter can be guessed.
const MIN_KEY_LEN: usize = 16;
/// Name of the random key in the data directory, used when there is no keyring.
const SEAL_FILE: &str = "seal.key";

/// The operator's keys, first one encrypts. Empty: values are stored in the clear and only clear ones can be read.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Arc<[RingKey]>,
}

struct RingKey {
    bytes: Box<[u8]>,
    gcm: LessSafeKey,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.keys.len())
    }
}

impl Keyring {
    /// Reads a keyring file's text: one key a line, blank lines and `#` lines passed over. A key is at least 16 bytes;
    /// 16 or 32 bytes are an APISIX key as well, 44 characters of base64 stand for the 32 bytes they encode.
    ///
    /// # Errors
    /// A sentence with the line number, never with the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.len() < MIN_KEY_LEN {
                return Err(format!(
                    "keyring line {}: a key needs at least {MIN_KEY_LEN} bytes",
                    number + 1
                ));
            }
            let bytes = match STANDARD.decode(line) {
                Ok(decoded) if line.len() == 44 && decoded.len() == 32 => decoded,
                _ => line.as_bytes().to_vec(),
            };
            let gcm = derive(&bytes, b"sallyport keyring value")?;
            keys.push(RingKey {
                bytes: bytes.into(),
                gcm,
            });
        }
        Ok(Self { keys: keys.into() })
    }

    /// Whether there is no key: nothing is sealed and nothing sealed can be opened.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Opens a key value: clear PEM is returned as it is, sealed values are opened with the first key that fits.
    ///
    /// # Errors
    /// A sentence without any key material.
    pub fn open(&self, value: &str) -> Result<String, String> {
        if is_clear(value) {
            return Ok(value.to_owned());
        }
        if self.keys.is_empty() {
            return Err(
                "is neither PEM nor can it be opened: this node has no --keyring-file".to_owned(),
            );
        }
        let ours = value.trim().strip_prefix(OURS);
        let bytes = STANDARD
            .decode(ours.unwrap_or(value).trim())
            .map_err(|_| "is neither PEM nor base64 of a sealed value".to_owned())?;
        let opened = self.keys.iter().find_map(|key| match ours {
            Some(_) => open_gcm(&key.gcm, OURS.as_bytes(), &bytes),
            // A wrong key can leave a padding that looks right by chance, but not text as well.
            None => open_apisix(&key.bytes, &bytes),
        });
        opened
            .and_then(|clear| String::from_utf8(clear).ok())
            .ok_or_else(|| "cannot be opened with any key of the keyring".to_owned())
    }

    /// Seals a clear PEM with the first key. Without a key, or if the value is not PEM (a reference, or sealed
    /// already), it is returned as it is.
    pub fn seal(&self, value: &str) -> String {
        let Some(key) = self.keys.first().filter(|_| is_clear(value)) else {
            return value.to_owned();
        };
        // Sealing fails only if the system has no randomness. The empty body cannot be opened, so whoever validates
        // what it stores refuses it; handing back the clear text would leak it.
        let sealed = seal_gcm(&key.gcm, OURS.as_bytes(), value.as_bytes()).unwrap_or_default();
        format!("{OURS}{}", STANDARD.encode(sealed))
    }
}

impl Keyring {
    /// Seals `clear` with the first key for the purpose that `label` names; `None` without a key or randomness.
    pub(crate) fn seal_for(&self, label: &str, clear: &[u8]) -> Option<String> {
        let label = format!("{LABELLED}{label}");
        let sealed = seal_gcm(&self.keys.first()?.gcm, label.as_bytes(), clear).ok()?;
        Some(format!("{LABELLED}{}", STANDARD.encode(sealed)))
    }

    /// Opens what any of the keys sealed for the purpose that `label` names.
    pub(crate) fn open_for(&self, label: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(sealed.strip_prefix(LABELLED)?).ok()?;
        let label = format!("{LABELLED}{label}");
        self.keys
            .iter()
            .find_map(|key| open_gcm(&key.gcm, label.as_bytes(), &bytes))
    }
}

/// Seals the files of one data directory. Several keys can open, the first one seals.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<[LessSafeKey]>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

impl Sealer {
    /// The sealer of `dir`: the keyring's keys if it has any, else the random one in `dir/seal.key`, created (mode
    /// 0600) if absent. A `seal.key` left from before there was a keyring still opens.
    ///
    /// # Errors
    /// A sentence naming the file.
    pub fn for_dir(dir: &Path, keyring: &Keyring) -> Result<Self, String> {
        let label = b"sallyport data directory";
        let mut keys = Vec::new();
        for key in keyring.keys.iter() {
            keys.push(derive(&key.bytes, label)?);
        }
        let path = dir.join(SEAL_FILE);
        let found = match std::fs::read(&path) {
            Ok(bytes) if bytes.len() < MIN_KEY_LEN => {
                Err(format!("{}: too short to be a key", path.display()))
            }
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(format!("{}: {e}", path.display())),
        };
        match found {
            Ok(Some(bytes)) => keys.push(derive(&bytes, label)?),
            Ok(None) if keys.is_empty() => keys.push(derive(&create_key(dir, &path)?, label)?),
            Err(why) if keys.is_empty() => return Err(why),
            _ => {}
        }
        Ok(Self { keys: keys.into() })
    }

    /// Seals `clear` with the first key; `label` must be given again to open it. Adds 28 bytes.
    pub(crate) fn seal(&self, label: &[u8], clear: &[u8]) -> Result<Vec<u8>, String> {
        let key = self.keys.first().ok_or("there is no key to seal with")?;
        seal_gcm(key, label, clear)
    }

    /// Opens what one of the keys sealed; says which one (0 is the one that seals).
    pub(crate) fn open(&self, label: &[u8], sealed: &[u8]) -> Option<(usize, Vec<u8>)> {
        let mut tries = self.keys.iter().enumerate();
        tries.find_map(|(i, key)| open_gcm(key, label, sealed).map(|clear| (i, clear)))
    }
}

fn is_clear(value: &str) -> bool {
    value.starts_with("-----") || value.contains("-----BEGIN")
}

/// HKDF-SHA256: the same line serves several purposes, each with a key of its own.
fn derive(secret: &[u8], label: &[u8]) -> Result<LessSafeKey, String> {
    let failed = |_| "a sealing key could not be derived".to_owned();
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sallyport").extract(secret);
    let key = UnboundKey::from(prk.expand(&[label], &AES_256_GCM).map_err(failed)?);
    Ok(LessSafeKey::new(key))
}

/// nonce || ciphertext || tag.
fn seal_gcm(key: &LessSafeKey, label: &[u8], clear: &[u8]) -> Result<Vec<u8>, String> {
    let failed = |_| "the value could not be sealed".to_owned();
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).map_err(failed)?;
    let mut out = Vec::with_capacity(NONCE_LEN + clear.len() + MAX_TAG_LEN);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(clear);
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(label),
            &mut out[NONCE_LEN..],
        )
        .map_err(failed)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

fn open_gcm(key: &LessSafeKey, label: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut clear = body.to_vec();
    let len = key
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(label),
            &mut clear,
        )
        .ok()?
        .len();
    clear.truncate(len);
    Some(clear)
}

/// APISIX: AES-CBC with PKCS#7, the key's first 16 bytes as IV.
fn open_apisix(key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match key.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return None,
    };
    let iv = FixedLength::from(key.first_chunk::<16>()?);
    let key =
        PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let mut clear = sealed.to_vec();
    let len = key
        .decrypt(&mut clear, DecryptionContext::Iv128(iv))
        .ok()?
        .len();
    clear.truncate(len);
    std::str::from_utf8(&clear).is_ok().then_some(clear)
}

/// Writes 32 random bytes so that another process starting at the same time sees all or nothing of them.
fn create_key(dir: &Path, path: &Path) -> Result<Vec<u8>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut bytes = vec![0; 32];
    rand::fill(&mut bytes).map_err(|_| format!("{}: no randomness", path.display()))?;
    crate::store::make_private_dir(dir).map_err(failed)?;
    let temporary = dir.join(format!("{SEAL_FILE}.{}", std::process::id()));
    crate::store::write_private(&temporary, &bytes).map_err(failed)?;
    // A hard link does not replace: if somebody else was first, theirs counts.
    let linked = std::fs::hard_link(&temporary, path);
    let removed = std::fs::remove_file(&temporary);
    match linked {
        Ok(()) => removed
            .and_then(|()| crate::store::sync_dir(dir))
            .map(|()| bytes)
            .map_err(failed),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::read(path).map_err(failed)
        }
        Err(e) => Err(failed(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const PEM: &str = "-----BEGIN TEST-----";

    #[test]
    fn apisix_vector_opens() {
        let ring = Keyring::parse("# comment\n\n0123456789abcdef\nqeddd145sfvddff3\n").unwrap();
        assert_eq!(
            ring.open("hO0nubQqwewQaiqW7Q3RHVeuTxztkI/W6Z2iKShAxZg=")
                .unwrap(),
            PEM
        );
        let other = Keyring::parse("0123456789abcdef").unwrap();
        let why = other
            .open("hO0nubQqwewQaiqW7Q3RHVeuTxztkI/W6Z2iKShAxZg=")
            .unwrap_err();
        assert!(!why.contains("0123456789abcdef"));
    }

    #[test]
    fn sealed_values_open_with_any_key_of_the_ring() {
        let old = Keyring::parse("an old key that is long enough").unwrap();
        let sealed = old.seal(PEM);
        assert!(sealed.starts_with("sallyport:1:") && !sealed.contains("BEGIN"));
        assert_ne!(sealed, old.seal(PEM));
        let new = Keyring::parse(&format!(
            "{}\nan old key that is long enough",
            "n".repeat(44)
        ))
        .unwrap();
        assert_eq!(new.open(&sealed).unwrap(), PEM);
        assert_eq!(new.open(PEM).unwrap(), PEM);
        assert_eq!(new.seal("$env://KEY"), "$env://KEY");
        assert_eq!(new.seal(&sealed), sealed);
        assert!(Keyring::default().open(&sealed).is_err());
        assert_eq!(Keyring::default().seal(PEM), PEM);
        let mut broken = sealed.clone();
        broken.replace_range(20..21, if &sealed[20..21] == "A" { "B" } else { "A" });
        assert!(new.open(&broken).is_err());
    }

    #[test]
    fn what_is_sealed_for_one_purpose_serves_no_other() {
        let ring = Keyring::parse("an old key that is long enough").unwrap();
        let sealed = ring.seal_for("a", b"secret").unwrap();
        assert_eq!(ring.open_for("a", &sealed).unwrap(), b"secret");
        assert!(ring.open_for("b", &sealed).is_none() && ring.open(&sealed).is_err());
        let body = sealed.strip_prefix(LABELLED).unwrap();
        assert!(ring.open(&format!("{OURS}{body}")).is_err());
        let body = ring.seal(PEM).replace(OURS, LABELLED);
        assert!(ring.open_for("a", &body).is_none());
        let both = "a new key that is long enough\nan old key that is long enough";
        let both = Keyring::parse(both).unwrap();
        assert_eq!(both.open_for("a", &sealed).unwrap(), b"secret");
        assert!(
            ring.open_for("a", &both.seal_for("a", b"x").unwrap())
                .is_none()
        );
        assert!(Keyring::default().seal_for("a", b"x").is_none());
    }

    #[test]
    fn short_keys_are_refused_without_being_quoted() {
        let why = Keyring::parse("\n# x\nsecret").unwrap_err();
        assert!(why.contains("line 3") && !why.contains("secret"), "{why}");
        let ring = Keyring::parse("very-secret-very-secret").unwrap();
        assert!(!format!("{ring:?}").contains("secret"));
    }

    #[test]
    fn base64_keys_are_the_bytes_they_encode() {
        let text = STANDARD.encode([7; 32]);
        let ring = Keyring::parse(&text).unwrap();
        assert_eq!(*ring.keys[0].bytes, [7; 32]);
    }

    #[test]
    fn seal_key_is_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let a = Sealer::for_dir(dir.path(), &Keyring::default()).unwrap();
        let mode = std::fs::metadata(dir.path().join(SEAL_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let sealed = a.seal(b"x", b"hello").unwrap();
        let b = Sealer::for_dir(dir.path(), &Keyring::default()).unwrap();
        assert_eq!(b.open(b"x", &sealed).unwrap(), (0, b"hello".to_vec()));
        assert!(b.open(b"y", &sealed).is_none());
        // A keyring that came later still opens what the random key sealed, as the second key.
        let ring = Keyring::parse("a key that came much later").unwrap();
        assert_eq!(
            Sealer::for_dir(dir.path(), &ring)
                .unwrap()
                .open(b"x", &sealed)
                .unwrap()
                .0,
            1
        );
    }
}
