//! Placeholder.
#[derive(Clone, Default)]
pub(super) struct Names {}
