//! The last known set on disk, `members.json`: who is there and where, nothing secret and nothing that changes often. A
//! router restarted while the store is away finds its processors in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Member;
use super::entry::Entry;
use crate::store::{make_private_dir, write_private};

/// In the data directory.
pub(super) const NAME: &str = "members.json";

/// What the file holds; nothing if there is none, or none that can be read.
pub(super) async fn load(path: Option<PathBuf>) -> Vec<Member> {
    let Some(path) = path else { return Vec::new() };
    let read = tokio::task::spawn_blocking(move || read(&path)).await;
    let known = read.unwrap_or_else(|e| Err(e.to_string()));
    known.unwrap_or_else(|why| {
        tracing::warn!(%why, "the last known nodes cannot be read");
        Vec::new()
    })
}

fn read(path: &Path) -> Result<Vec<Member>, String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("{}: {e}", path.display())),
    };
    let entries: Vec<Entry> =
        serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(entries.into_iter().map(Entry::into_member).collect())
}

/// The text of the file for these members.
pub(super) fn text<'a>(members: impl Iterator<Item = &'a Arc<Member>>) -> Vec<u8> {
    let entries: Vec<_> = members.map(|member| Entry::lasting(member)).collect();
    // Maps with text keys and plain members: this cannot fail.
    serde_json::to_vec(&entries).unwrap_or_default()
}

/// Puts `text` in the file's place, whole or not at all.
pub(super) async fn save(path: PathBuf, text: Vec<u8>) {
    let written = tokio::task::spawn_blocking(move || {
        if let Some(dir) = path.parent() {
            make_private_dir(dir)?;
        }
        let new = path.with_extension("json.new");
        write_private(&new, &text)?;
        std::fs::rename(&new, &path)
    });
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the known nodes cannot be kept on disk"),
        Err(error) => tracing::warn!(%error, "the known nodes were not kept on disk"),
    }
}
