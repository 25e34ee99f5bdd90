//! What attacks and trainings repeat: `cargo bench -p saddle-benches --bench network`.

use std::fmt;

use divan::{Bencher, counter::ItemsCount};
use saddle_attacks::{Attack as _, Examples, Objective, ProjectedAscent, ThreatModel, answer};
use saddle_benches::{SEED, noise, robust};
use saddle_defenses::{DefensePlan, Natural, Optimizer, OptimizerKind, Trainer, TrainingPlan};
use saddle_model::{
    Aim, Architecture, Classifier as _, Executor, Initialization, Loss, LossKind, Mode, Network,
    Wanted, initialize,
};
use saddle_ops::{Draws, Kernels, Norm};

fn main() {
    divan::main();
}

const BATCH: usize = 100;

/// A network by name and a batch. The Madry network is the zoo's, the others are as they are drawn.
struct Case {
    network: &'static str,
    batch: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.network, self.batch)
    }
}

/// Every network that this version knows, among those of the plan.
fn cases() -> Vec<Case> {
    let names = ["madry", "trades", "tramer_a", "tramer_b", "tramer_c", "tramer_d", "atda"];
    let known = names.into_iter().filter(|name| Architecture::by_name(name).is_ok());
    known.flat_map(|network| [1, BATCH].map(|batch| Case { network, batch })).collect()
}

fn network(name: &str) -> Network {
    let engine = Executor::Engine(Kernels::detect());
    if name == "madry" {
        return robust(engine).expect("the zoo's file is whole");
    }
    let architecture = Architecture::by_name(name).expect("a known network");
    let weights = initialize(&architecture, Initialization::Default, Draws::new(SEED))
        .expect("the architecture is well-formed");
    Network::new(architecture, weights, engine).expect("the weights are the architecture's")
}

fn examples() -> Examples {
    let (images, labels) = noise(BATCH).expect("uniform images always exist");
    Examples::new(images, labels, (0..BATCH as u64).collect()).expect("pixels in their box")
}

/// Logits alone: what a judge needs.
#[divan::bench(args = cases(), sample_count = 20)]
fn logits(bencher: Bencher<'_, '_>, case: &Case) {
    let network = network(case.network);
    let (images, _) = noise(case.batch).expect("uniform images always exist");
    bencher
        .counter(ItemsCount::new(case.batch))
        .bench_local(|| network.logits(&images).expect("the images fit the network"));
}

/// Forward and input gradient: the inner loop of every attack.
#[divan::bench(args = cases(), sample_count = 20)]
fn input_gradient(bencher: Bencher<'_, '_>, case: &Case) {
    pullback(bencher, case, Wanted::INPUT);
}

/// Forward and weight gradients: a training step without its optimiser.
#[divan::bench(args = cases(), sample_count = 20)]
fn weight_gradients(bencher: Bencher<'_, '_>, case: &Case) {
    pullback(bencher, case, Wanted::WEIGHTS);
}

fn pullback(bencher: Bencher<'_, '_>, case: &Case, wanted: Wanted) {
    let network = network(case.network);
    let (images, labels) = noise(case.batch).expect("uniform images always exist");
    let loss =
        Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).expect("labels are given");
    let rows: Vec<usize> = (0..case.batch).collect();
    bencher.counter(ItemsCount::new(case.batch)).bench_local(|| {
        let (logits, pullback) =
            network.forward(&images, Mode::Evaluation).expect("the images fit the network");
        let evaluated = loss.evaluate(&logits, &rows).expect("one label for each row");
        pullback(&evaluated.cotangent, wanted).expect("the cotangent fits the logits")
    });
}

/// One step of PGD on 100 images, gradient included.
#[divan::bench(args = [Norm::L2, Norm::Linf], sample_count = 20)]
fn attack_step(bencher: Bencher<'_, '_>, norm: Norm) {
    let (network, examples) = (network("madry"), examples());
    let epsilon = if norm == Norm::L2 { 2.0 } else { 0.3 };
    let threat = ThreatModel::new(norm, epsilon).expect("a positive radius");
    let pgd = ProjectedAscent::pgd(norm, epsilon / 30.0, u32::MAX);
    let mut run = pgd
        .begin(&examples, &Objective::untargeted(threat), Draws::new(SEED), 0)
        .expect("settings that make sense");
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let query = run.ask().expect("a question");
        let told = answer(&network, &query).expect("the points fit the network");
        run.tell(told.expect("steps are left")).expect("the answer fits the question");
    });
}

/// One step of natural training on 100 images: forward, weight gradients, Adam, new weights packed.
#[divan::bench(sample_count = 20)]
fn training_step(bencher: Bencher<'_, '_>) {
    let network = network("madry");
    let plan = TrainingPlan {
        batch: BATCH,
        ..TrainingPlan::new(DefensePlan::Natural(Natural {}), u32::MAX, SEED)
    };
    let (architecture, executor) = (network.architecture().clone(), network.executor());
    let mut trainer =
        Trainer::new(plan, architecture, executor, examples(), Some(network.weights()))
            .expect("plan, network and examples fit");
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| trainer.step().expect("finite gradients"));
}

/// One update of the Madry network's 3.3 million weights.
#[divan::bench(args = ["adam", "momentum"], sample_count = 20)]
fn optimizer_step(bencher: Bencher<'_, '_>, kind: &str) {
    let kind = match kind {
        "momentum" => OptimizerKind::Momentum { momentum: 0.9 },
        _ => OptimizerKind::default(),
    };
    let network = network("madry");
    let weights = network.weights();
    let mut optimizer = Optimizer::new(kind, weights).expect("weights in f32");
    bencher.bench_local(|| {
        optimizer.update(weights, weights, 1e-4).expect("gradients shaped as the weights")
    });
}
