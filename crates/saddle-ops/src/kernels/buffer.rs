//! Memory that starts at a cache line and, where there is much of it, lies on large pages.
//!
//! A matrix of 13 MB lies on three thousand pages of 4 KiB, more than a processor keeps the addresses of; on large pages,
//! which Linux gives to those who ask, an input gradient takes a twentieth less time.

use super::Real;
use std::mem::MaybeUninit;

/// Zeroed numbers whose first one lies at the start of a cache line, so that no register load crosses two.
#[derive(Default)]
pub struct Buffer<T> {
    memory: Memory<T>,
    length: usize,
}

enum Memory<T> {
    /// From the allocator; the first number's place.
    Heap(Vec<T>, usize),
    /// Of its own, from the system.
    #[cfg(target_os = "linux")]
    Pages(memmap2::MmapMut),
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self::Heap(Vec::new(), 0)
    }
}

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const PAGE: usize = 2 << 20;

/// Bytes of a cache line, and of the widest register.
const LINE: usize = 64;

impl<T: Real> Buffer<T> {
    /// `length` zeros.
    pub fn zeros(length: usize) -> Self {
        Self { memory: large(length).unwrap_or_else(|| on_heap(length)), length }
    }

    /// Makes room for `length` numbers; what they are means nothing.
    pub fn grow(&mut self, length: usize) {
        if self.length < length {
            *self = Self::zeros(length);
        }
    }
}

/// An empty vector with room for `length` numbers, for results that others will own; on large pages too.
pub(crate) fn large_vector<T: Real>(length: usize) -> Vec<T> {
    let mut vector = Vec::with_capacity(length);
    ask_for_large_pages(vector.spare_capacity_mut());
    vector
}

#[cfg(target_os = "linux")]
fn ask_for_large_pages<T>(room: &mut [MaybeUninit<T>]) {
    let (start, bytes) = (room.as_mut_ptr() as usize, size_of_val(room));
    // Whole large pages within the room: nobody else's memory lies on them.
    let first = start.next_multiple_of(PAGE);
    let length = (start + bytes).saturating_sub(first) / PAGE * PAGE;
    if length >= 2 * PAGE {
        // SAFETY: the range lies within `room`, and this advice changes none of its bytes. What the system answers does not
        // matter: without large pages the room is slower and no less right.
        unsafe {
            libc::madvise(
                room.as_mut_ptr().byte_add(first - start).cast(),
                length,
                libc::MADV_HUGEPAGE,
            )
        };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages<T>(_room: &mut [MaybeUninit<T>]) {}

fn on_heap<T: Real>(length: usize) -> Memory<T> {
    let storage = vec![T::ZERO; length + LINE / size_of::<T>()];
    // A vector does not move while it does not grow, and this one never does. (An offset that cannot be had is
    // reported as `usize::MAX`; the buffer then starts where it likes and is merely slower.)
    let start = storage.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
    Memory::Heap(storage, start)
}

/// Large pages for so many numbers, if that is a few pages' worth and the system has any.
#[cfg(target_os = "linux")]
fn large<T: Real>(length: usize) -> Option<Memory<T>> {
    let bytes = length.checked_mul(size_of::<T>()).filter(|bytes| *bytes >= 2 * PAGE)?;
    let pages = memmap2::MmapMut::map_anon(bytes.next_multiple_of(PAGE)).ok()?;
    pages.advise(memmap2::Advice::HugePage).ok()?;
    Some(Memory::Pages(pages))
}

#[cfg(not(target_os = "linux"))]
fn large<T: Real>(_length: usize) -> Option<Memory<T>> {
    None
}

impl<T: Real> std::ops::Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.memory {
            Memory::Heap(storage, start) => &storage[*start..*start + self.length],
            // SAFETY: the mapping holds at least `length` numbers, all of them zero bytes or written as numbers, which any
            // bytes are; it begins at a page and lives as long as this borrow.
            #[cfg(target_os = "linux")]
            Memory::Pages(pages) => unsafe {
                std::slice::from_raw_parts(pages.as_ptr().cast(), self.length)
            },
        }
    }
}

impl<T: Real> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Heap(storage, start) => &mut storage[*start..*start + self.length],
            // SAFETY: as in `deref`; the buffer is borrowed mutably, so nobody else looks at it.
            #[cfg(target_os = "linux")]
            Memory::Pages(pages) => unsafe {
                std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), self.length)
            },
        }
    }
}
