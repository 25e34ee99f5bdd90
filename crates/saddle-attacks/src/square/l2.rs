//! What a try changes within l2: Algorithm 3 of the paper.
//!
//! A perturbation is a sum of bumps ([`bump`]), each a hill beside a valley in a square window. A try takes away what the
//! perturbation has in a second window and spends it, with all that box and ball had left over, on the first: the norm
//! comes out as epsilon again.
//!
//! Draws, in this order. Start: tile by tile, row by row, whether the bump is turned, then a sign for each channel. Try: row
//! and column of the first window's corner, the same of the second's, whether the bump is turned, then a sign for each
//! channel. A turn is `below(2) == 1`.

use saddle_ops::Stream;

use super::{
    Grid,
    linf::{corner, sign},
};

/// Tiles along a side of the image in the beginning.
const TILES: usize = 5;

/// A grid of bumps with random signs, scaled to norm epsilon; `image` comes in natural.
pub(super) fn start(
    natural: &[f64],
    image: &mut [f64],
    grid: Grid,
    epsilon: f64,
    stream: &mut Stream,
) {
    let side = (grid.height.min(grid.width) / TILES).max(1);
    let mut perturbation = vec![0.0; natural.len()];
    let (down, across) = (grid.height / side, grid.width / side);
    // What the tiles leave over is shared between the edges.
    let (top, left) = ((grid.height - down * side) / 2, (grid.width - across * side) / 2);
    for tile in 0..down * across {
        let corner = [top + (tile / across) * side, left + (tile % across) * side];
        let bump = turned(bump(side), side, stream);
        for channel in 0..grid.channels {
            let sign = sign(stream);
            for (pixel, &height) in pixels(corner, side).zip(&bump) {
                perturbation[grid.at(channel, pixel)] += sign * height;
            }
        }
    }
    let size = norm(perturbation.iter());
    for ((pixel, natural), change) in image.iter_mut().zip(natural).zip(perturbation) {
        *pixel = natural + change / size * epsilon;
    }
}

/// Moves what one window holds, and what is left over, into a bump in another; `image` comes in as the best so far.
pub(super) fn change(
    natural: &[f64],
    image: &mut [f64],
    grid: Grid,
    side: usize,
    epsilon: f64,
    stream: &mut Stream,
) {
    let (first, second) = (corner(grid, side, stream), corner(grid, side, stream));
    let bump = turned(bump(side), side, stream);
    let mut perturbation: Vec<f64> =
        image.iter().zip(natural).map(|(pixel, natural)| pixel - natural).collect();
    let unused = (epsilon * epsilon - square(perturbation.iter())).max(0.0);
    for channel in 0..grid.channels {
        let sign = sign(stream);
        let places: Vec<usize> = pixels(first, side).map(|pixel| grid.at(channel, pixel)).collect();
        let old = norm(places.iter().map(|&place| &perturbation[place]));
        let shape: Vec<f64> = places
            .iter()
            .zip(&bump)
            .map(|(&place, height)| {
                let kept = if old > 0.0 { perturbation[place] / old } else { 0.0 };
                sign * height + kept
            })
            .collect();
        let inside = |place: &usize| &perturbation[*place];
        let mut held = square(places.iter().map(inside));
        let in_first = |[row, column]: [usize; 2]| {
            let within = |place: usize, from: usize| (from..from + side).contains(&place);
            within(row, first[0]) && within(column, first[1])
        };
        let beyond = pixels(second, side).filter(|&pixel| !in_first(pixel));
        let beyond: Vec<usize> = beyond.map(|pixel| grid.at(channel, pixel)).collect();
        held += square(beyond.iter().map(inside));
        let available = (held + unused / grid.channels as f64).sqrt();
        beyond.iter().for_each(|&place| perturbation[place] = 0.0);
        // A bump that cancels what was there has no direction: nothing is put back.
        let size = norm(shape.iter());
        let factor = if size > 0.0 { available / size } else { 0.0 };
        for (&place, shape) in places.iter().zip(shape) {
            perturbation[place] = shape * factor;
        }
    }
    for ((pixel, natural), change) in image.iter_mut().zip(natural).zip(perturbation) {
        *pixel = natural + change;
    }
}

/// Eq. 2 of the paper, of norm 1, row by row: a hill on the upper half of a square and a valley on the lower one.
fn bump(side: usize) -> Vec<f64> {
    let upper = side / 2;
    let mut heights = Vec::with_capacity(side * side);
    heights.extend(hill(upper, side));
    heights.extend(hill(side - upper, side).into_iter().map(|height| -height));
    let size = norm(heights.iter());
    heights.iter_mut().for_each(|height| *height /= size);
    heights
}

/// A hill on `rows` by `columns` pixels: at `d` steps from its middle, in the larger direction, its height is the sum of `1 / (j + 1)^2` over
/// `j` from `d` to half the longer side.
fn hill(rows: usize, columns: usize) -> Vec<f64> {
    let (middle, center) = (rows / 2, columns / 2);
    let last = middle.max(center);
    let height = |distance: usize| -> f64 {
        (distance..=last).map(|j| 1.0 / ((j + 1) * (j + 1)) as f64).sum()
    };
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    places.map(|(row, column)| height(row.abs_diff(middle).max(column.abs_diff(center)))).collect()
}

/// The square as it is, or with rows and columns exchanged.
fn turned(square: Vec<f64>, side: usize, stream: &mut Stream) -> Vec<f64> {
    if stream.below(2) == 0 {
        return square;
    }
    (0..side * side).map(|place| square[(place % side) * side + place / side]).collect()
}

/// Row and column of a window's pixels, row by row.
fn pixels([top, left]: [usize; 2], side: usize) -> impl Iterator<Item = [usize; 2]> {
    (top..top + side).flat_map(move |row| (left..left + side).map(move |column| [row, column]))
}

fn square<'a>(numbers: impl Iterator<Item = &'a f64>) -> f64 {
    numbers.map(|number| number * number).sum()
}

fn norm<'a>(numbers: impl Iterator<Item = &'a f64>) -> f64 {
    square(numbers).sqrt()
}
