//! What a try changes within l-infinity: Algorithm 2 of the paper.
//!
//! Images here may leave ball and box; the caller brings them back, which turns `± 2 epsilon` on any pixel of the best
//! image into `± epsilon` on the natural one.
//!
//! Draws, in this order. Start: a sign for each channel and column, channel by channel. Try: row and column of the window's
//! corner, then a sign for each channel. A sign is `below(2)`, 0 for minus.

use saddle_ops::Stream;

use super::Grid;

/// Vertical stripes of one pixel's width, each at the edge of the ball; `image` comes in natural.
pub(super) fn start(image: &mut [f64], grid: Grid, epsilon: f64, stream: &mut Stream) {
    for channel in 0..grid.channels {
        for column in 0..grid.width {
            let change = epsilon * sign(stream);
            for row in 0..grid.height {
                image[grid.at(channel, [row, column])] += change;
            }
        }
    }
}

/// One square window of one colour; `image` comes in as the best so far.
pub(super) fn change(
    image: &mut [f64],
    grid: Grid,
    side: usize,
    epsilon: f64,
    stream: &mut Stream,
) {
    let [top, left] = corner(grid, side, stream);
    for channel in 0..grid.channels {
        let change = 2.0 * epsilon * sign(stream);
        for row in top..top + side {
            for column in left..left + side {
                image[grid.at(channel, [row, column])] += change;
            }
        }
    }
}

/// Row and column of the first pixel of a window, anywhere that it fits.
pub(super) fn corner(grid: Grid, side: usize, stream: &mut Stream) -> [usize; 2] {
    let mut place = |length: usize| stream.below((length - side + 1) as u64) as usize;
    [place(grid.height), place(grid.width)]
}

/// Minus or plus one.
pub(super) fn sign(stream: &mut Stream) -> f64 {
    if stream.below(2) == 0 { -1.0 } else { 1.0 }
}
