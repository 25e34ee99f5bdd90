//! Layers in a row, forward and back; a residual unit holds two such rows.

use candle_core::{Device, Tensor};
use saddle_ops::{max_pool2d, relu};

use super::convolution::Convolution;
use super::normalization::{BatchNorm, Normalized, Standardize, Standardized};
use super::{max_pool, places};
use crate::executor::dropout::{Dropout, kept_factor};
use crate::{Error, Layer, Result, Wanted};

/// Sides of an image, and its channels, among the axes of a batch.
const SIDES: [usize; 2] = [2, 3];
const CHANNELS: [usize; 1] = [1];

/// Layers with their weights, in the order in which an image passes them.
pub(super) struct Chain(Vec<Ready>);

/// What one forward pass left behind, a part for each layer.
pub(super) type Tape = Vec<Kept>;

/// A layer with what it needs besides its input.
enum Ready {
    Convolution(Box<Convolution>),
    Relu,
    MaxPool2d(usize),
    Flatten,
    Linear { weight: Tensor, bias: Tensor },
    Dropout { rate: f64, place: usize },
    Standardize(Standardize),
    BatchNorm(Box<BatchNorm>),
    LeakyRelu(f64),
    AvgPool2d(usize),
    GlobalAvgPool2d,
    Pad { axes: &'static [usize], before: usize, after: usize },
    Residual { main: Chain, shortcut: Chain },
}

/// What a layer's pullback needs of its forward pass. Its tensors are shared, not copied.
#[derive(Clone)]
pub(super) enum Kept {
    Nothing,
    Input(Tensor),
    Output(Tensor),
    Both(Tensor, Tensor),
    Shape(Vec<usize>),
    /// The factor of each unit; none in evaluation.
    Factors(Option<Tensor>),
    /// Where the input is below 0.
    Negative(Tensor),
    Standardized(Standardized),
    Normalized(Normalized),
    Branches(Tape, Tape),
}

impl Chain {
    /// Layers whose parameters `next` hands out in order. `place` counts layers from the first of the network on, those
    /// inside residual units behind their unit: it is what dropout draws by.
    pub(super) fn new(
        layers: &[Layer],
        next: &mut dyn FnMut() -> Result<Tensor>,
        place: &mut usize,
    ) -> Result<Self> {
        layers.iter().map(|layer| Ready::new(layer, next, place)).collect::<Result<_>>().map(Self)
    }

    /// In training if there is a dropout to draw from.
    pub(super) fn forward(
        &self,
        input: Tensor,
        dropout: Option<&Dropout>,
    ) -> Result<(Tensor, Tape)> {
        let mut hidden = input;
        let mut tape = Vec::with_capacity(self.0.len());
        for layer in &self.0 {
            let (next, kept) = layer.forward(hidden, dropout)?;
            hidden = next;
            tape.push(kept);
        }
        Ok((hidden, tape))
    }

    /// The forward pass in evaluation, keeping nothing alive.
    pub(super) fn evaluate(&self, input: Tensor) -> Result<Tensor> {
        self.0.iter().try_fold(input, |hidden, layer| match layer {
            Ready::Residual { main, shortcut } => {
                Ok((main.evaluate(hidden.clone())? + shortcut.evaluate(hidden)?)?)
            }
            layer => Ok(layer.forward(hidden, None)?.0),
        })
    }

    /// Cotangents of the input and of the parameters, in order, as far as they are wanted.
    pub(super) fn pullback(
        &self,
        tape: Tape,
        mut cotangent: Tensor,
        wanted: Wanted,
    ) -> Result<(Option<Tensor>, Vec<Tensor>)> {
        let mut parameters = Vec::new();
        // Before the first layer with parameters nobody needs a cotangent but for the input.
        let first = self.0.iter().position(Ready::has_parameters).unwrap_or(self.0.len());
        for (index, (layer, kept)) in self.0.iter().zip(tape).enumerate().rev() {
            if !wanted.input && index < first {
                break;
            }
            let wanted = Wanted { input: wanted.input || index > first, ..wanted };
            let (next, own) = layer.pullback(kept, cotangent.clone(), wanted)?;
            parameters.push(own);
            if let Some(next) = next {
                cotangent = next;
            }
        }
        let parameters = parameters.into_iter().rev().flatten().collect();
        Ok((wanted.input.then_some(cotangent), parameters))
    }
}

impl Ready {
    fn new(
        layer: &Layer,
        next: &mut dyn FnMut() -> Result<Tensor>,
        place: &mut usize,
    ) -> Result<Self> {
        let own = *place;
        *place += 1;
        Ok(match layer {
            Layer::Conv2d { stride, padding, bias, .. } => {
                let weight = next()?;
                let bias = bias.then(&mut *next).transpose()?;
                Self::Convolution(Box::new(Convolution::new(weight, bias, *stride, *padding)?))
            }
            Layer::Relu => Self::Relu,
            Layer::MaxPool2d { window } => Self::MaxPool2d(*window),
            Layer::Flatten => Self::Flatten,
            Layer::Linear { .. } => Self::Linear { weight: next()?, bias: next()? },
            Layer::Dropout { rate } => Self::Dropout { rate: *rate, place: own },
            Layer::Standardize { scale } => Self::Standardize(Standardize { scale: *scale }),
            Layer::BatchNorm2d { stabilizer, .. } => {
                let tensors = [next()?, next()?, next()?, next()?];
                Self::BatchNorm(Box::new(BatchNorm::new(tensors, *stabilizer)?))
            }
            Layer::LeakyRelu { slope } => Self::LeakyRelu(*slope),
            Layer::AvgPool2d { window } => Self::AvgPool2d(*window),
            Layer::GlobalAvgPool2d => Self::GlobalAvgPool2d,
            Layer::ZeroPad2d { before, after } => {
                Self::Pad { axes: &SIDES, before: *before, after: *after }
            }
            Layer::ZeroPadChannels { before, after } => {
                Self::Pad { axes: &CHANNELS, before: *before, after: *after }
            }
            Layer::Residual { main, shortcut } => Self::Residual {
                main: Chain::new(main, next, place)?,
                shortcut: Chain::new(shortcut, next, place)?,
            },
        })
    }

    fn has_parameters(&self) -> bool {
        match self {
            Self::Convolution(_) | Self::Linear { .. } | Self::BatchNorm(_) => true,
            Self::Residual { main, shortcut } => {
                main.0.iter().chain(&shortcut.0).any(Self::has_parameters)
            }
            _ => false,
        }
    }

    fn forward(&self, input: Tensor, dropout: Option<&Dropout>) -> Result<(Tensor, Kept)> {
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
            Self::Dropout { rate, place } => match dropout {
                Some(dropout) => {
                    let factors = factors(dropout, *place, *rate, &input)?;
                    ((input * &factors)?, Kept::Factors(Some(factors)))
                }
                None => (input, Kept::Factors(None)),
            },
            Self::Standardize(standardize) => {
                let (output, kept) = standardize.forward(&input)?;
                (output, Kept::Standardized(kept))
            }
            Self::BatchNorm(norm) => {
                let (output, kept) = norm.forward(&input, dropout.is_some())?;
                (output, Kept::Normalized(kept))
            }
            // Not `input >= 0`: NaN stays NaN.
            Self::LeakyRelu(slope) => {
                let negative = input.lt(0.0)?;
                let output = negative.where_cond(&(&input * *slope)?, &input)?;
                (output, Kept::Negative(negative))
            }
            Self::AvgPool2d(window) => (places::average(&input, *window)?, Kept::Nothing),
            Self::GlobalAvgPool2d => {
                (places::channel_means(&input)?, Kept::Shape(input.dims().to_vec()))
            }
            Self::Pad { axes, before, after } => {
                let output = places::pad(&input, axes, *before, *after)?;
                (output, Kept::Shape(input.dims().to_vec()))
            }
            Self::Residual { main, shortcut } => {
                let (one, main) = main.forward(input.clone(), dropout)?;
                let (other, shortcut) = shortcut.forward(input, dropout)?;
                ((one + other)?, Kept::Branches(main, shortcut))
            }
        })
    }

    /// Cotangents of the input and of the layer's parameters, as far as they are wanted.
    fn pullback(
        &self,
        kept: Kept,
        cotangent: Tensor,
        wanted: Wanted,
    ) -> Result<(Option<Tensor>, Vec<Tensor>)> {
        match (self, kept) {
            (Self::BatchNorm(_), Kept::Normalized(kept)) => {
                BatchNorm::pullback(&kept, &cotangent, wanted)
            }
            (Self::Residual { main, shortcut }, Kept::Branches(first, second)) => {
                let (one, mut parameters) = main.pullback(first, cotangent.clone(), wanted)?;
                let (other, more) = shortcut.pullback(second, cotangent, wanted)?;
                parameters.extend(more);
                let sum = one.zip(other).map(|(one, other)| one + other);
                Ok((sum.transpose()?, parameters))
            }
            (layer, kept) => {
                let parameters = match wanted.weights {
                    true => layer.parameter_gradients(&kept, &cotangent)?,
                    false => Vec::new(),
                };
                let input = wanted.input.then(|| layer.input_gradient(kept, cotangent));
                Ok((input.transpose()?, parameters))
            }
        }
    }

    /// Cotangents of weight and bias; none for a layer without.
    fn parameter_gradients(&self, kept: &Kept, cotangent: &Tensor) -> Result<Vec<Tensor>> {
        Ok(match (self, kept) {
            (Self::Convolution(convolution), Kept::Input(input)) => {
                let mut parameters = vec![convolution.weight_gradient(input, cotangent)?];
                if convolution.has_bias() {
                    parameters.push(cotangent.sum((0, 2, 3))?);
                }
                parameters
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
                max_pool::input_gradient(&input, &output, &cotangent, *window)?
            }
            (Self::Flatten, Kept::Shape(shape)) => cotangent.reshape(shape)?,
            (Self::Linear { weight, .. }, Kept::Input(_)) => cotangent.matmul(weight)?,
            (Self::Dropout { .. }, Kept::Factors(Some(factors))) => (cotangent * factors)?,
            (Self::Dropout { .. }, Kept::Factors(None)) => cotangent,
            (Self::Standardize(standardize), Kept::Standardized(kept)) => {
                standardize.pullback(&kept, &cotangent)?
            }
            (Self::LeakyRelu(slope), Kept::Negative(negative)) => {
                negative.where_cond(&(&cotangent * *slope)?, &cotangent)?
            }
            (Self::AvgPool2d(window), Kept::Nothing) => {
                places::average_gradient(&cotangent, *window)?
            }
            (Self::GlobalAvgPool2d, Kept::Shape(shape)) => {
                places::channel_means_gradient(&cotangent, &shape)?
            }
            (Self::Pad { axes, before, .. }, Kept::Shape(shape)) => {
                places::pad_gradient(&cotangent, axes, *before, &shape)?
            }
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
