//! Tests of upstream objects.
