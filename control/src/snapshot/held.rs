//! An object and the store revision that wrote it: the version that is served, which a refused newer value does not
//! change. Kept beside the pointer, so that finding one finds the other.

use std::sync::Arc;

/// See the module.
pub(super) struct Held<T> {
    pub(super) object: Arc<T>,
    pub(super) revision: u64,
}

impl<T> Held<T> {
    pub(super) const fn new(object: Arc<T>, revision: u64) -> Self {
        Self { object, revision }
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self::new(self.object.clone(), self.revision)
    }
}

/// The object alone.
pub(super) const fn object<T>(held: &Held<T>) -> &Arc<T> {
    &held.object
}
