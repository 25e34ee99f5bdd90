//! Drawings as SVG text.
//!
//! A drawing is made once, in colours that are also names. As a file ([`Theme::Paper`]) it keeps them,
//! on a white ground. In the page ([`Theme::Page`]) each becomes a CSS variable, so that the same
//! drawing is light or dark with the page around it.
//!
//! Positions are computed here, in pixels, and never from numbers that are not finite: whatever a
//! report holds, a drawing comes out.

mod accuracy;
mod bars;
mod canvas;
mod curves;
mod digits;
mod ladder;
mod ratios;
mod seeds;

pub(crate) use accuracy::accuracy;
pub(crate) use bars::accuracies;
pub(crate) use canvas::{Theme, color, css};
pub(crate) use curves::curves;
pub(crate) use digits::digits;
pub(crate) use ladder::ladder;
pub(crate) use seeds::seeds;
