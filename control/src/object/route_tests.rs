//! Tests of route objects.
