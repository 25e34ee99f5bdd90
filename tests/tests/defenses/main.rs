//! Tests of defenses.
