//! Tests of ssl objects.
