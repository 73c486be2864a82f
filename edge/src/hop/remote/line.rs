//! What the choice of processors needs of a connection. [`Lane`] is the one there is; tests put scripted ones in its
//! place, so that deaths and refusals come when the test says so.

use std::net::SocketAddr;

use tokio::sync::watch;

use super::Shared;
use crate::hop::Request;
use crate::hop::quic::lane::{Lane, LaneError, Outcome};

/// A connection to one processor; see [`Lane`].
pub trait Line: Sized + 'static {
    /// What opening one needs.
    type Ends: Clone + 'static;

    /// Connects.
    fn open(
        to: SocketAddr,
        with: &Self::Ends,
    ) -> impl Future<Output = Result<Self, LaneError>> + 'static;
    /// Grows when lanes must be opened anew, with other certificates.
    fn generation(with: &Self::Ends) -> watch::Receiver<u64>;
    /// Whether the certificate at its other end would be accepted now.
    fn is_trusted(&self, with: &Self::Ends) -> bool;
    /// Sends a request and waits for the head of its answer.
    fn call(&self, request: Request) -> impl Future<Output = Outcome>;
    /// Requests whose answers are not complete.
    fn in_flight(&self) -> usize;
    /// Grows at least four times a second on a live connection.
    fn heard(&self) -> u64;
    /// Gives back, as lost, what can be sent again and has no answer yet.
    fn give_back(&self);
    /// Whether it has ended.
    fn has_ended(&self) -> bool;
}

impl Line for Lane {
    type Ends = Shared;

    fn open(
        to: SocketAddr,
        with: &Shared,
    ) -> impl Future<Output = Result<Self, LaneError>> + 'static {
        let with = with.clone();
        async move { Self::open(to, &with.identity, &with.metrics, &with.failures).await }
    }

    fn generation(with: &Shared) -> watch::Receiver<u64> {
        with.identity.generation()
    }

    fn is_trusted(&self, with: &Shared) -> bool {
        Self::is_trusted(self, &with.identity)
    }

    fn call(&self, request: Request) -> impl Future<Output = Outcome> {
        Self::call(self, request)
    }

    fn in_flight(&self) -> usize {
        Self::in_flight(self)
    }

    fn heard(&self) -> u64 {
        Self::heard(self)
    }

    fn give_back(&self) {
        Self::give_back(self);
    }

    fn has_ended(&self) -> bool {
        self.ended().is_some()
    }
}
