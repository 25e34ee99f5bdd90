//! Where pooled and rectified numbers go: the inside of an image with a border, and the marks of their winners.

use crate::{
    Pool,
    kernels::{Lanes, WIDEST},
};

/// The result of a pool of window 1 or 2, written a register of channels at a time. Lengths are checked before
/// ([`Pool::check_result`]).
pub(super) struct Target<'a, T> {
    pub(super) out: &'a mut [T],
    pub(super) border: usize,
    pub(super) winners: &'a mut [u8],
    pub(super) columns: usize,
    pub(super) channels: usize,
    pub(super) relu: bool,
}

impl<'a, T> Target<'a, T> {
    pub(super) fn new(pool: &Pool, out: &'a mut [T], border: usize, winners: &'a mut [u8]) -> Self {
        let [_, columns, channels] = pool.output();
        Self { out, border, winners, columns, channels, relu: pool.relu() }
    }
}

impl<T: crate::Real> Target<'_, T> {
    /// Writes four numbers of the un-pooled result, the first of which lies at `corner`.
    #[inline(always)]
    pub(super) fn put_cell<L: Lanes<Number = T>>(
        &mut self,
        window: usize,
        [row, column]: [usize; 2],
        first: usize,
        numbers: [L; 4],
    ) {
        if window == 2 {
            self.put::<L>([row / 2, column / 2], first, numbers);
        } else {
            for (i, number) in numbers.into_iter().enumerate() {
                self.put_one::<L>([row + i / 2, column + i % 2], first, number);
            }
        }
    }

    /// [`Target::put_cell`] for one channel, of numbers that may be more exact than what is written.
    #[inline(always)]
    pub(super) fn put_lane<N: crate::Real>(
        &mut self,
        window: usize,
        [row, column]: [usize; 2],
        channel: usize,
        numbers: [N; 4],
    ) {
        if window == 2 {
            let mut best = 0;
            for place in 1..4 {
                if crate::max_pool2d::wins(numbers[place], numbers[best]) {
                    best = place;
                }
            }
            let number = T::rounded(numbers[best].double());
            self.write_lane([row / 2, column / 2], channel, number, best as u8);
        } else {
            for (i, number) in numbers.into_iter().enumerate() {
                let number = T::rounded(number.double());
                self.write_lane([row + i / 2, column + i % 2], channel, number, 0);
            }
        }
    }

    #[inline(always)]
    fn write_lane(&mut self, [row, column]: [usize; 2], channel: usize, best: T, mark: u8) {
        let dead = self.relu && best <= T::ZERO;
        let place = (row + self.border) * (self.columns + 2 * self.border) + column + self.border;
        self.out[place * self.channels + channel] = if dead { T::ZERO } else { best };
        let place = row * self.columns + column;
        self.winners[place * self.channels + channel] = if dead { crate::DEAD } else { mark };
    }

    /// Writes the first largest of a window's four numbers, for the channels from `first` on that exist.
    #[inline(always)]
    fn put<L: Lanes<Number = T>>(&mut self, place: [usize; 2], first: usize, window: [L; 4]) {
        let [zeroth, second, third, fourth] = window;
        let (in_upper, in_lower) = (second.wins(zeroth), fourth.wins(third));
        let upper = L::select(in_upper, second, zeroth);
        let lower = L::select(in_lower, fourth, third);
        let is_lower = lower.wins(upper);
        let best = L::select(is_lower, lower, upper);
        self.write::<L>(place, first, best, [in_upper, in_lower, is_lower]);
    }

    /// Writes a window of one number, likewise.
    #[inline(always)]
    fn put_one<L: Lanes<Number = T>>(&mut self, place: [usize; 2], first: usize, number: L) {
        self.write::<L>(place, first, number, [L::nowhere(); 3]);
    }

    #[inline(always)]
    fn write<L: Lanes<Number = T>>(
        &mut self,
        [row, column]: [usize; 2],
        first: usize,
        best: L,
        [in_upper, in_lower, is_lower]: [L::Mask; 3],
    ) {
        let dead = if self.relu { best.is_dead() } else { L::nowhere() };
        let best = L::select(dead, L::splat(T::ZERO), best);

        let used = L::COUNT.min(self.channels - first);
        let place = (row + self.border) * (self.columns + 2 * self.border) + column + self.border;
        let out = &mut self.out[place * self.channels + first..][..used];
        let place = row * self.columns + column;
        let winners = &mut self.winners[place * self.channels + first..][..used];
        if used == L::COUNT {
            best.store(out);
            L::store_marks(in_upper, in_lower, is_lower, dead, winners);
        } else {
            let (mut whole, mut marks) = ([T::ZERO; WIDEST], [0; WIDEST]);
            best.store(&mut whole);
            L::store_marks(in_upper, in_lower, is_lower, dead, &mut marks);
            out.copy_from_slice(&whole[..used]);
            winners.copy_from_slice(&marks[..used]);
        }
    }
}
