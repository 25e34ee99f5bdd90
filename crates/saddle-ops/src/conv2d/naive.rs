//! Convolution and its gradients by their definition, in PyTorch's layouts: what the fast forms are held against.

use super::ConvShape;
use crate::Real;

/// Convolves an image `(in, h, w)` with a weight `(out, in, k, k)`; returns `(out, h', w')`.
pub fn conv2d<T: Real>(shape: &ConvShape, image: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
    let [rows, columns, channels] = shape.output();
    let mut out = Vec::with_capacity(rows * columns * channels);
    for bias in &bias[..channels] {
        out.extend(std::iter::repeat_n(*bias, rows * columns));
    }
    each_product(shape, |pixel, weight_at, result| out[result] += image[pixel] * weight[weight_at]);
    out
}

/// Cotangents of image, weight and bias, given that of the result.
pub fn conv2d_gradients<T: Real>(
    shape: &ConvShape,
    image: &[T],
    weight: &[T],
    cotangent: &[T],
) -> [Vec<T>; 3] {
    let [rows, columns, _] = shape.output();
    let mut image_gradient = vec![T::ZERO; image.len()];
    let mut weight_gradient = vec![T::ZERO; weight.len()];
    each_product(shape, |pixel, weight_at, result| {
        image_gradient[pixel] += cotangent[result] * weight[weight_at];
        weight_gradient[weight_at] += cotangent[result] * image[pixel];
    });
    let sum = |values: &[T]| {
        let mut sum = T::ZERO;
        values.iter().for_each(|value| sum += *value);
        sum
    };
    let bias_gradient = cotangent.chunks_exact(rows * columns).map(sum).collect();
    [image_gradient, weight_gradient, bias_gradient]
}

/// Calls `visit` with the index of the pixel, of the weight and of the result of each product of the convolution;
/// products with the padding are left out.
fn each_product(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ConvShape { size: [height, width], in_channels, out_channels, kernel, stride, padding } =
        *shape;
    let [rows, columns, _] = shape.output();
    for result in 0..out_channels * rows * columns {
        let (out, row, column) =
            (result / (rows * columns), result / columns % rows, result % columns);
        for at in 0..in_channels * kernel * kernel {
            let (channel, ky, kx) = (at / (kernel * kernel), at / kernel % kernel, at % kernel);
            let (y, x) = (row * stride + ky, column * stride + kx);
            let inside =
                (padding..padding + height).contains(&y) && (padding..padding + width).contains(&x);
            if inside {
                let pixel = (channel * height + y - padding) * width + x - padding;
                visit(pixel, out * in_channels * kernel * kernel + at, result);
            }
        }
    }
}
