//! The hop of a node that is both router and processor: a call on the same thread. It is the one place where the router's
//! side holds the processor's.

use super::{Failure, Request, Response};
use crate::processor::Processor;

/// The processor of this thread, as the router sees it.
pub struct Local(Processor);

impl Local {
    /// A hop to `processor`.
    pub const fn new(processor: Processor) -> Self {
        Self(processor)
    }

    /// Hands over a request.
    ///
    /// # Errors
    /// [`Failure`] as the processor gives it.
    pub async fn call(&self, request: Request) -> Result<Response, Box<Failure>> {
        self.0.run(request).await
    }
}
