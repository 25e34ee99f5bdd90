//! The cotangent of a convolution's input, given a cotangent of its result that is not sparse.
//!
//! A product gives the patch that each place of the result sends back, and the patches are added where they lie, a row of
//! places at a time. Nothing is multiplied by a border's zeros, any stride will do, and a narrow convolution's patch, as a
//! first layer's, fills whole registers: its rows are filled up to 4 or 8 numbers only.

use super::{
    Conv2d, ConvShape, InputGradientScratch,
    direct::{Direct, Steps},
};
use crate::{
    Error, Kernels, Real, Result,
    kernels::{Buffer, Lanes, Work},
};

/// Weights laid out for the product, and where its sums begin.
pub(super) struct Patches<T> {
    /// `(register of the patch, out, lane)`; a patch is `(ky, row)`.
    weights: Buffer<T>,
    zeros: Buffer<T>,
    /// Numbers of a patch's row, with what fills it up.
    row: usize,
    /// Numbers of a patch, whole registers.
    length: usize,
}

impl<T: Real> Patches<T> {
    pub(super) fn zeros(kernels: Kernels, shape: &ConvShape) -> Self {
        let lanes = T::lanes(kernels);
        let row = match shape.row_length() {
            ..=4 => 4,
            5..=8 => 8,
            length => length.next_multiple_of(lanes),
        };
        let length = (shape.kernel * row).next_multiple_of(lanes);
        Self {
            weights: Buffer::zeros(length * shape.out_channels),
            zeros: Buffer::zeros(length),
            row,
            length,
        }
    }

    /// Lays out weights `(out, ky, kx, in)`.
    pub(super) fn pack(&mut self, kernels: Kernels, shape: &ConvShape, patches: &[T]) {
        let lanes = T::lanes(kernels);
        let mut filled_up = vec![T::ZERO; self.length];
        for (channel, patch) in patches.chunks_exact(shape.patch_length()).enumerate() {
            let rows = patch.chunks_exact(shape.row_length());
            for (to, row) in filled_up.chunks_exact_mut(self.row).zip(rows) {
                to[..row.len()].copy_from_slice(row);
            }
            for (register, numbers) in filled_up.chunks_exact(lanes).enumerate() {
                let to = (register * shape.out_channels + channel) * lanes;
                self.weights[to..][..lanes].copy_from_slice(numbers);
            }
        }
    }
}

impl<T: Real> Conv2d<T> {
    /// Whether [`Conv2d::dense_input_gradient`] is the faster one for any cotangent but one of few values, as a pool leaves.
    pub fn prefers_dense(&self) -> bool {
        self.shape.row_length() <= 8
    }

    /// [`Conv2d::input_gradient`] from the whole cotangent, `(height, width, channels)`. The order of additions is its own:
    /// channels, then places.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the cotangent or `gradient` does not fit the shape.
    pub fn dense_input_gradient(
        &self,
        cotangent: &[T],
        gradient: &mut [T],
        scratch: &mut InputGradientScratch<T>,
    ) -> Result<()> {
        self.check_padded(gradient.len())?;
        if cotangent.len() != self.shape.output_length() {
            return Err(Error::InvalidShape {
                operation: "conv2d gradient",
                message: format!(
                    "cotangent of {} numbers for a result {:?}",
                    cotangent.len(),
                    self.shape.output()
                ),
            });
        }
        gradient.fill(T::ZERO);
        let scratch = &mut scratch.patches;
        scratch.resize(self.shape.output()[1] * self.patches.length, T::ZERO);
        T::dispatch(self.kernels, Dense { conv: self, cotangent, gradient, scratch });
        Ok(())
    }
}

struct Dense<'a, T> {
    conv: &'a Conv2d<T>,
    cotangent: &'a [T],
    gradient: &'a mut [T],
    /// The patches of one row of places.
    scratch: &'a mut [T],
}

impl<T: Real> Work<T> for Dense<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { conv, cotangent, gradient, scratch } = self;
        let Patches { weights, zeros, row, length } = &conv.patches;
        let [_, width, in_channels] = conv.shape.padded();
        let [_, columns, channels] = conv.shape.output();
        let steps = Steps { place: channels, row: 0, kernel: 1, under: 0, length: channels };
        let line = width * in_channels;
        let step = conv.shape.stride * in_channels;
        for (y, cotangent) in cotangent.chunks_exact(columns * channels).enumerate() {
            Direct {
                image: cotangent,
                steps,
                weights,
                bias: zeros,
                output: [1, columns, *length],
                out: scratch,
            }
            .groups::<L>(steps);
            let image = &mut gradient[y * conv.shape.stride * line..];
            match *row {
                4 => add_narrow::<T, 4>(scratch, *length, conv.shape.kernel, image, line, step),
                8 => add_narrow::<T, 8>(scratch, *length, conv.shape.kernel, image, line, step),
                row => {
                    for (x, patch) in scratch.chunks_exact(*length).enumerate() {
                        for (ky, numbers) in patch.chunks_exact(row).enumerate() {
                            let image = &mut image[ky * line + x * step..][..row];
                            add_row::<L>(numbers, image);
                        }
                    }
                }
            }
        }
    }
}

/// Adds whole registers.
#[inline(always)]
fn add_row<L: Lanes>(numbers: &[L::Number], image: &mut [L::Number]) {
    for (numbers, image) in numbers.chunks_exact(L::COUNT).zip(image.chunks_exact_mut(L::COUNT)) {
        L::load(numbers).plus(L::load(image)).store(image);
    }
}

/// Adds patches of `kernel` rows of `ROW` numbers to the lines of an image, `step` numbers from one to the next.
#[inline(always)]
fn add_narrow<T: Real, const ROW: usize>(
    patches: &[T],
    length: usize,
    kernel: usize,
    image: &mut [T],
    line: usize,
    step: usize,
) {
    // Neighbours overlap, and a number read back in another grouping than it was written waits long: those that do not
    // overlap go one after the other.
    let apart = ROW.div_ceil(step);
    let columns = patches.len() / length;
    for ky in 0..kernel {
        let image = &mut image[ky * line..];
        for x in (0..apart).flat_map(|first| (first..columns).step_by(apart)) {
            let numbers = &patches[x * length + ky * ROW..][..ROW];
            let image = &mut image[x * step..][..ROW];
            for (sum, number) in image.iter_mut().zip(numbers) {
                *sum += *number;
            }
        }
    }
}
