//! What an attack and a training repeat, on the Madry network: `cargo bench -p saddle-benches --bench network`.

use divan::{Bencher, counter::ItemsCount};
use saddle_benches::{noise, robust};
use saddle_model::{Aim, Classifier as _, Loss, LossKind, Mode, Network, Wanted};
use saddle_ops::Kernels;

fn main() {
    divan::main();
}

/// Logits alone: what a judge needs.
#[divan::bench(args = [1, 32, 100], sample_count = 20)]
fn logits(bencher: Bencher<'_, '_>, batch: usize) {
    let network = network();
    let (images, _) = digits(batch).expect("uniform images always exist");
    bencher
        .counter(ItemsCount::new(batch))
        .bench_local(|| network.logits(&images).expect("the images fit the network"));
}

/// Forward and input gradient: the inner loop of every attack.
#[divan::bench(args = [1, 32, 100], sample_count = 20)]
fn input_gradient(bencher: Bencher<'_, '_>, batch: usize) {
    pullback(bencher, batch, Wanted::INPUT);
}

/// Forward and weight gradients: a training step without its optimiser.
#[divan::bench(args = [50, 100], sample_count = 20)]
fn weight_gradients(bencher: Bencher<'_, '_>, batch: usize) {
    pullback(bencher, batch, Wanted::WEIGHTS);
}

fn network() -> Network {
    madry(Kernels::detect()).expect("the Madry network is well-formed")
}

fn pullback(bencher: Bencher<'_, '_>, batch: usize, wanted: Wanted) {
    let network = network();
    let (images, labels) = digits(batch).expect("uniform images always exist");
    let loss =
        Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).expect("labels are given");
    let rows: Vec<usize> = (0..batch).collect();
    bencher.counter(ItemsCount::new(batch)).bench_local(|| {
        let (logits, pullback) =
            network.forward(&images, Mode::Evaluation).expect("the images fit the network");
        let evaluated = loss.evaluate(&logits, &rows).expect("one label for each row");
        pullback(&evaluated.cotangent, wanted).expect("the cotangent fits the logits")
    });
}
