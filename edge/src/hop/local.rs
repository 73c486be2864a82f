//! The hop of a node that is both router and processor: a call on the same thread.

use super::{Failure, Request, Response};
use crate::processor::Processor;

/// Hands a request to this thread's processor.
///
/// # Errors
/// [`Failure`] as the processor gives it.
pub async fn call(processor: &Processor, request: Request) -> Result<Response, Box<Failure>> {
    processor.run(request).await
}
