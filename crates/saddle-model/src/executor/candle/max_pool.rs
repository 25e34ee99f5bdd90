//! The way back through a max pool in candle's operations.

use candle_core::Tensor;

use crate::Result;

/// Gives the cotangent of each window to its first place that equals the maximum; to the last place where none does, which
/// is so when the maximum is NaN.
pub(super) fn input_gradient(
    input: &Tensor,
    output: &Tensor,
    cotangent: &Tensor,
    window: usize,
) -> Result<Tensor> {
    let (n, c, rows, columns) = output.dims4()?;
    let windows = input.reshape(&[n, c, rows, window, columns, window])?;
    let zeros = cotangent.zeros_like()?;
    let mut left = cotangent.clone();
    let mut lines = Vec::with_capacity(window);
    for row in 0..window {
        let mut line = Vec::with_capacity(window);
        for column in 0..window {
            if (row + 1) * (column + 1) == window * window {
                line.push(left.clone());
                continue;
            }
            let place = windows.narrow(3, row, 1)?.narrow(5, column, 1)?.squeeze(5)?.squeeze(3)?;
            let wins = place.eq(output)?;
            line.push(wins.where_cond(&left, &zeros)?);
            left = wins.where_cond(&zeros, &left)?;
        }
        lines.push(Tensor::stack(&line, 4)?);
    }
    Ok(Tensor::stack(&lines, 3)?.reshape(input.shape())?)
}
