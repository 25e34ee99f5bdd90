//! Test support: attacks.
