//! Test support: ops.
