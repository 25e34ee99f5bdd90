//! The two machines that run any list of layers: candle (the reference, any device) and the engine (our CPU kernels).
//!
//! An executor prepares weights once and then runs forward passes and pullbacks. Both follow the same definitions at ties:
//! a pool's gradient goes to the first maximum of its window, the slope of ReLU at 0 is 0. Both drop the same units
//! ([`dropout`]).

mod candle;
mod dropout;
mod engine;

use candle_core::{DType, Tensor};
use saddle_ops::{Kernels, Precision};

use crate::{Architecture, Error, Gradients, Mode, Result, Wanted, Weights};
use candle::{Candle, CandleTape};
use engine::{Engine, EngineTape};

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
}

/// Weights made ready for one executor.
pub(crate) enum Prepared {
    Candle(Candle),
    Engine(Engine),
}

/// What one forward pass left behind for its pullback.
pub(crate) enum Tape {
    Candle(CandleTape),
    Engine(EngineTape),
}

/// Packs checked weights of a valid architecture for an executor.
pub(crate) fn prepare(
    architecture: &Architecture,
    weights: &Weights,
    executor: Executor,
) -> Result<Prepared> {
    if !matches!(weights.dtype(), DType::F32 | DType::F64) {
        return Err(Error::WeightsMismatch {
            architecture: architecture.name.clone(),
            message: format!(
                "they are {:?}; networks run in F32 or F64, convert them with `to_dtype`",
                weights.dtype()
            ),
        });
    }
    let (kernels, precision) = match executor {
        Executor::Candle => return Ok(Prepared::Candle(Candle::new(architecture, weights)?)),
        Executor::Engine(kernels) => (kernels, Precision::Full),
        Executor::EngineBf16(kernels) => (kernels, Precision::Bf16),
    };
    if weights.device().is_cpu() {
        Ok(Prepared::Engine(Engine::new(architecture, weights, kernels, precision)?))
    } else {
        Err(Error::WeightsMismatch {
            architecture: architecture.name.clone(),
            message: format!(
                "they are on {:?}; the engine runs on the CPU, other devices take the candle executor",
                weights.device().location()
            ),
        })
    }
}

impl Prepared {
    /// Takes other checked weights of the same architecture, dtype and device. No tape is alive: it borrows the network.
    pub(crate) fn repack(&mut self, architecture: &Architecture, weights: &Weights) -> Result<()> {
        match self {
            Self::Candle(candle) => {
                *candle = Candle::new(architecture, weights)?;
                Ok(())
            }
            Self::Engine(engine) => engine.repack(weights),
        }
    }

    pub(crate) fn forward(&self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Tape)> {
        match self {
            Self::Candle(candle) => {
                let (logits, tape) = candle.forward(images, mode)?;
                Ok((logits, Tape::Candle(tape)))
            }
            Self::Engine(engine) => {
                let (logits, tape) = engine.forward(images, mode)?;
                Ok((logits, Tape::Engine(tape)))
            }
        }
    }

    pub(crate) fn logits(&self, images: &Tensor) -> Result<Tensor> {
        match self {
            Self::Candle(candle) => candle.logits(images),
            Self::Engine(engine) => Ok(engine.forward(images, Mode::Evaluation)?.0),
        }
    }

    pub(crate) fn pullback(
        &self,
        tape: Tape,
        cotangent: &Tensor,
        wanted: Wanted,
    ) -> Result<Gradients> {
        match (self, tape) {
            (Self::Candle(candle), Tape::Candle(tape)) => candle.pullback(tape, cotangent, wanted),
            (Self::Engine(engine), Tape::Engine(tape)) => engine.pullback(tape, cotangent, wanted),
            // A tape is made by `self.forward` and consumed by the closure that borrows the same `self`.
            _ => Err(Error::Classifier("a tape of the other executor".to_owned())),
        }
    }
}
