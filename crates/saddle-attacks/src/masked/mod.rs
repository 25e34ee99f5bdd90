//! Networks whose gradients are hidden on purpose: what a verdict on gradient masking is calibrated with.
//!
//! Whoever says "masked" or "not shown" of an unknown network must have been right on known ones. A [`Disguise`] takes a trained
//! network and hides its gradients in one of the ways that defences have hidden them, by accident or design, while its decisions
//! stay what they were, or nearly. So an attack that follows gradients is fooled, and one that does not finds what the plain
//! network gives away. The same disguise in a harmless dose is a control: the same code, and nothing hidden.
//!
//! | disguise | decisions | forward | pullback | what it hides, and from whom |
//! | --- | --- | --- | --- | --- |
//! | [`LogitsTimes`](Disguise::LogitsTimes) | the same | `factor * z` | exact | cross-entropy saturates and its gradient underflows to 0; losses that ignore scale see it |
//! | [`Softmax`](Disguise::Softmax) | the same | `softmax(z / temperature)` | exact | probabilities of a sure network are 0 and 1: the gradient of every loss on them underflows |
//! | [`DeadRelu`](Disguise::DeadRelu) | the same | two ReLUs on each class's margin | exact | dead or saturated but near a border between classes: the gradient of every loss is exactly 0 |
//! | [`QuantisedInput`](Disguise::QuantisedInput) | nearly | rounds each pixel | exact: 0 | a staircase is flat wherever it has a slope |
//! | [`EvenPools`](Disguise::EvenPools) | the same | the network's own | wrong | a pool's cotangent is spread over its window: the direction is another |
//! | [`InputNoise`](Disguise::InputNoise) | nearly | noise that depends on the very image | exact at the noisy image | one gradient is that of one draw; the next query meets another |
//!
//! "Exact" means the derivative of this forward pass, as difference quotients find it. `z` are the network's logits.
//!
//! # What is deliberately absent
//!
//! Disguises that need training of their own (distillation, a purifier), and ways around them: an attack that knows the
//! disguise and undoes it (Athalye et al., section 4) says nothing of a verdict that has to do without that knowledge.
//!
//! # Sources
//!
//! Athalye, Carlini and Wagner, "Obfuscated Gradients Give a False Sense of Security" (ICML 2018): shattered gradients
//! (rounding), stochastic gradients (noise), vanishing gradients (saturation). Carlini and Wagner (2017), section on
//! defensive distillation: logits of a hundred times the size, seen through cross-entropy. Wrong gradients: a pool in a well-known
//! tensor library, whose way back depends on the size of the window.

mod even_pools;
mod on_input;
mod on_logits;

use saddle_model::{Classifier, Network};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};
use even_pools::EvenPools;
use on_input::{OnInput, PixelMap};
use on_logits::{LogitMap, OnLogits};

/// A way of hiding a network's gradients, with its dose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Disguise {
    /// None: the network itself.
    Plain,
    /// All logits times a factor.
    LogitsTimes {
        /// Greater than 0; 1,000 hides, 2 does not.
        factor: f64,
    },
    /// Probabilities in place of logits.
    Softmax {
        /// Greater than 0; 0.1 hides, 10 does not.
        temperature: f64,
    },
    /// In place of each logit, by how much it leads the best other one, through `relu(m + width) - relu(m - width)`: the two biases lie so
    /// that one ReLU is dead and the other saturates unless the lead is within the width.
    DeadRelu {
        /// In logits, greater than 0; a small part of the usual lead hides, many times that lead does not.
        width: f64,
    },
    /// Each pixel is rounded to the nearest of so many levels in [0, 1].
    QuantisedInput {
        /// At least 2. The gradient is 0 in any dose; at 256 levels images in bytes stay what they are.
        levels: u32,
    },
    /// Every max-pool sends its cotangent to all places of a window alike, as an average would.
    EvenPools,
    /// Gaussian noise on every pixel, drawn anew for every image that is shown, bit for bit the same for the same one.
    InputNoise {
        /// Standard deviation in pixel units, at least 0; 0.2 hides, 0.001 does not.
        sigma: f64,
        /// Seed of the noise.
        seed: u64,
    },
}

impl Disguise {
    /// The network under this disguise.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for a dose that makes no sense; [`Error::Model`] for a network that does not come apart
    /// at its pools.
    pub fn put_on<'a>(&self, network: &'a Network) -> Result<Box<dyn Classifier + 'a>> {
        self.check()?;
        let on_logits = |map: LogitMap| -> Result<Box<dyn Classifier + 'a>> {
            Ok(Box::new(OnLogits { inner: network, map }))
        };
        match *self {
            Self::Plain => on_logits(LogitMap::Times(1.0)),
            Self::LogitsTimes { factor } => on_logits(LogitMap::Times(factor)),
            Self::Softmax { temperature } => on_logits(LogitMap::Softmax(temperature)),
            Self::DeadRelu { width } => on_logits(LogitMap::Lead(width)),
            Self::QuantisedInput { levels } => {
                Ok(Box::new(OnInput { inner: network, map: PixelMap::Round { levels } }))
            }
            Self::InputNoise { sigma, seed } => {
                Ok(Box::new(OnInput { inner: network, map: PixelMap::Noise { sigma, seed } }))
            }
            Self::EvenPools => Ok(Box::new(EvenPools::new(network)?)),
        }
    }

    /// Refuses a dose that makes no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        let positive = |setting: &'static str, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(Error::setting(
                setting,
                format!("{value} hides nothing that can be computed; take a finite one above 0"),
            ))
        };
        match *self {
            Self::LogitsTimes { factor } => positive("factor", factor),
            Self::Softmax { temperature } => positive("temperature", temperature),
            Self::DeadRelu { width } => positive("width", width),
            Self::QuantisedInput { levels } if levels < 2 => Err(Error::setting(
                "levels",
                format!("{levels} levels leave no image; take at least 2"),
            )),
            Self::InputNoise { sigma, .. } if !(sigma.is_finite() && sigma >= 0.0) => {
                Err(Error::setting(
                    "sigma",
                    format!("{sigma} is no standard deviation; take a finite one of at least 0"),
                ))
            }
            Self::Plain
            | Self::QuantisedInput { .. }
            | Self::InputNoise { .. }
            | Self::EvenPools => Ok(()),
        }
    }
}

/// A known case for a verdict on gradient masking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnownCase {
    /// What it is called in tables.
    pub name: &'static str,
    /// How gradients are hidden, or not.
    pub disguise: Disguise,
    /// Whether the disguise hides them.
    pub masked: bool,
    /// What the case is for.
    pub purpose: Purpose,
}

/// What a known case is for. Thresholds that were set on a case say nothing about how well they do on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Thresholds are set on it.
    Thresholds,
    /// Thresholds are tried on it, once.
    HeldOut,
}

/// The known cases: of each purpose as many masked ones as sound ones, and no way of hiding on both sides of the split. The masked
/// ones and their harmless counterparts lie on opposite sides where there are two, so that a verdict cannot learn to know a
/// disguise by its code.
pub const KNOWN_CASES: [KnownCase; 12] = {
    use Disguise::{DeadRelu, EvenPools, InputNoise, LogitsTimes, Plain, QuantisedInput, Softmax};
    use Purpose::{HeldOut, Thresholds};
    const fn case(
        name: &'static str,
        disguise: Disguise,
        masked: bool,
        purpose: Purpose,
    ) -> KnownCase {
        KnownCase { name, disguise, masked, purpose }
    }
    [
        case("logits times 1,000", LogitsTimes { factor: 1000.0 }, true, Thresholds),
        case("input of 8 levels", QuantisedInput { levels: 8 }, true, Thresholds),
        case("input noise of 0.2", InputNoise { sigma: 0.2, seed: 7 }, true, Thresholds),
        case("plain", Plain, false, Thresholds),
        case("softmax at temperature 10", Softmax { temperature: 10.0 }, false, Thresholds),
        case("live ReLU", DeadRelu { width: 1000.0 }, false, Thresholds),
        case("softmax at temperature 0.1", Softmax { temperature: 0.1 }, true, HeldOut),
        case("dead ReLU", DeadRelu { width: 0.1 }, true, HeldOut),
        case("pools that spread evenly", EvenPools, true, HeldOut),
        case("logits times 2", LogitsTimes { factor: 2.0 }, false, HeldOut),
        case("logits times 0.5", LogitsTimes { factor: 0.5 }, false, HeldOut),
        case("input noise of 0.001", InputNoise { sigma: 0.001, seed: 7 }, false, HeldOut),
    ]
};
