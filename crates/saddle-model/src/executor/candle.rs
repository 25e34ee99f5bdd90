//! The reference executor: candle's own layers and autograd, with the pool and the ReLU of `saddle-ops`.
//!
//! Slow and simple on purpose; it is what the engine is held against, and what runs on a GPU.
//!
//! # Why every weight is a leaf
//!
//! What is wanted is known only when the pullback is called, and candle's backward pass computes both gradients of a
//! convolution and of a matrix product whichever of them is asked for. So the graph is built once with images and
//! weights as leaves, and [`Wanted`] selects what is returned; leaving a leaf out would save nothing.
//!
//! # What is deliberately absent
//!
//! candle's max pool (its gradient is wrong by the window's area, see `clippy.toml`), its `relu` (slope 1 at 0) and
//! second derivatives (silently wrong): everything returned is detached.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use saddle_ops::{max_pool2d, relu};

use crate::{Architecture, Error, Gradients, Layer, Mode, Result, Wanted, Weights};

/// The layers with their weights as leaves of candle's graph.
pub(crate) struct Candle {
    layers: Vec<Layer>,
    /// Names and leaves in architecture order; a layer with parameters takes the next two.
    leaves: Vec<(String, Var)>,
}

/// The graph of one forward pass.
pub(crate) struct CandleTape {
    images: Var,
    logits: Tensor,
}

impl Candle {
    pub(crate) fn new(architecture: &Architecture, weights: &Weights) -> Result<Self> {
        // `Var::from_tensor` copies, so later in-place updates of either side do not reach the other.
        let leaves =
            weights.iter().map(|(name, tensor)| Ok((name.to_owned(), Var::from_tensor(tensor)?)));
        let leaves = leaves.collect::<Result<_>>()?;
        Ok(Self { layers: architecture.layers.clone(), leaves })
    }

    pub(crate) fn repack(&mut self, weights: &Weights) -> Result<()> {
        for ((_, leaf), (_, tensor)) in self.leaves.iter().zip(weights.iter()) {
            leaf.set(tensor)?;
        }
        Ok(())
    }

    pub(crate) fn forward(&self, images: &Tensor, _mode: Mode) -> Result<(Tensor, CandleTape)> {
        let images = Var::from_tensor(images)?;
        let logits = self.run(images.as_tensor(), |leaf| leaf.as_tensor().clone())?;
        Ok((logits.detach(), CandleTape { images, logits }))
    }

    /// The forward pass without a graph, so that nothing is kept alive.
    pub(crate) fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.run(images, Var::as_detached_tensor)
    }

    pub(crate) fn pullback(
        &self,
        tape: CandleTape,
        cotangent: &Tensor,
        wanted: Wanted,
    ) -> Result<Gradients> {
        // The gradient of <logits, cotangent> is the pullback of the cotangent.
        let store = (&tape.logits * cotangent)?.sum_all()?.backward()?;
        let input = wanted.input.then(|| gradient(&store, &tape.images)).transpose()?;
        let of = |(name, leaf): &(String, Var)| Ok((name.clone(), gradient(&store, leaf)?));
        let weights = wanted.weights.then(|| -> Result<Weights> {
            Weights::new(self.leaves.iter().map(of).collect::<Result<_>>()?)
        });
        Ok(Gradients { input, weights: weights.transpose()? })
    }
}

impl Candle {
    /// Runs the layers; `tensor` gives a leaf as part of the graph or detached from it.
    fn run(&self, images: &Tensor, tensor: impl Fn(&Var) -> Tensor) -> Result<Tensor> {
        let mut leaves = self.leaves.iter().map(|(_, leaf)| tensor(leaf));
        // `Network::new` checked that the leaves are the layers' parameters, in order.
        let mut next =
            || leaves.next().ok_or(Error::Classifier("a layer has no weights".to_owned()));
        let mut hidden = images.clone();
        for layer in &self.layers {
            hidden = match layer {
                Layer::Conv2d { stride, padding, .. } => {
                    let (weight, bias) = (next()?, next()?);
                    let channels = bias.dim(0)?;
                    let sums = hidden.conv2d(&weight, *padding, *stride, 1, 1)?;
                    sums.broadcast_add(&bias.reshape((1, channels, 1, 1))?)?
                }
                Layer::Relu => relu(&hidden)?,
                Layer::MaxPool2d { window } => max_pool2d(&hidden, *window)?,
                Layer::Flatten => hidden.flatten_from(1)?,
                Layer::Linear { .. } => {
                    let (weight, bias) = (next()?, next()?);
                    hidden.matmul(&weight.t()?)?.broadcast_add(&bias)?
                }
            };
        }
        Ok(hidden)
    }
}

/// The leaf's gradient, detached; zeros when no layer uses the leaf.
fn gradient(store: &GradStore, leaf: &Var) -> Result<Tensor> {
    match store.get(leaf) {
        Some(gradient) => Ok(gradient.detach()),
        None => Ok(leaf.zeros_like()?.detach()),
    }
}
