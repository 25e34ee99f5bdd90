//! Labelled natural images, checked once so that nobody has to check them again.
//!
//! An example's id is its index in the data set. It is the key of all noise drawn for the example,
//! so it stays with the image wherever the image travels; two rows of one id meet the same noise.

use candle_core::Tensor;
use saddle_ops::PixelBox;

use crate::error::{Error, Result};

/// Natural images with their labels and ids; at least one, finite, and inside the pixel box.
#[derive(Clone, Debug)]
pub struct Examples {
    images: Tensor,
    labels: Vec<u32>,
    ids: Vec<u64>,
}

impl Examples {
    /// Examples with pixels in `[0, 1]`: images `(n, c, h, w)`, one label and one id per image.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidExamples`] for no image at all, another rank, numbers of labels or ids that
    /// differ from the number of images, NaN, infinity and pixels outside the box.
    pub fn new(images: Tensor, labels: Vec<u32>, ids: Vec<u64>) -> Result<Self> {
        Self::in_box(images, labels, ids, PixelBox::UNIT)
    }

    /// Examples with pixels in another box than `[0, 1]`.
    ///
    /// # Errors
    ///
    /// As [`Examples::new`].
    pub fn in_box(
        images: Tensor,
        labels: Vec<u32>,
        ids: Vec<u64>,
        pixels: PixelBox,
    ) -> Result<Self> {
        let shape = images.dims();
        let [n, _, _, _] = *shape else {
            return Err(Error::examples(format!(
                "images of shape {shape:?}; expected (images, channels, height, width)"
            )));
        };
        if images.elem_count() == 0 {
            return Err(Error::examples(format!(
                "no pixels in images of shape {shape:?}; pass at least one image"
            )));
        }
        if labels.len() != n || ids.len() != n {
            return Err(Error::examples(format!(
                "{n} images with {} labels and {} ids; pass one of each per image",
                labels.len(),
                ids.len()
            )));
        }
        // `contains` is false for NaN and infinity too: neither lies between two finite ends.
        for (row, inside) in pixels.contains(&images)?.into_iter().enumerate() {
            if !inside {
                return Err(Error::examples(format!(
                    "example {} has pixels outside {pixels:?}, NaN or infinity; scale the images",
                    ids[row]
                )));
            }
        }
        Ok(Self { images: images.detach(), labels, ids })
    }

    /// Number of examples; never 0.
    #[expect(clippy::len_without_is_empty, reason = "examples are never empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The images, `(n, c, h, w)`.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// The true classes.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The examples' indices in their data set.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Some of the examples, in the order of `rows`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidExamples`] for no row at all and for a row that does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::examples("no rows selected; select at least one"));
        }
        if let Some(row) = rows.iter().find(|&&row| row >= self.len()) {
            return Err(Error::examples(format!("row {row} of {} examples", self.len())));
        }
        Ok(Self {
            images: select_rows(&self.images, rows)?,
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            ids: rows.iter().map(|&row| self.ids[row]).collect(),
        })
    }
}

/// Rows of a tensor, copied: the result does not keep the whole batch alive. What [`crate::Run::keep`] does to
/// everything that a run holds per row.
///
/// # Errors
///
/// [`Error::Ops`] for a row that the tensor does not have, and for one of other numbers than `f32` and `f64`.
pub fn select_rows(tensor: &Tensor, rows: &[usize]) -> Result<Tensor> {
    Ok(saddle_ops::select_rows(tensor, rows)?)
}
