//! Which numbers of a row are worth a multiplication.
//!
//! Behind a ReLU more than half of the activations are zero, and three quarters of a hidden layer's cotangents.

use super::product::Left;
use crate::{
    Kernels, Real,
    kernels::{Lanes, Work},
};

/// For each row of a matrix the places of its numbers that are not zero, cut into blocks of the inner dimension.
#[derive(Default)]
pub(super) struct Live {
    places: Vec<u32>,
    /// Where the list of each row and block ends.
    ends: Vec<u32>,
    blocks: usize,
    block: usize,
}

/// Room that a register of places may be written to behind the last one.
const SLACK: usize = 16;

impl Live {
    /// Lists the living numbers of each row in blocks of `block`. NaN is not zero.
    pub(super) fn list<T: Real>(&mut self, kernels: Kernels, left: Left<'_, T>, block: usize) {
        self.block = block;
        self.blocks = left.inner.div_ceil(block);
        self.ends.clear();
        if self.places.len() < left.values.len() + SLACK {
            self.places.resize(left.values.len() + SLACK, 0);
        }
        T::dispatch(kernels, List { live: self, left });
    }

    /// Inner length of a block.
    pub(super) fn block(&self) -> usize {
        self.block
    }

    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The places of one row in one block.
    #[inline(always)]
    pub(super) fn places(&self, row: usize, block: usize) -> &[u32] {
        let index = row * self.blocks + block;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.places[start as usize..self.ends[index] as usize]
    }
}

/// Lists, waiting for their registers.
struct List<'a, T> {
    live: &'a mut Live,
    left: Left<'a, T>,
}

impl<T: Real> Work<T> for List<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { live: Live { places, ends, block, .. }, left } = self;
        let mut end = 0;
        for row in left.values.chunks_exact(left.inner) {
            for (index, values) in row.chunks(*block).enumerate() {
                let first = index * *block;
                let whole = if left.zeros { 0 } else { values.len() / L::COUNT * L::COUNT };
                for i in (0..whole).step_by(L::COUNT) {
                    let numbers = L::load(&values[i..]);
                    end += numbers.list_nonzero((first + i) as u32, &mut places[end..]);
                }
                for (i, value) in values.iter().enumerate().skip(whole) {
                    places[end] = (first + i) as u32;
                    end += usize::from(left.zeros | (*value != T::ZERO));
                }
                ends.push(end as u32);
            }
        }
    }
}
