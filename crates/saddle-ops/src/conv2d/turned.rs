//! The dense cotangent of a convolution's input by the transform ([`winograd`](super::winograd)).
//!
//! With stride 1 it is the convolution of the cotangent, in a border of zeros, with the weights turned around and their
//! channels exchanged. Where the exact gradient is 0 because what could reach a place cancels or is dead, the transformed
//! one may be a rounding's worth of its neighbours.

use super::{
    Conv2d, ConvShape, SparseCotangent,
    winograd::{self, Largest, Pass, Sink, Winograd},
};
use crate::{Real, kernels::Buffer};

/// Buffers kept from image to image.
#[derive(Default)]
pub(super) struct Scratch<T> {
    padded: Buffer<T>,
    winograd: winograd::Scratch<T>,
}

impl<T: Real> Conv2d<T> {
    /// The transformed form, if it is worth it and may be; whether it was taken.
    pub(super) fn turned_input_gradient(
        &self,
        cotangent: &SparseCotangent<T>,
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) -> bool {
        let shape = self.shape.turned();
        // It makes all products, each cheaper by a factor of about 4; the sparse form skips what is dead, and is as fast here.
        if cotangent.count() * 4 < 3 * self.shape.output_length() || !Winograd::<T>::fits(&shape) {
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
        let pass = Pass { conv: self, winograd, padded, sink, scratch };
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
