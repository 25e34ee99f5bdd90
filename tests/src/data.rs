//! Test support: data.
