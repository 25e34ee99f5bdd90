//! The layers that the papers' tables are made of, as data.
//!
//! A layer says what it computes, what parameters it has and what shape it gives; how it is computed is an
//! executor's business.
//!
//! # Conventions
//!
//! - Shapes here are those of one image: `[channels, height, width]` before [`Layer::Flatten`], `[features]` after.
//! - A convolution is a cross-correlation over a square kernel with the same stride and zero padding on every side.
//!   TensorFlow's `SAME` for a 5 x 5 kernel and stride 1 is `padding: 2`.
//! - A pool's windows do not overlap; the stride is the window. Rows and columns must divide by the window.
//! - Flattening is channel-major, `[c, h, w]`, as PyTorch does it. TensorFlow's is `[h, w, c]`.
//! - Dropout draws in training only; which units, [`crate::Mode`] says.
//! - Batch normalisation takes mean and variance of the batch in training and running ones in evaluation. In training a
//!   row's result therefore depends on the other rows: the only layer of which that is so.
//! - A layer that holds layers ([`Layer::Residual`]) has their parameters, those of its main branch first.

use serde::{Deserialize, Serialize};

use crate::architecture::LARGEST_ACTIVATION;

/// A named tensor that training may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, `LAYER.weight` or `LAYER.bias`, as PyTorch would call it; of a batch normalisation also
    /// `LAYER.running_mean` and `LAYER.running_var`.
    pub name: String,
    /// Shape: `(out, in, k, k)`, `(outputs, inputs)` or, for a bias and all of a batch normalisation, `(out)`.
    pub shape: Vec<usize>,
}

/// A running statistic among the parameters: moved by what training sees, not by descent.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    /// Name of the parameter.
    pub name: String,
    /// Part of it that a training step keeps.
    pub decay: f64,
}

/// One row of an architecture table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// Square convolution.
    Conv2d {
        /// Prefix of the parameters' names.
        name: String,
        /// Channels that come in.
        in_channels: usize,
        /// Channels that go out.
        out_channels: usize,
        /// Side of the kernel.
        kernel: usize,
        /// Step between windows.
        stride: usize,
        /// Zeros added on each side; less than `kernel`.
        padding: usize,
        /// Whether a number of its own is added to each channel that goes out.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        bias: bool,
    },
    /// `max(0, x)`, with slope 0 at 0.
    Relu,
    /// Largest value of each window; the gradient goes to the first one.
    MaxPool2d {
        /// Side of the window and step between windows.
        window: usize,
    },
    /// `[c, h, w]` to `[c * h * w]`.
    Flatten,
    /// `weight * x + bias`.
    Linear {
        /// Prefix of the parameters' names.
        name: String,
        /// Features that come in.
        inputs: usize,
        /// Features that go out.
        outputs: usize,
    },
    /// In training each unit is 0 with probability `rate`, else multiplied by `1 / (1 - rate)`, so that its mean stays; in
    /// evaluation nothing happens.
    Dropout {
        /// Probability of being dropped, in `[0, 1)`.
        rate: f64,
    },
    /// `(s x - mean) / max(deviation, 1 / sqrt(n))` of each image by itself, mean and deviation over all its `n` numbers
    /// times `s`: TensorFlow's `per_image_standardization` of an image whose pixels go from 0 to `s`.
    Standardize {
        /// `s`, what a pixel of 1 stands for; finite and above 0.
        scale: f64,
    },
    /// `weight * (x - mean) / sqrt(variance + stabilizer) + bias` for each channel.
    BatchNorm2d {
        /// Prefix of the parameters' names.
        name: String,
        /// Channels that come in.
        channels: usize,
        /// Part of the running statistics that a training step keeps, in `[0, 1)`. PyTorch's momentum is 1 less this.
        decay: f64,
        /// Added to the variance; finite and above 0.
        stabilizer: f64,
    },
    /// `x`, but `slope * x` below 0; the slope at 0 is 1.
    LeakyRelu {
        /// Slope below 0; finite.
        slope: f64,
    },
    /// Mean of each window.
    AvgPool2d {
        /// Side of the window and step between windows.
        window: usize,
    },
    /// `[c, h, w]` to `[c]`: the mean of each channel.
    GlobalAvgPool2d,
    /// Zeros around an image: so many rows above and columns to the left, so many below and to the right.
    ZeroPad2d {
        /// Rows above, columns to the left.
        before: usize,
        /// Rows below, columns to the right.
        after: usize,
    },
    /// Channels of zeros: so many before the others, so many behind them.
    ZeroPadChannels {
        /// Channels before.
        before: usize,
        /// Channels behind.
        after: usize,
    },
    /// The sum of two branches on one input; a branch without layers is the input itself.
    Residual {
        /// Layers of the first branch.
        main: Vec<Self>,
        /// Layers of the second branch.
        shortcut: Vec<Self>,
    },
}

fn yes() -> bool {
    true
}

fn is_yes(bias: &bool) -> bool {
    *bias
}

impl Layer {
    /// The layer's parameters, weight before bias before running statistics; empty for layers without.
    pub fn parameters(&self) -> Vec<Parameter> {
        let named = |name: &str, entries: Vec<(&str, Vec<usize>)>| {
            let parameter = |(what, shape)| Parameter { name: format!("{name}.{what}"), shape };
            entries.into_iter().map(parameter).collect()
        };
        match self {
            Self::Conv2d { name, in_channels, out_channels, kernel, bias, .. } => {
                let weight = vec![*out_channels, *in_channels, *kernel, *kernel];
                let bias = bias.then(|| ("bias", vec![*out_channels]));
                named(name, [("weight", weight)].into_iter().chain(bias).collect())
            }
            Self::Linear { name, inputs, outputs } => {
                named(name, vec![("weight", vec![*outputs, *inputs]), ("bias", vec![*outputs])])
            }
            Self::BatchNorm2d { name, channels, .. } => {
                let whats = ["weight", "bias", "running_mean", "running_var"];
                named(name, whats.map(|what| (what, vec![*channels])).into())
            }
            Self::Residual { main, shortcut } => {
                main.iter().chain(shortcut).flat_map(Self::parameters).collect()
            }
            Self::Relu
            | Self::MaxPool2d { .. }
            | Self::Flatten
            | Self::Dropout { .. }
            | Self::Standardize { .. }
            | Self::LeakyRelu { .. }
            | Self::AvgPool2d { .. }
            | Self::GlobalAvgPool2d
            | Self::ZeroPad2d { .. }
            | Self::ZeroPadChannels { .. } => Vec::new(),
        }
    }

    /// The layers that it is made of, in the order of their parameters: itself, unless it holds others.
    pub fn leaves(&self) -> Vec<&Self> {
        match self {
            Self::Residual { main, shortcut } => {
                main.iter().chain(shortcut).flat_map(Self::leaves).collect()
            }
            leaf => vec![leaf],
        }
    }

    /// The running statistics among its parameters.
    pub fn statistics(&self) -> Vec<Statistic> {
        let of = |leaf: &Self| match leaf {
            Self::BatchNorm2d { name, decay, .. } => {
                let statistic = |what| Statistic { name: format!("{name}.{what}"), decay: *decay };
                ["running_mean", "running_var"].map(statistic).into()
            }
            _ => Vec::new(),
        };
        self.leaves().into_iter().flat_map(of).collect()
    }

    /// What it is, in words for a complaint.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Conv2d { bias: false, .. } => "a convolution without bias",
            Self::Conv2d { .. } => "a convolution",
            Self::Relu => "a ReLU",
            Self::MaxPool2d { .. } => "a max pool",
            Self::Flatten => "a flattening",
            Self::Linear { .. } => "a linear layer",
            Self::Dropout { .. } => "dropout",
            Self::Standardize { .. } => "a standardisation of images",
            Self::BatchNorm2d { .. } => "a batch normalisation",
            Self::LeakyRelu { .. } => "a leaky ReLU",
            Self::AvgPool2d { .. } | Self::GlobalAvgPool2d => "an average pool",
            Self::ZeroPad2d { .. } | Self::ZeroPadChannels { .. } => "a padding with zeros",
            Self::Residual { .. } => "a residual unit",
        }
    }

    /// Shape of one image after this layer, given its shape before; `Err` says in words what does not fit.
    pub(crate) fn output_shape(&self, shape: &[usize]) -> Result<Vec<usize>, String> {
        match (self, shape) {
            (
                Self::Conv2d { in_channels, out_channels, kernel, stride, padding, .. },
                &[channels, height, width],
            ) => {
                if *kernel == 0 || *stride == 0 || *out_channels == 0 || padding >= kernel {
                    return Err(format!(
                        "convolution with kernel {kernel}, stride {stride}, padding {padding} and {out_channels} output \
                         channels; kernel, stride and channels must be at least 1 and padding less than the kernel"
                    ));
                }
                if channels != *in_channels {
                    return Err(format!("convolution of {in_channels} channels on {channels}"));
                }
                let side = |length: usize| {
                    let room = length.checked_add(padding.checked_mul(2)?)?.checked_sub(*kernel)?;
                    Some(room / stride + 1)
                };
                match (side(height), side(width)) {
                    (Some(rows), Some(columns)) => Ok(vec![*out_channels, rows, columns]),
                    _ => Err(format!(
                        "a kernel of {kernel} does not fit an image of {height} x {width}"
                    )),
                }
            }
            (Self::Relu, _) => Ok(shape.to_vec()),
            (Self::Dropout { rate }, _) if !(0.0..1.0).contains(rate) => {
                Err(format!("dropout at rate {rate}; a rate is at least 0 and less than 1"))
            }
            (Self::Dropout { .. }, _) => Ok(shape.to_vec()),
            (
                Self::MaxPool2d { window } | Self::AvgPool2d { window },
                &[channels, height, width],
            ) => {
                if *window == 0 || height % window != 0 || width % window != 0 {
                    return Err(format!(
                        "{height} x {width} does not divide into windows of {window}"
                    ));
                }
                Ok(vec![channels, height / window, width / window])
            }
            (Self::Flatten, _) => {
                match shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side)) {
                    Some(features) => Ok(vec![features]),
                    None => Err(format!("{shape:?} has too many features")),
                }
            }
            (Self::Linear { inputs, outputs, .. }, &[features]) => {
                if features != *inputs || *outputs == 0 {
                    return Err(format!(
                        "linear layer from {inputs} to {outputs} on {features} features"
                    ));
                }
                Ok(vec![*outputs])
            }
            (Self::Standardize { scale }, &[_, _, _]) => {
                if !(scale.is_finite() && *scale > 0.0) {
                    return Err(format!(
                        "standardisation with scale {scale}; it must be finite and above 0"
                    ));
                }
                Ok(shape.to_vec())
            }
            (Self::BatchNorm2d { channels, decay, stabilizer, .. }, &[found, _, _]) => {
                if found != *channels {
                    return Err(format!("batch normalisation of {channels} channels on {found}"));
                }
                if !((0.0..1.0).contains(decay) && stabilizer.is_finite() && *stabilizer > 0.0) {
                    return Err(format!(
                        "batch normalisation with decay {decay} and stabilizer {stabilizer}; the decay is at least 0 and \
                         less than 1, the stabilizer finite and above 0"
                    ));
                }
                Ok(shape.to_vec())
            }
            (Self::LeakyRelu { slope }, _) if !slope.is_finite() => {
                Err(format!("leaky ReLU of slope {slope}; it must be finite"))
            }
            (Self::LeakyRelu { .. }, _) => Ok(shape.to_vec()),
            (Self::GlobalAvgPool2d, &[channels, _, _]) => Ok(vec![channels]),
            (Self::ZeroPad2d { before, after }, &[channels, height, width]) => {
                match (padded(height, *before, *after), padded(width, *before, *after)) {
                    (Some(rows), Some(columns)) => Ok(vec![channels, rows, columns]),
                    _ => Err(format!("{before} and {after} zeros around {height} x {width}")),
                }
            }
            (Self::ZeroPadChannels { before, after }, &[channels, height, width]) => {
                match padded(channels, *before, *after) {
                    Some(channels) => Ok(vec![channels, height, width]),
                    None => Err(format!("{before} and {after} channels beside {channels}")),
                }
            }
            (Self::Residual { main, shortcut }, _) => {
                let [main, shortcut] = [shape_behind(main, shape)?, shape_behind(shortcut, shape)?];
                if main != shortcut {
                    return Err(format!(
                        "branches that give {main:?} and {shortcut:?} have no sum"
                    ));
                }
                Ok(main)
            }
            _ => Err(format!("{self:?} does not take the shape {shape:?}")),
        }
    }
}

/// A side with zeros before and behind it, if that is still a number.
fn padded(side: usize, before: usize, after: usize) -> Option<usize> {
    side.checked_add(before)?.checked_add(after)
}

/// Shape of one image behind the layers of a branch; `Err` says in words what does not fit.
fn shape_behind(layers: &[Layer], shape: &[usize]) -> Result<Vec<usize>, String> {
    layers.iter().enumerate().try_fold(shape.to_vec(), |shape, (index, layer)| {
        let shape = layer
            .output_shape(&shape)
            .map_err(|message| format!("layer {index} of a branch: {message}"))?;
        match shape.iter().try_fold(1usize, |size, &side| size.checked_mul(side)) {
            Some(size) if size <= LARGEST_ACTIVATION => Ok(shape),
            _ => Err(format!(
                "an image of {shape:?} at layer {index} of a branch is larger than {LARGEST_ACTIVATION} values"
            )),
        }
    })
}
