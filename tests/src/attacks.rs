//! Test support: classifiers whose answers are known on paper, and attacks that misbehave.
//!
//! Every classifier here is written image by image in 64 bits, so rows are independent to the last
//! bit, whatever the batch.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use candle_core::{DType, Device, Tensor};
use saddle_attacks::{Answer, Attack, Error, Examples, Objective, Query, Result, Run};
use saddle_model::{Aim, Classifier, Gradients, Loss, LossKind, Mode, Pullback, Wanted};
use saddle_ops::{Draws, GradientHealth};

/// A classifier of one image at a time.
pub trait RowModel: Send + Sync {
    /// Number of classes.
    fn classes(&self) -> usize;
    /// Class scores of one flattened image.
    fn logits(&self, image: &[f64]) -> Vec<f64>;
    /// Gradient of `cotangent · logits` with respect to the image.
    fn pullback(&self, image: &[f64], cotangent: &[f64]) -> Vec<f64>;
}

/// A [`RowModel`] as a classifier of batches.
pub struct ByRow<M>(pub M);

impl<M: RowModel> Classifier for ByRow<M> {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn forward<'a>(
        &'a self,
        images: &Tensor,
        _mode: Mode,
    ) -> saddle_model::Result<(Tensor, Pullback<'a>)> {
        let rows = rows(images)?;
        let (shape, dtype) = (images.dims().to_vec(), images.dtype());
        let scores: Vec<f64> = rows.iter().flat_map(|row| self.0.logits(row)).collect();
        let logits = Tensor::from_vec(scores, (rows.len(), self.classes()), &Device::Cpu)?;
        let pullback = move |cotangent: &Tensor, _: Wanted| {
            let cotangents = cotangent.to_dtype(DType::F64)?.to_vec2::<f64>()?;
            let pairs = rows.iter().zip(&cotangents);
            let gradient: Vec<f64> = pairs.flat_map(|(row, c)| self.0.pullback(row, c)).collect();
            let input = Tensor::from_vec(gradient, shape, &Device::Cpu)?.to_dtype(dtype)?;
            Ok(Gradients { input: Some(input), weights: None })
        };
        Ok((logits.to_dtype(dtype)?, Box::new(pullback)))
    }
}

/// The flattened images of a batch in 64 bits.
pub fn rows(images: &Tensor) -> candle_core::Result<Vec<Vec<f64>>> {
    images.to_dtype(DType::F64)?.flatten_from(1)?.to_vec2()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// `scale · (W x + b)`: one row of weights per class. A large scale saturates every softmax.
pub struct Linear {
    /// One row of weights per class.
    pub weights: Vec<Vec<f64>>,
    /// One bias per class.
    pub biases: Vec<f64>,
    /// Factor on all logits.
    pub scale: f64,
}

impl Linear {
    /// Two classes whose margin loss at label 0 is `slope · x + offset`.
    pub fn two_classes(slope: Vec<f64>, offset: f64) -> Self {
        let zero = vec![0.0; slope.len()];
        Self { weights: vec![zero, slope], biases: vec![0.0, offset], scale: 1.0 }
    }

    /// Weights and biases from a stream of draws.
    pub fn random(seed: u64, classes: usize, pixels: usize) -> Self {
        let mut stream = Draws::new(seed).stream("linear model", 0, 0, 0, 0);
        let weights = (0..classes).map(|_| (0..pixels).map(|_| stream.normal()).collect());
        let weights: Vec<Vec<f64>> = weights.collect();
        // Centred, so that images around one half meet every class.
        let biases = weights.iter().map(|row| -row.iter().sum::<f64>() / 2.0).collect();
        Self { weights, biases, scale: 1.0 }
    }
}

impl RowModel for Linear {
    fn classes(&self) -> usize {
        self.weights.len()
    }

    fn logits(&self, image: &[f64]) -> Vec<f64> {
        let classes = self.weights.iter().zip(&self.biases);
        classes.map(|(weights, bias)| self.scale * (dot(weights, image) + bias)).collect()
    }

    fn pullback(&self, image: &[f64], cotangent: &[f64]) -> Vec<f64> {
        let pixel = |i: usize| -> f64 {
            self.scale * self.weights.iter().zip(cotangent).map(|(w, c)| w[i] * c).sum::<f64>()
        };
        (0..image.len()).map(pixel).collect()
    }
}

/// Two classes whose margin loss at label 0 is `½ (x − c)ᵀ A (x − c) − height` with
/// `A = curvature · v vᵀ + I`, `v` a unit vector: `v` is the top eigenvector.
pub struct Quadratic {
    /// The unit vector `v`.
    pub axis: Vec<f64>,
    /// How much more the loss curves along `v` than elsewhere.
    pub curvature: f64,
    /// The critical point `c`, the same for each pixel.
    pub centre: f64,
    /// How far below zero the loss is there.
    pub height: f64,
}

impl Quadratic {
    /// `A (x − c)`.
    pub fn slope(&self, image: &[f64]) -> Vec<f64> {
        let offset: Vec<f64> = image.iter().map(|pixel| pixel - self.centre).collect();
        let along = self.curvature * dot(&self.axis, &offset);
        offset.iter().zip(&self.axis).map(|(offset, axis)| offset + along * axis).collect()
    }
}

impl RowModel for Quadratic {
    fn classes(&self) -> usize {
        2
    }

    fn logits(&self, image: &[f64]) -> Vec<f64> {
        let offset: Vec<f64> = image.iter().map(|pixel| pixel - self.centre).collect();
        vec![self.height, 0.5 * dot(&offset, &self.slope(image))]
    }

    fn pullback(&self, image: &[f64], cotangent: &[f64]) -> Vec<f64> {
        self.slope(image).into_iter().map(|slope| slope * cotangent[1]).collect()
    }
}

/// Two classes with a plateau: the margin loss at label 0 is `max(w · (x − ½) − width, 0) − height`.
/// Its gradient is exactly zero at every image on the plateau, and `w` beyond.
pub struct Plateau {
    /// The slope `w` beyond the plateau.
    pub slope: Vec<f64>,
    /// How far the plateau reaches along `w`.
    pub width: f64,
    /// How far below zero the loss is on it.
    pub height: f64,
}

impl Plateau {
    fn beyond(&self, image: &[f64]) -> f64 {
        self.slope.iter().zip(image).map(|(w, x)| w * (x - 0.5)).sum::<f64>() - self.width
    }
}

impl RowModel for Plateau {
    fn classes(&self) -> usize {
        2
    }

    fn logits(&self, image: &[f64]) -> Vec<f64> {
        vec![self.height, self.beyond(image).max(0.0)]
    }

    fn pullback(&self, image: &[f64], cotangent: &[f64]) -> Vec<f64> {
        let open = if self.beyond(image) > 0.0 { cotangent[1] } else { 0.0 };
        self.slope.iter().map(|slope| slope * open).collect()
    }
}

/// The same scores for every image: no gradient anywhere.
pub struct Constant(pub Vec<f64>);

impl RowModel for Constant {
    fn classes(&self) -> usize {
        self.0.len()
    }

    fn logits(&self, _image: &[f64]) -> Vec<f64> {
        self.0.clone()
    }

    fn pullback(&self, image: &[f64], _cotangent: &[f64]) -> Vec<f64> {
        vec![0.0; image.len()]
    }
}

/// Scores that are NaN for images whose first pixel exceeds a threshold.
pub struct Fragile(pub f64);

impl RowModel for Fragile {
    fn classes(&self) -> usize {
        2
    }

    fn logits(&self, image: &[f64]) -> Vec<f64> {
        if image[0] > self.0 { vec![f64::NAN, 0.0] } else { vec![1.0, image[0]] }
    }

    fn pullback(&self, image: &[f64], cotangent: &[f64]) -> Vec<f64> {
        let mut gradient = vec![0.0; image.len()];
        gradient[0] = cotangent[1];
        gradient
    }
}

/// Counts the images that pass through a classifier, forward and back.
pub struct Counting<C> {
    /// Who does the work.
    pub inner: C,
    /// Images forward.
    pub forward: AtomicU64,
    /// Images back.
    pub backward: AtomicU64,
}

impl<C> Counting<C> {
    /// Starts at zero.
    pub fn new(inner: C) -> Self {
        Self { inner, forward: AtomicU64::new(0), backward: AtomicU64::new(0) }
    }

    /// Images forward and back so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.forward.load(Ordering::SeqCst), self.backward.load(Ordering::SeqCst))
    }
}

impl<C: Classifier> Classifier for Counting<C> {
    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn forward<'a>(
        &'a self,
        images: &Tensor,
        mode: Mode,
    ) -> saddle_model::Result<(Tensor, Pullback<'a>)> {
        let count = images.dim(0)? as u64;
        self.forward.fetch_add(count, Ordering::SeqCst);
        let (logits, pullback) = self.inner.forward(images, mode)?;
        let counted = move |cotangent: &Tensor, wanted: Wanted| {
            self.backward.fetch_add(count, Ordering::SeqCst);
            pullback(cotangent, wanted)
        };
        Ok((logits, Box::new(counted)))
    }

    fn logit_gradients(&self, images: &Tensor) -> saddle_model::Result<(Tensor, Tensor)> {
        let count = images.dim(0)? as u64;
        self.forward.fetch_add(count, Ordering::SeqCst);
        self.backward.fetch_add(count * self.classes() as u64, Ordering::SeqCst);
        self.inner.logit_gradients(images)
    }
}

/// The same examples with images in double precision.
pub fn in_double(examples: &Examples) -> Examples {
    let images = examples.images().to_dtype(DType::F64).expect("floats");
    Examples::new(images, examples.labels().to_vec(), examples.ids().to_vec()).expect("as before")
}

/// Examples of `pixels` pixels around one half, ids from 100 on, labelled 0.
pub fn examples_around_half(seed: u64, count: usize, pixels: usize, spread: f64) -> Examples {
    let draws = Draws::new(seed);
    let values: Vec<f32> = (0..count as u64)
        .flat_map(|example| {
            let mut stream = draws.stream("test images", example, 0, 0, 0);
            let pixel = move || (0.5 + spread * (2.0 * stream.uniform() - 1.0)) as f32;
            std::iter::repeat_with(pixel).take(pixels)
        })
        .collect();
    let images = Tensor::from_vec(values, (count, 1, 1, pixels), &Device::Cpu)
        .expect("as many values as the shape says");
    let ids = (100..100 + count as u64).collect();
    Examples::new(images, vec![0; count], ids).expect("pixels around one half")
}

/// The same images labelled as the classifier sees them, so that all are naturally correct.
pub fn relabelled(examples: &Examples, classifier: &dyn Classifier) -> Result<Examples> {
    let logits = classifier.logits(examples.images())?;
    let labels = rows(&logits)?.iter().map(|row| first_largest(row)).collect();
    Examples::new(examples.images().clone(), labels, examples.ids().to_vec())
}

/// Index of the first largest entry.
pub fn first_largest(row: &[f64]) -> u32 {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }) as u32
}

/// The raw bits of every number: equality of floats without any tolerance.
pub fn bits(images: &Tensor) -> Vec<Vec<u64>> {
    let rows = rows(images).expect("a tensor of floats");
    rows.iter().map(|row| row.iter().map(|value| value.to_bits()).collect()).collect()
}

/// An attack that hands in one fixed image per batch, however wrong.
pub struct HandsIn(pub fn(&Tensor) -> candle_core::Result<Tensor>);

impl Attack for HandsIn {
    fn name(&self) -> String {
        "hands in".into()
    }

    fn begin(&self, examples: &Examples, _: &Objective, _: Draws, _: u32) -> Result<Box<dyn Run>> {
        let images = (self.0)(examples.images())?;
        Ok(Box::new(Handed { images, health: vec![GradientHealth::default(); examples.len()] }))
    }
}

struct Handed {
    images: Tensor,
    health: Vec<GradientHealth>,
}

impl Run for Handed {
    fn ask(&mut self) -> Result<Query> {
        Ok(Query::Done)
    }

    fn tell(&mut self, _: Answer) -> Result<()> {
        Err(Error::Attack { attack: "hands in".into(), message: "asked nothing".into() })
    }

    fn keep(&mut self, _: &[usize]) -> Result<()> {
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.images
    }

    fn health(&self) -> &[GradientHealth] {
        &self.health
    }
}

/// An attack that shows an easy image as its iterate, to be judged on that one for free.
pub struct Pretends;

impl Attack for Pretends {
    fn name(&self) -> String {
        "pretends".into()
    }

    fn begin(&self, examples: &Examples, _: &Objective, _: Draws, _: u32) -> Result<Box<dyn Run>> {
        Ok(Box::new(Pretence(examples.clone())))
    }
}

struct Pretence(Examples);

impl Run for Pretence {
    fn ask(&mut self) -> Result<Query> {
        let points = self.0.images().affine(0.0, 1.0)?;
        let labels = self.0.labels().to_vec();
        let loss = Loss::new(LossKind::Margin, labels, &Aim::Untargeted)?;
        let rows = (0..self.0.len()).collect();
        Ok(Query::Gradient { points, rows, loss: Arc::new(loss), at_iterate: true })
    }

    fn tell(&mut self, _: Answer) -> Result<()> {
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        self.0 = self.0.select(rows)?;
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        self.0.images()
    }
}
