//! The first idea of the house: a network is a pair, forward and pullback.
//!
//! [`Classifier::forward`] gives logits and a [`Pullback`]; the pullback takes a cotangent of the logits (the gradient
//! of some scalar with respect to them) back to the images, to the weights or to both. Every loss of the papers reads
//! logits only, so losses live apart, in closed form ([`crate::Loss`]), and no caller ever sees a graph.
//!
//! # Invariants
//!
//! - Row `i` of the logits and of the input gradient depends on row `i` of the images and of the cotangent only, in
//!   training also on the id of its example.
//!   Weight gradients are sums over rows, never means. The one exception: in training a batch normalisation
//!   ([`crate::Layer::BatchNorm2d`]) makes every row depend on all of them.
//! - What comes out is detached: no gradient leaves this crate attached to a graph.
//! - In [`Mode::Evaluation`] two calls on equal images give equal logits.

use candle_core::{Device, Tensor};
use saddle_ops::{Draws, join_rows};

use crate::{Error, Result, Weights};

/// Whether the network is being judged or trained. Layers that draw (dropout) do so in training only.
///
/// What a layer draws for a row is a pure function of seed, step, pass, the example that the row shows and the layer's
/// place in the network. So it does not depend on the batch that the example travels in, nor on its place there, and a
/// pullback goes through the draws of its own forward pass.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// Deterministic: what attacks and judges use.
    Evaluation,
    /// Layers that draw take their noise from `draws`.
    Training {
        /// Source of the noise.
        draws: Draws,
        /// Number of the training step.
        step: u32,
        /// Number of the pass within the step: two passes on the same examples draw apart if it differs, and alike if it
        /// does not.
        pass: u32,
        /// For each row the id of its example, its index in the data set.
        examples: &'a [u64],
    },
}

/// Which gradients a pullback should return. What is not wanted is not computed where that saves work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Gradient with respect to the images.
    pub input: bool,
    /// Gradient with respect to every weight.
    pub weights: bool,
}

impl Wanted {
    /// The images' gradient only: what an attack needs.
    pub const INPUT: Self = Self { input: true, weights: false };
    /// The weights' gradient only: what a training step needs.
    pub const WEIGHTS: Self = Self { input: false, weights: true };
    /// Both.
    pub const BOTH: Self = Self { input: true, weights: true };
}

/// What a pullback returns; a field is `Some` exactly when it was wanted.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Same shape, dtype and device as the images.
    pub input: Option<Tensor>,
    /// Same names, order, shapes and dtype as the network's weights; summed over the rows.
    ///
    /// Running statistics ([`crate::Architecture::statistics`]) are no minimum of a loss of the logits. In training their
    /// entry is what they have beyond the statistic of the batch (the gradient of half its square), in evaluation 0: a
    /// step against it of length `1 - decay` is the running mean.
    pub weights: Option<Weights>,
}

/// Takes a cotangent of the logits, shape `(n, classes)`, back through one forward pass. Usable once.
pub type Pullback<'a> = Box<dyn FnOnce(&Tensor, Wanted) -> Result<Gradients> + 'a>;

/// A differentiable map from images to logits: all that an attack may know about a model.
///
/// Implement it to attack a model of your own: [`Classifier::forward`] is enough. Images are `(n, channels, rows,
/// columns)` on the device and in the dtype that the implementation expects; logits are `(n, classes)`.
pub trait Classifier: Send + Sync {
    /// Number of classes: the width of the logits.
    fn classes(&self) -> usize;

    /// Whether its logits may decide who is fooled. One that says no trades exactness for speed: it may say where to go,
    /// beside another that judges.
    fn judges(&self) -> bool {
        true
    }

    /// Logits of a batch and the pullback through this pass.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Shape`] when the images do not fit, or the examples of [`Mode::Training`] are not one for each;
    /// [`crate::Error::Classifier`] is free for implementors.
    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)>;

    /// Logits of a batch in evaluation mode, and the pullback through its first `rows` rows alone: the others are judged in
    /// passing, which is cheaper than a pass of their own where weights are larger than a cache.
    ///
    /// The pullback takes a cotangent of shape `(rows, classes)` and returns the gradients of those rows. Neither logits nor
    /// gradients differ in a bit from those of separate passes, and separate passes are what an implementation makes that
    /// does not say otherwise.
    ///
    /// # Errors
    ///
    /// As [`Classifier::forward`], and when the batch has not as many rows.
    fn forward_first<'a>(&'a self, images: &Tensor, rows: usize) -> Result<(Tensor, Pullback<'a>)> {
        separate_passes(self, images, rows)
    }

    /// Logits alone, in evaluation mode.
    ///
    /// # Errors
    ///
    /// As [`Classifier::forward`].
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.forward(images, Mode::Evaluation)?.0)
    }

    /// Logits `(n, classes)` and the gradient of every logit `(n, classes, channels, rows, columns)`: the Jacobian of the
    /// logits, in evaluation mode.
    ///
    /// A pullback for each class. Since a pullback is usable once, this provided form also makes the forward pass anew for
    /// each; whoever can keep a pass, as [`crate::Network`] does, makes it once.
    ///
    /// # Errors
    ///
    /// As [`Classifier::forward`], and [`crate::Error::Classifier`] for a pullback that returns no gradient.
    fn logit_gradients(&self, images: &Tensor) -> Result<(Tensor, Tensor)> {
        let mut gradients = Vec::with_capacity(self.classes());
        let mut kept = None;
        for class in 0..self.classes() {
            let (logits, pullback) = self.forward(images, Mode::Evaluation)?;
            let gradient = pullback(&one_logit(&logits, class)?, Wanted::INPUT)?.input;
            gradients.push(gradient.ok_or_else(no_gradient)?);
            kept.get_or_insert(logits);
        }
        let logits = kept.ok_or_else(|| Error::Classifier("it knows no class".to_owned()))?;
        Ok((logits, Tensor::stack(&gradients, 1)?))
    }
}

/// The cotangent that pulls back one logit of each row.
pub(crate) fn one_logit(logits: &Tensor, class: usize) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let mut cotangent = vec![0.0; rows * classes];
    cotangent.iter_mut().skip(class).step_by(classes.max(1)).for_each(|entry| *entry = 1.0);
    let cotangent = Tensor::from_vec(cotangent, (rows, classes), &Device::Cpu)?;
    Ok(cotangent.to_dtype(logits.dtype())?.to_device(logits.device())?)
}

pub(crate) fn no_gradient() -> Error {
    Error::Classifier("a pullback returned no gradient of the images".to_owned())
}

/// What [`Classifier::forward_first`] promises, by a pass of the first rows and one of the others.
pub(crate) fn separate_passes<'a, C: Classifier + ?Sized>(
    classifier: &'a C,
    images: &Tensor,
    rows: usize,
) -> Result<(Tensor, Pullback<'a>)> {
    let others = images.dims().first().map_or(0, |&count| count.saturating_sub(rows));
    let first = images.narrow(0, 0, rows)?;
    let (logits, pullback) = classifier.forward(&first, Mode::Evaluation)?;
    if others == 0 {
        return Ok((logits, pullback));
    }
    let others = classifier.logits(&images.narrow(0, rows, others)?)?;
    Ok((join_rows(&[logits, others])?, pullback))
}
