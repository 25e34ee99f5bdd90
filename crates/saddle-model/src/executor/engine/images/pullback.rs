//! The way back through convolutions, ReLUs, pools and dropout, one image at a time.
//!
//! A pool or a ReLU is not taken back by itself where a convolution stands before it: the marks go along, and the convolution
//! chooses a form. A first layer behind a 2 x 2 pool works by cells, one behind a ReLU alone on the whole cotangent; all
//! others list what is not zero.

use rayon::prelude::*;
use saddle_ops::{ConvGradient, Pool, Real};

use super::{AT_ONCE, Dropout, GROUP, ImagePart, Scratch, Step, Tape};
use crate::executor::engine::layout::{crop, to_places, to_planes};
use crate::{Result, Wanted};

impl<T: Real> ImagePart<T> {
    /// Cotangents of the images, if wanted, and of the parameters, if wanted, given that of the features.
    pub(in crate::executor::engine) fn pullback(
        &self,
        tape: &Tape<T>,
        cotangent: &[T],
        count: usize,
        dropout: Option<&Dropout>,
        wanted: Wanted,
    ) -> Result<(Option<Vec<T>>, Vec<Vec<T>>)> {
        let mut input = vec![T::ZERO; count * self.pixels()];
        let one = |image: usize,
                   input: &mut [T],
                   scratch: &mut Scratch<T>,
                   sums: &mut [ConvGradient<T>]|
         -> Result<()> {
            let cotangent = &cotangent[image * self.features()..][..self.features()];
            scratch.plain.resize(cotangent.len(), T::ZERO);
            to_places(self.kernels, cotangent, self.output[2], &mut scratch.plain)?;
            let record = &tape.record[image * self.record..][..self.record];
            let marks = &tape.marks[image * self.marks..][..self.marks];
            let dropout = dropout.map(|dropout| (dropout, image));
            self.pullback_image(record, marks, dropout, scratch, sums, wanted.input)?;
            if wanted.input {
                to_planes(self.kernels, &scratch.plain, self.input[2], input)?;
            }
            Ok(())
        };
        let scratch = || self.scratch.take(|_| true);
        if !wanted.weights {
            let images = input.par_chunks_mut(self.pixels()).enumerate().with_max_len(AT_ONCE);
            images.try_for_each_init(scratch, |scratch, (image, input)| {
                one(image, input, scratch, &mut [])
            })?;
            return Ok((wanted.input.then_some(input), Vec::new()));
        }
        let groups = input.par_chunks_mut(GROUP * self.pixels()).enumerate();
        let sums = groups.map_init(scratch, |scratch, (group, input)| {
            let mut sums: Vec<_> = self.convolutions().map(ConvGradient::zeros).collect();
            for (i, input) in input.chunks_exact_mut(self.pixels()).enumerate() {
                one(group * GROUP + i, input, scratch, &mut sums)?;
            }
            Ok(sums)
        });
        let sums = sums.collect::<Result<Vec<_>>>()?;
        let mut parameters = Vec::new();
        if let Some((total, others)) = split_first(sums) {
            for (index, (mut total, conv)) in total.into_iter().zip(self.convolutions()).enumerate()
            {
                for sums in &others {
                    total.add(&sums[index]);
                }
                let (weight, bias) = total.to_parameters(conv)?;
                parameters.extend([weight, bias]);
            }
        }
        Ok((wanted.input.then_some(input), parameters))
    }

    /// From the features' cotangent in `scratch.plain` to the image's, adding to `sums`, one for each convolution, unless it
    /// is empty.
    fn pullback_image(
        &self,
        record: &[T],
        marks: &[u8],
        dropout: Option<(&Dropout, usize)>,
        scratch: &mut Scratch<T>,
        sums: &mut [ConvGradient<T>],
        wants_input: bool,
    ) -> Result<()> {
        let Scratch { plain, padded, sparse, dense, .. } = scratch;
        let mut convolution = self.convolutions().count();
        // A pool whose result's cotangent lies in `plain`, while that of its input is nowhere yet.
        let mut pooled: Option<(&Pool, &[u8])> = None;
        for (index, step) in self.steps.iter().enumerate().rev() {
            match step {
                Step::Pool { pool, marks: range, .. } => {
                    if let Some((pool, marks)) = pooled {
                        sparse.fill_pooled(pool, plain, marks)?;
                        sparse.to_dense(plain);
                    }
                    pooled = Some((pool, &marks[range.clone()]));
                }
                Step::Convolve { conv, input } => {
                    let shape = conv.shape();
                    convolution -= 1;
                    let sum = sums.get_mut(convolution);
                    let behind = pooled.take();
                    let cells = behind.filter(|(pool, _)| conv.takes_cells(pool));
                    let whole =
                        conv.prefers_dense() && behind.is_none_or(|(pool, _)| pool.window() == 1);
                    let wanted = index > 0 || wants_input;
                    let taps = behind.filter(|(pool, _)| conv.takes_taps(pool));
                    if (sum.is_some() && taps.is_none()) || (wanted && cells.is_none() && !whole) {
                        match behind {
                            Some((pool, marks)) => sparse.fill_pooled(pool, plain, marks)?,
                            None => sparse.fill_dense(self.kernels, shape.output(), plain)?,
                        }
                    }
                    if let Some(sum) = sum {
                        let image = &record[input.clone()];
                        match taps {
                            Some((pool, marks)) => {
                                sum.add_image_of_cells(conv, image, pool, plain, marks)?;
                            }
                            None => sum.add_image(conv, image, sparse)?,
                        }
                    }
                    if wanted {
                        padded.grow(shape.padded_length());
                        let padded = &mut padded[..shape.padded_length()];
                        if let Some((pool, marks)) = cells {
                            conv.input_gradient_of_cells(pool, plain, marks, padded)?;
                        } else if whole {
                            if let Some((relu, marks)) = behind {
                                relu.mask(plain, marks)?;
                            }
                            conv.dense_input_gradient(plain, padded, dense)?;
                        } else {
                            conv.input_gradient(sparse, padded, dense)?;
                        }
                        crop(padded, shape.input(), shape.padding, plain);
                    }
                }
                Step::Dropout { .. } => {
                    if let Some((pool, marks)) = pooled.take() {
                        sparse.fill_pooled(pool, plain, marks)?;
                        sparse.to_dense(plain);
                    }
                    step.drop_units(dropout, plain);
                }
            }
        }
        if let Some((pool, marks)) = pooled {
            sparse.fill_pooled(pool, plain, marks)?;
            sparse.to_dense(plain);
        }
        Ok(())
    }
}

fn split_first<V>(values: Vec<V>) -> Option<(V, Vec<V>)> {
    let mut values = values.into_iter();
    Some((values.next()?, values.collect()))
}
