//! Small request bodies that are at hand: sent whole with the head, a request costs fewer frames and can be sent again.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use http_body::Body as _;

use super::pump::Kept;
use crate::body::Body;

/// Bodies up to this size are gathered: what is copied costs less than what it saves. Bytes: 16 KiB.
const SMALL: u64 = 16 << 10;

/// `body` with what is there of it without waiting: whole if that is all of a small one. One of unknown length is not
/// touched: targets are told of it as it is.
pub(super) async fn at_hand(mut body: Body) -> Body {
    let small = matches!(body, Body::Stream(_) | Body::H2(_))
        && body.size_hint().exact().is_some_and(|n| n <= SMALL);
    if !small {
        return body;
    }
    let mut kept = Kept::default();
    let ended = poll_fn(|cx| {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(cx) else {
                return Poll::Ready(false);
            };
            match frame {
                None => return Poll::Ready(true),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => kept.push(data),
                    Err(frame) => kept.trailers = frame.into_trailers().ok(),
                },
                Some(Err(error)) => {
                    kept.error = Some(error);
                    return Poll::Ready(false);
                }
            }
        }
    })
    .await;
    if !ended || kept.trailers.is_some() {
        return kept.before(body, false);
    }
    let mut whole = BytesMut::with_capacity(kept.bytes);
    for data in kept.data {
        whole.extend_from_slice(&data);
    }
    Body::Full(whole.freeze())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use http_body::{Frame, SizeHint};
    use http_body_util::BodyExt;

    use super::*;
    use crate::body::BodyError;

    /// Gives these frames; `None` is a pause.
    struct Script(Vec<Option<Result<Frame<Bytes>, BodyError>>>, Option<u64>);

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            if self.0.is_empty() {
                return Poll::Ready(None);
            }
            match self.0.remove(0) {
                Some(frame) => {
                    let length = frame
                        .as_ref()
                        .ok()
                        .and_then(|f| f.data_ref())
                        .map(Bytes::len);
                    let length = length.unwrap_or(0) as u64;
                    self.1 = self.1.map(|left| left - length);
                    Poll::Ready(Some(frame))
                }
                None => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }

        fn size_hint(&self) -> SizeHint {
            self.1.map_or_else(SizeHint::new, SizeHint::with_exact)
        }
    }

    async fn gathered(
        frames: Vec<Option<Result<Frame<Bytes>, BodyError>>>,
        length: Option<u64>,
    ) -> Body {
        let body = at_hand(Body::Stream(Box::pin(Script(frames, length)))).await;
        assert_eq!(body.size_hint().exact(), length);
        body
    }

    fn data(text: &'static str) -> Option<Result<Frame<Bytes>, BodyError>> {
        Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
    }

    #[tokio::test]
    async fn what_is_here_whole_is_whole() {
        let body = gathered(vec![data("bo"), data("dy")], Some(4)).await;
        assert!(matches!(&body, Body::Full(all) if all == "body"));
    }

    #[tokio::test]
    async fn what_is_not_stays_as_it_was() {
        let trailers = || {
            let mut fields = HeaderMap::new();
            fields.insert("x-end", http::HeaderValue::from_static("1"));
            Some(Ok(Frame::trailers(fields)))
        };
        for (frames, length, ends) in [
            (vec![data("bo"), None, data("dy")], Some(4), None),
            (vec![None, data("body")], Some(4), None),
            (vec![data("body"), None], Some(4), None),
            (vec![data("body"), trailers()], Some(4), Some("1")),
            (vec![data("body"), None, trailers()], Some(4), Some("1")),
            (vec![data("bo"), data("dy")], None, None),
        ] {
            let body = gathered(frames, length).await;
            assert!(matches!(body, Body::Stream(_)));
            let all = body.collect().await.unwrap();
            let end = all
                .trailers()
                .map(|fields| fields["x-end"].to_str().unwrap());
            assert_eq!(end, ends);
            assert_eq!(all.to_bytes(), "body");
        }
    }

    #[tokio::test]
    async fn what_breaks_off_breaks_off() {
        let mut body = gathered(vec![data("bo"), Some(Err(BodyError::TimedOut))], Some(4)).await;
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "bo");
        assert_eq!(
            body.frame().await.unwrap().unwrap_err(),
            BodyError::TimedOut
        );
    }

    #[tokio::test]
    async fn large_ones_are_not_touched() {
        let large = Script(vec![data("x")], Some(SMALL + 1));
        let body = at_hand(Body::Stream(Box::pin(large))).await;
        assert_eq!(body.size_hint().exact(), Some(SMALL + 1));
    }
}
