//! Accuracy against something that grows, and the digits behind it.
//!
//! A [`Chart`] holds accuracies of several networks under several attacks against the radius, the budget
//! or the number of steps; a [`DigitFigure`] shows digits before and after an attack, the paper's
//! Figure 2.
//!
//! # Conventions
//!
//! Accuracies are fractions of all digits of a curve, natural mistakes included among the fallen. Against
//! passes and steps a curve is a staircase: a point holds from its place to the next one, so only the
//! places where something changes are points. Against the radius points are measurements of their own.
//!
//! # What is deliberately absent
//!
//! Smoothing, fits and points between measurements.

mod chart;
mod digits;

pub use chart::{
    ANY_ITERATE, AccuracyCurve, Axis, BoundPoint, Chart, Crossing, CurvePoint, FILE_PREFIX,
    Threshold, staircase,
};
pub use digits::{DigitFigure, DigitPair, Picture};
