//! Write an attack of your own: `cargo run -p saddle-attacks --example write_your_own_attack`.
//!
//! It asks for the gradient where it stands and steps along the sign, half as far each time. It
//! never calls a model: counting, cap, early leaving and the verdict come with the driver.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::sync::Arc;

use candle_core::{Device, Tensor};
use saddle_attacks::{
    Answer, Attack, Driver, Examples, Judge, Objective, Query, Result, Run, ThreatModel,
    select_rows,
};
use saddle_model::{Classifier, Gradients, Loss, LossKind, Mode, Pullback, Wanted};
use saddle_ops::{Draws, Norm, StepRule, ascent_direction};

struct Halving(u32);

impl Attack for Halving {
    fn begin(&self, all: &Examples, to: &Objective, _: Draws, _: u32) -> Result<Box<dyn Run>> {
        let (within, here) = (to.threat_model(&self.name())?, all.images().clone());
        let (examples, to, length) = (all.clone(), to.clone(), within.epsilon.get());
        Ok(Box::new(Halve { examples, to, within, here, length, left: self.0 }))
    }
}

#[rustfmt::skip]
struct Halve { examples: Examples, to: Objective, within: ThreatModel, here: Tensor, length: f64, left: u32 }

impl Run for Halve {
    fn ask(&mut self) -> Result<Query> {
        let loss = Loss::new(LossKind::Margin, self.examples.labels().to_vec(), &self.to.aim)?;
        let question = Query::gradient_at(&self.here, Arc::new(loss))?;
        Ok(if self.left == 0 { Query::Done } else { question })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        let (direction, _) = ascent_direction(StepRule::Sign, answer.gradient()?)?;
        let candidate = (&self.here + (direction * self.length)?)?;
        let (natural, pixels) = (self.examples.images(), self.within.pixels);
        self.here = self.within.ball().project_then_clip(natural, &candidate, pixels)?;
        (self.length, self.left) = (self.length / 2.0, self.left - 1);
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        self.here = select_rows(&self.here, rows)?;
        (self.examples, self.to) = (self.examples.select(rows)?, self.to.select(rows)?);
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.here
    }
}

/// Two classes: which of the two pixels is brighter?
struct Brighter;

impl Classifier for Brighter {
    fn classes(&self) -> usize {
        2
    }

    fn forward<'a>(&'a self, x: &Tensor, _: Mode) -> saddle_model::Result<(Tensor, Pullback<'a>)> {
        let shape = x.shape().clone();
        let pullback = move |cotangent: &Tensor, _: Wanted| {
            Ok(Gradients { input: Some(cotangent.reshape(shape)?), weights: None })
        };
        Ok((x.flatten_from(1)?, Box::new(pullback)))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let images = Tensor::new(&[[0.6f32, 0.5], [0.9, 0.1]], &Device::Cpu)?.reshape((2, 1, 1, 2))?;
    let examples = Examples::new(images, vec![0, 0], vec![0, 1])?;
    let objective = Objective::untargeted(ThreatModel::new(Norm::Linf, 0.2)?);
    let driver = Driver { judge: Judge::Any, stop_fooled: true, ..Driver::default() };
    let outcome = driver.run(&Brighter, &Halving(5), &examples, &objective, Draws::new(0))?;
    println!("robust: {} of {}", outcome.robust(Judge::Any), examples.len());
    for verdict in outcome.verdicts {
        println!("{verdict:?}");
    }
    Ok(())
}
