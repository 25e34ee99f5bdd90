//! Single layers on every kernel path: `cargo bench -p saddle-benches --bench layers`.
//!
//! Each is a network of that layer alone (and, for the fused one, of what it is fused with), so that it runs as the engine
//! runs it, changes of layout at its two ends included.

use std::fmt;

use divan::{Bencher, counter::ItemsCount};
use saddle_benches::SEED;
use saddle_model::{
    Architecture, Classifier as _, Executor, Initialization, Layer, Mode, Network, Wanted,
    initialize,
};
use saddle_ops::{Draws, Kernels, max_pool2d};

use candle_core::{Device, Tensor};

fn main() {
    divan::main();
}

const BATCH: usize = 100;

/// A layer of the plan's networks and a kernel path.
struct Case {
    layer: &'static str,
    kernels: Kernels,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.layer, self.kernels)
    }
}

fn cases() -> Vec<Case> {
    let layers = [
        "conv 5x5 1-32",
        "conv 5x5 32-64",
        "conv 5x5 32-64 relu pool",
        "conv 3x3 64-64",
        "conv 4x4 stride 2 16-32",
        "linear 3136-1024",
        "linear 1024-10",
    ];
    let case = |layer| Kernels::available().into_iter().map(move |kernels| Case { layer, kernels });
    layers.into_iter().flat_map(case).collect()
}

impl Case {
    fn network(&self) -> Network {
        let convolution = |in_channels, out_channels, kernel, stride, padding| Layer::Conv2d {
            name: "conv".to_owned(),
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
            bias: true,
        };
        let linear = |inputs, outputs| Layer::Linear { name: "linear".to_owned(), inputs, outputs };
        let (input, mut layers) = match self.layer {
            "conv 5x5 1-32" => ([1, 28, 28], vec![convolution(1, 32, 5, 1, 2)]),
            "conv 5x5 32-64" => ([32, 14, 14], vec![convolution(32, 64, 5, 1, 2)]),
            "conv 5x5 32-64 relu pool" => (
                [32, 14, 14],
                vec![convolution(32, 64, 5, 1, 2), Layer::Relu, Layer::MaxPool2d { window: 2 }],
            ),
            "conv 3x3 64-64" => ([64, 12, 12], vec![convolution(64, 64, 3, 1, 0)]),
            "conv 4x4 stride 2 16-32" => ([16, 14, 14], vec![convolution(16, 32, 4, 2, 1)]),
            "linear 3136-1024" => ([64, 7, 7], vec![Layer::Flatten, linear(3136, 1024)]),
            _ => ([1024, 1, 1], vec![Layer::Flatten, linear(1024, 10)]),
        };
        if !matches!(layers.last(), Some(Layer::Linear { .. })) {
            layers.push(Layer::Flatten);
        }
        let mut architecture =
            Architecture { name: self.layer.to_owned(), input, classes: 0, layers };
        let shapes = architecture.activation_shapes().expect("the layers fit each other");
        architecture.classes = shapes.last().map_or(0, |shape| shape.iter().product());
        let weights = initialize(&architecture, Initialization::Default, Draws::new(SEED))
            .expect("the architecture is well-formed");
        Network::new(architecture, weights, Executor::Engine(self.kernels))
            .expect("the weights are the architecture's")
    }
}

/// Numbers around 0, `(n, ...)`.
fn numbers(shape: &[usize]) -> Tensor {
    let mut stream = Draws::new(SEED).stream("bench numbers", 0, 0, 0, 0);
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..count).map(|_| stream.uniform() as f32 - 0.5).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).expect("as many numbers as the shape has")
}

fn images(network: &Network) -> Tensor {
    let [channels, rows, columns] = network.architecture().input;
    numbers(&[BATCH, channels, rows, columns])
}

/// Forward alone.
#[divan::bench(args = cases(), sample_count = 20)]
fn forward(bencher: Bencher<'_, '_>, case: &Case) {
    let network = case.network();
    let images = images(&network);
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| network.logits(&images).expect("the images fit"));
}

/// Forward and input gradient.
#[divan::bench(args = cases(), sample_count = 20)]
fn input_gradient(bencher: Bencher<'_, '_>, case: &Case) {
    pullback(bencher, case, Wanted::INPUT);
}

/// Forward and weight gradient.
#[divan::bench(args = cases(), sample_count = 20)]
fn weight_gradient(bencher: Bencher<'_, '_>, case: &Case) {
    pullback(bencher, case, Wanted::WEIGHTS);
}

fn pullback(bencher: Bencher<'_, '_>, case: &Case, wanted: Wanted) {
    let network = case.network();
    let images = images(&network);
    let cotangent = numbers(&[BATCH, network.architecture().classes]);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let (_, pullback) = network.forward(&images, Mode::Evaluation).expect("the images fit");
        pullback(&cotangent, wanted).expect("the cotangent fits the result")
    });
}

/// 2 x 2 max pooling of a tensor, as the candle executor does it.
#[divan::bench(sample_count = 20)]
fn pool(bencher: Bencher<'_, '_>) {
    let images = numbers(&[BATCH, 32, 28, 28]);
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| max_pool2d(&images, 2).expect("windows that divide the image"));
}
