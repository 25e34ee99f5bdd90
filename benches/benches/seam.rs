//! What the seam between callers and kernels costs a call: `cargo bench -p saddle-benches --bench seam`.
//!
//! One forward pass and one pullback to the images of a linear layer, once through [`Classifier`] and once straight on the
//! kernels with buffers that are there already. The difference is the price of the seam: checking shapes, boxing the
//! pullback, lending the tape, and carrying numbers from tensors to slices and back. Processor time on one thread, median
//! of the rounds; the two take turns. Images of 2 x 2 show what a call costs, those of 28 x 28 what their pixels add.

#![expect(clippy::print_stdout, reason = "a table is what it is run for")]

use candle_core::{Device, Tensor};
use cpu_time::ProcessTime;
use saddle_model::{Architecture, Classifier, Executor, Layer, Mode, Network, Wanted, Weights};
use saddle_ops::{Kernels, Linear, LinearScratch};

const ROUNDS: usize = 41;
const CLASSES: usize = 10;

fn main() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    println!("{:>5} {:>5} {:>9} {:>9} {:>9}  us", "side", "batch", "seam", "kernels", "price");
    for (side, batch) in [2, 28].into_iter().flat_map(|side| [1, 10, 100].map(|n| (side, n))) {
        let [through, straight, price] = pool.install(|| measure(side, batch));
        println!("{side:>5} {batch:>5} {through:>9.2} {straight:>9.2} {price:>9.2}");
    }
}

/// Microseconds through the seam, straight on the kernels, and the difference.
fn measure(side: usize, batch: usize) -> [f64; 3] {
    let inputs = side * side;
    let kernels = Kernels::detect();
    let weight: Vec<f32> = (0..CLASSES * inputs).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect();
    let bias = [0.0f32; CLASSES];
    let architecture = Architecture {
        name: "linear".to_owned(),
        input: [1, side, side],
        classes: CLASSES,
        layers: vec![
            Layer::Flatten,
            Layer::Linear { name: "linear".to_owned(), inputs, outputs: CLASSES },
        ],
    };
    let weights = Weights::from_slices(&architecture, &[&weight, &bias]).expect("shapes that fit");
    let network =
        Network::new(architecture, weights, Executor::Engine(kernels)).expect("a sound network");
    let classifier: &dyn Classifier = &network;
    let pixels: Vec<f32> = (0..batch * inputs).map(|i| (i % 23) as f32 / 23.0).collect();
    let images =
        Tensor::from_slice(&pixels, (batch, 1, side, side), &Device::Cpu).expect("pixels fit");
    let cotangent = vec![0.1f32; batch * CLASSES];
    let cotangent_tensor = Tensor::from_slice(&cotangent, (batch, CLASSES), &Device::Cpu)
        .expect("a cotangent of the logits");

    let through = || {
        let (_, pullback) = classifier.forward(&images, Mode::Evaluation).expect("images fit");
        pullback(&cotangent_tensor, Wanted::INPUT).expect("the cotangent fits");
    };
    let linear = Linear::new(kernels, inputs, &weight, &bias).expect("shapes that fit");
    let (mut logits, mut gradient) = (vec![0.0; batch * CLASSES], vec![0.0; batch * inputs]);
    let mut scratch = LinearScratch::default();
    let mut straight = || {
        linear.forward(&pixels, false, &mut logits, &mut scratch).expect("pixels fit");
        linear.input_gradient(&cotangent, &mut gradient, &mut scratch).expect("the cotangent fits");
    };
    let calls = 4000 / batch;
    let mut rounds: Vec<[f64; 2]> =
        (0..ROUNDS).map(|_| [time(calls, through), time(calls, &mut straight)]).collect();
    let mut median = |of: fn(&[f64; 2]) -> f64| {
        rounds.sort_by(|a, b| of(a).total_cmp(&of(b)));
        of(&rounds[ROUNDS / 2])
    };
    [median(|round| round[0]), median(|round| round[1]), median(|round| round[0] - round[1])]
}

/// Microseconds of processor time of one call.
fn time(calls: usize, mut call: impl FnMut()) -> f64 {
    call();
    let start = ProcessTime::now();
    (0..calls).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e6 / calls as f64
}
