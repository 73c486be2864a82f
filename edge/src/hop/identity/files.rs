//! The three files of a `--hop-tls` directory, read together. Owns their names, sizes and modes; what they are worth is
//! [`super::set`]'s.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use super::IdentityError;

/// Bytes of one file at most: some hundred certificates, and a wrong file is not read into memory.
const MAX_BYTES: u64 = 1 << 20;

/// What was read.
pub(super) struct Files {
    pub(super) ca: Vec<u8>,
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    /// SHA-256 over all three: what is new is told by content, not by times, which copies and mounts change.
    pub(super) digest: [u8; 32],
}

pub(super) fn ca_path(dir: &Path) -> PathBuf {
    dir.join("ca.crt")
}

pub(super) fn certificate_path(dir: &Path) -> PathBuf {
    dir.join("node.crt")
}

pub(super) fn key_path(dir: &Path) -> PathBuf {
    dir.join("node.key")
}

impl Files {
    pub(super) fn read(dir: &Path) -> Result<Self, IdentityError> {
        let ca = read(&ca_path(dir), false)?;
        let certificate = read(&certificate_path(dir), false)?;
        let key = read(&key_path(dir), true)?;
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [&ca, &certificate, &key] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Ok(Self {
            ca,
            certificate,
            key,
            digest,
        })
    }
}

fn read(path: &Path, secret: bool) -> Result<Vec<u8>, IdentityError> {
    let unreadable = |reason: String| IdentityError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    // Asked of what was opened, not of the path, which may be another file by now.
    let about = file.metadata().map_err(|e| unreadable(e.to_string()))?;
    let mode = about.permissions().mode() & 0o7777;
    if secret && mode != 0o600 && mode != 0o400 {
        return Err(IdentityError::Exposed {
            path: path.to_owned(),
            mode,
        });
    }
    if !about.is_file() {
        return Err(unreadable("is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(e.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(unreadable(format!("is longer than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}
