//! Cells sorted.
