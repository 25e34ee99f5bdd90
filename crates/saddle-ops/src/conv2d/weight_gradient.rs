//! The gradient of a convolution's weights, summed over images.
//!
//! Each value of the cotangent that is not zero adds the patch under it, times the value, to its channel's gradient. The
//! entries are taken channel by channel, so that a row of a channel's gradient stays in registers while all places of an
//! image are added.

use super::{Conv2d, SparseCotangent};
use crate::{Error, Real, Result, kernels::Buffer, kernels::Lanes, kernels::Work};

/// Gradients of a convolution's parameters: a sum over the images added so far.
pub struct ConvGradient<T> {
    /// `(out, ky, row)`, a row filled up to whole registers with numbers that mean nothing.
    weight: Buffer<T>,
    bias: Vec<T>,
    /// What was added by [`taps`](super::taps): `(register of channels, tap, lane)`, the bias behind the taps.
    pub(super) taps: Buffer<T>,
    /// Scratch: entries of the current image, channel by channel.
    sorted: Vec<Term<T>>,
    ends: Vec<usize>,
}

/// A value and where its patch begins in the padded image.
#[derive(Clone, Copy)]
struct Term<T> {
    from: u32,
    value: T,
}

impl<T: Real> ConvGradient<T> {
    /// The empty sum.
    pub fn zeros(conv: &Conv2d<T>) -> Self {
        let outputs = conv.shape.out_channels;
        Self {
            weight: Buffer::zeros(outputs * conv.shape.kernel * conv.row),
            bias: vec![T::ZERO; outputs],
            taps: Buffer::zeros(outputs * conv.taps()),
            sorted: Vec::new(),
            ends: vec![0; outputs],
        }
    }

    /// Adds one image: the padded input of the forward pass and the cotangent of its result.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] or [`Error::ShapeMismatch`] when the arguments do not fit the convolution.
    pub fn add_image(
        &mut self,
        conv: &Conv2d<T>,
        padded: &[T],
        cotangent: &SparseCotangent<T>,
    ) -> Result<()> {
        conv.check_padded(padded.len())?;
        conv.check_cotangent(cotangent)?;
        self.check(conv)?;
        self.sort(conv, cotangent);
        T::dispatch(conv.kernels, Gather { conv, padded, gradient: self });
        Ok(())
    }

    /// Adds another sum to this one.
    pub fn add(&mut self, other: &Self) {
        for (sum, value) in self.weight.iter_mut().zip(other.weight.iter()) {
            *sum += *value;
        }
        for (sum, value) in self.bias.iter_mut().zip(&other.bias) {
            *sum += *value;
        }
        for (sum, value) in self.taps.iter_mut().zip(other.taps.iter()) {
            *sum += *value;
        }
    }

    /// The gradients in PyTorch's layout: weight `(out, in, k, k)` and bias `(out,)`.
    pub fn to_parameters(&self, conv: &Conv2d<T>) -> Result<(Vec<T>, Vec<T>)> {
        self.check(conv)?;
        let (kernel, channels) = (conv.shape.kernel, conv.shape.in_channels);
        let mut weight = Vec::with_capacity(conv.shape.out_channels * conv.shape.patch_length());
        for patch in self.weight.chunks_exact(kernel * conv.row) {
            for channel in 0..channels {
                for row in patch.chunks_exact(conv.row) {
                    weight.extend((0..kernel).map(|kx| row[kx * channels + channel]));
                }
            }
        }
        let mut bias = self.bias.clone();
        let (taps, lanes) = (conv.taps(), T::lanes(conv.kernels));
        for (at, value) in self.taps.iter().enumerate() {
            let (channel, tap) = (at / (taps * lanes) * lanes + at % lanes, at / lanes % taps);
            match weight[channel * (taps - 1)..].get_mut(tap).filter(|_| tap < taps - 1) {
                Some(sum) => *sum += *value,
                None => bias[channel] += *value,
            }
        }
        Ok((weight, bias))
    }

    /// Sorts the entries by channel, keeping the order of places.
    fn sort(&mut self, conv: &Conv2d<T>, cotangent: &SparseCotangent<T>) {
        let [_, width, channels] = conv.shape.padded();
        self.ends.fill(0);
        cotangent.each(|_, entries| {
            for (channel, _) in entries.iter() {
                self.ends[channel] += 1;
            }
        });
        let mut before = 0;
        for end in &mut self.ends {
            (*end, before) = (before, before + *end);
        }
        self.sorted.resize(before, Term { from: 0, value: T::ZERO });
        cotangent.each(|place, entries| {
            let corner = [place.row, place.column].map(|i| i as usize * conv.shape.stride);
            let from = ((corner[0] * width + corner[1]) * channels) as u32;
            for (channel, value) in entries.iter() {
                let at = &mut self.ends[channel];
                self.sorted[*at] = Term { from, value };
                *at += 1;
            }
        });
    }

    pub(super) fn check(&self, conv: &Conv2d<T>) -> Result<()> {
        let expected = conv.shape.out_channels * conv.shape.kernel * conv.row;
        let outputs = conv.shape.out_channels;
        let lengths = [self.weight.len(), self.bias.len(), self.taps.len()];
        if lengths == [expected, outputs, outputs * conv.taps()] {
            return Ok(());
        }
        Err(Error::InvalidShape {
            operation: "conv2d weight gradient",
            message: format!("the sum was begun for a convolution other than {:?}", conv.shape),
        })
    }
}

struct Gather<'a, T> {
    conv: &'a Conv2d<T>,
    padded: &'a [T],
    gradient: &'a mut ConvGradient<T>,
}

impl<T: Real> Work<T> for Gather<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { conv, padded, gradient } = self;
        let [_, width, channels] = conv.shape.padded();
        let (kernel, row) = (conv.shape.kernel, conv.row);
        let mut start = 0;
        for (channel, end) in gradient.ends.iter().enumerate() {
            let terms = &gradient.sorted[start..*end];
            start = *end;
            for term in terms {
                gradient.bias[channel] += term.value;
            }
            let sums = &mut gradient.weight[channel * kernel * row..][..kernel * row];
            let between = width * channels;
            // One register to a row: all rows at once, or each addition would wait for the one before.
            match kernel {
                5 if row == L::COUNT => add_columns::<L, 5>(terms, padded, between, sums),
                4 if row == L::COUNT => add_columns::<L, 4>(terms, padded, between, sums),
                3 if row == L::COUNT => add_columns::<L, 3>(terms, padded, between, sums),
                _ => add_each_row::<L>(terms, padded, between, row, sums),
            }
        }
    }
}

/// Adds to `sums`, `ROWS` registers, what lies under the kernel's rows at each term's place, times the term's value.
#[inline(always)]
fn add_columns<L: Lanes, const ROWS: usize>(
    terms: &[Term<L::Number>],
    image: &[L::Number],
    between: usize,
    sums: &mut [L::Number],
) {
    let mut registers = [L::splat(L::Number::ZERO); ROWS];
    for (register, sums) in registers.iter_mut().zip(sums.chunks_exact(L::COUNT)) {
        *register = L::load(sums);
    }
    for term in terms {
        let value = L::splat(term.value);
        for (ky, register) in registers.iter_mut().enumerate() {
            let row = &image[term.from as usize + ky * between..];
            *register = value.mul_add(L::load(row), *register);
        }
    }
    for (register, sums) in registers.iter().zip(sums.chunks_exact_mut(L::COUNT)) {
        register.store(sums);
    }
}

/// The same, one row of the kernel after the other.
#[inline(always)]
fn add_each_row<L: Lanes>(
    terms: &[Term<L::Number>],
    image: &[L::Number],
    between: usize,
    row: usize,
    sums: &mut [L::Number],
) {
    for (ky, sums) in sums.chunks_exact_mut(row).enumerate() {
        add_patches::<L>(terms, &image[ky * between..], sums);
    }
}

/// Adds to `sums` the numbers under one row of the kernel at each term's place, times the term's value.
#[inline(always)]
fn add_patches<L: Lanes>(terms: &[Term<L::Number>], image: &[L::Number], sums: &mut [L::Number]) {
    let mut from = 0;
    while from < sums.len() {
        // What is left, in equal parts of at most so many registers.
        let left = (sums.len() - from) / L::COUNT;
        from += match left.div_ceil(left.div_ceil(12)) {
            12 => add_part::<L, 12>(terms, image, sums, from),
            10 | 11 => add_part::<L, 10>(terms, image, sums, from),
            8 | 9 => add_part::<L, 8>(terms, image, sums, from),
            6 | 7 => add_part::<L, 6>(terms, image, sums, from),
            4 | 5 => add_part::<L, 4>(terms, image, sums, from),
            2 | 3 => add_part::<L, 2>(terms, image, sums, from),
            _ => add_part::<L, 1>(terms, image, sums, from),
        };
    }
}

/// [`add_patches`] for the `N` registers that begin at `from`; returns how many numbers they hold.
#[inline(always)]
fn add_part<L: Lanes, const N: usize>(
    terms: &[Term<L::Number>],
    image: &[L::Number],
    sums: &mut [L::Number],
    from: usize,
) -> usize {
    let part = &mut sums[from..][..N * L::COUNT];
    let mut registers: [L; N] = std::array::from_fn(|i| L::load(&part[i * L::COUNT..]));
    for term in terms {
        let patch = &image[term.from as usize + from..][..N * L::COUNT];
        let value = L::splat(term.value);
        for (i, register) in registers.iter_mut().enumerate() {
            *register = value.mul_add(L::load(&patch[i * L::COUNT..]), *register);
        }
    }
    for (i, register) in registers.iter().enumerate() {
        register.store(&mut part[i * L::COUNT..]);
    }
    N * L::COUNT
}
