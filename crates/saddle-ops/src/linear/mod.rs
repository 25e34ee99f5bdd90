//! Linear layers, `x * W^T + b` for a batch of rows, and their gradients.
//!
//! # Conventions
//!
//! Weights come and weight gradients leave in PyTorch's layout, `(outputs, inputs)`. Batches are row after row.
//!
//! # Invariants
//!
//! A row's result and input gradient depend on that row alone. A weight's gradient is one chain of additions over
//! the batch, in the order of its rows. Threads share out columns or rows, never a chain.

mod naive;

pub use naive::{linear as linear_naive, linear_gradients as linear_gradients_naive};

use crate::{Error, Kernels, PackedMatrix, Real, Result, Rows, matmul_by_columns, matmul_by_rows};

/// A linear layer whose weights are packed for both directions.
pub struct Linear<T> {
    kernels: Kernels,
    bias: Vec<T>,
    /// `inputs x outputs`.
    forward: PackedMatrix<T>,
    /// `outputs x inputs`.
    backward: PackedMatrix<T>,
}

impl<T: Real> Linear<T> {
    /// Packs `weight`, `(outputs, inputs)`, and `bias`, `(outputs,)`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when a side is 0 or the weight does not have both.
    pub fn new(kernels: Kernels, inputs: usize, weight: &[T], bias: &[T]) -> Result<Self> {
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
            bias: Vec::new(),
            forward: PackedMatrix::zeros(kernels, inputs, bias.len()),
            backward: PackedMatrix::zeros(kernels, bias.len(), inputs),
        };
        linear.pack(weight, bias)?;
        Ok(linear)
    }

    /// Replaces the parameters.
    pub fn pack(&mut self, weight: &[T], bias: &[T]) -> Result<()> {
        if bias.len() != self.outputs() {
            return Err(Error::InvalidShape {
                operation: "linear",
                message: format!("bias of {} numbers for {} outputs", bias.len(), self.outputs()),
            });
        }
        self.forward.pack_columns(weight)?;
        self.backward.pack_rows(weight)?;
        self.bias.clear();
        self.bias.extend_from_slice(bias);
        Ok(())
    }

    /// Features that come in.
    pub fn inputs(&self) -> usize {
        self.forward.inner()
    }

    /// Features that go out.
    pub fn outputs(&self) -> usize {
        self.forward.columns()
    }

    /// `(n, inputs)` to `(n, outputs)`.
    pub fn forward(&self, batch: &[T], out: &mut [T]) -> Result<()> {
        let rows = Rows::matrix(batch, self.inputs())?;
        matmul_by_columns(self.kernels, rows, &self.forward, Some(&self.bias), out)
    }

    /// Cotangent of the batch, `(n, inputs)`, given that of the result, `(n, outputs)`.
    pub fn input_gradient(&self, cotangent: &[T], gradient: &mut [T]) -> Result<()> {
        let rows = Rows::matrix(cotangent, self.outputs())?;
        matmul_by_columns(self.kernels, rows, &self.backward, None, gradient)
    }

    /// Cotangents of weight `(outputs, inputs)` and bias `(outputs,)`: sums over the batch.
    pub fn weight_gradient(&self, batch: &[T], cotangent: &[T]) -> Result<(Vec<T>, Vec<T>)> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let rows = cotangent.len() / outputs;
        if batch.len() != rows * inputs || cotangent.len() != rows * outputs {
            return Err(Error::ShapeMismatch {
                operation: "linear weight gradient",
                left: vec![batch.len()],
                right: vec![cotangent.len()],
            });
        }
        let mut bias = vec![T::ZERO; outputs];
        let mut weight = vec![T::ZERO; inputs * outputs];
        if rows == 0 {
            return Ok((weight, bias));
        }
        let mut transposed = vec![T::ZERO; cotangent.len()];
        for (row, cotangent) in cotangent.chunks_exact(outputs).enumerate() {
            for (output, value) in cotangent.iter().enumerate() {
                transposed[output * rows + row] = *value;
                bias[output] += *value;
            }
        }
        let packed = PackedMatrix::from_rows(self.kernels, batch, rows, inputs)?;
        matmul_by_rows(self.kernels, Rows::matrix(&transposed, rows)?, &packed, None, &mut weight)?;
        Ok((weight, bias))
    }
}
