//! Logits and input gradients of every kernel path, in `f32` and once in `f64`, from one cotangent for each image.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use candle_core::{DType, Tensor};
use clap::Args;
use saddle_benches::{Digits, path_name, robust};
use saddle_data::Split;
use saddle_model::{Aim, Classifier as _, Executor, Loss, LossKind, Mode, Network, Wanted};
use saddle_ops::Kernels;

use crate::share;

/// Flags of `saddle_bench gradients`.
#[derive(Args)]
pub(crate) struct Gradients {
    /// Digits to take gradients on.
    #[arg(long)]
    digits: usize,
    /// Folder with MNIST's IDX files [default: the user's cache].
    #[arg(long)]
    data: Option<PathBuf>,
    /// File that gets network, images, cotangents, logits and gradients.
    #[arg(long)]
    shared: PathBuf,
}

impl Gradients {
    pub(crate) fn run(self) -> Result<()> {
        let digits = Digits::load(self.data, Split::Test, self.digits)?;
        let single = robust(Executor::Engine(Kernels::PORTABLE))?;
        let weights = single.weights().to_dtype(DType::F64)?;
        let double = Network::new(single.architecture().clone(), weights, single.executor())?;
        let mut more = Vec::new();
        for (kind, images) in [("natural", &digits.natural), ("perturbed", &digits.perturbed)] {
            let exact = images.to_dtype(DType::F64)?;
            let cotangent = cotangent(&double, &exact, &digits.labels)?.to_dtype(DType::F32)?;
            let (logits, pulled) = pull(&double, &exact, &cotangent.to_dtype(DType::F64)?)?;
            more.push((format!("logits/{kind}/f64"), logits.to_dtype(DType::F32)?));
            more.push((format!("gradient/{kind}/f64"), pulled.to_dtype(DType::F32)?));
            let paths = Kernels::available().into_iter().map(Executor::Engine);
            for executor in paths.chain([Executor::EngineBf16(Kernels::detect())]) {
                let (logits, pulled) = pull(&robust(executor)?, images, &cotangent)?;
                let path = path_name(executor);
                more.push((format!("logits/{kind}/{path}"), logits));
                more.push((format!("gradient/{kind}/{path}"), pulled));
            }
            more.push((kind.to_owned(), images.clone()));
            more.push((format!("cotangent/{kind}"), cotangent));
        }
        share::write(&self.shared, &single, more)
    }
}

/// Gradient of the cross-entropy by the logits.
fn cotangent(network: &Network, images: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let loss = Loss::new(LossKind::CrossEntropy, labels.to_vec(), &Aim::Untargeted)?;
    let rows: Vec<usize> = (0..labels.len()).collect();
    Ok(loss.evaluate(&network.logits(images)?, &rows)?.cotangent)
}

/// Logits of the images, and the cotangent of the images.
fn pull(network: &Network, images: &Tensor, cotangent: &Tensor) -> Result<(Tensor, Tensor)> {
    let (logits, pullback) = network.forward(images, Mode::Evaluation)?;
    let input = pullback(cotangent, Wanted::INPUT)?.input;
    Ok((logits, input.context("the input gradient did not come")?))
}
