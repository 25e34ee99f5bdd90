//! The two machines that run a list of layers: candle (the reference, any device) and the engine (our CPU kernels). Candle
//! runs every layer; the engine refuses those of residual networks ([`Executor::check`]).
//!
//! An executor prepares weights once and then runs forward passes and pullbacks. Both follow the same definitions at ties:
//! a pool's gradient goes to the first maximum of its window, the slope of ReLU at 0 is 0. Both drop the same units
//! ([`dropout`]).

mod candle;
mod dropout;
mod engine;

use candle_core::{DType, Tensor};
use saddle_ops::{Kernels, Precision};

use crate::{Architecture, Error, Layer, Mode, Pullback, Result, Weights};
use candle::Candle;
use engine::Runner;

/// What runs a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    /// Our kernels on the CPU, along the given path of instructions.
    Engine(Kernels),
    /// The same, but for wide linear layers, whose products round their factors to bf16: less memory to read, and faster
    /// where the processor has instructions for it. It says where a loss grows ([`Classifier::judges`](crate::Classifier::judges) is
    /// `false`); it does not judge, and does not train.
    EngineBf16(Kernels),
    /// candle's operations, on the device where the weights live.
    Candle,
}

impl Executor {
    /// `candle`, or `engine` with the name of its kernels: `engine-avx2`, `engine-avx2+bf16`.
    pub fn name(self) -> String {
        match self {
            Self::Engine(kernels) => format!("engine-{}", kernels.name()),
            Self::EngineBf16(kernels) => format!("engine-{}+bf16", kernels.name()),
            Self::Candle => "candle".to_owned(),
        }
    }

    /// What its results depend on to the last bit, as far as its name and its kernels' revision say it: part of every key.
    pub fn arithmetic(self) -> String {
        match self {
            Self::Engine(_) | Self::EngineBf16(_) => {
                format!("{}, revision {}", self.name(), Kernels::REVISION)
            }
            Self::Candle => self.name(),
        }
    }

    /// Whether it runs every layer of an architecture. Candle does; the engine has no kernels for the layers of residual
    /// networks.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedLayer`] naming the first layer that it does not run.
    pub fn check(self, architecture: &Architecture) -> Result<()> {
        let unsupported = |layer: &&Layer| match layer {
            Layer::Conv2d { bias, .. } => !bias,
            Layer::Relu
            | Layer::MaxPool2d { .. }
            | Layer::Flatten
            | Layer::Linear { .. }
            | Layer::Dropout { .. } => false,
            _ => true,
        };
        match architecture.layers.iter().find(unsupported) {
            Some(layer) if self != Self::Candle => Err(Error::UnsupportedLayer {
                architecture: architecture.name.clone(),
                layer: layer.title(),
                executor: self.name(),
            }),
            _ => Ok(()),
        }
    }
}

/// Weights made ready for one executor, behind a pointer: a program holds the code of those executors alone that it can
/// make.
pub(crate) trait Prepared: Send + Sync {
    /// Takes other checked weights of the same architecture, dtype and device. No tape is alive: it borrows the network.
    fn repack(&mut self, architecture: &Architecture, weights: &Weights) -> Result<()>;

    /// Logits of checked images, and the way back through this pass for checked cotangents: of all rows or, on the engine,
    /// of the first ones.
    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)>;

    /// Logits alone, in evaluation mode.
    fn logits(&self, images: &Tensor) -> Result<Tensor>;

    /// Logits of checked images and the gradient of each of the `classes` logits, in evaluation mode: one pass forward, and one
    /// back for each class.
    fn logit_gradients(&self, images: &Tensor, classes: usize) -> Result<(Tensor, Vec<Tensor>)>;
}

/// Packs checked weights of a valid architecture for an executor.
pub(crate) fn prepare(
    architecture: &Architecture,
    weights: &Weights,
    executor: Executor,
) -> Result<Box<dyn Prepared>> {
    if !matches!(weights.dtype(), DType::F32 | DType::F64) {
        return Err(Error::WeightsMismatch {
            architecture: architecture.name.clone(),
            message: format!(
                "they are {:?}; networks run in F32 or F64, convert them with `to_dtype`",
                weights.dtype()
            ),
        });
    }
    executor.check(architecture)?;
    let (kernels, precision) = match executor {
        Executor::Candle => return Ok(Box::new(Candle::new(architecture, weights)?)),
        Executor::Engine(kernels) => (kernels, Precision::Full),
        Executor::EngineBf16(kernels) => (kernels, Precision::Bf16),
    };
    at_home(architecture, weights)?;
    Ok(match weights.dtype() {
        DType::F64 => Box::new(Runner::<f64>::new(architecture, weights, kernels, precision)?),
        _ => Box::new(Runner::<f32>::new(architecture, weights, kernels, precision)?),
    })
}

/// Packs checked weights of a valid architecture, in `f32`, for the engine: [`prepare`] without its choices.
pub(crate) fn prepare_engine(
    architecture: &Architecture,
    weights: &Weights,
    kernels: Kernels,
) -> Result<Box<dyn Prepared>> {
    if weights.dtype() != DType::F32 {
        let found = weights.dtype();
        return Err(Error::WeightsMismatch {
            architecture: architecture.name.clone(),
            message: format!(
                "they are {found:?} where F32 is expected; convert them with `to_dtype`"
            ),
        });
    }
    at_home(architecture, weights)?;
    Ok(Box::new(Runner::<f32>::new(architecture, weights, kernels, Precision::Full)?))
}

/// Refuses weights that the engine cannot reach.
fn at_home(architecture: &Architecture, weights: &Weights) -> Result<()> {
    if weights.device().is_cpu() {
        return Ok(());
    }
    Err(Error::WeightsMismatch {
        architecture: architecture.name.clone(),
        message: format!(
            "they are on {:?}; the engine runs on the CPU, other devices take the candle executor",
            weights.device().location()
        ),
    })
}
