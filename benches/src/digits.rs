//! The images that benches work on.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use candle_core::{Device, Tensor};
use saddle_attacks::Examples;
use saddle_data::{Silent, Source, Split, mnist};
use saddle_ops::Draws;

use crate::SEED;

/// l-infinity radius of [`Digits::perturbed`].
const EPSILON: f64 = 0.3;

/// Digits of MNIST, as they are and as the first step of an attack sees them.
pub struct Digits {
    /// Pixels in `[0, 1]`, `(n, 1, 28, 28)`.
    pub natural: Tensor,
    /// The same with uniform noise of up to 0.3 a pixel, clipped to `[0, 1]`.
    pub perturbed: Tensor,
    /// The true classes.
    pub labels: Vec<u32>,
    /// Places in the data set.
    pub ids: Vec<u64>,
}

impl Digits {
    /// `count` digits, spread evenly over a split, from a folder of IDX files or else from the user's cache (into which
    /// they are fetched if need be).
    ///
    /// # Errors
    ///
    /// Digits that cannot be had, and a count that is 0 or more than the split holds.
    pub fn load(folder: Option<PathBuf>, split: Split, count: usize) -> Result<Self> {
        let source = match folder {
            Some(folder) => Source::Folder(folder),
            None => {
                let folders = directories::ProjectDirs::from("", "", "saddle");
                let folders = folders.context("no home folder, hence no cache of digits")?;
                Source::Cache(folders.cache_dir().join("mnist"))
            }
        };
        let all = mnist(&source, split, &mut Silent)?;
        ensure!((1..=all.len()).contains(&count), "{count} digits of {}", all.len());
        let places: Vec<usize> = (0..count).map(|place| place * all.len() / count).collect();
        let natural = all.pixels_at(&places);
        let draws = Draws::new(SEED);
        let mut perturbed = Vec::with_capacity(natural.len());
        for (&place, digit) in places.iter().zip(natural.chunks_exact(784)) {
            let mut stream = draws.stream("bench perturbation", place as u64, 0, 0, 0);
            let noise = |pixel: &f32| pixel + ((2.0 * stream.uniform() - 1.0) * EPSILON) as f32;
            perturbed.extend(digit.iter().map(noise).map(|pixel| pixel.clamp(0.0, 1.0)));
        }
        let shape = (count, 1, 28, 28);
        Ok(Self {
            natural: Tensor::from_vec(natural, shape, &Device::Cpu)?,
            perturbed: Tensor::from_vec(perturbed, shape, &Device::Cpu)?,
            labels: places.iter().map(|&place| u32::from(all.labels[place])).collect(),
            ids: places.iter().map(|&place| place as u64).collect(),
        })
    }

    /// The natural digits as an attack and a training take them.
    ///
    /// # Errors
    ///
    /// None for digits of MNIST; the signature is [`Examples::new`]'s.
    pub fn examples(&self) -> Result<Examples> {
        Ok(Examples::new(self.natural.clone(), self.labels.clone(), self.ids.clone())?)
    }
}

/// `batch` images of 28 x 28 uniform pixels, and a label for each: nothing has to be fetched for them.
///
/// # Errors
///
/// When the tensor library fails.
pub fn noise(batch: usize) -> Result<(Tensor, Vec<u32>)> {
    let draws = Draws::new(SEED);
    let mut pixels = Vec::with_capacity(batch * 784);
    let mut labels = Vec::with_capacity(batch);
    for example in 0..batch {
        let mut stream = draws.stream("bench image", example as u64, 0, 0, 0);
        pixels.extend((0..784).map(|_| stream.uniform() as f32));
        labels.push(stream.below(10) as u32);
    }
    Ok((Tensor::from_vec(pixels, (batch, 1, 28, 28), &Device::Cpu)?, labels))
}
