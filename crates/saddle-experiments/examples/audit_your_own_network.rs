//! Audit a network of your own: `cargo run -p saddle-experiments --example audit_your_own_network`.
//!
//! Two questions: how many images stand under the suite of attacks, and whether its gradients can be believed. Here the network
//! is one matrix; put yours behind [`Classifier`], and your images in place of noise.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use candle_core::{Device, Tensor};
use saddle_attacks::{
    Direction, Driver, Examples, Objective, ProjectedAscent, Square, Standard, Start, ThreatModel,
};
use saddle_experiments::{RadiusTrial, Trials, measure_masking};
use saddle_model::{Classifier, Gradients, Mode, Pullback, Wanted, predictions};
use saddle_ops::{Draws, Norm};
use saddle_report::masking::{Thresholds, judge};

const IMAGES: usize = 120;
const PIXELS: usize = 64;
const EPSILON: f64 = 0.5;

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

/// Numbers in `[0, 1)` that look random and are always the same.
fn numbers(count: usize, step: f64) -> Vec<f32> {
    (0..count).map(|i| ((i as f64 + 1.0) * step).fract() as f32).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let matrix = |step: f64| -> candle_core::Result<Matrix> {
        Ok(Matrix(Tensor::from_vec(numbers(PIXELS * 4, step), (PIXELS, 4), &Device::Cpu)?))
    };
    let network = matrix(0.754_877_67)?;
    // Another network of the same task, to look for images on. Without one the verdict is never `NotShown`, and says why.
    let other = matrix(0.569_840_29)?;
    let pixels = numbers(IMAGES * PIXELS, 0.618_033_99);
    let images = Tensor::from_vec(pixels, (IMAGES, 1, 8, 8), &Device::Cpu)?;
    let labels = predictions(&network.logits(&images)?)?;
    let examples = Examples::new(images, labels, (0..IMAGES as u64).collect())?;
    let threat = ThreatModel::new(Norm::L2, EPSILON)?;
    let draws = Draws::new(1);

    // How many stand under APGD-CE, APGD-T, APGD-DLR, Square and S-O, each on what the others left.
    let objective = Objective::untargeted(threat);
    let suite = Standard::default().suite(threat);
    let found = suite.run(&Driver::default(), &network, None, &examples, &objective, draws)?;
    let standing = found.verdicts.iter().filter(|verdict| !verdict.fooled_any).count();
    println!("{standing} of {IMAGES} stand within l2 {EPSILON}; an upper bound");
    for member in &found.members {
        let (taken, passes) = (member.taken(), member.passes_per_example());
        println!("  {} took {taken}, {passes:.0} passes an image", member.name);
    }

    // Whether gradients say where to go: settings of your attacks belong on images that you do not judge on.
    let start = Start::Gaussian { sigma: 0.2 };
    let gradient = ProjectedAscent { start, ..ProjectedAscent::pgd(Norm::L2, EPSILON / 4.0, 40) };
    let more_steps = ProjectedAscent { steps: 80, ..gradient };
    let direction = Direction::Smoothed { sigma: 0.15, samples: 1 };
    let smoothed = ProjectedAscent { direction, ..gradient };
    let trials = Trials {
        gradient: &gradient,
        more_steps: &more_steps,
        smoothed: &smoothed,
        black_box: Some((&Square { queries: 200, ..Square::default() }, 202)),
        source: Some(&other),
        cap: 250,
        draws,
    };
    let threat_model = ThreatModel::new(Norm::L2, 4.0 * EPSILON)?;
    let wider = ProjectedAscent { step_size: EPSILON, ..gradient };
    // No classifier keeps more than this share there: 1 where you know of nothing.
    let radii = [RadiusTrial { threat: threat_model, attack: &wider, bound: 1.0 }];
    let indicators = measure_masking(&network, &examples, threat, &trials, &radii)?;
    let verdict = judge(&indicators, &Thresholds::STATED);
    println!("masking: {:?}", verdict.masking);
    for reason in verdict.reasons {
        println!("  {reason}");
    }
    Ok(())
}
