//! The engine: layers on our CPU kernels, forward and back; all but those of residual networks.
//!
//! The network is cut at its `Flatten`. Before it an image never meets another one, so each runs through all of
//! convolutions, ReLUs and pools on one thread while its activations are in the cache ([`images`]); behind it the rows of the
//! batch run through each linear layer together, because its weights are larger than any cache ([`rows`]).
//!
//! # Invariants
//!
//! - Row `i` of logits and input gradient has the same bits in any batch and on any number of threads: images meet
//!   nobody, and a product's rows do not depend on their neighbours (`saddle_ops::Linear`).
//! - Weight gradients of linear layers are summed in the order of the rows; those of convolutions in groups of
//!   [`images::GROUP`] consecutive images, in order within a group and group after group.
//! - No memory is asked of the system for activations once a batch of that size has run: tapes and scratch go back to
//!   the engine when they are dropped ([`store`]).

mod images;
mod layout;
mod rows;
mod store;

use candle_core::{CpuStorage, Device, Storage, Tensor};
use saddle_ops::{Kernels, Precision, Real};

use super::{Prepared, dropout::Dropout};
use crate::classifier::{no_gradient, one_logit};
use crate::{
    Architecture, Error, Gradients, Layer, Mode, Parameter, Pullback, Result, Wanted, Weights,
};
use images::ImagePart;
use rows::RowPart;
use store::Store;

/// Runs a pass on one of the threads that its loops share: they begin at once there, where any other thread would hand over
/// each of them and fall asleep until it is done.
fn on_worker<R: Send>(pass: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| pass())
}

/// Weights packed for the CPU kernels, in one kind of numbers.
pub(crate) struct Runner<T: Real> {
    input: [usize; 3],
    images: ImagePart<T>,
    rows: RowPart<T>,
    parameters: Vec<Parameter>,
    tapes: Store<Tape<T>>,
}

/// Activations of one forward pass, of a batch of `count` images.
#[derive(Default)]
struct Tape<T> {
    count: usize,
    dropout: Option<Dropout>,
    images: images::Tape<T>,
    rows: rows::Tape<T>,
}

impl<T: Real> Prepared for Runner<T> {
    fn repack(&mut self, _: &Architecture, weights: &Weights) -> Result<()> {
        let tensors = tensors(weights);
        let (before, behind) = tensors.split_at(self.images.parameters());
        self.images.repack(&slices(before)?)?;
        self.rows.repack(behind)
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        let (logits, mut tape) = on_worker(|| self.pass(images, mode))?;
        let pullback = move |cotangent: &Tensor, wanted: Wanted| {
            on_worker(|| self.pullback(&mut tape, cotangent, wanted))
        };
        Ok((logits, Box::new(pullback)))
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        Ok(on_worker(|| self.pass(images, Mode::Evaluation))?.0)
    }

    fn logit_gradients(&self, images: &Tensor, classes: usize) -> Result<(Tensor, Vec<Tensor>)> {
        on_worker(|| {
            let (logits, mut tape) = self.pass(images, Mode::Evaluation)?;
            // The way back reads activations and writes none.
            let gradients = (0..classes).map(|class| {
                let found = self.pullback(&mut tape, &one_logit(&logits, class)?, Wanted::INPUT)?;
                found.input.ok_or_else(no_gradient)
            });
            let gradients = gradients.collect::<Result<_>>()?;
            Ok((logits, gradients))
        })
    }
}

impl<T: Real> Runner<T> {
    /// Packs checked weights of a valid architecture, in `T` and on the CPU. `wide` is the precision of wide linear layers.
    pub(crate) fn new(
        architecture: &Architecture,
        weights: &Weights,
        kernels: Kernels,
        wide: Precision,
    ) -> Result<Self> {
        let layers = &architecture.layers;
        let flat =
            layers.iter().position(|layer| matches!(layer, Layer::Flatten | Layer::Linear { .. }));
        let (before, behind) = layers.split_at(flat.unwrap_or(layers.len()));
        let tensors = tensors(weights);
        let split = before.iter().map(|layer| layer.parameters().len()).sum();
        let (before_tensors, behind_tensors) = tensors.split_at(split);
        let before_slices = slices(before_tensors)?;
        Ok(Self {
            input: architecture.input,
            images: ImagePart::new(architecture.input, before, &before_slices, kernels)?,
            rows: RowPart::new(before.len(), behind, behind_tensors, kernels, wide)?,
            parameters: architecture.parameters(),
            tapes: Store::default(),
        })
    }

    /// Logits `(n, classes)` of images `(n, c, h, w)`.
    fn pass(&self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, store::Lent<Tape<T>>)> {
        let count = images.dims()[0];
        let mut tape = self.tapes.take(|tape| tape.count == count);
        tape.count = count;
        tape.dropout = Dropout::of(mode);
        let Tape { dropout, images: records, rows, .. } = &mut *tape;
        let dropout = dropout.as_ref();
        let features = rows.features(count * self.images.features());
        with_slice(images, |pixels| {
            self.images.forward(pixels, count, dropout, records, features)
        })?;
        let logits = self.rows.forward(rows, count, dropout)?;
        let classes = logits.len() / count.max(1);
        Ok((Tensor::from_slice(logits, (count, classes), &Device::Cpu)?, tape))
    }

    /// Takes a cotangent of the logits of the first rows back.
    fn pullback(
        &self,
        tape: &mut Tape<T>,
        cotangent: &Tensor,
        wanted: Wanted,
    ) -> Result<Gradients> {
        let Tape { count, dropout, images, rows } = tape;
        let dropout = dropout.as_ref();
        let (all, count) = (*count, cotangent.dims()[0]);
        let (cotangent, behind) = with_slice(cotangent, |cotangent| {
            self.rows.pullback(rows, cotangent, (count, all), dropout, wanted.weights)
        })?;
        let (input, before) = self.images.pullback(images, cotangent, count, dropout, wanted)?;
        let [channels, height, width] = self.input;
        let input = input
            .map(|input| Tensor::from_vec(input, (count, channels, height, width), &Device::Cpu));
        let weights = wanted.weights.then(|| {
            let values = before.into_iter().chain(behind).zip(&self.parameters);
            let entries = values.map(|(values, Parameter { name, shape })| {
                Ok((name.clone(), Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?))
            });
            Weights::new(entries.collect::<Result<_>>()?)
        });
        Ok(Gradients { input: input.transpose()?, weights: weights.transpose()? })
    }
}

/// All weights, in order.
fn tensors(weights: &Weights) -> Vec<&Tensor> {
    weights.iter().map(|(_, tensor)| tensor).collect()
}

/// Copies of the numbers of each tensor, in order.
fn slices<T: Real>(tensors: &[&Tensor]) -> Result<Vec<Vec<T>>> {
    tensors.iter().map(|tensor| with_slice(tensor, |values| Ok(values.to_vec()))).collect()
}

/// Reads a tensor's numbers where they lie.
fn with_slice<T: Real, R>(tensor: &Tensor, read: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => {
            let values: &[T] = cpu_slice(storage)?;
            read(&values[start..end])
        }
        _ => Err(Error::Shape {
            operation: "engine",
            expected: "contiguous tensors on the CPU".to_owned(),
            found: format!("{:?} on {:?}", tensor.shape(), tensor.device().location()),
        }),
    }
}

fn cpu_slice<T: Real>(storage: &CpuStorage) -> Result<&[T]> {
    Ok(storage.as_slice::<T>()?)
}
