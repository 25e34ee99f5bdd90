//! Which digits are in conflict: differently labelled, and with an image within epsilon of both.
//!
//! # Conventions
//!
//! - Images are bytes; a pixel is byte / 255, so distances are whole numbers over 255 (or, squared, over
//!   255²) and are compared as whole numbers.
//! - Two balls of radius epsilon share an image exactly when their centres are at most 2 epsilon apart:
//!   the midpoint, whose pixels lie between those of the two and so in the pixel box. The balls are
//!   closed, as the judge's are: a pair at exactly 2 epsilon is in conflict.
//! - The limit, `510 epsilon` or its square, is computed in `f64` and raised by one part in 10¹², so that
//!   0.3 means three tenths and not the next smaller double. The judge of attacks allows 10⁻⁶.
//!
//! # What is deliberately absent
//!
//! Approximation: every pair of digits is measured.

use rayon::prelude::*;

use saddle_data::Dataset;
use saddle_ops::{Norm, Radius};

/// By how much a limit is raised against rounding, as a share of it.
const ROUNDING: f64 = 1e-12;

/// Bytes that are measured between two looks at the limit.
const BLOCK: usize = 112;

/// Every pair of the chosen digits that is in conflict, as positions in `indices`, the smaller first; in
/// ascending order.
///
/// Measures all pairs, in parallel; 10,000 digits of 784 pixels take seconds.
///
/// # Panics
///
/// When an index is not below the number of digits of `data`, as for a slice.
pub fn conflicts(data: &Dataset, indices: &[usize], norm: Norm, epsilon: Radius) -> Vec<[u32; 2]> {
    let limit = limit(norm, epsilon);
    let within = |a: &[u8], b: &[u8]| distance_within(a, b, norm, limit).is_some();
    let row = |first: usize| {
        let (image, label) = (data.image(indices[first]), data.labels[indices[first]]);
        let others = indices.iter().enumerate().skip(first + 1);
        others
            .filter(move |&(_, &other)| {
                data.labels[other] != label && within(image, data.image(other))
            })
            .map(move |(second, _)| [first as u32, second as u32])
    };
    (0..indices.len()).into_par_iter().flat_map_iter(row).collect()
}

/// Two differently labelled digits whose balls share an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClosePair {
    /// Index of one digit, the smaller.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// Their distance in pixel units.
    pub distance: f64,
}

/// The `count` closest pairs of differently labelled digits among those that are in conflict; closest first, and the
/// smaller indices first among equals. Fewer when there are not so many.
pub fn closest_conflicts(
    data: &Dataset,
    norm: Norm,
    epsilon: Radius,
    count: usize,
) -> Vec<ClosePair> {
    let everyone: Vec<usize> = (0..data.len()).collect();
    let pairs = conflicts(data, &everyone, norm, epsilon);
    let mut measured: Vec<(u64, usize, usize)> = pairs
        .into_par_iter()
        .map(|[first, second]| (first as usize, second as usize))
        .map(|(first, second)| (distance(data, first, second, norm), first, second))
        .collect();
    measured.sort_unstable();
    measured.truncate(count);
    let in_pixels = |distance: u64| match norm {
        Norm::L2 => (distance as f64).sqrt() / 255.0,
        Norm::L1 | Norm::Linf => distance as f64 / 255.0,
    };
    let pair =
        |(distance, first, second)| ClosePair { first, second, distance: in_pixels(distance) };
    measured.into_iter().map(pair).collect()
}

/// Whether two digits of a data set are in conflict: [`conflicts`] for one pair, measured plainly.
///
/// This is what witnesses of bounds are checked with. It shares only the limit with [`conflicts`].
///
/// # Panics
///
/// When an index is not below the number of digits of `data`, as for a slice.
pub fn in_conflict(data: &Dataset, a: usize, b: usize, norm: Norm, epsilon: Radius) -> bool {
    data.labels[a] != data.labels[b] && distance(data, a, b, norm) <= limit(norm, epsilon)
}

/// Distance of two digits: a sum of byte differences, of their squares for l2, or the largest of them.
pub(crate) fn distance(data: &Dataset, a: usize, b: usize, norm: Norm) -> u64 {
    let pixels = data.image(a).iter().zip(data.image(b));
    let differences = pixels.map(|(&a, &b)| u64::from(a.abs_diff(b)));
    match norm {
        Norm::L1 => differences.sum(),
        Norm::L2 => differences.map(|difference| difference * difference).sum(),
        Norm::Linf => differences.max().unwrap_or(0),
    }
}

/// [`distance`] of two images if it is at most `limit`.
pub(crate) fn distance_within(a: &[u8], b: &[u8], norm: Norm, limit: u64) -> Option<u64> {
    let mut so_far = 0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        so_far = match norm {
            Norm::L1 => so_far + u64::from(l1_block(a, b)),
            Norm::L2 => so_far + u64::from(l2_block(a, b)),
            Norm::Linf => so_far.max(u64::from(linf_block(a, b))),
        };
        if so_far > limit {
            return None;
        }
    }
    Some(so_far)
}

/// Largest [`distance`] of two digits in conflict.
fn limit(norm: Norm, epsilon: Radius) -> u64 {
    let reach = 2.0 * 255.0 * epsilon.get();
    let limit = match norm {
        Norm::L1 | Norm::Linf => reach,
        Norm::L2 => reach * reach,
    };
    // A radius beyond all images gives the largest number there is.
    (limit * (1.0 + ROUNDING)).floor() as u64
}

fn l1_block(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum()
}

fn l2_block(a: &[u8], b: &[u8]) -> u32 {
    // Differences in 16 bits, squares in 32: the form that compilers turn into one instruction.
    let squares = a.iter().zip(b).map(|(&a, &b)| {
        let difference = i32::from(i16::from(a) - i16::from(b));
        difference * difference
    });
    squares.sum::<i32>() as u32
}

fn linf_block(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).map(|(&a, &b)| a.abs_diff(b)).max().unwrap_or(0)
}
