//! The reference executor: candle's own operations, with the pool and the ReLU of `saddle-ops`, forward and back.
//!
//! It is what the engine is held against, what runs on a GPU, and the one that runs every layer. Every operation here
//! exists on every device.
//!
//! # Why no autograd
//!
//! The way back is written out, layer by layer, because candle's is wrong or slow where it matters: it computes both
//! gradients of a convolution and of a matrix product whichever of them is asked for, takes the input gradient of a
//! convolution from a naive transposed convolution, and sizes that by the height alone. Here an attack pays for no weight
//! gradient, and both gradients of a convolution are convolutions themselves ([`convolution`]).
//!
//! # What is deliberately absent
//!
//! Graphs: nothing tracks anything, so everything returned is detached.

mod chain;
mod convolution;
mod max_pool;
mod normalization;
mod places;

use candle_core::Tensor;

use super::{Prepared, dropout::Dropout};
use crate::classifier::{no_gradient, one_logit};
use crate::{Architecture, Error, Gradients, Mode, Pullback, Result, Wanted, Weights};
use chain::{Chain, Tape};

/// The layers with their weights.
pub(crate) struct Candle {
    layers: Chain,
    /// Names of the parameters, in order.
    names: Vec<String>,
}

impl Prepared for Candle {
    fn repack(&mut self, architecture: &Architecture, weights: &Weights) -> Result<()> {
        *self = Self::new(architecture, weights)?;
        Ok(())
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        let (logits, tape) = self.pass(images, mode)?;
        let pullback =
            move |cotangent: &Tensor, wanted: Wanted| self.pullback(tape, cotangent, wanted);
        Ok((logits, Box::new(pullback)))
    }

    /// The forward pass in evaluation, keeping nothing alive.
    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.layers.evaluate(images.contiguous()?)
    }

    fn logit_gradients(&self, images: &Tensor, classes: usize) -> Result<(Tensor, Vec<Tensor>)> {
        let (logits, tape) = self.pass(images, Mode::Evaluation)?;
        let gradients = (0..classes).map(|class| {
            let found = self.pullback(tape.clone(), &one_logit(&logits, class)?, Wanted::INPUT)?;
            found.input.ok_or_else(no_gradient)
        });
        let gradients = gradients.collect::<Result<_>>()?;
        Ok((logits, gradients))
    }
}

impl Candle {
    pub(crate) fn new(architecture: &Architecture, weights: &Weights) -> Result<Self> {
        let mut tensors = weights.iter();
        // Copies, so that later in-place updates of either side do not reach the other.
        let mut next = || match tensors.next() {
            Some((_, tensor)) => Ok(tensor.force_contiguous()?),
            // `Network::new` checked that the weights are the layers' parameters, in order.
            None => Err(Error::Classifier("a layer has no weights".to_owned())),
        };
        let layers = Chain::new(&architecture.layers, &mut next, &mut 0)?;
        Ok(Self { layers, names: weights.names().map(str::to_owned).collect() })
    }

    fn pass(&self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Tape)> {
        let dropout = Dropout::of(mode);
        self.layers.forward(images.contiguous()?, dropout.as_ref())
    }

    fn pullback(&self, tape: Tape, cotangent: &Tensor, wanted: Wanted) -> Result<Gradients> {
        let (input, parameters) = self.layers.pullback(tape, cotangent.contiguous()?, wanted)?;
        let weights = wanted
            .weights
            .then(|| Weights::new(self.names.iter().cloned().zip(parameters).collect()));
        Ok(Gradients { input, weights: weights.transpose()? })
    }
}
