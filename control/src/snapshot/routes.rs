//! Placeholder.
#[derive(Clone, Default)]
pub(super) struct Routes {}
