//! A network: an architecture, its weights and the executor that runs them.

use candle_core::{DType, Tensor};
use saddle_ops::Kernels;

use crate::classifier::separate_passes;
use crate::executor::Prepared;
use crate::{Architecture, Classifier, Error, Executor, Gradients, Mode, Pullback, Result, Wanted};
use crate::{Weights, executor};

/// An [`Architecture`] with [`Weights`], ready to run on an [`Executor`].
///
/// Images are `(n, channels, rows, columns)` in the dtype and on the device of the weights, `f32` or `f64`. Callers
/// cannot tell which executor runs but by its name and its speed.
pub struct Network {
    architecture: Architecture,
    weights: Weights,
    executor: Executor,
    prepared: Box<dyn Prepared>,
}

impl Network {
    /// A network of these parts.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArchitecture`] and [`Error::WeightsMismatch`] when the parts do not fit, and whatever the executor
    /// refuses: weights in a dtype other than `f32` and `f64`, the engine on weights that are not on the CPU.
    pub fn new(architecture: Architecture, weights: Weights, executor: Executor) -> Result<Self> {
        architecture.validate()?;
        weights.check(&architecture)?;
        let prepared = executor::prepare(&architecture, &weights, executor)?;
        Ok(Self { architecture, weights, executor, prepared })
    }

    /// [`Network::new`] on [`Executor::Engine`], of weights in `f32`.
    ///
    /// A program that makes its networks in no other way does not contain the other executors, nor the engine in `f64`. That
    /// matters where a program is fetched before it runs.
    ///
    /// # Errors
    ///
    /// As [`Network::new`], and [`Error::WeightsMismatch`] for weights in `f64`.
    pub fn on_engine(
        architecture: Architecture,
        weights: Weights,
        kernels: Kernels,
    ) -> Result<Self> {
        architecture.validate()?;
        weights.check(&architecture)?;
        let prepared = executor::prepare_engine(&architecture, &weights, kernels)?;
        Ok(Self { architecture, weights, executor: Executor::Engine(kernels), prepared })
    }

    /// What the network computes.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The weights, in architecture order.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Replaces the weights. The engine packs them into the memory of the old ones where the dtype stays.
    ///
    /// # Errors
    ///
    /// As [`Network::new`]; weights that are refused leave the old ones in place.
    pub fn set_weights(&mut self, weights: Weights) -> Result<()> {
        weights.check(&self.architecture)?;
        let same_home = weights.device().same_device(self.weights.device());
        if same_home && weights.dtype() == self.weights.dtype() {
            self.prepared.repack(&self.architecture, &weights)?;
        } else {
            self.prepared = executor::prepare(&self.architecture, &weights, self.executor)?;
        }
        self.weights = weights;
        Ok(())
    }

    /// Dtype of weights, images and logits.
    pub fn dtype(&self) -> DType {
        self.weights.dtype()
    }

    /// The executor that runs this network.
    pub fn executor(&self) -> Executor {
        self.executor
    }

    /// `candle`, or `engine` with the name of its kernels: `engine-avx2`; see [`Executor::name`].
    pub fn executor_name(&self) -> String {
        self.executor.name()
    }

    fn check_images(&self, images: &Tensor) -> Result<()> {
        let fits = images.rank() == 4 && images.dims()[1..] == self.architecture.input;
        let weights = &self.weights;
        let at_home =
            images.dtype() == weights.dtype() && images.device().same_device(weights.device());
        if fits && at_home && images.dims()[0] > 0 {
            return Ok(());
        }
        let [channels, rows, columns] = self.architecture.input;
        Err(Error::Shape {
            operation: "network forward",
            expected: format!(
                "images (n, {channels}, {rows}, {columns}) with n >= 1, {:?} on {:?} as the weights are",
                weights.dtype(),
                weights.device().location()
            ),
            found: format!(
                "{:?}, {:?} on {:?}",
                images.dims(),
                images.dtype(),
                images.device().location()
            ),
        })
    }
}

impl Classifier for Network {
    fn classes(&self) -> usize {
        self.architecture.classes
    }

    fn judges(&self) -> bool {
        !matches!(self.executor, Executor::EngineBf16(_))
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        self.pass(images, images.dims().first().copied().unwrap_or(0), mode)
    }

    fn forward_first<'a>(&'a self, images: &Tensor, rows: usize) -> Result<(Tensor, Pullback<'a>)> {
        let found = images.dims().first().copied().unwrap_or(0);
        if rows == 0 || rows > found {
            return Err(Error::Shape {
                operation: "network forward",
                expected: format!("at least {rows} rows, and one to pull back through"),
                found: format!("{found} rows"),
            });
        }
        if self.executor == Executor::Candle {
            // Its products promise no row the same bits in other company.
            return separate_passes(self, images, rows);
        }
        self.pass(images, rows, Mode::Evaluation)
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.check_images(images)?;
        self.prepared.logits(&images.detach())
    }

    fn logit_gradients(&self, images: &Tensor) -> Result<(Tensor, Tensor)> {
        self.check_images(images)?;
        let (logits, gradients) =
            self.prepared.logit_gradients(&images.detach(), self.classes())?;
        Ok((logits, Tensor::stack(&gradients, 1)?))
    }
}

impl Network {
    /// A forward pass whose pullback goes through the first rows.
    fn pass<'a>(
        &'a self,
        images: &Tensor,
        rows: usize,
        mode: Mode<'_>,
    ) -> Result<(Tensor, Pullback<'a>)> {
        self.check_images(images)?;
        check_examples(images, mode)?;
        let (logits, pullback) = self.prepared.forward(&images.detach(), mode)?;
        let shape = [rows, self.architecture.classes];
        let checked = move |cotangent: &Tensor, wanted: Wanted| -> Result<Gradients> {
            if cotangent.dims() != shape || cotangent.dtype() != self.dtype() {
                return Err(Error::Shape {
                    operation: "network pullback",
                    expected: format!("a cotangent of the logits, {shape:?} {:?}", self.dtype()),
                    found: format!("{:?} {:?}", cotangent.dims(), cotangent.dtype()),
                });
            }
            pullback(&cotangent.detach(), wanted)
        };
        Ok((logits, Box::new(checked)))
    }
}

fn check_examples(images: &Tensor, mode: Mode<'_>) -> Result<()> {
    let rows = images.dims()[0];
    match mode {
        Mode::Training { examples, .. } if examples.len() != rows => Err(Error::Shape {
            operation: "network forward",
            expected: format!("the id of an example for each of {rows} rows"),
            found: format!("{} ids", examples.len()),
        }),
        _ => Ok(()),
    }
}

#[expect(dead_code, reason = "states at compile time that networks can be sent to threads")]
fn assert_send_and_sync() {
    fn both<T: Send + Sync>() {}
    both::<Network>();
}
