//! ReLU by its definition, number by number: what the tensor operations are held against.

use crate::Real;

/// `max(0, x)` of each number and its gradient, given that of the result; slope 0 at 0, NaN stays.
pub fn relu<T: Real>(values: &[T], cotangent: &[T]) -> [Vec<T>; 2] {
    let (mut rectified, mut gradient) = (Vec::new(), Vec::new());
    for (value, cotangent) in values.iter().zip(cotangent) {
        let dead = *value <= T::ZERO;
        rectified.push(if dead { T::ZERO } else { *value });
        gradient.push(if dead { T::ZERO } else { *cotangent });
    }
    [rectified, gradient]
}
