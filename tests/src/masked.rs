//! Test support for attacks that are hard to mislead: networks masked by construction, images with rows and columns, and a log of a
//! whole run.

use candle_core::Tensor;
use saddle_attacks::{Attack, Examples, Objective, Result, answer};
use saddle_model::Classifier;
use saddle_ops::Draws;

use crate::attacks::{RowModel, rows};

/// A model that sees each pixel rounded to a number of steps from 0 to 1: flat almost everywhere, so its gradient is exactly zero.
pub struct Quantised<M> {
    /// What reads the rounded image.
    pub inner: M,
    /// Steps from 0 to 1.
    pub steps: f64,
}

impl<M: RowModel> RowModel for Quantised<M> {
    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn logits(&self, image: &[f64]) -> Vec<f64> {
        let rounded = image.iter().map(|pixel| (pixel * self.steps).round() / self.steps);
        self.inner.logits(&rounded.collect::<Vec<f64>>())
    }

    fn pullback(&self, image: &[f64], _cotangent: &[f64]) -> Vec<f64> {
        vec![0.0; image.len()]
    }
}

/// The same examples with pixels laid out as `[channels, height, width]`.
///
/// # Panics
///
/// When an image has another number of pixels.
pub fn laid_out(examples: &Examples, [channels, height, width]: [usize; 3]) -> Examples {
    let shape = (examples.len(), channels, height, width);
    let images = examples.images().reshape(shape).expect("as many pixels as before");
    Examples::new(images, examples.labels().to_vec(), examples.ids().to_vec()).expect("as before")
}

/// The same examples in 64 bits.
///
/// # Panics
///
/// Never: the numbers are those of valid examples.
pub fn widened(examples: &Examples) -> Examples {
    let images = examples.images().to_dtype(candle_core::DType::F64).expect("a float");
    Examples::new(images, examples.labels().to_vec(), examples.ids().to_vec()).expect("as before")
}

/// What a run looked at: for each question its points, row by row, and the losses that it was told.
#[derive(Debug, Default)]
pub struct Log {
    /// Points of each question.
    pub points: Vec<Vec<Vec<f64>>>,
    /// Losses at those points.
    pub losses: Vec<Vec<f64>>,
    /// Logits at those points.
    pub logits: Vec<Vec<Vec<f64>>>,
    /// The last iterates.
    pub end: Vec<Vec<f64>>,
}

/// Runs an attack to its end, without a driver, and writes down everything.
///
/// # Errors
///
/// Whatever the attack or the classifier fails with.
pub fn logged(
    classifier: &dyn Classifier,
    attack: &dyn Attack,
    examples: &Examples,
    objective: &Objective,
    draws: Draws,
) -> Result<Log> {
    let mut run = attack.begin(examples, objective, draws, 0)?;
    let mut log = Log::default();
    loop {
        let query = run.ask()?;
        let here = run.iterate().clone();
        let Some(answer) = answer(classifier, &query)? else { break };
        log.points.push(numbers(&here)?);
        log.losses.push(answer.losses.clone());
        log.logits.push(numbers(&answer.logits)?);
        run.tell(answer)?;
    }
    log.end = numbers(run.iterate())?;
    Ok(log)
}

fn numbers(tensor: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(rows(tensor)?)
}
