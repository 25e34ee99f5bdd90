//! Test support: model.
