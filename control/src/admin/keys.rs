//! The keys of the Admin API and the file they live in. There is no default key: the file is made with a random one.
//! Owns the file's form (`KEY`, and optionally `viewer KEY`) and its permissions; checking a request is `auth`'s.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::{constant_time, digest, rand};

/// Shorter keys are refused: they can be guessed.
const SHORTEST: usize = 16;

/// A key, kept only as its SHA-256: enough to compare, nothing to leak.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// The secret for `key`.
    pub fn new(key: &str) -> Self {
        Self(sha256(key))
    }

    /// Whether `given` is the key; takes the same time whatever `given` is.
    pub fn matches(&self, given: &str) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &sha256(given)).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

fn sha256(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    out
}

/// Who may use the Admin API.
#[derive(Clone, Debug)]
pub struct AdminKeys {
    /// Everything.
    pub admin: Secret,
    /// GET only.
    pub viewer: Option<Secret>,
}

/// Reads the key file, or makes it with a random admin key (mode 0600) if it is not there.
///
/// # Errors
/// A sentence naming the file: not readable, open to others, empty, or a key shorter than 16 characters.
pub fn load_or_create(path: &Path) -> io::Result<AdminKeys> {
    match create(path) {
        Ok(()) => tracing::info!(file = %path.display(), "made a new admin key"),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(naming(path, &e)),
    }
    let (admin, viewer) = read(path)?;
    Ok(AdminKeys {
        admin: Secret::new(&admin),
        viewer: viewer.as_deref().map(Secret::new),
    })
}

/// The admin key itself, for the command line's own requests.
///
/// # Errors
/// As [`load_or_create`], and if the file does not exist.
pub fn admin_key(path: &Path) -> io::Result<String> {
    read(path).map(|(admin, _)| admin)
}

/// Checks a key given otherwise than by a file (`--admin-key`).
///
/// # Errors
/// A key shorter than 16 characters, or one that no header could carry.
pub fn check(key: &str) -> Result<(), String> {
    if key.len() < SHORTEST {
        return Err(format!("an admin key needs at least {SHORTEST} characters"));
    }
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("an admin key may hold only printable ASCII without spaces".to_owned());
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut random = [0; 16];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system gave no random bytes"))?;
    let mut key: String = random.iter().map(|b| format!("{b:02x}")).collect();
    key.push('\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()
}

fn read(path: &Path) -> io::Result<(String, Option<String>)> {
    let mut file = File::open(path).map_err(|e| naming(path, &e))?;
    let mode = file
        .metadata()
        .map_err(|e| naming(path, &e))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        let message = format!(
            "{0}: other users can read this key file (mode {1:04o}); run: chmod 600 {0}",
            path.display(),
            mode & 0o7777
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|e| naming(path, &e))?;
    parse(&text).map_err(|why| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {why}", path.display()),
        )
    })
}

/// The first line is the admin key; a line `viewer KEY` adds the viewer's. Blank lines and `#` comments are passed over.
fn parse(text: &str) -> Result<(String, Option<String>), String> {
    let (mut admin, mut viewer) = (None, None);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (slot, key) = match line.split_once(|c: char| c == ':' || c.is_whitespace()) {
            Some(("viewer", key)) => (&mut viewer, key.trim()),
            _ => (&mut admin, line),
        };
        check(key).map_err(|why| format!("line {}: {why}", index + 1))?;
        if slot.replace(key.to_owned()).is_some() {
            return Err(format!("line {}: a second key of the same role", index + 1));
        }
    }
    admin
        .map(|admin| (admin, viewer))
        .ok_or_else(|| "no admin key in this file".to_owned())
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_private_random_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/admin.key");
        let keys = load_or_create(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim().len(), 32);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(keys.admin.matches(text.trim()));
        assert!(!keys.admin.matches(""));
        assert!(load_or_create(&path).unwrap().admin.matches(text.trim()));
        assert_eq!(admin_key(&path).unwrap(), text.trim());
        assert_eq!(
            format!("{keys:?}"),
            "AdminKeys { admin: Secret(..), viewer: None }"
        );
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.key");
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let message = load_or_create(&path).unwrap_err().to_string();
        assert!(
            message.contains("chmod 600") && message.contains("admin.key"),
            "{message}"
        );
    }

    #[test]
    fn forms_of_the_file() {
        let key = "0123456789abcdef";
        assert_eq!(
            parse("# mine\n0123456789abcdef\n\nviewer fedcba9876543210\n")
                .unwrap()
                .1
                .unwrap(),
            "fedcba9876543210"
        );
        assert_eq!(
            parse("viewer: fedcba9876543210\n0123456789abcdef")
                .unwrap()
                .0,
            key
        );
        assert_eq!(parse("\n").unwrap_err(), "no admin key in this file");
        assert_eq!(
            parse("short").unwrap_err(),
            "line 1: an admin key needs at least 16 characters"
        );
        assert_eq!(
            parse("viewer 1\n").unwrap_err(),
            "line 1: an admin key needs at least 16 characters"
        );
        assert!(
            parse("0123456789abcdef\n0123456789abcdeg")
                .unwrap_err()
                .starts_with("line 2")
        );
        assert!(parse("edd1c9f034335f136f87ad84b625c8f1 extra").is_err());
    }
}
