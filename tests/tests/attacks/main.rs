//! Tests of attacks.
