//! Other views of training images: cut out anew at a random place, and mirrored.
//!
//! What an example looks like in a step is a pure function of seed, example and step, so it depends neither on the batch
//! that the example travels in nor on how often training was interrupted.

use crate::{Error, Result};
use candle_core::Tensor;
use saddle_attacks::Examples;
use saddle_ops::Draws;
use serde::{Deserialize, Serialize};

/// What is done to every example of a batch before a step.
///
/// # Source
///
/// `cifar10_input.py` of the CIFAR-10 challenge of Madry et al.: two zeros on every side (its images of 32 x 32 become 36 x
/// 36), then a crop of the old size at a place drawn uniformly, then a flip from left to right with probability one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Zeros put on every side before a crop of the old size is cut out; 0 for no crop.
    pub padding: usize,
    /// Whether one image of two, on average, is mirrored from left to right.
    pub flip: bool,
}

impl Augmentation {
    /// As published for CIFAR-10: two zeros on every side, flips.
    pub fn cifar10() -> Self {
        Self { padding: 2, flip: true }
    }

    /// Refuses a padding that could leave nothing of an image of these channels, rows and columns.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] naming padding and image.
    pub(crate) fn check(self, [_, rows, columns]: [usize; 3]) -> Result<()> {
        let padding = self.padding;
        if padding < rows.min(columns) {
            return Ok(());
        }
        let message = format!("padding {padding} may cut {rows} x {columns} pixels away wholly");
        Err(Error::InvalidPlan { field: "augmentation", message })
    }

    /// The examples as they look in a step; labels and ids stay.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when the padding is at least as large as a side of the images; [`Error::Tensor`] when the
    /// tensor library fails.
    pub fn apply(self, examples: &Examples, draws: Draws, step: u32) -> Result<Examples> {
        let images = examples.images();
        let (_, channels, rows, columns) = images.dims4()?;
        self.check([channels, rows, columns])?;
        let padding = self.padding;
        let padded = images
            .pad_with_zeros(2, padding, padding)?
            .pad_with_zeros(3, padding, padding)?
            .flatten_all()?;
        let (height, width) = (rows + 2 * padding, columns + 2 * padding);
        let mut places = Vec::with_capacity(images.elem_count());
        for (row, &id) in examples.ids().iter().enumerate() {
            let mut stream = draws.stream("augmentation", id, 0, step, 0);
            let mut offset = || stream.below(2 * padding as u64 + 1) as usize;
            let (top, left) = (offset(), offset());
            let mirrored = self.flip && stream.below(2) == 1;
            for channel in 0..channels {
                for y in 0..rows {
                    let line = ((row * channels + channel) * height + top + y) * width + left;
                    places.extend((0..columns).map(|x| {
                        let x = if mirrored { columns - 1 - x } else { x };
                        (line + x) as u32
                    }));
                }
            }
        }
        let count = places.len();
        let places = Tensor::from_vec(places, count, images.device())?;
        let images = padded.index_select(&places, 0)?.reshape(images.shape())?;
        Ok(Examples::new(images, examples.labels().to_vec(), examples.ids().to_vec())?)
    }
}
