//! The cotangent of a convolution's input.
//!
//! Sparse: each value that is not zero adds its channel's weights, times the value, to the patch under it. The numbers
//! under one row of the kernel stay in registers while all channels of a place are added, and the kernel's rows are the
//! outermost loop, so that the weights in use stay in the first-level cache. Dense: one product gives every
//! place's patch, and the patches are added where they lie. Transformed, where shape and `f32` allow it: with stride 1 the
//! gradient is the convolution of the cotangent, in a border of zeros, with the weights turned around and their channels
//! exchanged ([`winograd`](super::winograd)).

use super::{
    Conv2d, ConvShape, SparseCotangent,
    cotangent::Entries,
    winograd::{self, Largest, Pass, Sink, Winograd},
};
use crate::{
    Error, Real, Result, Rows,
    kernels::{Buffer, Lanes, Work},
    matmul,
};

/// Buffers of the dense form, kept from image to image.
#[derive(Default)]
pub struct InputGradientScratch<T> {
    cotangent: Vec<T>,
    patches: Vec<T>,
    padded: Buffer<T>,
    winograd: winograd::Scratch<T>,
}

impl<T: Real> Conv2d<T> {
    /// Cotangent of the padded input into `gradient`, which need not be clear before. What it holds in the slack
    /// behind the image afterwards means nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the cotangent or `gradient` does not fit the shape.
    pub fn input_gradient(
        &self,
        cotangent: &SparseCotangent<T>,
        gradient: &mut [T],
        scratch: &mut InputGradientScratch<T>,
    ) -> Result<()> {
        self.check_padded(gradient.len())?;
        self.check_cotangent(cotangent)?;
        if self.transforms_gradient(cotangent, gradient, scratch) {
            return Ok(());
        }
        gradient.fill(T::ZERO);
        // The product's additions are cheaper by more than the factor 3, but it makes them all.
        if cotangent.count() * 3 < self.shape.output_length() {
            T::dispatch(self.kernels, Scatter { conv: self, cotangent, gradient });
            return Ok(());
        }
        cotangent.to_dense(&mut scratch.cotangent);
        let patch = self.shape.patch_length();
        let rows = Rows::matrix(&scratch.cotangent, self.shape.out_channels)?;
        scratch.patches.resize(rows.count() * patch, T::ZERO);
        matmul(self.kernels, rows, &self.transposed, None, &mut scratch.patches)?;
        self.add_patches(&scratch.patches, gradient);
        Ok(())
    }

    /// The transformed form, if it is worth it and may be; whether it was taken.
    fn transforms_gradient(
        &self,
        cotangent: &SparseCotangent<T>,
        gradient: &mut [T],
        scratch: &mut InputGradientScratch<T>,
    ) -> bool {
        let shape = self.shape.turned();
        // It makes all its products, each cheaper by a factor of about 4.
        if cotangent.count() * 4 < self.shape.output_length() || !Winograd::<T>::fits(&shape) {
            return false;
        }
        let winograd = self.turned.get_or_init(|| {
            let mut winograd = Winograd::zeros(self.kernels, &shape);
            winograd.pack(self.kernels, &self.turned_weight(), &vec![T::ZERO; shape.out_channels]);
            winograd
        });
        let length = shape.padded().iter().product();
        scratch.padded.grow(length);
        let padded = &mut scratch.padded[..length];
        padded.fill(T::ZERO);
        cotangent.write(shape.padding, padded);
        let largest = T::dispatch(self.kernels, Largest(padded));
        if !winograd.takes_numbers(largest) {
            return false;
        }
        let sink = Sink::Plain(&mut gradient[..shape.output_length()]);
        let scratch = &mut scratch.winograd;
        let pass = Pass { conv: self, winograd, padded, largest, sink, scratch };
        T::dispatch(self.kernels, pass);
        true
    }

    /// Weights `(in, out, k, k)`, turned around.
    fn turned_weight(&self) -> Vec<T> {
        let ConvShape { in_channels, out_channels, kernel, .. } = self.shape;
        let mut turned = vec![T::ZERO; self.shape.patch_length() * out_channels];
        let area = kernel * kernel;
        for ky in 0..kernel {
            for channel in 0..out_channels {
                let row = &self.rows[(ky * out_channels + channel) * self.row..];
                for kx in 0..kernel {
                    for input in 0..in_channels {
                        let to = (input * out_channels + channel) * area;
                        turned[to + area - 1 - (ky * kernel + kx)] = row[kx * in_channels + input];
                    }
                }
            }
        }
        turned
    }

    pub(super) fn check_cotangent(&self, cotangent: &SparseCotangent<T>) -> Result<()> {
        if cotangent.shape() == self.shape.output() {
            return Ok(());
        }
        Err(Error::ShapeMismatch {
            operation: "conv2d gradient",
            left: cotangent.shape().to_vec(),
            right: self.shape.output().to_vec(),
        })
    }

    fn add_patches(&self, patches: &[T], gradient: &mut [T]) {
        let [_, width, channels] = self.shape.padded();
        let [_, columns, _] = self.shape.output();
        let length = self.shape.row_length();
        for (place, patch) in patches.chunks_exact(self.shape.patch_length()).enumerate() {
            let corner = [place / columns, place % columns].map(|i| i * self.shape.stride);
            for (ky, row) in patch.chunks_exact(length).enumerate() {
                let from = ((corner[0] + ky) * width + corner[1]) * channels;
                for (gradient, value) in gradient[from..][..length].iter_mut().zip(row) {
                    *gradient += *value;
                }
            }
        }
    }
}

impl ConvShape {
    /// The convolution of the cotangent that gives the padded input's, for stride 1.
    fn turned(&self) -> Self {
        let [rows, columns, channels] = self.output();
        Self {
            size: [rows, columns],
            in_channels: channels,
            out_channels: self.in_channels,
            padding: self.kernel - 1,
            ..*self
        }
    }
}

struct Scatter<'a, T> {
    conv: &'a Conv2d<T>,
    cotangent: &'a SparseCotangent<T>,
    gradient: &'a mut [T],
}

impl<T: Real> Work<T> for Scatter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { conv, cotangent, gradient } = self;
        let [_, width, channels] = conv.shape.padded();
        let (row, stride) = (conv.row, conv.shape.stride);
        for (ky, weights) in conv.rows.chunks_exact(conv.shape.out_channels * row).enumerate() {
            cotangent.each(|place, entries| {
                let corner = [place.row, place.column].map(|i| i as usize * stride);
                let from = ((corner[0] + ky) * width + corner[1]) * channels;
                add_rows::<L>(entries, weights, &mut gradient[from..][..row]);
            });
        }
    }
}

/// Adds each entry's row of weights, times its value, to `sums`.
#[inline(always)]
fn add_rows<L: Lanes>(
    entries: Entries<'_, L::Number>,
    weights: &[L::Number],
    sums: &mut [L::Number],
) {
    let row = sums.len();
    let mut from = 0;
    while from < row {
        let left = (row - from) / L::COUNT;
        from += if left >= 10 {
            add_part::<L, 10>(entries, weights, sums, from)
        } else if left >= 4 {
            add_part::<L, 4>(entries, weights, sums, from)
        } else {
            add_part::<L, 1>(entries, weights, sums, from)
        };
    }
}

/// [`add_rows`] for the `N` registers that begin at `from`; returns how many numbers they hold.
#[inline(always)]
fn add_part<L: Lanes, const N: usize>(
    entries: Entries<'_, L::Number>,
    weights: &[L::Number],
    sums: &mut [L::Number],
    from: usize,
) -> usize {
    let row = sums.len();
    let part = &mut sums[from..][..N * L::COUNT];
    let mut registers: [L; N] = std::array::from_fn(|i| L::load(&part[i * L::COUNT..]));
    for (channel, value) in entries.iter() {
        let weights = &weights[channel * row + from..][..N * L::COUNT];
        let value = L::splat(value);
        for (i, register) in registers.iter_mut().enumerate() {
            *register = value.mul_add(L::load(&weights[i * L::COUNT..]), *register);
        }
    }
    for (i, register) in registers.iter().enumerate() {
        register.store(&mut part[i * L::COUNT..]);
    }
    N * L::COUNT
}
