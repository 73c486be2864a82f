//! The inner door: takes matched requests, picks the target, originates TLS, exchanges the messages.

use crate::hop::{Failure, Request, Response};

/// One thread's processor.
pub struct Processor {}

impl Processor {
    /// Serves one request.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn run(&self, _request: Request) -> Result<Response, Box<Failure>> {
        Err(Box::new(Failure {
            fault: crate::fault::Fault::processor(
                crate::fault::FaultCode::NoProcessor,
                "not implemented",
            ),
            target: crate::hop::TargetFacts::default(),
        }))
    }
}
