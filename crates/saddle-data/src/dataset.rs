//! A data set in memory: bytes as they were published, and the choice of a part of it.

use std::fmt::Write as _;
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::idx::Images;

/// Labelled images of one size, grey or coloured.
///
/// The index of an image is its example id everywhere in this project: random draws are keyed by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Name for reports, such as `mnist-test`.
    pub name: String,
    /// `len * channels * rows * cols` bytes: image after image, plane after plane, row after row.
    pub images: Vec<u8>,
    /// One class per image.
    pub labels: Vec<u8>,
    /// Planes of an image: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub cols: usize,
}

impl Dataset {
    /// Joins images and labels.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] when their numbers differ or there are none.
    pub fn new(name: impl Into<String>, images: Images, labels: Vec<u8>) -> Result<Self> {
        let name = name.into();
        if images.count != labels.len() || labels.is_empty() {
            return Err(Error::Mismatch { name, images: images.count, labels: labels.len() });
        }
        let Images { rows, cols, pixels, .. } = images;
        Ok(Self { name, images: pixels, labels, channels: 1, rows, cols })
    }

    /// Channels, rows and columns of an image.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.rows, self.cols]
    }

    /// Bytes of an image.
    fn size(&self) -> usize {
        self.channels * self.rows * self.cols
    }

    /// Number of images; never zero.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Always false: an empty data set cannot be built by [`Dataset::new`].
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of one image.
    ///
    /// # Panics
    ///
    /// When `index` is not below [`Dataset::len`], as for a slice.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.size();
        &self.images[index * size..(index + 1) * size]
    }

    /// Pixels of the images in `range` as numbers in `[0, 1]` (byte / 255), in the order of the bytes.
    ///
    /// # Panics
    ///
    /// When the range does not lie within the data set, as for a slice.
    pub fn pixels_f32(&self, range: Range<usize>) -> Vec<f32> {
        let size = self.size();
        let bytes = &self.images[range.start * size..range.end * size];
        bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect()
    }

    /// Pixels of the images at `indices`, in that order; otherwise as [`Dataset::pixels_f32`].
    ///
    /// # Panics
    ///
    /// When an index is not below [`Dataset::len`].
    pub fn pixels_at(&self, indices: &[usize]) -> Vec<f32> {
        let bytes = indices.iter().flat_map(|&index| self.image(index));
        bytes.map(|&byte| f32::from(byte) / 255.0).collect()
    }

    /// SHA-256 in hex over the dimensions, the pixels and the labels: what results depend on. The
    /// name is left out.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for number in [self.len(), self.rows, self.cols] {
            hash.update((number as u64).to_be_bytes());
        }
        // Hashes of grey images are older than colours.
        if self.channels != 1 {
            hash.update((self.channels as u64).to_be_bytes());
        }
        hash.update(&self.images);
        hash.update(&self.labels);
        hex(&hash.finalize())
    }
}

/// Chooses `count` examples so that every class keeps its share of the pool.
///
/// The pool is `order`: distinct indices into `labels`, in random order. (This crate draws no random
/// numbers: pass a permutation of the whole set, or of a part of it.) Each class gets its share of
/// `count` by the method of largest remainders, smaller class first on a tie, and gives the
/// examples that come first in `order`. The result is in ascending order.
///
/// # Errors
///
/// [`Error::Choice`] when the pool is smaller than `count`, `count` is zero, or an index is out of
/// range or comes twice.
pub fn stratified(labels: &[u8], order: &[u32], count: usize) -> Result<Vec<usize>> {
    if count == 0 || count > order.len() {
        let pool = order.len();
        return Err(Error::Choice(format!("cannot take {count} of a pool of {pool}")));
    }
    let mut seen = vec![false; labels.len()];
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); 256];
    for index in order.iter().map(|&index| index as usize) {
        let Some(&label) = labels.get(index) else {
            let set = labels.len();
            return Err(Error::Choice(format!("index {index} in a set of {set} examples")));
        };
        if std::mem::replace(&mut seen[index], true) {
            return Err(Error::Choice(format!("index {index} comes twice in the pool")));
        }
        members[usize::from(label)].push(index);
    }

    // Whole parts first, then one more for the largest remainders.
    let mut quotas: Vec<usize> =
        members.iter().map(|class| class.len() * count / order.len()).collect();
    let mut by_remainder: Vec<usize> = (0..members.len()).collect();
    by_remainder.sort_by_key(|&class| {
        (std::cmp::Reverse(members[class].len() * count % order.len()), class)
    });
    let left = count - quotas.iter().sum::<usize>();
    for &class in &by_remainder[..left] {
        quotas[class] += 1;
    }

    let taken = members.iter().zip(&quotas).flat_map(|(class, &quota)| &class[..quota]);
    let mut chosen: Vec<usize> = taken.copied().collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
