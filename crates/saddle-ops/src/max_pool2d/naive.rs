//! Max pooling as one would write it down: what the fast forms are held against.

use crate::Real;

/// Pools one image `(c, h, w)`; returns the values and where in the image each was found.
pub fn max_pool2d<T: Real>(
    image: &[T],
    [c, h, w]: [usize; 3],
    window: usize,
) -> (Vec<T>, Vec<usize>) {
    let (mut values, mut places) = (Vec::new(), Vec::new());
    for channel in 0..c {
        for row in 0..h / window {
            for column in 0..w / window {
                let place = |i: usize| {
                    let (y, x) = (row * window + i / window, column * window + i % window);
                    (channel * h + y) * w + x
                };
                let mut best = place(0);
                for i in 1..window * window {
                    let (next, value) = (place(i), image[place(i)]);
                    if value > image[best] || value.double().is_nan() {
                        best = next;
                    }
                }
                values.push(image[best]);
                places.push(best);
            }
        }
    }
    (values, places)
}

/// Cotangent of the image, given that of the pooled values.
pub fn max_pool2d_gradient<T: Real>(places: &[usize], cotangent: &[T], pixels: usize) -> Vec<T> {
    let mut gradient = vec![T::ZERO; pixels];
    for (place, value) in places.iter().zip(cotangent) {
        gradient[*place] += *value;
    }
    gradient
}
