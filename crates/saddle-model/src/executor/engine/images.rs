//! The part of a network before its `Flatten`: convolutions, ReLUs, pools and dropout, one image at a time.
//!
//! An image's *record* holds the padded input of each convolution, and its *marks* the winner of each pool's window: all
//! that the way back ([`pullback`]) needs. Their borders are zeroed once; passes write the inside only.

mod pullback;

use std::ops::Range;

use rayon::prelude::*;
use saddle_ops::{
    Buffer, Conv2d, ConvShape, ForwardScratch, InputGradientScratch, Kernels, Pool, Real,
    SparseCotangent,
};

use super::Dropout;
use super::layout::{to_padded_places, to_places, to_planes};
use super::store::Store;
use crate::{Error, Layer, Result};

/// Images whose weight gradients are summed on one thread. Constant, so that the order of additions is.
pub(super) const GROUP: usize = 10;

/// Most images that a thread takes at once, so that none is left waiting for long at the end.
pub(super) const AT_ONCE: usize = 4;

/// Record parts begin at multiples of this many numbers: a cache line of `f32`.
const LINE: usize = 16;

/// The layers, packed, and where an image's activations lie.
pub(super) struct ImagePart<T: Real> {
    /// `[height, width, channels]` of an image.
    input: [usize; 3],
    kernels: Kernels,
    steps: Vec<Step<T>>,
    /// `[height, width, channels]` of what is flattened.
    output: [usize; 3],
    record: usize,
    marks: usize,
    scratch: Store<Scratch<T>>,
}

enum Step<T> {
    /// From the record into scratch.
    Convolve { conv: Box<Conv2d<T>>, input: Range<usize> },
    /// From scratch into the record of the convolution that follows, else into scratch.
    Pool { pool: Pool, marks: Range<usize>, next: Option<(Range<usize>, usize)> },
    /// Drops units of scratch in training.
    Dropout { layer: usize, rate: f64, channels: usize },
}

/// Records and marks of a batch.
#[derive(Default)]
pub(super) struct Tape<T> {
    record: Buffer<T>,
    marks: Vec<u8>,
}

/// What one thread needs besides the tape.
#[derive(Default)]
struct Scratch<T: Real> {
    plain: Vec<T>,
    other: Vec<T>,
    padded: Buffer<T>,
    forward: ForwardScratch<T>,
    sparse: SparseCotangent<T>,
    dense: InputGradientScratch<T>,
}

impl<T: Real> Step<T> {
    /// Multiplies units or cotangents of the image in a row by the factors of this dropout, if there are any.
    fn drop_units(&self, dropout: Option<(&Dropout, usize)>, units: &mut [T]) {
        if let (Self::Dropout { layer, rate, channels }, Some((dropout, row))) = (self, dropout) {
            dropout.scale_places(row, *layer, *rate, units, *channels);
        }
    }
}

impl<T: Real> ImagePart<T> {
    pub(super) fn new(
        [channels, height, width]: [usize; 3],
        layers: &[Layer],
        parameters: &[Vec<T>],
        kernels: Kernels,
    ) -> Result<Self> {
        let input = [height, width, channels];
        let mut part = Self {
            input,
            kernels,
            steps: Vec::new(),
            output: input,
            record: 0,
            marks: 0,
            scratch: Store::default(),
        };
        let mut parameters = parameters.chunks_exact(2);
        let mut layers = layers.iter().enumerate().peekable();
        while let Some((index, layer)) = layers.next() {
            match layer {
                Layer::Conv2d { out_channels, kernel, stride, padding, .. } => {
                    let [weight, bias] = parameters.next().unwrap_or_default() else {
                        return Err(unexpected(layer));
                    };
                    let shape = ConvShape {
                        size: [part.output[0], part.output[1]],
                        in_channels: part.output[2],
                        out_channels: *out_channels,
                        kernel: *kernel,
                        stride: *stride,
                        padding: *padding,
                    };
                    part.push_convolution(Conv2d::new(kernels, shape, weight, bias)?)?;
                }
                // Maximum and ReLU may change places, so a pool takes the ReLU before it or behind it along.
                Layer::Relu => {
                    let window = match layers.peek() {
                        Some((_, Layer::MaxPool2d { window })) => *window,
                        _ => 1,
                    };
                    if window > 1 {
                        layers.next();
                    }
                    part.push_pool(window, true)?;
                }
                Layer::MaxPool2d { window } => {
                    let relu = layers.next_if(|(_, next)| matches!(next, Layer::Relu)).is_some();
                    part.push_pool(*window, relu)?;
                }
                Layer::Dropout { rate } => {
                    let channels = part.output[2];
                    part.steps.push(Step::Dropout { layer: index, rate: *rate, channels });
                }
                _ => return Err(unexpected(layer)),
            }
        }
        // No image is without a record, however empty: they are handed out side by side.
        part.record = part.record.max(LINE);
        part.marks = part.marks.max(1);
        Ok(part)
    }

    fn push_convolution(&mut self, conv: Conv2d<T>) -> Result<()> {
        if matches!(self.steps.last(), Some(Step::Convolve { .. } | Step::Dropout { .. })) {
            // A pool of window 1 only moves its input into the next record.
            self.push_pool(1, false)?;
        }
        let input = self.record..self.record + conv.shape().padded_length();
        self.record = input.end.next_multiple_of(LINE);
        if let Some(Step::Pool { next, .. }) = self.steps.last_mut() {
            *next = Some((input.clone(), conv.shape().padding));
        }
        self.output = conv.shape().output();
        self.steps.push(Step::Convolve { conv: Box::new(conv), input });
        Ok(())
    }

    fn push_pool(&mut self, window: usize, relu: bool) -> Result<()> {
        let pool = Pool::new(self.kernels, self.output, window, relu)?;
        self.output = pool.output();
        let marks = self.marks..self.marks + self.output.iter().product::<usize>();
        self.marks = marks.end;
        self.steps.push(Step::Pool { pool, marks, next: None });
        Ok(())
    }

    /// Packs other parameters.
    pub(super) fn repack(&mut self, parameters: &[Vec<T>]) -> Result<()> {
        let convolutions = self.steps.iter_mut().filter_map(|step| match step {
            Step::Convolve { conv, .. } => Some(conv),
            Step::Pool { .. } | Step::Dropout { .. } => None,
        });
        for (conv, parameters) in convolutions.zip(parameters.chunks_exact(2)) {
            conv.pack(&parameters[0], &parameters[1])?;
        }
        Ok(())
    }

    /// Number of parameters, two for each convolution.
    pub(super) fn parameters(&self) -> usize {
        2 * self.convolutions().count()
    }

    /// Numbers that an image is flattened into.
    pub(super) fn features(&self) -> usize {
        self.output.iter().product()
    }

    fn convolutions(&self) -> impl Iterator<Item = &Conv2d<T>> {
        self.steps.iter().filter_map(|step| match step {
            Step::Convolve { conv, .. } => Some(&**conv),
            Step::Pool { .. } | Step::Dropout { .. } => None,
        })
    }

    fn pixels(&self) -> usize {
        self.input.iter().product()
    }

    /// `count` images `(c, h, w)` to their features; both row after row.
    pub(super) fn forward(
        &self,
        images: &[T],
        count: usize,
        dropout: Option<&Dropout>,
        tape: &mut Tape<T>,
        features: &mut [T],
    ) -> Result<()> {
        if tape.record.len() != count * self.record || tape.marks.len() != count * self.marks {
            *tape = Tape {
                record: Buffer::zeros(count * self.record),
                marks: vec![0; count * self.marks],
            };
        }
        let jobs = features
            .par_chunks_mut(self.features())
            .zip(tape.record.par_chunks_mut(self.record))
            .zip(tape.marks.par_chunks_mut(self.marks))
            .zip(images.par_chunks(self.pixels()))
            .enumerate()
            .with_max_len(AT_ONCE);
        jobs.try_for_each_init(
            || self.scratch.take(|_| true),
            |scratch, (row, (((features, record), marks), image))| {
                let dropout = dropout.map(|dropout| (dropout, row));
                self.forward_image(image, dropout, record, marks, scratch, features)
            },
        )
    }

    fn forward_image(
        &self,
        image: &[T],
        dropout: Option<(&Dropout, usize)>,
        record: &mut [T],
        marks: &mut [u8],
        scratch: &mut Scratch<T>,
        features: &mut [T],
    ) -> Result<()> {
        match self.steps.first() {
            Some(Step::Convolve { conv, input }) => {
                let padded = &mut record[input.clone()];
                to_padded_places(image, self.input, conv.shape().padding, padded);
            }
            _ => {
                scratch.plain.resize(self.pixels(), T::ZERO);
                to_places(self.kernels, image, self.input[2], &mut scratch.plain)?;
            }
        }
        let mut steps = self.steps.iter().peekable();
        while let Some(step) = steps.next() {
            let Scratch { plain, other, forward, .. } = &mut *scratch;
            match step {
                Step::Convolve { conv, input } => {
                    let (before, behind) = record.split_at_mut(input.end);
                    let padded = &before[input.clone()];
                    let Some(Step::Pool { pool, marks: range, next }) = steps.peek() else {
                        plain.resize(conv.shape().output_length(), T::ZERO);
                        conv.forward(padded, plain)?;
                        continue;
                    };
                    let marks = &mut marks[range.clone()];
                    if let Some((next, border)) = next {
                        let out = &mut behind[next.start - input.end..next.end - input.end];
                        conv.forward_pooled(padded, pool, out, *border, marks, forward)?;
                    } else {
                        other.resize(marks.len(), T::ZERO);
                        conv.forward_pooled(padded, pool, other, 0, marks, forward)?;
                        std::mem::swap(plain, other);
                    }
                    steps.next();
                }
                Step::Pool { pool, marks: range, next } => {
                    let marks = &mut marks[range.clone()];
                    if let Some((input, border)) = next {
                        pool.forward(plain, &mut record[input.clone()], *border, marks)?;
                    } else {
                        other.resize(marks.len(), T::ZERO);
                        pool.forward(plain, other, 0, marks)?;
                        std::mem::swap(plain, other);
                    }
                }
                step @ Step::Dropout { .. } => step.drop_units(dropout, &mut scratch.plain),
            }
        }
        to_planes(self.kernels, &scratch.plain, self.output[2], features)
    }
}

fn unexpected(layer: &Layer) -> Error {
    Error::Classifier(format!("{layer:?} does not belong here; check the architecture first"))
}
