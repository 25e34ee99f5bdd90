//! The innermost loops: a tile of the result stays in registers while the inner dimension runs by.

use super::{PackedMatrix, Rows};
use crate::{Real, kernels::Lanes};

/// A product, waiting for its registers.
pub(super) struct Multiply<'a, T> {
    pub(super) rows: Rows<'a, T>,
    pub(super) packed: &'a PackedMatrix<T>,
    pub(super) bias: Option<&'a [T]>,
    pub(super) out: &'a mut [T],
}

/// Inner length of a block: its piece of a panel and of a tile's rows stay in the first-level cache.
const BLOCK: usize = 384;

#[inline(always)]
pub(super) fn multiply<L: Lanes>(work: Multiply<'_, L::Number>) {
    let Multiply { rows, packed, bias, out } = work;
    let (width, stride) = (packed.width(), packed.columns());
    for index in 0..packed.panels() {
        let panel = packed.panel(index);
        let columns = width.min(packed.columns() - index * width);
        let mut target = Target { out, stride, first: index * width, columns };
        let bias = bias.map(|bias| &bias[index * width..][..columns]);
        match rows.pieces() {
            // Plain rows may be cut anywhere: the sums so far wait in `out`, which loses nothing.
            (1, inner) if inner > BLOCK => {
                for from in (0..inner).step_by(BLOCK) {
                    let length = BLOCK.min(inner - from);
                    let start = if from == 0 { Start::Bias(bias) } else { Start::Out };
                    let panel = &panel[from * width..][..length * width];
                    sweep::<L>(&rows.columns(from, length), panel, start, &mut target);
                }
            }
            _ => sweep::<L>(&rows, panel, Start::Bias(bias), &mut target),
        }
    }
}

/// Where a tile's sums begin.
#[derive(Clone, Copy)]
enum Start<'a, T> {
    Bias(Option<&'a [T]>),
    /// With what lies in the result already.
    Out,
}

/// Where a panel's results go: `columns` columns from `first` on.
struct Target<'a, T> {
    out: &'a mut [T],
    stride: usize,
    first: usize,
    columns: usize,
}

/// All rows against one panel, in tiles as high as the registers allow.
#[inline(always)]
fn sweep<L: Lanes>(
    rows: &Rows<'_, L::Number>,
    panel: &[L::Number],
    start: Start<'_, L::Number>,
    target: &mut Target<'_, L::Number>,
) {
    let mut row = 0;
    while row < rows.count() {
        let left = rows.count() - row;
        row += if L::TILE_ROWS >= 12 && left >= 12 {
            tile::<L, 12>(rows, row, panel, start, target)
        } else if L::TILE_ROWS >= 6 && left >= 6 {
            tile::<L, 6>(rows, row, panel, start, target)
        } else if left >= 4 {
            tile::<L, 4>(rows, row, panel, start, target)
        } else {
            tile::<L, 1>(rows, row, panel, start, target)
        };
    }
}

/// `R` rows times one panel; returns `R`.
#[inline(always)]
fn tile<L: Lanes, const R: usize>(
    rows: &Rows<'_, L::Number>,
    first: usize,
    panel: &[L::Number],
    start: Start<'_, L::Number>,
    target: &mut Target<'_, L::Number>,
) -> usize {
    let width = 2 * L::COUNT;
    let mut sums = [[L::splat(L::Number::ZERO); 2]; R];
    for (r, sums) in sums.iter_mut().enumerate() {
        match start {
            Start::Bias(None) => {}
            Start::Bias(Some(bias)) => *sums = load_pair::<L>(bias),
            Start::Out => {
                let from = (first + r) * target.stride + target.first;
                *sums = load_pair::<L>(&target.out[from..][..target.columns]);
            }
        }
    }
    let (pieces, piece) = rows.pieces();
    let starts = rows.starts::<R>(first);
    for index in 0..pieces {
        let lefts: [&[L::Number]; R] = std::array::from_fn(|r| rows.piece_at(starts[r], index));
        let panel = &panel[index * piece * width..][..piece * width];
        for (i, right) in (0..piece).zip(panel.chunks_exact(width)) {
            let (right0, right1) = (L::load(right), L::load(&right[L::COUNT..]));
            for r in 0..R {
                let left = L::splat(lefts[r][i]);
                sums[r][0] = left.mul_add(right0, sums[r][0]);
                sums[r][1] = left.mul_add(right1, sums[r][1]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let to = (first + r) * target.stride + target.first;
        store_pair(*sums, &mut target.out[to..][..target.columns]);
    }
    R
}

/// Two registers from a slice that may be shorter than they are.
#[inline(always)]
fn load_pair<L: Lanes>(from: &[L::Number]) -> [L; 2] {
    if from.len() == 2 * L::COUNT {
        return [L::load(from), L::load(&from[L::COUNT..])];
    }
    let mut whole = [L::Number::ZERO; MAX_WIDTH];
    whole[..from.len()].copy_from_slice(from);
    [L::load(&whole), L::load(&whole[L::COUNT..])]
}

/// Two registers to a slice that may be shorter than they are.
#[inline(always)]
fn store_pair<L: Lanes>(sums: [L; 2], to: &mut [L::Number]) {
    if to.len() == 2 * L::COUNT {
        sums[0].store(to);
        sums[1].store(&mut to[L::COUNT..]);
        return;
    }
    let mut whole = [L::Number::ZERO; MAX_WIDTH];
    sums[0].store(&mut whole);
    sums[1].store(&mut whole[L::COUNT..]);
    let used = to.len();
    to.copy_from_slice(&whole[..used]);
}

/// The widest panel of any path.
const MAX_WIDTH: usize = 32;
