//! Listing the prefix in pages, all at one revision, the next page being fetched while the last one is read.
//! Owns the page size; what the pages mean is for `sync`.

use std::sync::Arc;

use bytes::Bytes;
use etcd_client::{GetOptions, GetResponse};
use tokio::sync::mpsc;

use super::{CALL, Link, MAX_MESSAGE, is_too_large, number};
use crate::store::{Entry, Listing, Pages, StoreError};

/// Keys a page.
const PAGE: i64 = 1000;
/// With values of etcd's 1.5 MB limit this many still fit in a message.
const SMALLEST_PAGE: i64 = 31;
/// Pages fetched ahead of the reader.
const AHEAD: usize = 2;

pub(super) fn start(link: Arc<Link>) -> Pages {
    let (to, pages) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if let Err(error) = run(&link, &to).await {
            // A reader that has gone needs no error.
            let _ = to.send(Err(error)).await;
        }
    });
    Pages { pages }
}

async fn run(
    link: &Link,
    to: &mpsc::Sender<Result<Listing, StoreError>>,
) -> Result<(), StoreError> {
    link.sign_in().await?;
    let (mut from, mut revision, mut page_size) = (link.prefix.clone().into_bytes(), 0, PAGE);
    loop {
        let Some(mut response) = page(link, from.clone(), revision, page_size).await? else {
            page_size = (page_size / 2).max(SMALLEST_PAGE);
            continue;
        };
        let header = response
            .header()
            .ok_or_else(|| link.away("an answer without a header"))?;
        if revision == 0 {
            revision = header.revision();
            link.set_origin(header);
        }
        let more = response.more();
        let kvs = response.take_kvs();
        if let Some(last) = kvs.last() {
            from = last.key().to_vec();
            from.push(0);
        }
        let entries = kvs.into_iter().filter_map(|kv| {
            let (create_revision, mod_revision) =
                (number(kv.create_revision()), number(kv.mod_revision()));
            let (key, value) = kv.into_key_value();
            // Our keys are text; what is not is somebody else's.
            let key = std::str::from_utf8(key.strip_prefix(link.prefix.as_bytes())?)
                .ok()?
                .to_owned();
            Some(Entry {
                key,
                value: Bytes::from(value),
                create_revision,
                mod_revision,
            })
        });
        let listing = Listing {
            revision: number(revision),
            entries: entries.collect(),
        };
        if to.send(Ok(listing)).await.is_err() || !more {
            return Ok(());
        }
    }
}

/// One page; `None` if it was too large to decode and can be made smaller.
async fn page(
    link: &Link,
    from: Vec<u8>,
    revision: i64,
    size: i64,
) -> Result<Option<GetResponse>, StoreError> {
    let options = GetOptions::new()
        .with_range(link.range_end())
        .with_limit(size)
        .with_revision(revision);
    let mut kv = link
        .client
        .kv_client()
        .max_decoding_message_size(MAX_MESSAGE);
    match tokio::time::timeout(CALL, kv.get(from, Some(options))).await {
        Ok(Ok(response)) => Ok(Some(response)),
        Ok(Err(error)) if size > SMALLEST_PAGE && is_too_large(&error) => Ok(None),
        Ok(Err(error)) => Err(link.explain(&error)),
        Err(_) => Err(link.away(&format!(
            "no page of the listing within {} s",
            CALL.as_secs()
        ))),
    }
}

/// The highest revision of the store as a quorum sees it, whichever member answers.
pub(super) async fn current_revision(link: &Link) -> Result<u64, StoreError> {
    let options = GetOptions::new()
        .with_range(link.range_end())
        .with_count_only();
    let response = link
        .call(
            link.client
                .kv_client()
                .get(link.prefix.clone(), Some(options)),
        )
        .await?;
    Ok(response
        .header()
        .map_or(0, |header| number(header.revision())))
}
