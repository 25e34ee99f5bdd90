//! Write an attack of your own: `cargo run -p saddle-attacks --example write_your_own_attack`.
//!
//! It asks for the gradient where it stands and steps along the sign, half as far each time. It
//! never calls a model: counting, cap, early leaving and the verdict come with the driver.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::sync::Arc;

use candle_core::{Device, Tensor};
use saddle_attacks::{
    Answer, Attack, Driver, Error, Examples, Goal, Judge, Objective, Query, Result, Run,
    ThreatModel,
};
use saddle_model::{Aim, Classifier, Gradients, Loss, LossKind, Mode, Pullback, Wanted};
use saddle_ops::{Draws, Norm, StepRule, ascent_direction};

struct Halving(u32);

struct Halve {
    examples: Examples,
    within: ThreatModel,
    here: Tensor,
    length: f64,
    left: u32,
}

impl Attack for Halving {
    fn name(&self) -> String {
        format!("halving, {} steps", self.0)
    }

    fn begin(&self, all: &Examples, to: &Objective, _: Draws, _: u32) -> Result<Box<dyn Run>> {
        let (Goal::Within(within), Aim::Untargeted) = (to.goal, &to.aim) else {
            let message = "it climbs away from the label, in a ball".into();
            return Err(Error::UnsupportedGoal { attack: self.name(), message });
        };
        let (here, length) = (all.images().clone(), within.epsilon.get());
        Ok(Box::new(Halve { examples: all.clone(), within, here, length, left: self.0 }))
    }
}

impl Run for Halve {
    fn ask(&mut self) -> Result<Query> {
        if self.left == 0 {
            return Ok(Query::Done);
        }
        let labels = self.examples.labels().to_vec();
        let loss = Arc::new(Loss::new(LossKind::Margin, labels, &Aim::Untargeted)?);
        let rows = (0..self.examples.len()).collect();
        Ok(Query::Gradient { points: self.here.clone(), rows, loss, at_iterate: true })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        let Some(gradient) = answer.gradient else { return Ok(()) };
        let (direction, _) = ascent_direction(StepRule::Sign, &gradient)?;
        let candidate = (&self.here + (direction * self.length)?)?;
        let (natural, ball) = (self.examples.images(), self.within.ball());
        self.here = ball.project_then_clip(natural, &candidate, self.within.pixels)?;
        (self.length, self.left) = (self.length / 2.0, self.left - 1);
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        let kept = Tensor::from_iter(rows.iter().map(|&row| row as u32), self.here.device())?;
        self.here = self.here.index_select(&kept, 0)?;
        self.examples = self.examples.select(rows)?;
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
