//! Linear layers, `x * W^T + b` for a batch of rows, and their gradients.
//!
//! # Conventions
//!
//! Weights come and weight gradients leave in PyTorch's layout, `(outputs, inputs)`. Batches are row after row.
//!
//! # Zeros
//!
//! Behind a ReLU most activations are zero, and more so the cotangents. Lists name those that are not, and the
//! products skip the others: their work is proportional to what is alive, for one row as for a hundred. A product with
//! zero adds nothing, unless the other factor is infinite or NaN; where one is, nothing is skipped. A row with few zeros is
//! cheaper taken whole, together with others like it.
//!
//! # Invariants
//!
//! Each number of a result is the bias (or 0) and, one after the other, sums over blocks of 64 of the inner dimension (96 on
//! the way back to the inputs), each a chain of additions in order, fused or not as the path has it. So a row's result and
//! input gradient depend on that row alone, and a weight's gradient on the batch in the order of its rows: bit for bit,
//! however the work is cut and shared among threads.
//!
//! In bf16 ([`Precision`]) blocks are of 112. A row's living numbers in a block, or all of them where it is taken whole, are
//! multiplied two at a time, in order; the two rows of weights that they meet are interleaved on the way.

mod arithmetic;
mod live;
mod matrix;
mod naive;
mod precision;
mod product;
mod strip;

pub use matrix::transpose;
pub use naive::{linear as linear_naive, linear_gradients as linear_gradients_naive};
pub use precision::Precision;

use crate::{Error, Kernels, Real, Result, kernels::large_vector};
use arithmetic::Numbers;
use matrix::Matrix;
use product::{Left, Right, Shares, multiply};

/// A linear layer whose weights are laid out for both directions.
pub struct Linear<T> {
    kernels: Kernels,
    precision: Precision,
    inputs: usize,
    bias: Vec<T>,
    /// `inputs x outputs`, in its precision.
    forward: Matrix<T>,
    /// `outputs x inputs`, in its precision.
    backward: Matrix<T>,
    /// Whether every weight is finite, so that zeros may be skipped.
    finite: bool,
}

/// Memory that the passes of linear layers use and whoever runs them keeps.
#[derive(Default)]
pub struct LinearScratch<T: Real> {
    shares: Shares<T>,
    /// The batch, its rows laid out like those of weights.
    batch: Option<Matrix<T>>,
    /// The cotangent by outputs.
    cotangent: Vec<T>,
}

impl<T: Real> Linear<T> {
    /// Lays out `weight`, `(outputs, inputs)`, and `bias`, `(outputs,)`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when a side is 0 or the weight does not have both.
    pub fn new(kernels: Kernels, inputs: usize, weight: &[T], bias: &[T]) -> Result<Self> {
        Self::with_precision(kernels, Precision::Full, inputs, weight, bias)
    }

    /// As [`Linear::new`]; the products with the weights are made in `precision`. A rounded layer has no weight gradient.
    ///
    /// # Errors
    ///
    /// As [`Linear::new`].
    pub fn with_precision(
        kernels: Kernels,
        precision: Precision,
        inputs: usize,
        weight: &[T],
        bias: &[T],
    ) -> Result<Self> {
        if inputs == 0 || bias.is_empty() {
            return Err(Error::InvalidShape {
                operation: "linear",
                message: format!(
                    "{inputs} inputs and {} outputs; both must be at least 1",
                    bias.len()
                ),
            });
        }
        let mut linear = Self {
            kernels,
            precision,
            inputs,
            bias: vec![T::ZERO; bias.len()],
            forward: precision.matrix(kernels, inputs, bias.len()),
            backward: precision.matrix(kernels, bias.len(), inputs),
            finite: true,
        };
        linear.pack(weight, bias)?;
        Ok(linear)
    }

    /// Replaces the parameters.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when they are not as many as before.
    pub fn pack(&mut self, weight: &[T], bias: &[T]) -> Result<()> {
        if bias.len() != self.outputs() {
            return Err(Error::InvalidShape {
                operation: "linear",
                message: format!("bias of {} numbers for {} outputs", bias.len(), self.outputs()),
            });
        }
        if weight.len() != self.inputs * bias.len() {
            return Err(Error::InvalidShape {
                operation: "linear weights",
                message: format!("{} numbers for {} x {}", weight.len(), bias.len(), self.inputs),
            });
        }
        let Self { forward, backward, .. } = self;
        self.finite = self.precision.pack(self.kernels, weight, self.inputs, forward, backward)?;
        self.bias.copy_from_slice(bias);
        Ok(())
    }

    /// Features that come in.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Features that go out.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// `(n, inputs)` to `(n, outputs)`; with `relu`, what is not above 0 becomes 0.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when batch and result do not fit.
    pub fn forward(
        &self,
        batch: &[T],
        relu: bool,
        out: &mut [T],
        scratch: &mut LinearScratch<T>,
    ) -> Result<()> {
        self.check("linear forward", batch, out)?;
        let left = Left { values: batch, inner: self.inputs(), zeros: !self.finite, scarce: false };
        let right = Right { matrix: &self.forward, bias: Some(&self.bias), relu };
        self.multiply(left, right, out, scratch);
        Ok(())
    }

    /// Cotangent of the batch, `(n, inputs)`, given that of the result, `(n, outputs)`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the two do not fit.
    pub fn input_gradient(
        &self,
        cotangent: &[T],
        gradient: &mut [T],
        scratch: &mut LinearScratch<T>,
    ) -> Result<()> {
        self.check("linear input gradient", gradient, cotangent)?;
        let left =
            Left { values: cotangent, inner: self.outputs(), zeros: !self.finite, scarce: true };
        let right = Right { matrix: &self.backward, bias: None, relu: false };
        self.multiply(left, right, gradient, scratch);
        Ok(())
    }

    /// Cotangents of weight `(outputs, inputs)` and bias `(outputs,)`: sums over the batch.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when batch and cotangent do not fit, [`Error::RoundedWeights`] when the layer's products
    /// are rounded.
    pub fn weight_gradient(
        &self,
        batch: &[T],
        cotangent: &[T],
        scratch: &mut LinearScratch<T>,
    ) -> Result<(Vec<T>, Vec<T>)> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let rows = self.check("linear weight gradient", batch, cotangent)?;
        if self.precision != Precision::Full {
            return Err(Error::RoundedWeights);
        }
        let mut bias = vec![T::ZERO; outputs];
        if rows == 0 {
            return Ok((vec![T::ZERO; inputs * outputs], bias));
        }
        for row in cotangent.chunks_exact(outputs) {
            for (bias, value) in bias.iter_mut().zip(row) {
                *bias += *value;
            }
        }
        let LinearScratch { shares, batch: copied, cotangent: transposed, .. } = scratch;
        copied.take_if(|matrix| !matrix.fits(rows, inputs));
        let copied =
            copied.get_or_insert_with(|| Precision::Full.matrix(self.kernels, rows, inputs));
        let finite = copied.copy(batch)?;
        transposed.resize(cotangent.len(), T::ZERO);
        transpose(self.kernels, cotangent, outputs, transposed)?;
        let left = Left { values: transposed, inner: rows, zeros: !finite, scarce: false };
        let right = Right { matrix: copied, bias: None, relu: false };
        // Zeros would cost as much as Adam's whole pass over the weights.
        let mut weight = large_vector(inputs * outputs);
        let places = &mut weight.spare_capacity_mut()[..inputs * outputs];
        multiply::<T, Numbers>(self.kernels, left, right, places, shares);
        // SAFETY: `multiply` has written a number to each of these places.
        unsafe { weight.set_len(inputs * outputs) };
        Ok((weight, bias))
    }

    fn multiply(
        &self,
        left: Left<'_, T>,
        right: Right<'_, T>,
        out: &mut [T],
        scratch: &mut LinearScratch<T>,
    ) {
        self.precision.multiply(self.kernels, left, right, out, &mut scratch.shares);
    }

    /// The number of rows, when `batch` and `result` have the same.
    fn check(&self, operation: &'static str, batch: &[T], result: &[T]) -> Result<usize> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let rows = batch.len() / inputs;
        if batch.len() == rows * inputs && result.len() == rows * outputs {
            return Ok(rows);
        }
        Err(Error::InvalidShape {
            operation,
            message: format!(
                "{} numbers that come in and {} that go out do not make rows of {inputs} and of {outputs}",
                batch.len(),
                result.len()
            ),
        })
    }
}
