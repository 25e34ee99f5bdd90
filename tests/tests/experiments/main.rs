//! Tests of experiments.
