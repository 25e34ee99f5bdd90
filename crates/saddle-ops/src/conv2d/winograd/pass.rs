//! The transformed pass over one image.

use super::{TILE, Winograd, product, tiling::SHORT, tolerance::Sizes, transform};
use crate::{
    Real,
    conv2d::{
        Conv2d,
        choices::{Close, Judge},
        target::Target,
        ties::Ties,
    },
    kernels::{Buffer, Lanes, WIDEST, Work},
};
use std::ops::Range;

/// Transformed numbers of one image, kept from image to image.
#[derive(Default)]
pub(in crate::conv2d) struct Scratch<T> {
    /// `(point, tile, in)`, points [`apart`].
    inputs: Buffer<T>,
    /// `(point, tile, lane of the panel)`, points [`apart`].
    products: Buffer<T>,
    pub(super) sizes: Sizes<T>,
    /// The squares of the sizes of what each tile reads, `(tile, in)`.
    squares: Buffer<T>,
    /// For each tile what decides, `(tile, lane of the panel)`.
    tolerances: Buffer<T>,
    pub(super) close: Close,
    ties: Ties,
}

/// From one point's numbers to the next one's: a cache line more than they are, or powers of two would send all points of
/// a tile to the same few places of the cache.
fn apart(numbers: usize) -> usize {
    numbers + WIDEST
}

/// The largest size of the numbers, NaN if one is.
pub(in crate::conv2d) struct Largest<'a, T>(pub(in crate::conv2d) &'a [T]);

impl<T: Real> Work<T> for Largest<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) -> T {
        let zero = L::splat(T::ZERO);
        let mut sizes = [zero; 4];
        let parts = self.0.chunks_exact(4 * L::COUNT);
        let rest = parts.remainder();
        for part in parts {
            for (i, size) in sizes.iter_mut().enumerate() {
                let number = L::load(&part[i * L::COUNT..]);
                *size = L::larger(L::larger(number, zero.minus(number)), *size);
            }
        }
        let mut lanes = [T::ZERO; 4 * WIDEST];
        for (i, size) in sizes.into_iter().enumerate() {
            size.store(&mut lanes[i * L::COUNT..]);
        }
        let rest =
            rest.iter().map(|number| if *number < T::ZERO { T::ZERO - *number } else { *number });
        largest_of(lanes.into_iter().chain(rest))
    }
}

/// The largest of some sizes, NaN if one is; 0 of none.
pub(super) fn largest_of<T: Real>(sizes: impl IntoIterator<Item = T>) -> T {
    sizes.into_iter().fold(T::ZERO, |largest, size| {
        if crate::max_pool2d::wins(size, largest) { size } else { largest }
    })
}

/// The pass over one image, of lengths that were checked.
pub(in crate::conv2d) struct Pass<'a, T> {
    /// Sums directly what is close.
    pub(in crate::conv2d) conv: &'a Conv2d<T>,
    pub(in crate::conv2d) winograd: &'a Winograd<T>,
    pub(in crate::conv2d) padded: &'a [T],
    pub(in crate::conv2d) sink: Sink<'a, T>,
    pub(in crate::conv2d) scratch: &'a mut Scratch<T>,
}

/// Where a pass's results go.
pub(in crate::conv2d) enum Sink<'a, T> {
    /// Into a pool of this window, and what is close is summed directly: the image must have been [measured](Winograd::measure).
    Pooled(usize, Target<'a, T>),
    /// As they are, `(row, column, channel)`.
    Plain(&'a mut [T]),
}

impl<T: Real> Work<T> for Pass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(mut self) {
        if self.winograd.evaluation.len() == 6 {
            self.pass::<L, 6>();
        } else {
            self.pass::<L, 8>();
        }
    }
}

impl<T: Real> Pass<'_, T> {
    #[inline(always)]
    fn pass<L: Lanes<Number = T>, const SIDE: usize>(&mut self) {
        let winograd = self.winograd;
        let (tiles, inputs) = (winograd.tiling.tiles().len(), winograd.shape.in_channels);
        let panel = 2 * L::COUNT;
        let (apart_inputs, apart_products) = (apart(tiles * inputs), apart(tiles * panel));
        self.scratch.inputs.grow(SIDE * SIDE * apart_inputs);
        self.scratch.products.grow(SIDE * SIDE * apart_products);
        if let Sink::Pooled(window, _) = self.sink {
            self.scratch.squares.grow(tiles * inputs);
            self.scratch.tolerances.grow(tiles * panel);
            let Scratch { sizes, squares, .. } = self.scratch;
            sizes.squares_of_tiles::<L>(&winograd.shape, winograd.tiling.tiles(), squares);
            if window > 1 {
                self.scratch.ties.find::<L>(&winograd.shape, self.padded);
            }
        }
        self.transform_inputs::<L, SIDE>();
        let panels = winograd.weights.chunks_exact(SIDE * SIDE * inputs * panel);
        for (index, weights) in panels.enumerate() {
            for (point, weights) in weights.chunks_exact(inputs * panel).enumerate() {
                let Range { start, end } = winograd.tiling.need([point / SIDE, point % SIDE], SIDE);
                let left = &self.scratch.inputs[point * apart_inputs..];
                let out = &mut self.scratch.products[point * apart_products..];
                let (left, out) =
                    (&left[start * inputs..end * inputs], &mut out[start * panel..end * panel]);
                product::multiply::<L>(left, weights, inputs, out);
            }
            if let Sink::Pooled(..) = self.sink {
                let Scratch { squares, tolerances, .. } = &mut *self.scratch;
                let weights =
                    &winograd.tolerance.squares[index * inputs * panel..][..inputs * panel];
                let out = &mut tolerances[..tiles * panel];
                product::multiply::<L>(&squares[..tiles * inputs], weights, inputs, out);
                for square in out {
                    *square = square.root();
                }
            }
            for half in 0..2 {
                let group = 2 * index + half;
                if group * L::COUNT < winograd.shape.out_channels {
                    self.put_tiles::<L, SIDE>(group);
                }
            }
        }
    }

    #[inline(always)]
    fn transform_inputs<L: Lanes<Number = T>, const SIDE: usize>(&mut self) {
        let [height, width, inputs] = self.winograd.shape.padded();
        let tiles = self.winograd.tiling.tiles();
        let between = [width * inputs, inputs, apart(tiles.len() * inputs)];
        for (index, tile) in tiles.iter().enumerate() {
            let [y, x] = [tile.place[0] * TILE, tile.place[1] * TILE];
            // What lies outside of the image serves only results that lie outside, but must be finite.
            let sides = [SIDE.min(height - y), SIDE.min(width - x)];
            for first in (0..inputs).step_by(L::COUNT) {
                let image = &self.padded[(y * width + x) * inputs + first..];
                let to = &mut self.scratch.inputs[index * inputs + first..];
                // What the compiler knows of a tile makes code of its own for it.
                if tile.short == [false; 2] && sides == [SIDE; 2] {
                    transform::inputs::<L, SIDE>(image, [SIDE; 2], [false; 2], to, between);
                } else {
                    transform::inputs::<L, SIDE>(image, sides, tile.short, to, between);
                }
            }
        }
    }

    /// Writes the results of a register of channels.
    #[inline(always)]
    fn put_tiles<L: Lanes<Number = T>, const SIDE: usize>(&mut self, group: usize) {
        self.scratch.close.clear();
        for (index, tile) in self.winograd.tiling.tiles().iter().enumerate() {
            // What the compiler knows of a tile makes code of its own for it.
            if tile.short == [false; 2] {
                self.put_tile::<L, SIDE>(group, index, tile.place, [false; 2]);
            } else {
                self.put_tile::<L, SIDE>(group, index, tile.place, tile.short);
            }
        }
        self.settle::<L>();
    }

    /// Writes the results of a tile, for a register of channels.
    #[inline(always)]
    fn put_tile<L: Lanes<Number = T>, const SIDE: usize>(
        &mut self,
        group: usize,
        index: usize,
        place: [usize; 2],
        short: [bool; 2],
    ) {
        let winograd = self.winograd;
        let [rows, columns, channels] = winograd.shape.output();
        let first = group * L::COUNT;
        let bias = L::load(&winograd.bias[first..]);
        let between = apart(winograd.tiling.tiles().len() * 2 * L::COUNT);
        let at = index * 2 * L::COUNT + group % 2 * L::COUNT;
        let products = &self.scratch.products[at..];
        let numbers = transform::outputs::<L, SIDE>(products, between, bias, short);
        let [y, x] = [place[0] * TILE, place[1] * TILE];
        let high = if short[0] { SHORT } else { TILE };
        let wide = if short[1] { SHORT } else { TILE };
        match &mut self.sink {
            Sink::Plain(out) => {
                for (row, numbers) in numbers.iter().enumerate().take(high.min(rows - y)) {
                    for (column, number) in numbers.iter().enumerate().take(wide.min(columns - x)) {
                        let place = (y + row) * columns + x + column;
                        number.store(&mut out[place * channels + first..]);
                    }
                }
            }
            Sink::Pooled(window, target) => {
                let (pools, relu) = (*window > 1, target.relu);
                let floor = L::load(&winograd.tolerance.floors[first..]);
                let tolerance = L::load(&self.scratch.tolerances[at..])
                    .mul_add(L::splat(winograd.tolerance.scale), floor);
                for row in (0..high).step_by(2).filter(|row| y + row < rows) {
                    for column in (0..wide).step_by(2).filter(|column| x + column < columns) {
                        let [upper, lower] = [&numbers[row], &numbers[row + 1]];
                        let cell =
                            [upper[column], upper[column + 1], lower[column], lower[column + 1]];
                        let corner = [y + row, x + column];
                        let judge = Judge { tolerance, pools, relu };
                        let ties = &self.scratch.ties;
                        let (cell, close) = judge.decide(cell, || ties.of_cell(corner));
                        target.put_cell::<L>(*window, corner, first, cell);
                        self.scratch.close.push(corner, first, close);
                    }
                }
            }
        }
    }
}
