//! Comma-separated values.
use crate::{Cell, Figure, RivalRow};
pub(crate) fn cells(_cells: &[Cell]) -> String {
    String::new()
}
pub(crate) fn rivals(_rivals: &[RivalRow]) -> String {
    String::new()
}
pub(crate) fn figures(_figures: &[Figure]) -> String {
    String::new()
}
