//! Images between PyTorch's order, channel by channel, and the kernels' order, place by place.

use saddle_ops::{Kernels, Real, transpose};

use crate::Result;

/// `(c, h, w)` to `(h, w, c)`.
pub(super) fn to_places<T: Real>(
    kernels: Kernels,
    image: &[T],
    channels: usize,
    out: &mut [T],
) -> Result<()> {
    Ok(transpose(kernels, image, image.len() / channels, out)?)
}

/// `(h, w, c)` to `(c, h, w)`.
pub(super) fn to_planes<T: Real>(
    kernels: Kernels,
    image: &[T],
    channels: usize,
    out: &mut [T],
) -> Result<()> {
    Ok(transpose(kernels, image, channels, out)?)
}

/// `(c, h, w)` into the inside of `(h, w, c)` with a border of `border` places, which is left as it is.
pub(super) fn to_padded_places<T: Copy>(
    image: &[T],
    [height, width, channels]: [usize; 3],
    border: usize,
    out: &mut [T],
) {
    for (y, row) in image.chunks_exact(width).take(height).enumerate() {
        let from = ((y + border) * (width + 2 * border) + border) * channels;
        let out = &mut out[from..][..width * channels];
        if channels == 1 {
            out.copy_from_slice(row);
            continue;
        }
        // Numbers that lie apart are cheaper to read than to write.
        for (x, place) in out.chunks_exact_mut(channels).enumerate() {
            let planes = image[y * width + x..].iter().step_by(height * width);
            for (to, value) in place.iter_mut().zip(planes) {
                *to = *value;
            }
        }
    }
}

/// The inside of an image `(h, w, c)` with a border of `border` places.
pub(super) fn crop<T: Copy>(
    image: &[T],
    [height, width, channels]: [usize; 3],
    border: usize,
    out: &mut Vec<T>,
) {
    out.clear();
    for y in 0..height {
        let from = ((y + border) * (width + 2 * border) + border) * channels;
        out.extend_from_slice(&image[from..][..width * channels]);
    }
}
