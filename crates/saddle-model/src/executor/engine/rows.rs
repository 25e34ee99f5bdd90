//! The part of a network from its `Flatten` on: linear layers, ReLUs and dropout, all rows of a batch together.

use saddle_ops::{Kernels, Linear, Real};

use super::Dropout;
use crate::{Error, Layer, Result};

/// The layers, packed.
pub(super) struct RowPart<T> {
    steps: Vec<Step<T>>,
}

enum Step<T> {
    Linear(Linear<T>),
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
    /// The layers from the one at place `first` of the network on.
    pub(super) fn new(
        first: usize,
        layers: &[Layer],
        parameters: &[Vec<T>],
        kernels: Kernels,
    ) -> Result<Self> {
        let mut parameters = parameters.chunks_exact(2);
        let mut steps = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            match layer {
                Layer::Linear { inputs, .. } => {
                    let [weight, bias] = parameters.next().unwrap_or_default() else {
                        return Err(unexpected(layer));
                    };
                    steps.push(Step::Linear(Linear::new(kernels, *inputs, weight, bias)?));
                }
                Layer::Relu => steps.push(Step::Relu),
                Layer::Dropout { rate } => {
                    steps.push(Step::Dropout { layer: first + index, rate: *rate });
                }
                // What is flat already stays as it is.
                Layer::Flatten => {}
                Layer::Conv2d { .. } | Layer::MaxPool2d { .. } => return Err(unexpected(layer)),
            }
        }
        Ok(Self { steps })
    }

    /// Packs other parameters.
    pub(super) fn repack(&mut self, parameters: &[Vec<T>]) -> Result<()> {
        let layers = self.steps.iter_mut().filter_map(|step| match step {
            Step::Linear(linear) => Some(linear),
            Step::Relu | Step::Dropout { .. } => None,
        });
        for (linear, parameters) in layers.zip(parameters.chunks_exact(2)) {
            linear.pack(&parameters[0], &parameters[1])?;
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
        let activations = &mut tape.activations;
        activations.resize_with(self.steps.len() + 1, Vec::new);
        for (index, step) in self.steps.iter().enumerate() {
            let (before, behind) = activations.split_at_mut(index + 1);
            let (from, to) = (&before[index], &mut behind[0]);
            match step {
                Step::Linear(linear) => {
                    to.resize(from.len() / linear.inputs() * linear.outputs(), T::ZERO);
                    linear.forward(from, to)?;
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

    /// Cotangent of the features, given that of the logits, and those of the parameters, if wanted.
    pub(super) fn pullback(
        &self,
        tape: &Tape<T>,
        mut cotangent: Vec<T>,
        count: usize,
        dropout: Option<&Dropout>,
        wants_weights: bool,
    ) -> Result<(Vec<T>, Vec<Vec<T>>)> {
        let mut parameters = Vec::new();
        for (step, ends) in self.steps.iter().zip(tape.activations.windows(2)).rev() {
            let (from, to) = (&ends[0], &ends[1]);
            match step {
                Step::Linear(linear) => {
                    if wants_weights {
                        let (weight, bias) = linear.weight_gradient(from, &cotangent)?;
                        parameters.extend([bias, weight]);
                    }
                    let mut gradient = vec![T::ZERO; from.len()];
                    linear.input_gradient(&cotangent, &mut gradient)?;
                    cotangent = gradient;
                }
                Step::Relu => {
                    for (value, activation) in cotangent.iter_mut().zip(to) {
                        if *activation <= T::ZERO {
                            *value = T::ZERO;
                        }
                    }
                }
                Step::Dropout { layer, rate } => {
                    drop_units(dropout, count, *layer, *rate, &mut cotangent);
                }
            }
        }
        parameters.reverse();
        Ok((cotangent, parameters))
    }
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
