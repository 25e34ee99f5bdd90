//! The reference executor: candle's own operations, with the pool and the ReLU of `saddle-ops`, forward and back.
//!
//! It is what the engine is held against, and what runs on a GPU. Every operation here exists on every device.
//!
//! # Why no autograd
//!
//! The way back is written out, layer by layer, because candle's is wrong or slow where it matters: it computes both
//! gradients of a convolution and of a matrix product whichever of them is asked for, takes the input gradient of a
//! convolution from a naive transposed convolution, and sizes that by the height alone. Here an attack pays for no weight
//! gradient, and both gradients of a convolution are convolutions themselves ([`convolution`]).
//!
//! # What is deliberately absent
//!
//! Graphs: nothing tracks anything, so everything returned is detached.

mod convolution;

use candle_core::{Device, Tensor};
use saddle_ops::{max_pool2d, relu};

use super::Prepared;
use super::dropout::{Dropout, kept_factor};
use crate::classifier::{no_gradient, one_logit};
use crate::{Architecture, Error, Gradients, Layer, Mode, Pullback, Result, Wanted, Weights};
use convolution::Convolution;

/// The layers with their weights.
pub(crate) struct Candle {
    layers: Vec<Ready>,
    /// Names of the parameters, in order.
    names: Vec<String>,
}

/// A layer with what it needs besides its input.
enum Ready {
    Convolution(Convolution),
    Relu,
    MaxPool2d(usize),
    Flatten,
    Linear { weight: Tensor, bias: Tensor },
    Dropout(f64),
}

/// What a layer's pullback needs of its forward pass: a tape has one for each layer. Its tensors are shared, not copied.
#[derive(Clone)]
enum Kept {
    Input(Tensor),
    Output(Tensor),
    Both(Tensor, Tensor),
    Shape(Vec<usize>),
    /// The factor of each unit; none in evaluation.
    Factors(Option<Tensor>),
}

impl Prepared for Candle {
    fn repack(&mut self, architecture: &Architecture, weights: &Weights) -> Result<()> {
        *self = Self::new(architecture, weights)?;
        Ok(())
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        let (logits, tape) = self.pass(images, mode)?;
        let pullback =
            move |cotangent: &Tensor, wanted: Wanted| self.pullback(tape, cotangent, wanted);
        Ok((logits, Box::new(pullback)))
    }

    /// The forward pass in evaluation, keeping nothing alive.
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.layers.iter().enumerate().try_fold(images.contiguous()?, |hidden, (index, layer)| {
            Ok(layer.forward(hidden, index, None)?.0)
        })
    }

    fn logit_gradients(&self, images: &Tensor, classes: usize) -> Result<(Tensor, Vec<Tensor>)> {
        let (logits, tape) = self.pass(images, Mode::Evaluation)?;
        let gradients = (0..classes).map(|class| {
            let found = self.pullback(tape.clone(), &one_logit(&logits, class)?, Wanted::INPUT)?;
            found.input.ok_or_else(no_gradient)
        });
        let gradients = gradients.collect::<Result<_>>()?;
        Ok((logits, gradients))
    }
}

impl Candle {
    pub(crate) fn new(architecture: &Architecture, weights: &Weights) -> Result<Self> {
        let mut tensors = weights.iter();
        // Copies, so that later in-place updates of either side do not reach the other.
        let mut next = || match tensors.next() {
            Some((_, tensor)) => Ok(tensor.force_contiguous()?),
            // `Network::new` checked that the weights are the layers' parameters, in order.
            None => Err(Error::Classifier("a layer has no weights".to_owned())),
        };
        let layers = architecture.layers.iter().map(|layer| {
            Ok(match layer {
                Layer::Conv2d { stride, padding, .. } => {
                    Ready::Convolution(Convolution::new(next()?, next()?, *stride, *padding)?)
                }
                Layer::Relu => Ready::Relu,
                Layer::MaxPool2d { window } => Ready::MaxPool2d(*window),
                Layer::Flatten => Ready::Flatten,
                Layer::Linear { .. } => Ready::Linear { weight: next()?, bias: next()? },
                Layer::Dropout { rate } => Ready::Dropout(*rate),
            })
        });
        let layers = layers.collect::<Result<_>>()?;
        Ok(Self { layers, names: weights.names().map(str::to_owned).collect() })
    }

    fn pass(&self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Vec<Kept>)> {
        let dropout = Dropout::of(mode);
        let mut hidden = images.contiguous()?;
        let mut tape = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let (next, kept) = layer.forward(hidden, index, dropout.as_ref())?;
            hidden = next;
            tape.push(kept);
        }
        Ok((hidden, tape))
    }

    fn pullback(&self, tape: Vec<Kept>, cotangent: &Tensor, wanted: Wanted) -> Result<Gradients> {
        let mut cotangent = cotangent.contiguous()?;
        let mut parameters = Vec::new();
        // Before the first layer with parameters nobody needs a cotangent but for the images.
        let first = self.layers.iter().position(Ready::has_parameters).unwrap_or(0);
        for (index, (layer, kept)) in self.layers.iter().zip(tape).enumerate().rev() {
            if wanted.weights {
                parameters.extend(layer.parameter_gradients(&kept, &cotangent)?.into_iter().rev());
            }
            if !wanted.input && index <= first {
                break;
            }
            cotangent = layer.input_gradient(kept, cotangent)?;
        }
        parameters.reverse();
        let weights = wanted
            .weights
            .then(|| Weights::new(self.names.iter().cloned().zip(parameters).collect()));
        Ok(Gradients { input: wanted.input.then_some(cotangent), weights: weights.transpose()? })
    }
}

impl Ready {
    fn has_parameters(&self) -> bool {
        matches!(self, Self::Convolution(_) | Self::Linear { .. })
    }

    fn forward(
        &self,
        input: Tensor,
        index: usize,
        dropout: Option<&Dropout>,
    ) -> Result<(Tensor, Kept)> {
        Ok(match self {
            Self::Convolution(convolution) => (convolution.forward(&input)?, Kept::Input(input)),
            Self::Relu => {
                let output = relu(&input)?;
                (output.clone(), Kept::Output(output))
            }
            Self::MaxPool2d(window) => {
                let output = max_pool2d(&input, *window)?;
                (output.clone(), Kept::Both(input, output))
            }
            Self::Flatten => (input.flatten_from(1)?, Kept::Shape(input.dims().to_vec())),
            Self::Linear { weight, bias } => {
                (input.matmul(&weight.t()?)?.broadcast_add(bias)?, Kept::Input(input))
            }
            Self::Dropout(rate) => match dropout {
                Some(dropout) => {
                    let factors = factors(dropout, index, *rate, &input)?;
                    ((input * &factors)?, Kept::Factors(Some(factors)))
                }
                None => (input, Kept::Factors(None)),
            },
        })
    }

    /// Cotangents of weight and bias; none for a layer without.
    fn parameter_gradients(&self, kept: &Kept, cotangent: &Tensor) -> Result<Vec<Tensor>> {
        Ok(match (self, kept) {
            (Self::Convolution(convolution), Kept::Input(input)) => {
                vec![convolution.weight_gradient(input, cotangent)?, cotangent.sum((0, 2, 3))?]
            }
            (Self::Linear { .. }, Kept::Input(input)) => {
                vec![cotangent.t()?.matmul(input)?, cotangent.sum(0)?]
            }
            _ => Vec::new(),
        })
    }

    fn input_gradient(&self, kept: Kept, cotangent: Tensor) -> Result<Tensor> {
        Ok(match (self, kept) {
            (Self::Convolution(convolution), Kept::Input(input)) => {
                convolution.input_gradient(input.dims(), &cotangent)?
            }
            // Not `output > 0`: NaN is not held at 0.
            (Self::Relu, Kept::Output(output)) => {
                output.le(0.0)?.where_cond(&cotangent.zeros_like()?, &cotangent)?
            }
            (Self::MaxPool2d(window), Kept::Both(input, output)) => {
                pool_gradient(&input, &output, &cotangent, *window)?
            }
            (Self::Flatten, Kept::Shape(shape)) => cotangent.reshape(shape)?,
            (Self::Linear { weight, .. }, Kept::Input(_)) => cotangent.matmul(weight)?,
            (Self::Dropout(_), Kept::Factors(Some(factors))) => (cotangent * factors)?,
            (Self::Dropout(_), Kept::Factors(None)) => cotangent,
            // A tape is made by `forward` of the same layers.
            _ => return Err(Error::Classifier("a tape of other layers".to_owned())),
        })
    }
}

/// The factor of each unit of a batch, drawn on the host and brought to where the units are.
fn factors(dropout: &Dropout, layer: usize, rate: f64, units: &Tensor) -> Result<Tensor> {
    let rows = units.dims()[0];
    let mut kept = vec![0; units.elem_count()];
    let width = kept.len() / rows;
    for (row, kept) in kept.chunks_exact_mut(width).enumerate() {
        dropout.kept(row, layer, rate, kept);
    }
    let kept = Tensor::from_vec(kept, units.shape(), &Device::Cpu)?.to_device(units.device())?;
    Ok(kept.to_dtype(units.dtype())?.affine(kept_factor(rate), 0.0)?)
}

/// Gives the cotangent of each window to its first place that equals the maximum; to the last place where none does, which
/// is so when the maximum is NaN.
fn pool_gradient(
    input: &Tensor,
    output: &Tensor,
    cotangent: &Tensor,
    window: usize,
) -> Result<Tensor> {
    let (n, c, rows, columns) = output.dims4()?;
    let windows = input.reshape(&[n, c, rows, window, columns, window])?;
    let zeros = cotangent.zeros_like()?;
    let mut left = cotangent.clone();
    let mut lines = Vec::with_capacity(window);
    for row in 0..window {
        let mut line = Vec::with_capacity(window);
        for column in 0..window {
            if (row + 1) * (column + 1) == window * window {
                line.push(left.clone());
                continue;
            }
            let place = windows.narrow(3, row, 1)?.narrow(5, column, 1)?.squeeze(5)?.squeeze(3)?;
            let wins = place.eq(output)?;
            line.push(wins.where_cond(&left, &zeros)?);
            left = wins.where_cond(&zeros, &left)?;
        }
        lines.push(Tensor::stack(&line, 4)?);
    }
    Ok(Tensor::stack(&lines, 3)?.reshape(input.shape())?)
}
