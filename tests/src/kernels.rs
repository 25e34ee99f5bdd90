//! Test support: kernels.
