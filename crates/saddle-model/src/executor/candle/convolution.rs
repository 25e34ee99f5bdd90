//! A convolution in candle's operations whose two gradients are convolutions, too.
//!
//! With `y[p] = sum_k x[s p + k] w[k]` over a padded image:
//!
//! - The cotangent of `x[q]` is `sum_k dy[(q - k) / s] w[k]` over the `k` that divide: the cotangent of `y`, spread out with
//!   `s - 1` zeros between its places, under the kernel turned by half a turn and with its channels exchanged.
//! - The cotangent of `w[k]` is `sum_p x[s p + k] dy[p]`: images as channels, the cotangent as a kernel whose places lie `s`
//!   apart.
//!
//! Rows and columns that no window reaches, because the stride does not divide, are each counted for themselves: images
//! need not be square.

use candle_core::Tensor;

use crate::Result;

/// A convolution's parameters, with the kernel of its input gradient.
pub(super) struct Convolution {
    weight: Tensor,
    /// `(1, out, 1, 1)`.
    bias: Option<Tensor>,
    /// `(in, out, k, k)`, turned by half a turn.
    turned: Tensor,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Convolution {
    /// `weight` is `(out, in, k, k)`, `bias` is `(out)`.
    pub(super) fn new(
        weight: Tensor,
        bias: Option<Tensor>,
        stride: usize,
        padding: usize,
    ) -> Result<Self> {
        let (outputs, _, kernel, _) = weight.dims4()?;
        let turned = weight.flip(&[2, 3])?.transpose(0, 1)?.contiguous()?;
        let bias = bias.map(|bias| bias.reshape((1, outputs, 1, 1))).transpose()?;
        Ok(Self { weight, bias, turned, kernel, stride, padding })
    }

    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let sums = images.conv2d(&self.weight, self.padding, self.stride, 1, 1)?;
        match &self.bias {
            Some(bias) => Ok(sums.broadcast_add(bias)?),
            None => Ok(sums),
        }
    }

    pub(super) fn has_bias(&self) -> bool {
        self.bias.is_some()
    }

    /// Cotangent of images of this shape, `(n, in, h, w)`, given that of the result.
    pub(super) fn input_gradient(&self, images: &[usize], cotangent: &Tensor) -> Result<Tensor> {
        // Places at which windows would begin if the stride were 1.
        let length = |side: usize| side + 2 * self.padding + 1 - self.kernel;
        let spread = self.spread(cotangent, length(images[2]), length(images[3]))?;
        Ok(spread.conv2d(&self.turned, self.kernel - 1 - self.padding, 1, 1, 1)?)
    }

    /// `(n, c, h, w)` to `(n, c, height, width)` with `stride - 1` zeros behind each place; those beyond the end are cut off.
    fn spread(&self, cotangent: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        if self.stride == 1 {
            return Ok(cotangent.contiguous()?);
        }
        let (n, c, rows, columns) = cotangent.dims4()?;
        let zeros = self.stride - 1;
        let places = cotangent.reshape((n, c, rows, 1, columns, 1))?;
        let spread = places.pad_with_zeros(5, 0, zeros)?.pad_with_zeros(3, 0, zeros)?;
        let spread = spread.reshape((n, c, rows * self.stride, columns * self.stride))?;
        Ok(spread.narrow(2, 0, height)?.narrow(3, 0, width)?.contiguous()?)
    }

    /// Cotangent of the weight, summed over the images.
    pub(super) fn weight_gradient(&self, images: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let images = images.transpose(0, 1)?.contiguous()?;
        let cotangent = cotangent.transpose(0, 1)?.contiguous()?;
        let sums = images.conv2d(&cotangent, self.padding, 1, self.stride, 1)?;
        let sums = sums.narrow(2, 0, self.kernel)?.narrow(3, 0, self.kernel)?;
        Ok(sums.transpose(0, 1)?.contiguous()?)
    }
}
