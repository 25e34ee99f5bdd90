//! Images between PyTorch's order, channel by channel, and the kernels' order, place by place.

/// `(c, h, w)` into the inside of `(h, w, c)` with a border of `border` places, which is left as it is.
pub(super) fn to_places<T: Copy>(
    image: &[T],
    [height, width, channels]: [usize; 3],
    border: usize,
    out: &mut [T],
) {
    for (channel, plane) in image.chunks_exact(height * width).enumerate() {
        for (y, row) in plane.chunks_exact(width).enumerate() {
            let from = ((y + border) * (width + 2 * border) + border) * channels + channel;
            for (x, value) in row.iter().enumerate() {
                out[from + x * channels] = *value;
            }
        }
    }
}

/// `(h, w, c)` to `(c, h, w)`.
pub(super) fn to_planes<T: Copy>(image: &[T], channels: usize, out: &mut [T]) {
    let places = image.len() / channels;
    for (place, values) in image.chunks_exact(channels).enumerate() {
        for (channel, value) in values.iter().enumerate() {
            out[channel * places + place] = *value;
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
