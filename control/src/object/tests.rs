//! Tests across kinds.
