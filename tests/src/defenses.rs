//! Test support: defenses.
