//! Convolution of one image in host memory, and its gradients.
//!
//! # Conventions
//!
//! - Images are `(height, width, channels)` here, so that the numbers under one row of the kernel are contiguous. An input
//!   comes with a border of zeros, `padding` places wide, and a slack behind its end ([`ConvShape::padded_length`]); a
//!   result has neither.
//! - Weights come and weight gradients leave in PyTorch's layout, `(out, in, k, k)`.
//! - Cotangents are lists of what is not zero ([`SparseCotangent`]): behind ReLU and a 2 x 2 pool, 85 to 90 of 100 are.
//!
//! # Invariants
//!
//! One call works on one image on the calling thread, and every order of additions is fixed by the shape and that
//! image's cotangent. Whoever runs images in parallel changes no bit. The sparse and the dense input gradient
//! differ in the last bits; which one runs depends on the image's cotangent alone.
//!
//! [`Conv2d::forward`] is always the direct sum. [`Conv2d::forward_pooled`] gives its bits, pooled, with two exceptions in `f32`:
//! where the shape allows a transform, numbers close to them with winners that a direct sum stands for ([`winograd`]), and
//! behind a first layer, choices as exact sums make them ([`first_layer`]).

mod choices;
mod cotangent;
mod dense;
mod direct;
mod first_layer;
mod fused;
mod input_gradient;
mod naive;
mod narrow;
mod taps;
mod target;
mod ties;
mod turned;
mod weight_gradient;
mod winograd;

pub use cotangent::SparseCotangent;
pub use fused::ForwardScratch;
pub use input_gradient::InputGradientScratch;
pub use naive::{conv2d as conv2d_naive, conv2d_gradients as conv2d_gradients_naive};
pub use weight_gradient::ConvGradient;

use std::sync::OnceLock;

use dense::Patches;
use direct::{Direct, Steps};
use first_layer::FirstLayer;
use winograd::Winograd;

use crate::{Error, Kernels, Real, Result, kernels::Buffer, kernels::WIDEST};

/// Shape of a convolution: a square kernel, one stride, zeros on every side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Height and width of the image.
    pub size: [usize; 2],
    /// Channels that come in.
    pub in_channels: usize,
    /// Channels that go out.
    pub out_channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between windows.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

/// Numbers behind a padded image that a kernel may read, and write back, but never uses.
const SLACK: usize = WIDEST;

impl ConvShape {
    /// Refuses a shape without channels, stride or kernel, or whose kernel does not fit the padded image.
    pub fn check(&self) -> Result<()> {
        let [height, width, _] = self.padded();
        let positive =
            self.in_channels > 0 && self.out_channels > 0 && self.stride > 0 && self.kernel > 0;
        if positive && self.kernel <= height && self.kernel <= width {
            return Ok(());
        }
        Err(Error::InvalidShape {
            operation: "conv2d",
            message: format!(
                "{self:?}: channels, kernel and stride must be at least 1 and the kernel must fit"
            ),
        })
    }

    /// `[height, width, channels]` of the input without its border.
    pub fn input(&self) -> [usize; 3] {
        [self.size[0], self.size[1], self.in_channels]
    }

    /// `[height, width, channels]` of the input with its border.
    #[inline(always)]
    pub fn padded(&self) -> [usize; 3] {
        let border = 2 * self.padding;
        [self.size[0] + border, self.size[1] + border, self.in_channels]
    }

    /// `[height, width, channels]` of the result.
    pub fn output(&self) -> [usize; 3] {
        let [height, width, _] = self.padded();
        let side = |side: usize| (side - self.kernel) / self.stride + 1;
        [side(height), side(width), self.out_channels]
    }

    /// Numbers of an input with its border and the slack behind it.
    pub fn padded_length(&self) -> usize {
        self.padded().iter().product::<usize>() + SLACK
    }

    /// Numbers of a result.
    pub fn output_length(&self) -> usize {
        self.output().iter().product()
    }

    /// Numbers under one row of the kernel.
    fn row_length(&self) -> usize {
        self.kernel * self.in_channels
    }

    /// Numbers of one output channel's weight.
    fn patch_length(&self) -> usize {
        self.kernel * self.row_length()
    }
}

/// A convolution whose weights are packed for its three products.
pub struct Conv2d<T> {
    kernels: Kernels,
    shape: ConvShape,
    /// `(register of out, ky, kx, in, lane)`: the forward passes; channels that do not exist have zeros.
    tiles: Buffer<T>,
    /// The bias, filled up likewise.
    tile_bias: Buffer<T>,
    /// The dense input gradient.
    patches: Patches<T>,
    /// `(ky, out, row)`, a row filled up with zeros to whole registers: the sparse input gradient.
    rows: Buffer<T>,
    row: usize,
    /// The input gradient of a narrow convolution ([`narrow`]).
    table: Buffer<T>,
    /// Whether the fused forward pass has registers enough on this path.
    fuses: bool,
    /// What makes the choices behind a first layer exact.
    first_layer: Option<FirstLayer<T>>,
    /// The pooled forward pass where it may be transformed.
    winograd: Option<Winograd<T>>,
    /// The dense input gradient where it may be transformed, once it was needed.
    turned: OnceLock<Winograd<T>>,
}

impl<T: Real> Conv2d<T> {
    /// Packs `weight`, `(out, in, k, k)`, and `bias`, `(out,)`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the shape makes no sense or the parameters do not have it.
    pub fn new(kernels: Kernels, shape: ConvShape, weight: &[T], bias: &[T]) -> Result<Self> {
        shape.check()?;
        let (patch, outputs) = (shape.patch_length(), shape.out_channels);
        let lanes = T::lanes(kernels);
        let row = shape.row_length().next_multiple_of(lanes);
        let whole = outputs.next_multiple_of(lanes);
        let mut conv = Self {
            kernels,
            shape,
            tiles: Buffer::zeros(whole * patch),
            tile_bias: Buffer::zeros(whole),
            patches: Patches::zeros(kernels, &shape),
            rows: Buffer::zeros(shape.kernel * outputs * row),
            row,
            table: Buffer::zeros(shape.table_length()),
            fuses: T::dispatch(kernels, fused::HasRegisters),
            first_layer: FirstLayer::<T>::fits(&shape).then(|| FirstLayer::zeros(kernels, &shape)),
            winograd: Winograd::<T>::fits(&shape).then(|| Winograd::zeros(kernels, &shape)),
            turned: OnceLock::new(),
        };
        conv.pack(weight, bias)?;
        Ok(conv)
    }

    /// Replaces the parameters.
    pub fn pack(&mut self, weight: &[T], bias: &[T]) -> Result<()> {
        let ConvShape { in_channels, out_channels, kernel, .. } = self.shape;
        let patch = self.shape.patch_length();
        if weight.len() != out_channels * patch || bias.len() != out_channels {
            return Err(Error::InvalidShape {
                operation: "conv2d",
                message: format!(
                    "weight of {} and bias of {} numbers for {:?}",
                    weight.len(),
                    bias.len(),
                    self.shape
                ),
            });
        }
        // (out, in, ky, kx) to (out, ky, kx, in).
        let mut patches = vec![T::ZERO; weight.len()];
        for (patch, weight) in patches.chunks_exact_mut(patch).zip(weight.chunks_exact(patch)) {
            for (channel, weight) in weight.chunks_exact(kernel * kernel).enumerate() {
                for (place, weight) in weight.iter().enumerate() {
                    patch[place * in_channels + channel] = *weight;
                }
            }
        }
        self.patches.pack(self.kernels, &self.shape, &patches);
        let lanes = T::lanes(self.kernels);
        for (channel, numbers) in patches.chunks_exact(patch).enumerate() {
            let group = &mut self.tiles[channel / lanes * lanes * patch..][..lanes * patch];
            for (tile, number) in group.chunks_exact_mut(lanes).zip(numbers) {
                tile[channel % lanes] = *number;
            }
        }
        self.tile_bias[..out_channels].copy_from_slice(bias);
        if let Some(layer) = &mut self.first_layer {
            layer.pack(weight, bias);
        }
        if let Some(winograd) = &mut self.winograd {
            winograd.pack(self.kernels, weight, bias);
        }
        self.turned.take();
        narrow::fill_table(&self.shape, &patches, &mut self.table);
        let length = self.shape.row_length();
        for (channel, patch) in patches.chunks_exact(patch).enumerate() {
            for (ky, row) in patch.chunks_exact(length).enumerate() {
                self.rows[(ky * out_channels + channel) * self.row..][..length]
                    .copy_from_slice(row);
            }
        }
        Ok(())
    }

    /// The convolution's shape.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// Convolves a padded image into `out`, [`ConvShape::output`].
    pub fn forward(&self, padded: &[T], out: &mut [T]) -> Result<()> {
        self.check_padded(padded.len())?;
        if out.len() != self.shape.output_length() {
            return Err(Error::InvalidShape {
                operation: "conv2d",
                message: format!("{} numbers for a result {:?}", out.len(), self.shape.output()),
            });
        }
        let [_, width, channels] = self.shape.padded();
        let steps = Steps {
            place: self.shape.stride * channels,
            row: self.shape.stride * width * channels,
            kernel: self.shape.kernel,
            under: width * channels,
            length: self.shape.row_length(),
        };
        let (weights, bias, output) = (&self.tiles, &self.tile_bias, self.shape.output());
        T::dispatch(self.kernels, Direct { image: padded, steps, weights, bias, output, out });
        Ok(())
    }

    fn check_padded(&self, length: usize) -> Result<()> {
        if length >= self.shape.padded_length() {
            return Ok(());
        }
        Err(Error::InvalidShape {
            operation: "conv2d",
            message: format!(
                "padded image of {length} numbers; {:?} and slack make {}",
                self.shape.padded(),
                self.shape.padded_length()
            ),
        })
    }
}
