//! Optimisers: from gradients to new weights, elementwise, in one pass.
//!
//! candle's own optimisers hide their state, so a training could not be resumed; these give it away
//! ([`Optimizer::state`]) and take it back ([`Optimizer::restore`]).
//!
//! # Conventions
//!
//! - The weights are not changed in place: [`Optimizer::update`] returns new ones, so that nobody
//!   who holds the old tensors sees them move.
//! - Moments live in host memory in the dtype of the weights, `f32` or `f64`. Weights on another
//!   device travel there and back once per step.
//! - No weight decay, which the trainer adds to the gradients, and no clipping: none of the recipes here has it.
//!
//! [`naive`] does the same one number at a time.

pub mod naive;
mod pass;

use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use pass::{Moments, Rule, with_numbers};
use saddle_model::Weights;
use saddle_ops::{Buffer, Real};
use serde::{Deserialize, Serialize};

/// Which optimiser, with its constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OptimizerKind {
    /// Kingma and Ba (ICLR 2015), Algorithm 1.
    Adam {
        /// Decay of the mean of gradients.
        #[serde(default = "default_beta1")]
        beta1: f64,
        /// Decay of the mean of squared gradients.
        #[serde(default = "default_beta2")]
        beta2: f64,
        /// Added to the square root in the denominator.
        #[serde(default = "default_stabilizer")]
        stabilizer: f64,
    },
    /// Gradient descent with heavy-ball momentum: `b = momentum b + g`, `w -= rate b`.
    Momentum {
        /// Part of the last direction that is kept.
        momentum: f64,
    },
}

fn default_beta1() -> f64 {
    0.9
}

fn default_beta2() -> f64 {
    0.999
}

fn default_stabilizer() -> f64 {
    1e-8
}

impl Default for OptimizerKind {
    /// Adam with the constants of its paper.
    fn default() -> Self {
        Self::Adam {
            beta1: default_beta1(),
            beta2: default_beta2(),
            stabilizer: default_stabilizer(),
        }
    }
}

impl OptimizerKind {
    pub(crate) fn validate(self) -> Result<()> {
        let invalid = |message| Err(Error::InvalidPlan { field: "optimizer", message });
        let decays = match self {
            Self::Adam { beta1, beta2, .. } => vec![("beta1", beta1), ("beta2", beta2)],
            Self::Momentum { momentum } => vec![("momentum", momentum)],
        };
        for (name, value) in decays {
            if !(0.0..1.0).contains(&value) {
                return invalid(format!("`{name}` is {value} and must lie in [0, 1)"));
            }
        }
        match self {
            Self::Adam { stabilizer, .. } if !(stabilizer > 0.0 && stabilizer.is_finite()) => {
                invalid(format!("`stabilizer` is {stabilizer} and must be finite and above 0"))
            }
            _ => Ok(()),
        }
    }

    /// The update number `count` (from 1) at one learning rate.
    fn rule(self, count: u64, learning_rate: f64) -> Rule {
        match self {
            Self::Adam { beta1, beta2, stabilizer } => Rule::Adam {
                beta1,
                beta2,
                rate: learning_rate / (1.0 - power(beta1, count)),
                root_scale: 1.0 / (1.0 - power(beta2, count)).sqrt(),
                stabilizer,
            },
            Self::Momentum { momentum } => Rule::Momentum { momentum, rate: learning_rate },
        }
    }

    /// Names of the moments that it keeps of every tensor.
    fn moments(self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } => &["first", "second"],
            Self::Momentum { .. } => &["first"],
        }
    }
}

/// `base^exponent` by squaring: the same bits on every platform, which `powi` does not promise.
fn power(base: f64, exponent: u64) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

/// Moments of all tensors, in the dtype of the weights.
enum Memory {
    Single(Vec<Moments<f32>>),
    Double(Vec<Moments<f64>>),
}

/// An optimiser at work on one set of weights.
pub struct Optimizer {
    kind: OptimizerKind,
    updates: u64,
    tensors: Vec<(String, Vec<usize>)>,
    memory: Memory,
    /// The tensor whose gradient was not finite: the moments have met it.
    spoilt: Option<String>,
}

impl Optimizer {
    /// An optimiser for weights like these, with nothing remembered yet.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] for constants out of range, [`Error::Mismatch`] for weights that are
    /// neither `f32` nor `f64`.
    pub fn new(kind: OptimizerKind, weights: &Weights) -> Result<Self> {
        kind.validate()?;
        let tensors: Vec<_> = weights
            .iter()
            .map(|(name, tensor)| (name.to_owned(), tensor.dims().to_vec()))
            .collect();
        let memory = match weights.dtype() {
            DType::F32 => Memory::Single(blank(kind, &tensors)),
            DType::F64 => Memory::Double(blank(kind, &tensors)),
            other => {
                return Err(mismatch(format!("weights are {other:?}; train in f32 or f64")));
            }
        };
        Ok(Self { kind, updates: 0, tensors, memory, spoilt: None })
    }

    /// Updates done.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The weights after one more update.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] when weights or gradients differ in name, order, shape or dtype from the
    /// weights that the optimiser was made for. [`Error::NotFinite`] when a gradient holds NaN or infinity;
    /// it is noticed in the same pass, so the optimiser is of no more use until it is restored.
    pub fn update(
        &mut self,
        weights: &Weights,
        gradients: &Weights,
        learning_rate: f64,
    ) -> Result<Weights> {
        self.check("weights", weights)?;
        self.check("gradients", gradients)?;
        self.check_unspoilt()?;
        let rule = self.kind.rule(self.updates + 1, learning_rate);
        let updated = match &mut self.memory {
            Memory::Single(memory) => update_all(rule, memory, weights, gradients)?,
            Memory::Double(memory) => update_all(rule, memory, weights, gradients)?,
        };
        match updated {
            Ok(weights) => {
                self.updates += 1;
                Ok(weights)
            }
            Err(name) => {
                self.spoilt = Some(name);
                self.check_unspoilt().and(Ok(weights.clone()))
            }
        }
    }

    /// Everything remembered, by name (`first/NAME`, `second/NAME`), beside [`Optimizer::updates`].
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] when the last update met NaN or infinity, and when the tensor library fails.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.check_unspoilt()?;
        match &self.memory {
            Memory::Single(memory) => state_of(self.kind, &self.tensors, memory),
            Memory::Double(memory) => state_of(self.kind, &self.tensors, memory),
        }
    }

    /// Takes back what [`Optimizer::state`] and [`Optimizer::updates`] gave.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] when a tensor is missing, unknown, or of another shape or dtype.
    pub fn restore(&mut self, updates: u64, state: &[(String, Tensor)]) -> Result<()> {
        let expected = self.tensors.len() * self.kind.moments().len();
        if state.len() != expected {
            let found = state.len();
            return Err(mismatch(format!("{found} moments given, {expected} expected")));
        }
        match &mut self.memory {
            Memory::Single(memory) => recall(self.kind, &self.tensors, memory, state)?,
            Memory::Double(memory) => recall(self.kind, &self.tensors, memory, state)?,
        }
        (self.updates, self.spoilt) = (updates, None);
        Ok(())
    }

    fn check_unspoilt(&self) -> Result<()> {
        match &self.spoilt {
            Some(tensor) => Err(Error::NotFinite { tensor: tensor.clone() }),
            None => Ok(()),
        }
    }

    fn check(&self, what: &str, given: &Weights) -> Result<()> {
        let dtype = match self.memory {
            Memory::Single(_) => DType::F32,
            Memory::Double(_) => DType::F64,
        };
        let own = self.tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
        if given.dtype() == dtype && own.eq(given.iter().map(|(name, one)| (name, one.dims()))) {
            return Ok(());
        }
        Err(mismatch(format!(
            "the {what} are not those that this optimiser was made for: {:?} {:?} against {dtype:?} {:?}",
            given.dtype(),
            given.iter().map(|(name, one)| (name, one.dims())).collect::<Vec<_>>(),
            self.tensors,
        )))
    }
}

/// The first tensor that holds NaN or infinity.
pub(crate) fn first_not_finite(weights: &Weights) -> Result<Option<String>> {
    for (name, tensor) in weights.iter() {
        let finite = match tensor.dtype() {
            DType::F64 => with_numbers::<f64, _>(tensor, |all| Ok(pass::all_finite(all)))?,
            _ => with_numbers::<f32, _>(tensor, |all| Ok(pass::all_finite(all)))?,
        };
        if !finite {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

fn blank<T: Real>(kind: OptimizerKind, tensors: &[(String, Vec<usize>)]) -> Vec<Moments<T>> {
    let second = kind.moments().len() > 1;
    let sizes = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>());
    sizes
        .map(|size| Moments {
            first: Buffer::zeros(size),
            second: Buffer::zeros(if second { size } else { 0 }),
        })
        .collect()
}

/// The new weights, or the name of the tensor whose gradient is not finite.
fn update_all<T: Real>(
    rule: Rule,
    memory: &mut [Moments<T>],
    weights: &Weights,
    gradients: &Weights,
) -> Result<Result<Weights, String>> {
    let mut updated = Vec::with_capacity(memory.len());
    for (((name, weight), (_, gradient)), moments) in
        weights.iter().zip(gradients.iter()).zip(memory)
    {
        let numbers = with_numbers::<T, _>(weight, |weight| {
            with_numbers::<T, _>(gradient, |gradient| rule.apply(weight, gradient, moments))
        })?;
        let Some(numbers) = numbers else { return Ok(Err(name.to_owned())) };
        let tensor = Tensor::from_vec(numbers, weight.shape(), weight.device())?;
        updated.push((name.to_owned(), tensor));
    }
    Ok(Ok(Weights::new(updated)?))
}

fn state_of<T: Real>(
    kind: OptimizerKind,
    tensors: &[(String, Vec<usize>)],
    memory: &[Moments<T>],
) -> Result<Vec<(String, Tensor)>> {
    let mut state = Vec::new();
    for ((name, shape), moments) in tensors.iter().zip(memory) {
        for (moment, numbers) in kind.moments().iter().zip([&moments.first, &moments.second]) {
            let tensor = Tensor::from_slice(&numbers[..], shape.as_slice(), &Device::Cpu)?;
            state.push((format!("{moment}/{name}"), tensor));
        }
    }
    Ok(state)
}

fn recall<T: Real>(
    kind: OptimizerKind,
    tensors: &[(String, Vec<usize>)],
    memory: &mut [Moments<T>],
    state: &[(String, Tensor)],
) -> Result<()> {
    for ((name, shape), moments) in tensors.iter().zip(memory) {
        let places = [&mut moments.first, &mut moments.second];
        for (moment, place) in kind.moments().iter().zip(places) {
            let key = format!("{moment}/{name}");
            let found = state.iter().find(|(name, _)| *name == key).map(|(_, tensor)| tensor);
            let fits = |tensor: &&Tensor| tensor.dims() == shape && tensor.dtype() == T::DTYPE;
            let tensor = found.filter(fits).ok_or_else(|| {
                mismatch(format!("moment `{key}` of shape {shape:?} and {:?} is missing", T::DTYPE))
            })?;
            with_numbers::<T, _>(tensor, |numbers| {
                place.copy_from_slice(numbers);
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn mismatch(message: String) -> Error {
    Error::Mismatch { operation: "optimiser", message }
}
