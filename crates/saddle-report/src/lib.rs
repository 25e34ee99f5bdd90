//! From measurements to something that a person can read and check.
//!
//! Everything here is pure: a [`Report`] goes in, text comes out (Markdown, HTML, JSON, CSV, SVG).
//! Who runs attacks fills [`Cell`]s, [`Figure`]s and [`RivalRow`]s; who writes files asks for the
//! text. The same report always renders to the same bytes.
//!
//! # Honesty, by construction
//!
//! - A robust accuracy is an *upper bound*: the share of digits that one attack, within its budget,
//!   did not fool. Every table says which attack, how many passes, which seed, how many digits.
//! - A cell without a measurement says `missing` or `failed`. Nothing is filled in, and the paper's
//!   figure stands beside ours, never in its place.
//! - Where the 95 % interval of a cell excludes the paper's figure for the same setting, the report
//!   says so with both numbers and what the difference can mean ([`Finding`], [`Side`]).
//!
//! # Where things are
//!
//! | module | owns |
//! | --- | --- |
//! | `cell` | [`Cell`]: one measured accuracy, its interval, its place in the table |
//! | `figure` | [`Figure`], [`Series`]: curves over the steps of an attack |
//! | [`curves`] | [`Chart`]: accuracy against radius, budget or steps; [`DigitFigure`]: the paper's Figure 2 |
//! | [`bounds`] | what no classifier can do: conflict graphs, matchings, packings, clique covers |
//! | `ratios` | [`RatioChart`]: how many times faster than others |
//! | [`ladder`] | [`Ladder`]: attacks that differ in one thing each, and what they say of S-O |
//! | `rivals` | [`RivalRow`], [`compare`]: attacks held against each other on the same digits |
//! | `report` | [`Report`], [`Provenance`], [`Finding`], to and from JSON |
//! | [`claims`] | claims decided by rules of the plan, and causes of differences from the paper |
//! | [`masking`] | whether a network's gradients are masked: a verdict from measured indicators |
//! | [`verdicts`] | [`Verdicts`]: those of a run, and how the verdict does on known cases |
//! | [`statistics`] | Wilson interval, paired differences, McNemar's test, equivalence, Holm's adjustment |
//! | [`paper`] | Table 1 of Li, Chen, Wang and Carin (2019), as printed |
//! | `grid`, `words` | cells sorted into networks and rows; the sentences, said once for every form |
//! | `markdown`, `html`, `csv`, `plot` | one form of output each |
//!
//! Deliberately absent: files, clocks, tensors, random numbers, colours that only work on white.

pub mod bounds;
mod cell;
pub mod claims;
mod csv;
pub mod curves;
mod error;
mod figure;
mod grid;
mod html;
pub mod ladder;
mod markdown;
pub mod masking;
mod number;
pub mod paper;
mod plot;
mod ratios;
mod report;
mod rivals;
pub mod statistics;
pub mod verdicts;
mod words;

pub use cell::{Cell, CellKey, Setting, Shown, Status};
pub use curves::{Chart, DigitFigure};
pub use error::{Error, Result};
pub use figure::{Figure, Series};
pub use ladder::Ladder;
pub use paper::TrainingNorm;
pub use ratios::{RatioChart, RatioRow};
pub use report::{
    AttackNote, Choice, DatasetWords, Fact, Failure, Finding, Provenance, Report, Side,
};
pub use rivals::{Contender, McNemar, Place, RivalRow, Role, adjust, compare};
pub use verdicts::Verdicts;
