//! Tests of the TLS part against real peers.
