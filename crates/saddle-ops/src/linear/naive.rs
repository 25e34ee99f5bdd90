//! Linear layers by their definition: what the fast forms are held against.

use crate::Real;

/// `x * W^T + b` for each row of `batch`; weight `(outputs, inputs)`.
pub fn linear<T: Real>(batch: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
    let inputs = weight.len() / bias.len();
    let mut out = Vec::new();
    for row in batch.chunks_exact(inputs) {
        for (weight, bias) in weight.chunks_exact(inputs).zip(bias) {
            let mut sum = *bias;
            for (value, weight) in row.iter().zip(weight) {
                sum += *value * *weight;
            }
            out.push(sum);
        }
    }
    out
}

/// Cotangents of batch, weight and bias, given that of the result; `outputs` numbers in each of its rows.
pub fn linear_gradients<T: Real>(
    batch: &[T],
    weight: &[T],
    cotangent: &[T],
    outputs: usize,
) -> [Vec<T>; 3] {
    let inputs = weight.len() / outputs;
    let mut batch_gradient = vec![T::ZERO; batch.len()];
    let mut weight_gradient = vec![T::ZERO; weight.len()];
    let mut bias_gradient = vec![T::ZERO; outputs];
    for (row, cotangent) in cotangent.chunks_exact(outputs).enumerate() {
        for (output, value) in cotangent.iter().enumerate() {
            bias_gradient[output] += *value;
            for input in 0..inputs {
                batch_gradient[row * inputs + input] += *value * weight[output * inputs + input];
                weight_gradient[output * inputs + input] += *value * batch[row * inputs + input];
            }
        }
    }
    [batch_gradient, weight_gradient, bias_gradient]
}
