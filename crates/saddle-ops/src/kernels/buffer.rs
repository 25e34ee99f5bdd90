//! Memory that starts at a cache line.

use super::Real;

/// Zeroed numbers whose first one lies at the start of a cache line, so that no register load crosses two.
#[derive(Default)]
pub struct Buffer<T> {
    storage: Vec<T>,
    start: usize,
    length: usize,
}

/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;

impl<T: Real> Buffer<T> {
    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let storage = vec![T::ZERO; length + LINE / size_of::<T>()];
        // A vector does not move while it does not grow, and this one never does. (An offset that cannot be had is
        // reported as `usize::MAX`; the buffer then starts where it likes and is merely slower.)
        let start = storage.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        Self { storage, start, length }
    }

    /// Makes room for `length` numbers; what they are means nothing.
    pub fn grow(&mut self, length: usize) {
        if self.length < length {
            *self = Self::zeros(length);
        }
    }
}

impl<T> std::ops::Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.storage[self.start..self.start + self.length]
    }
}

impl<T> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.length]
    }
}
