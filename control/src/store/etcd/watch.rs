//! Following the prefix: a task that turns etcd's messages into batches of whole revisions and finds out when the
//! stream is dead, compacted, or tells another history. Re-opening it is for `sync`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::list::current_revision;
use super::{CALL, Link, MAX_MESSAGE, is_too_large, number, signed};
use crate::store::{Batch, Event, StoreError, Watch};

/// After this long without a message etcd is asked for a sign of life.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// It has this long to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Batches read ahead of `sync`.
const QUEUE: usize = 64;
/// The watch id of an answer to a request for progress. Its revision is not used: etcd before 3.4.25 and 3.5.8 may send
/// it ahead of events that are still under way.
const PROGRESS_ON_REQUEST: i64 = -1;

pub(super) async fn open(link: Arc<Link>, from: u64) -> Result<Watch, StoreError> {
    link.sign_in().await?;
    let options = WatchOptions::new()
        .with_range(link.range_end())
        .with_start_revision(signed(from))
        .with_progress_notify()
        .with_fragment();
    let mut client = link
        .client
        .watch_client()
        .max_decoding_message_size(MAX_MESSAGE);
    let mut stream = link
        .call(client.watch(link.prefix.clone(), Some(options)))
        .await?;
    let created = link
        .call(stream.message())
        .await?
        .ok_or_else(|| link.away("the watch was not opened"))?;
    refuse_canceled(&link, &created).await?;
    let header = created
        .header()
        .ok_or_else(|| link.away("an answer without a header"))?;
    let revision = number(header.revision());
    if !link.same_origin(header) {
        return Err(StoreError::WentBack(revision));
    }
    // A member that lags behind may be opened on; only a quorum's answer shows that the store itself went back.
    if revision + 1 < from {
        let revision = current_revision(&link).await?;
        if revision + 1 < from {
            return Err(StoreError::WentBack(revision));
        }
    }
    let (to, batches) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let pump = Pump {
            link,
            from,
            held: Vec::new(),
        };
        tokio::select! {
            () = to.closed() => {}
            error = pump.run(stream, &to) => { let _ = to.send(Err(error)).await; }
        }
    });
    Ok(Watch { batches })
}

/// A cancelled watch is no error to the library: the stream stays open and silent.
async fn refuse_canceled(link: &Link, message: &WatchResponse) -> Result<(), StoreError> {
    if !message.canceled() {
        return Ok(());
    }
    if message.compact_revision() > 0 {
        return Err(StoreError::Compacted(number(message.compact_revision())));
    }
    // The token may have expired, or the user's rights have changed: either way a new token tells.
    link.sign_out().await;
    let reason = message.cancel_reason();
    Err(link.away(if reason.is_empty() {
        "the watch was cancelled (permission, or no leader)"
    } else {
        reason
    }))
}

struct Pump {
    link: Arc<Link>,
    from: u64,
    /// Events of a message that came in fragments, until the last one is there.
    held: Vec<Event>,
}

impl Pump {
    /// Runs until the stream ends; says why.
    async fn run(
        mut self,
        mut stream: WatchStream,
        to: &mpsc::Sender<Result<Batch, StoreError>>,
    ) -> StoreError {
        let mut asked: Option<Instant> = None;
        loop {
            let message = match timeout(ASK_AFTER, stream.message()).await {
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => return self.link.away("the watch ended"),
                // A batch that no message holds: a listing, which comes in pages, gets past it.
                Ok(Err(error)) if is_too_large(&error) => return StoreError::Compacted(self.from),
                Ok(Err(error)) => return self.link.explain(&error),
                Err(_) => match asked {
                    Some(at) if at.elapsed() >= ANSWER_WITHIN => {
                        return self.link.away("the watch is silent");
                    }
                    Some(_) => continue,
                    None => {
                        asked = Some(Instant::now());
                        match timeout(CALL, stream.request_progress()).await {
                            Ok(Ok(())) => continue,
                            _ => return self.link.away("the watch takes no requests"),
                        }
                    }
                },
            };
            asked = None;
            if let Err(error) = refuse_canceled(&self.link, &message).await {
                return error;
            }
            if let Some(batch) = self.take(message)
                && to.send(Ok(batch)).await.is_err()
            {
                return self.link.away("nobody reads the watch");
            }
        }
    }

    /// The batch that `message` completes, if it does.
    fn take(&mut self, message: WatchResponse) -> Option<Batch> {
        let (created, id) = (message.created(), message.watch_id());
        let message = message.0;
        if message.events.is_empty() && self.held.is_empty() {
            let progress = !created && id != PROGRESS_ON_REQUEST;
            let revision = number(message.header.map_or(0, |h| h.revision));
            return progress.then_some(Batch {
                revision,
                events: Vec::new(),
            });
        }
        if id == PROGRESS_ON_REQUEST {
            return None;
        }
        let mut revision = 0;
        for event in message.events {
            let deleted = event.r#type == EventType::Delete as i32;
            let Some(kv) = event.kv else { continue };
            revision = number(kv.mod_revision);
            let Some(key) = kv.key.strip_prefix(self.link.prefix.as_bytes()) else {
                continue;
            };
            // Our keys are text; what is not is somebody else's.
            let Ok(key) = std::str::from_utf8(key) else {
                continue;
            };
            self.held.push(Event {
                key: key.to_owned(),
                value: (!deleted).then(|| Bytes::from(kv.value)),
                create_revision: if deleted {
                    0
                } else {
                    number(kv.create_revision)
                },
                mod_revision: revision,
            });
        }
        // Not the header's revision: when etcd catches up in several messages that one is ahead of them.
        (!message.fragment).then(|| Batch {
            revision,
            events: std::mem::take(&mut self.held),
        })
    }
}
