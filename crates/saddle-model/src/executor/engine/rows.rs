//! The part of a network from its `Flatten` on: linear layers, ReLUs and dropout, all rows of a batch together.

use candle_core::Tensor;
use saddle_ops::{Kernels, Linear, LinearScratch, Precision, Real};

use super::{Dropout, store::Store, with_slice};
use crate::{Error, Layer, Result};

/// Fewest inputs and outputs of a linear layer that counts as wide. Narrower ones cost nothing, and the last one's sums
/// decide.
const WIDE: usize = 128;

/// The layers, packed.
pub(super) struct RowPart<T: Real> {
    steps: Vec<Step<T>>,
    scratch: Store<LinearScratch<T>>,
}

enum Step<T> {
    /// A linear layer and the ReLU behind it, if one follows.
    Linear {
        linear: Linear<T>,
        relu: bool,
    },
    Relu,
    /// Drops units in training.
    Dropout {
        layer: usize,
        rate: f64,
    },
}

/// The features and the result of each step, row after row.
#[derive(Default)]
pub(super) struct Tape<T> {
    activations: Vec<Vec<T>>,
    /// The cotangent on its way back, and the one before it.
    cotangents: [Vec<T>; 2],
}

impl<T: Real> Tape<T> {
    /// Room for the features.
    pub(super) fn features(&mut self, length: usize) -> &mut [T] {
        if self.activations.is_empty() {
            self.activations.push(Vec::new());
        }
        self.activations[0].resize(length, T::ZERO);
        &mut self.activations[0]
    }
}

impl<T: Real> RowPart<T> {
    /// The layers from the one at place `first` of the network on; wide linear ones multiply in the precision `wide`.
    pub(super) fn new(
        first: usize,
        layers: &[Layer],
        parameters: &[&Tensor],
        kernels: Kernels,
        wide: Precision,
    ) -> Result<Self> {
        let mut parameters = parameters.chunks_exact(2);
        let mut steps = Vec::new();
        let mut layers = layers.iter().enumerate().peekable();
        while let Some((index, layer)) = layers.next() {
            match layer {
                Layer::Linear { inputs, outputs, .. } => {
                    let [weight, bias] = parameters.next().unwrap_or_default() else {
                        return Err(unexpected(layer));
                    };
                    let precision =
                        if *inputs.min(outputs) < WIDE { Precision::Full } else { wide };
                    let linear = with_slice(weight, |weight| {
                        with_slice(bias, |bias| {
                            Ok(Linear::with_precision(kernels, precision, *inputs, weight, bias)?)
                        })
                    })?;
                    let relu = layers.next_if(|(_, next)| matches!(next, Layer::Relu)).is_some();
                    steps.push(Step::Linear { linear, relu });
                }
                Layer::Relu => steps.push(Step::Relu),
                Layer::Dropout { rate } => {
                    steps.push(Step::Dropout { layer: first + index, rate: *rate });
                }
                // What is flat already stays as it is.
                Layer::Flatten => {}
                _ => return Err(unexpected(layer)),
            }
        }
        Ok(Self { steps, scratch: Store::default() })
    }

    /// Packs other parameters.
    pub(super) fn repack(&mut self, parameters: &[&Tensor]) -> Result<()> {
        let layers = self.steps.iter_mut().filter_map(|step| match step {
            Step::Linear { linear, .. } => Some(linear),
            Step::Relu | Step::Dropout { .. } => None,
        });
        for (linear, parameters) in layers.zip(parameters.chunks_exact(2)) {
            with_slice(parameters[0], |weight| {
                with_slice(parameters[1], |bias| Ok(linear.pack(weight, bias)?))
            })?;
        }
        Ok(())
    }

    /// From the features to the logits.
    pub(super) fn forward<'a>(
        &self,
        tape: &'a mut Tape<T>,
        count: usize,
        dropout: Option<&Dropout>,
    ) -> Result<&'a [T]> {
        let mut scratch = self.scratch.take(|_| true);
        let activations = &mut tape.activations;
        activations.resize_with(self.steps.len() + 1, Vec::new);
        for (index, step) in self.steps.iter().enumerate() {
            let (before, behind) = activations.split_at_mut(index + 1);
            let (from, to) = (&before[index], &mut behind[0]);
            match step {
                Step::Linear { linear, relu } => {
                    to.resize(from.len() / linear.inputs() * linear.outputs(), T::ZERO);
                    linear.forward(from, *relu, to, &mut scratch)?;
                }
                Step::Relu => {
                    to.clear();
                    to.extend(from.iter().map(|&x| if x <= T::ZERO { T::ZERO } else { x }));
                }
                Step::Dropout { layer, rate } => {
                    to.clear();
                    to.extend_from_slice(from);
                    drop_units(dropout, count, *layer, *rate, to);
                }
            }
        }
        Ok(&activations[self.steps.len()])
    }

    /// Cotangent of the features, given that of the logits, and those of the parameters, if wanted: of the first `count` of
    /// `all` rows.
    pub(super) fn pullback<'a>(
        &self,
        tape: &'a mut Tape<T>,
        logits: &[T],
        (count, all): (usize, usize),
        dropout: Option<&Dropout>,
        wants_weights: bool,
    ) -> Result<(&'a [T], Vec<Vec<T>>)> {
        let mut scratch = self.scratch.take(|_| true);
        let Tape { activations, cotangents: [cotangent, next] } = tape;
        // Buffers only grow: what a product writes needs no zeros before.
        let mut length = logits.len();
        grow(cotangent, length).copy_from_slice(logits);
        let mut parameters = Vec::new();
        for (step, ends) in self.steps.iter().zip(activations.windows(2)).rev() {
            let [from, to] = [0, 1].map(|end| &ends[end][..ends[end].len() / all * count]);
            let values = &mut cotangent[..length];
            if matches!(step, Step::Relu | Step::Linear { relu: true, .. }) {
                for (value, activation) in values.iter_mut().zip(to) {
                    *value = if *activation <= T::ZERO { T::ZERO } else { *value };
                }
            }
            if let Step::Linear { linear, .. } = step {
                if wants_weights {
                    let (weight, bias) = linear.weight_gradient(from, values, &mut scratch)?;
                    parameters.extend([bias, weight]);
                }
                length = from.len();
                linear.input_gradient(values, grow(next, length), &mut scratch)?;
                std::mem::swap(cotangent, next);
            }
            if let Step::Dropout { layer, rate } = step {
                drop_units(dropout, count, *layer, *rate, &mut cotangent[..length]);
            }
        }
        parameters.reverse();
        Ok((&cotangent[..length], parameters))
    }
}

/// So many places of a buffer, which hold any numbers.
fn grow<T: Real>(buffer: &mut Vec<T>, length: usize) -> &mut [T] {
    if buffer.len() < length {
        buffer.resize(length, T::ZERO);
    }
    &mut buffer[..length]
}

/// Multiplies `count` rows of units or cotangents by a layer's factors, if there are any.
fn drop_units<T: Real>(
    dropout: Option<&Dropout>,
    count: usize,
    layer: usize,
    rate: f64,
    rows: &mut [T],
) {
    if let Some(dropout) = dropout {
        for (row, units) in rows.chunks_exact_mut(rows.len() / count).enumerate() {
            dropout.scale(row, layer, rate, units);
        }
    }
}

fn unexpected(layer: &Layer) -> Error {
    Error::Classifier(format!("{layer:?} does not belong here; check the architecture first"))
}
