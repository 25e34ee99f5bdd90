//! Which tile lies where, and which products it needs.
//!
//! Where a tile's side does not divide the result's, the last row or column of tiles may have one or two results to give
//! instead of four. Such a tile is *short* there: by F(2, k) it reads two numbers less, and does without the last two
//! finite points. Results of 14 x 14 take 900 products a channel so, instead of 1,024.

use super::TILE;
use crate::conv2d::ConvShape;
use std::ops::Range;

/// Results that a short tile has to give.
pub(super) const SHORT: usize = 2;

/// Whether a short tile of that side in full does without the point, in one direction.
#[inline(always)]
pub(super) fn is_spared(point: usize, side: usize) -> bool {
    point + 3 == side || point + 2 == side
}

/// The tiles of a result, in an order in which those that need a point are neighbours: the short ones of the last column,
/// the full ones, the short ones of the last row, the one in the corner.
pub(super) struct Tiling {
    /// Rows and columns of tiles that are not short.
    full: [usize; 2],
    /// Whether a short row, and a short column, of tiles comes after them.
    short: [bool; 2],
    tiles: Vec<Tile>,
}

/// One tile.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Row and column among the tiles.
    pub(super) place: [usize; 2],
    /// Whether it is short downwards, and across.
    pub(super) short: [bool; 2],
}

impl Tiling {
    /// The tiles of a convolution's result.
    pub(super) fn new(shape: &ConvShape) -> Self {
        let [rows, columns, _] = shape.output();
        let short = [rows, columns].map(|length| (1..=SHORT).contains(&(length % TILE)));
        let full = [
            rows.div_ceil(TILE) - usize::from(short[0]),
            columns.div_ceil(TILE) - usize::from(short[1]),
        ];
        let corners = |[down, across]: [usize; 2]| {
            (0..down).flat_map(move |y| (0..across).map(move |x| [y, x]))
        };
        let [down, across] = full;
        let extra = short.map(usize::from);
        let column = corners([down, extra[1]]).map(|[y, _]| ([y, across], [false, true]));
        let whole = corners(full).map(|place| (place, [false; 2]));
        let row = corners([extra[0], across]).map(|[_, x]| ([down, x], [true, false]));
        let corner = corners(extra).map(|_| (full, [true; 2]));
        let tiles = column.chain(whole).chain(row).chain(corner);
        let tiles = tiles.map(|(place, short)| Tile { place, short }).collect();
        Self { full, short, tiles }
    }

    /// All of them.
    pub(super) fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// Short tiles of the last column, but for the corner.
    fn in_column(&self) -> usize {
        if self.short[1] { self.full[0] } else { 0 }
    }

    /// The places in the order of the tiles that need a point, given by its places in both directions.
    pub(super) fn need(&self, point: [usize; 2], side: usize) -> Range<usize> {
        let [down, across] = self.full;
        let in_row = if self.short[0] { across } else { 0 };
        let spared = [
            self.short[0] && is_spared(point[0], side),
            self.short[1] && is_spared(point[1], side),
        ];
        let from = if spared[1] { self.in_column() } else { 0 };
        let to = match spared {
            [true, _] => self.in_column() + down * across,
            [false, true] => self.in_column() + down * across + in_row,
            [false, false] => self.tiles.len(),
        };
        from..to
    }
}
