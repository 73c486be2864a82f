//! An append-only file of sealed records that survives kill -9 and power cuts at any instant. Owns the file format
//! (header, record framing, torn tails, rewriting, the lock against a second process); knows nothing of what a record
//! means. Used by `store::embedded` and by the last-good journal of `sync`.
//!
//! ```text
//! "sallyport-log 1\n"  frame(label)  frame(record)  frame(record) ...
//! frame(x) = length of the sealed bytes, u32 little endian, then the sealed bytes
//! ```
//! AES-GCM's tag is the checksum: a record is there whole or not at all. The first frame tells a file sealed with
//! another key from a damaged one.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::disk::{beside, make_private_dir, open_private, sync_dir};
use crate::seal::Sealer;

const MAGIC: &[u8; 16] = b"sallyport-log 1\n";
/// Below this a log is not worth rewriting, whatever it holds, in bytes.
const SMALL: u64 = 4 << 20;
/// No record is larger, in bytes; a greater length is damage.
const MAX_RECORD: u32 = 64 << 20;
const FRAME: u64 = 4;

/// Where a record lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    at: u64,
    len: u32,
}

impl Place {
    /// Bytes the record takes in the file.
    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.len) + FRAME
    }
}

/// Takes a record when a log is opened; an error ends the opening.
type Each<'a> = dyn FnMut(Place, &[u8]) -> Result<(), String> + 'a;

/// An open log. Only one process has it open at a time.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    label: &'static [u8],
    sealer: Sealer,
    file: File,
    len: u64,
    /// A sync failed: what is on disk is unknown until the file is read again, so nothing more is written.
    broken: bool,
    /// The file was sealed with a key that no longer seals.
    outdated: bool,
    _lock: File,
}

impl Log {
    /// Opens or creates `path` and hands every whole record to `each`, oldest first. A damaged or torn tail is cut off
    /// and kept in `{path}.damaged`.
    pub(crate) fn open(
        path: &Path,
        label: &'static [u8],
        sealer: &Sealer,
        each: &mut Each<'_>,
    ) -> Result<Self, String> {
        let named = |e: std::io::Error| format!("{}: {e}", path.display());
        if let Some(dir) = path.parent() {
            make_private_dir(dir).map_err(named)?;
        }
        let lock = open_private(&beside(path, "lock"), false).map_err(named)?;
        lock.try_lock()
            .map_err(|_| format!("{}: in use by another process", path.display()))?;
        if !path.exists() {
            let fresh = Rewrite::new(path, label, sealer)?;
            fresh.finish()?;
        }
        let file = open_private(path, false).map_err(named)?;
        let mut log = Self {
            path: path.to_owned(),
            label,
            sealer: sealer.clone(),
            file,
            len: 0,
            broken: false,
            outdated: false,
            _lock: lock,
        };
        log.read_all(each)
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(log)
    }

    fn read_all(&mut self, each: &mut Each<'_>) -> Result<(), String> {
        let size = self.file.metadata().map_err(|e| e.to_string())?.len();
        let mut input = BufReader::with_capacity(1 << 18, &self.file);
        let mut magic = [0; MAGIC.len()];
        input
            .read_exact(&mut magic)
            .map_err(|_| "not a file of Sallyport's".to_owned())?;
        if magic != *MAGIC {
            return Err("not a file of Sallyport's, or of another version".to_owned());
        }
        let mut at = MAGIC.len() as u64;
        let head = next_frame(&mut input, size - at).ok_or("the header is damaged")?;
        let (key, found) = self
            .sealer
            .open(b"header", &head)
            .ok_or("sealed with another key")?;
        if found != self.label {
            return Err("a file for another purpose".to_owned());
        }
        self.outdated = key != 0;
        at += FRAME + head.len() as u64;
        while at < size {
            let Some(sealed) = next_frame(&mut input, size - at) else {
                break;
            };
            let Some((_, clear)) = self.sealer.open(self.label, &sealed) else {
                break;
            };
            let place = Place {
                at,
                len: sealed.len() as u32,
            };
            each(place, &clear)?;
            at += place.bytes();
        }
        drop(input);
        self.len = at;
        if at < size {
            self.cut_tail(size).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// The file ends in the middle of a record, or the record is not as it was written.
    fn cut_tail(&self, size: u64) -> std::io::Result<()> {
        tracing::warn!(file = %self.path.display(), kept = self.len, dropped = size - self.len,
            "the log ends in a torn or damaged record; the tail is cut off and kept beside it");
        let mut tail = vec![0; (size - self.len).min(u64::from(MAX_RECORD)) as usize];
        self.file.read_exact_at(&mut tail, self.len)?;
        super::disk::write_private(&beside(&self.path, "damaged"), &tail)?;
        self.file.set_len(self.len)?;
        self.file.sync_all()
    }

    /// Bytes in the file.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether rewriting is worth it when `live` bytes of records still count.
    pub(crate) fn wants_rewrite(&self, live: u64) -> bool {
        self.outdated || (self.len > SMALL && self.len > live.saturating_mul(2))
    }

    /// Writes `records` in one go; durable only after [`Self::sync`].
    pub(crate) fn append(&mut self, records: &[Vec<u8>]) -> Result<Vec<Place>, String> {
        if self.broken {
            return Err(format!(
                "{}: an earlier write failed; restart to recover",
                self.path.display()
            ));
        }
        let mut places = Vec::with_capacity(records.len());
        let mut out = Vec::new();
        for record in records {
            let at = self.len + out.len() as u64;
            places.push(Place {
                at,
                len: push_frame(&mut out, &self.sealer, self.label, record)?,
            });
        }
        // Always at our own end: what a failed write left there is overwritten by the next one.
        self.file.write_all_at(&out, self.len).map_err(|e| {
            let _ = self.file.set_len(self.len);
            format!("{}: {e}", self.path.display())
        })?;
        self.len += out.len() as u64;
        Ok(places)
    }

    /// Returns once everything appended is on disk.
    pub(crate) fn sync(&mut self) -> Result<(), String> {
        self.file.sync_data().map_err(|e| {
            self.broken = true;
            format!("{}: {e}", self.path.display())
        })
    }

    /// The record at `place`.
    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>, String> {
        let mut sealed = vec![0; place.len as usize];
        self.file
            .read_exact_at(&mut sealed, place.at + FRAME)
            .map_err(|e| format!("{}: {e}", self.path.display()))?;
        let opened = self.sealer.open(self.label, &sealed);
        opened
            .map(|(_, clear)| clear)
            .ok_or_else(|| format!("{}: damaged at byte {}", self.path.display(), place.at))
    }

    /// Begins a new file that will take this one's place at [`Self::replace`].
    pub(crate) fn rewrite(&self) -> Result<Rewrite, String> {
        Rewrite::new(&self.path, self.label, &self.sealer)
    }

    /// Puts the rewritten file in this one's place, atomically and durably.
    pub(crate) fn replace(&mut self, with: Rewrite) -> Result<(), String> {
        let (file, len) = with.finish()?;
        (self.file, self.len, self.broken, self.outdated) = (file, len, false, false);
        Ok(())
    }
}

/// A log being written anew beside the one it will replace.
pub(crate) struct Rewrite {
    path: PathBuf,
    temporary: PathBuf,
    label: &'static [u8],
    sealer: Sealer,
    out: BufWriter<File>,
    len: u64,
    frame: Vec<u8>,
}

impl Rewrite {
    fn new(path: &Path, label: &'static [u8], sealer: &Sealer) -> Result<Self, String> {
        let temporary = beside(path, "new");
        let named = |e: std::io::Error| format!("{}: {e}", temporary.display());
        let mut out =
            BufWriter::with_capacity(1 << 18, open_private(&temporary, true).map_err(named)?);
        let mut head = MAGIC.to_vec();
        push_frame(&mut head, sealer, b"header", label)?;
        out.write_all(&head).map_err(named)?;
        let (path, sealer, len) = (path.to_owned(), sealer.clone(), head.len() as u64);
        Ok(Self {
            path,
            temporary,
            label,
            sealer,
            out,
            len,
            frame: Vec::new(),
        })
    }

    /// Adds a record.
    pub(crate) fn append(&mut self, record: &[u8]) -> Result<Place, String> {
        self.frame.clear();
        let place = Place {
            at: self.len,
            len: push_frame(&mut self.frame, &self.sealer, self.label, record)?,
        };
        self.out
            .write_all(&self.frame)
            .map_err(|e| format!("{}: {e}", self.temporary.display()))?;
        self.len += place.bytes();
        Ok(place)
    }

    fn finish(self) -> Result<(File, u64), String> {
        let named = |e: std::io::Error| format!("{}: {e}", self.path.display());
        let file = self.out.into_inner().map_err(|e| named(e.into_error()))?;
        file.sync_all().map_err(named)?;
        std::fs::rename(&self.temporary, &self.path).map_err(named)?;
        if let Some(dir) = self.path.parent() {
            sync_dir(dir).map_err(named)?;
        }
        Ok((file, self.len))
    }
}

fn push_frame(
    out: &mut Vec<u8>,
    sealer: &Sealer,
    label: &[u8],
    clear: &[u8],
) -> Result<u32, String> {
    let sealed = sealer.seal(label, clear)?;
    let len = u32::try_from(sealed.len())
        .ok()
        .filter(|len| *len <= MAX_RECORD)
        .ok_or("the record is too large")?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&sealed);
    Ok(len)
}

/// The next frame's sealed bytes, `None` if it does not fit in what is `left` of the file.
fn next_frame(input: &mut impl Read, left: u64) -> Option<Vec<u8>> {
    let mut len = [0; FRAME as usize];
    if left < FRAME {
        return None;
    }
    input.read_exact(&mut len).ok()?;
    let len = u32::from_le_bytes(len);
    if len > MAX_RECORD || u64::from(len) > left - FRAME {
        return None;
    }
    let mut sealed = vec![0; len as usize];
    input.read_exact(&mut sealed).ok()?;
    Some(sealed)
}

/// Writes a record's fields; [`Fields`] reads them back in the same order.
#[derive(Default)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    /// A record that begins with its tag.
    pub(crate) fn new(tag: u8) -> Self {
        Self(vec![tag])
    }
    /// Adds a number.
    pub(crate) fn number(mut self, n: u64) -> Self {
        self.0.extend_from_slice(&n.to_le_bytes());
        self
    }
    /// Adds bytes of any length up to 4 GiB.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let mut with_len = self.number(bytes.len() as u64);
        with_len.0.extend_from_slice(bytes);
        with_len
    }
    /// The record.
    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a record's fields; every call is `None` once something is missing.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The tag.
    pub(crate) fn tag(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
    /// A number.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }
    /// Bytes.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }
    /// Bytes that are text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::Keyring;

    fn open(path: &Path, sealer: &Sealer) -> Result<(Log, Vec<Vec<u8>>), String> {
        let mut seen = Vec::new();
        let log = Log::open(path, b"test", sealer, &mut |_, r| {
            seen.push(r.to_vec());
            Ok(())
        })?;
        Ok((log, seen))
    }

    #[test]
    fn every_truncation_and_every_flipped_byte_leaves_a_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::for_dir(dir.path(), &Keyring::default()).unwrap();
        let path = dir.path().join("log");
        let (mut log, _) = open(&path, &sealer).unwrap();
        let empty = log.len();
        let records: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i; usize::from(i) * 7]).collect();
        log.append(&records).unwrap();
        log.sync().unwrap();
        assert!(open(&path, &sealer).unwrap_err().contains("in use"));
        drop(log);
        let whole = std::fs::read(&path).unwrap();
        assert!(!whole.windows(7).any(|w| w == [1; 7]), "records are sealed");
        for cut in empty as usize..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut log, seen) = open(&path, &sealer).unwrap();
            assert_eq!(seen, records[..seen.len()]);
            assert_eq!(seen.len() == 5, cut == whole.len());
            // What is appended after the cut follows the prefix.
            log.append(&[b"more".to_vec()]).unwrap();
            drop(log);
            assert_eq!(open(&path, &sealer).unwrap().1.last().unwrap(), b"more");
        }
        for flip in empty as usize..whole.len() {
            let mut damaged = whole.clone();
            damaged[flip] ^= 0x40;
            std::fs::write(&path, &damaged).unwrap();
            let seen = open(&path, &sealer).unwrap().1;
            assert!(seen.len() < 5 && seen == records[..seen.len()]);
        }
    }

    #[test]
    fn foreign_files_and_other_keys_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::for_dir(dir.path(), &Keyring::default()).unwrap();
        let path = dir.path().join("log");
        drop(open(&path, &sealer).unwrap());
        let other = tempfile::tempdir().unwrap();
        let other = Sealer::for_dir(other.path(), &Keyring::default()).unwrap();
        assert!(open(&path, &other).unwrap_err().contains("another key"));
        let wrong = Log::open(&path, b"other", &sealer, &mut |_, _| Ok(()));
        assert!(wrong.unwrap_err().contains("another purpose"));
        std::fs::write(&path, "hello, I am somebody else's").unwrap();
        assert!(open(&path, &sealer).unwrap_err().contains("not a file"));
    }

    #[test]
    fn rewriting_keeps_what_is_copied_and_takes_the_new_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let old = Keyring::parse("the first key of all").unwrap();
        let sealer = Sealer::for_dir(dir.path(), &old).unwrap();
        let (mut log, _) = open(&path, &sealer).unwrap();
        let places = log.append(&[b"one".to_vec(), b"two".to_vec()]).unwrap();
        assert_eq!(log.read(places[1]).unwrap(), b"two");
        drop(log);
        let both = Keyring::parse("the second key of all\nthe first key of all").unwrap();
        let sealer = Sealer::for_dir(dir.path(), &both).unwrap();
        let (mut log, _) = open(&path, &sealer).unwrap();
        assert!(log.wants_rewrite(0));
        let mut rewrite = log.rewrite().unwrap();
        let place = rewrite.append(&log.read(places[1]).unwrap()).unwrap();
        log.replace(rewrite).unwrap();
        assert_eq!(log.read(place).unwrap(), b"two");
        assert!(!log.wants_rewrite(0));
        log.append(&[b"three".to_vec()]).unwrap();
        drop(log);
        let only = Sealer::for_dir(
            dir.path(),
            &Keyring::parse("the second key of all").unwrap(),
        )
        .unwrap();
        assert_eq!(
            open(&path, &only).unwrap().1,
            [b"two".to_vec(), b"three".to_vec()]
        );
    }
}
