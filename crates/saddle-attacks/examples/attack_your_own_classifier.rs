//! Attack a classifier of your own: `cargo run -p saddle-attacks --example attack_your_own_classifier`.
//!
//! All an attack has to know about a model is its logits and how to take a gradient with respect to
//! them back to the images. Here the model is one matrix.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use candle_core::{Device, Tensor};
use saddle_attacks::{Driver, Examples, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_model::{Classifier, Gradients, Mode, Pullback, Wanted};
use saddle_ops::{Draws, Norm};

/// Logits `x W`, with `W` of shape (pixels, classes).
struct Matrix(Tensor);

impl Classifier for Matrix {
    fn classes(&self) -> usize {
        self.0.dims()[1]
    }

    fn forward<'a>(&'a self, x: &Tensor, _: Mode) -> saddle_model::Result<(Tensor, Pullback<'a>)> {
        let shape = x.shape().clone();
        let pullback = move |cotangent: &Tensor, _: Wanted| {
            let input = cotangent.matmul(&self.0.t()?)?.reshape(shape)?;
            Ok(Gradients { input: Some(input), weights: None })
        };
        Ok((x.flatten_from(1)?.matmul(&self.0)?, Box::new(pullback)))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let classifier = Matrix(Tensor::new(&[[1f32, 0.], [0., 1.], [0.5, 0.5]], &Device::Cpu)?);
    let images = Tensor::new(&[[0.9f32, 0.1, 0.4], [0.2, 0.3, 0.8]], &Device::Cpu)?;
    let examples = Examples::new(images.reshape((2, 1, 1, 3))?, vec![0, 1], vec![0, 1])?;
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, 0.3)?);
    let attack = ProjectedAscent::pgd(Norm::L2, 0.1, 10);
    let outcome =
        Driver::default().run(&classifier, &attack, &examples, &objective, Draws::new(0))?;
    println!("robust: {} of {}", outcome.robust(Judge::Final), examples.len());
    for verdict in outcome.verdicts {
        println!("{verdict:?}");
    }
    Ok(())
}
