//! Layers that average places or put zeros beside them, in candle's operations: linear maps, so that the way back needs
//! nothing but shapes.

use candle_core::Tensor;

use crate::Result;

/// Mean of each window of an image whose sides divide by it.
pub(super) fn average(images: &Tensor, window: usize) -> Result<Tensor> {
    let (n, c, height, width) = images.dims4()?;
    let (rows, columns) = (height / window, width / window);
    let windows = images.reshape(&[n, c, rows, window, columns, window])?;
    Ok((windows.sum((3, 5))? / (window * window) as f64)?)
}

/// Cotangent of the images of [`average`]: each place has its share of its window's.
pub(super) fn average_gradient(cotangent: &Tensor, window: usize) -> Result<Tensor> {
    let (n, c, rows, columns) = cotangent.dims4()?;
    let shares = (cotangent / (window * window) as f64)?;
    let shares = shares.reshape(&[n, c, rows, 1, columns, 1])?;
    let places = shares.broadcast_as(&[n, c, rows, window, columns, window])?.contiguous()?;
    Ok(places.reshape((n, c, rows * window, columns * window))?)
}

/// Mean of each channel, `(n, c, h, w)` to `(n, c)`.
pub(super) fn channel_means(images: &Tensor) -> Result<Tensor> {
    let (_, _, height, width) = images.dims4()?;
    Ok((images.sum((2, 3))? / (height * width) as f64)?)
}

/// Cotangent of the images of [`channel_means`], which are of this shape.
pub(super) fn channel_means_gradient(cotangent: &Tensor, images: &[usize]) -> Result<Tensor> {
    let shares = (cotangent / (images[2] * images[3]) as f64)?;
    let shares = shares.reshape((images[0], images[1], 1, 1))?;
    Ok(shares.broadcast_as(images)?.contiguous()?)
}

/// Zeros on the sides `axes` of the images: so many before, so many behind.
pub(super) fn pad(images: &Tensor, axes: &[usize], before: usize, after: usize) -> Result<Tensor> {
    let padded = axes
        .iter()
        .try_fold(images.clone(), |images, &axis| images.pad_with_zeros(axis, before, after));
    Ok(padded?.contiguous()?)
}

/// Cotangent of the images of [`pad`], which are of this shape.
pub(super) fn pad_gradient(
    cotangent: &Tensor,
    axes: &[usize],
    before: usize,
    images: &[usize],
) -> Result<Tensor> {
    let inside = axes.iter().try_fold(cotangent.clone(), |cotangent, &axis| {
        cotangent.narrow(axis, before, images[axis])
    });
    Ok(inside?.contiguous()?)
}
