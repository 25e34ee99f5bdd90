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

use serde::{Deserialize, Serialize};

/// A named tensor that training may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, `LAYER.weight` or `LAYER.bias`, as PyTorch would call it.
    pub name: String,
    /// Shape: `(out, in, k, k)`, `(outputs, inputs)` or, for a bias, `(out)`.
    pub shape: Vec<usize>,
}

/// One row of an architecture table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// Square convolution with bias.
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
}

impl Layer {
    /// The layer's parameters, weight before bias; empty for layers without.
    pub fn parameters(&self) -> Vec<Parameter> {
        let (name, weight) = match self {
            Self::Conv2d { name, in_channels, out_channels, kernel, .. } => {
                (name, vec![*out_channels, *in_channels, *kernel, *kernel])
            }
            Self::Linear { name, inputs, outputs } => (name, vec![*outputs, *inputs]),
            Self::Relu | Self::MaxPool2d { .. } | Self::Flatten | Self::Dropout { .. } => {
                return Vec::new();
            }
        };
        let bias = vec![weight[0]];
        vec![
            Parameter { name: format!("{name}.weight"), shape: weight },
            Parameter { name: format!("{name}.bias"), shape: bias },
        ]
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
            (Self::MaxPool2d { window }, &[channels, height, width]) => {
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
            _ => Err(format!("{self:?} does not take the shape {shape:?}")),
        }
    }
}
