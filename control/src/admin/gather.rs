//! Asks every node's own page (its `metrics` listener) for what only the node knows, all at once and each within a bound of time
//! and size. What the answers are is the views' matter.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::membership::{Member, MemberState};

/// The longest answer of a node that is read: 8 MiB.
const MOST_BYTES: usize = 8 << 20;
/// Nodes asked at a time; with more of them the rest waits its turn.
const AT_A_TIME: usize = 32;
/// Listener of a node that has the pages.
const LISTENER: &str = "metrics";

/// What a node answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// 200 with JSON.
    Page(Value),
    /// Another status; the body's `error_msg`.
    Refused(StatusCode, String),
    /// No answer, and why.
    Silent(String),
}

/// Asks each living member for `path` (with its query), giving each `patience`; in the members' order.
pub(super) async fn ask(
    members: &[Arc<Member>],
    path: &str,
    patience: Duration,
) -> Vec<(String, Said)> {
    let mut waiting = members
        .iter()
        .filter(|member| !matches!(member.state(), MemberState::Gone))
        .enumerate();
    let mut asked = JoinSet::new();
    let mut answers = Vec::new();
    loop {
        while asked.len() < AT_A_TIME
            && let Some((number, member)) = waiting.next()
        {
            let address = member.addresses.get(LISTENER).cloned();
            let (id, path) = (member.id.clone(), path.to_owned());
            asked.spawn(async move {
                let said = match address {
                    Some(address) => one(&address, &path, patience).await,
                    None => Said::Silent("its metrics listener is off".to_owned()),
                };
                (number, id, said)
            });
        }
        match asked.join_next().await {
            Some(Ok(answer)) => answers.push(answer),
            // A task that was cancelled with the runtime.
            Some(Err(_)) => {}
            None => break,
        }
    }
    answers.sort_unstable_by_key(|(number, _, _)| *number);
    answers
        .into_iter()
        .map(|(_, id, said)| (id, said))
        .collect()
}

async fn one(address: &str, path: &str, patience: Duration) -> Said {
    match tokio::time::timeout(patience, exchange(address, path)).await {
        Ok(Ok(said)) => said,
        Ok(Err(error)) => Said::Silent(format!("{address}: {error}")),
        Err(_) => Said::Silent(format!("{address}: no answer in {patience:?}")),
    }
}

async fn exchange(address: &str, path: &str) -> Result<Said, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|e| text(&e))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| text(&e))?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, address)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| text(&e))?;
    let answer = sender.send_request(request).await.map_err(|e| text(&e))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST_BYTES);
    let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
    connection.abort();
    // Megabytes take a while, and other tasks wait for this thread.
    let page = tokio::task::spawn_blocking(move || serde_json::from_slice::<Value>(&body));
    let page = page.await.map_err(|e| text(&e))?;
    match (status, page) {
        (StatusCode::OK, Ok(page)) => Ok(Said::Page(page)),
        (StatusCode::OK, Err(_)) => Err("its answer is not JSON".to_owned()),
        (status, page) => {
            let why = page
                .ok()
                .and_then(|p| Some(p.get("error_msg")?.as_str()?.to_owned()));
            Ok(Said::Refused(status, why.unwrap_or_default()))
        }
    }
}
