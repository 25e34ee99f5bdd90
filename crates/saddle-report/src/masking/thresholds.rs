//! All thresholds of the verdict, in one place, each with its source.

use serde::{Deserialize, Serialize};

/// From where on an indicator speaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Fewer digits that the network is right about say nothing.
    pub fewest_digits: u64,
    /// Share of gradients that are exactly zero from which on attacks that follow them say nothing.
    pub zero_gradients: f64,
    /// Share of honest slopes below which gradients do not say where the loss grows.
    pub honest_slopes: f64,
    /// Share of digits on which random directions do better from which on gradients lead nowhere in particular.
    pub random_is_better: f64,
    /// By how much, as a share of all digits, another attack must leave fewer standing.
    pub margin: f64,
    /// Largest p-value, adjusted for their number, by which another attack is better.
    pub significance: f64,
    /// How much above what no classifier can exceed the accuracy must be, by the lower end of its interval.
    pub above_bound: f64,
}

impl Thresholds {
    /// The thresholds that are used.
    ///
    /// They were stated before any network was judged by them, as round numbers with these reasons; the report of a calibration says how
    /// they do on networks that are known to be masked or sound.
    ///
    /// | threshold | value | reason |
    /// | --- | --- | --- |
    /// | digits | 100 | fewer cannot show a difference of 5 points at a level of 1 % |
    /// | zero gradients | a half | an attack from the digit itself then says nothing of most digits (Athalye et al. 2018, "vanishing gradients") |
    /// | honest slopes | a half | sound networks in single precision bend and round, but not on most digits |
    /// | random directions | a fifth | "random sampling finds adversarial examples" (Athalye et al., sign 4), with room for the few digits at a maximum |
    /// | margin | 5 points | attacks with other seeds and restarts differ by less |
    /// | significance | 1 % | McNemar's exact test on the same digits, Holm over the attacks |
    /// | above the bound | 5 points | as the margin; Athalye et al., signs 3 and 5: an attack without limits must reach 0 |
    pub const STATED: Self = Self {
        fewest_digits: 100,
        zero_gradients: 0.5,
        honest_slopes: 0.5,
        random_is_better: 0.2,
        margin: 0.05,
        significance: 0.01,
        above_bound: 0.05,
    };
}

impl Default for Thresholds {
    /// [`Thresholds::STATED`].
    fn default() -> Self {
        Self::STATED
    }
}
