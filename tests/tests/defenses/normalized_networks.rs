//! Training networks with batch normalisation: running statistics, weight decay, the mode of inner attacks, resuming.

use candle_core::{DType, Tensor};
use saddle_attacks::Start;
use saddle_defenses::{
    Augmentation, DefensePlan, InnerAttack, InnerMode, Madry, Natural, OptimizerKind,
    RadiusSchedule, Reduction, StepContext, StepSize, Trades, Trainer, TrainingPlan, Unobserved,
};
use saddle_model::{
    Aim, Architecture, Classifier, Executor, Initialization, Layer, Loss, LossKind, Mode, Network,
    Wanted, initialize,
};
use saddle_ops::{Draws, Radius, StepRule};
use saddle_tests::defenses::{small_architecture, small_digits, small_plan};
use saddle_tests::model::{flat, hashed_residual_weights, residual_architecture};

/// Normalised pixels, then a matrix.
fn normalised() -> Architecture {
    let norm =
        Layer::BatchNorm2d { name: "bn".to_owned(), channels: 1, decay: 0.75, stabilizer: 1e-3 };
    let linear = Layer::Linear { name: "fc".to_owned(), inputs: 144, outputs: 10 };
    Architecture {
        name: "normalised".to_owned(),
        input: [1, 12, 12],
        classes: 10,
        layers: vec![norm, Layer::Flatten, linear],
    }
}

/// A natural training whose batches are all of 20 digits.
fn natural(weight_decay: f64) -> Trainer {
    let plan = TrainingPlan {
        batch: 20,
        optimizer: OptimizerKind::Momentum { momentum: 0.9 },
        weight_decay,
        ..small_plan(DefensePlan::Natural(Natural {}), 5)
    };
    let digits = small_digits(20, DType::F64);
    Trainer::new(plan, normalised(), Executor::Candle, digits, None).unwrap()
}

fn numbers(trainer: &Trainer, name: &str) -> Vec<f64> {
    flat(trainer.weights().get(name).unwrap())
}

#[test]
fn running_statistics_move_toward_those_of_the_batch_and_no_optimiser_touches_them() {
    let pixels = flat(small_digits(20, DType::F64).images());
    let count = pixels.len() as f64;
    let mean = pixels.iter().sum::<f64>() / count;
    let variance = pixels.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let mut trainer = natural(0.1);
    let (mut running_mean, mut running_var) = (0.0, 1.0);
    for _ in 0..3 {
        trainer.step().unwrap();
        running_mean = 0.75 * running_mean + 0.25 * mean;
        running_var = 0.75 * running_var + 0.25 * variance;
        assert!((numbers(&trainer, "bn.running_mean")[0] - running_mean).abs() < 1e-12);
        assert!((numbers(&trainer, "bn.running_var")[0] - running_var).abs() < 1e-12);
    }
}

#[test]
fn matrices_decay_and_nothing_else_does() {
    let (mut plain, mut decayed) = (natural(0.0), natural(0.2));
    let start = numbers(&plain, "fc.weight");
    let rate = plain.step().unwrap().learning_rate;
    decayed.step().unwrap();
    for name in ["bn.weight", "bn.bias", "fc.bias", "bn.running_mean"] {
        assert_eq!(numbers(&plain, name), numbers(&decayed, name), "{name}");
    }
    let pairs = numbers(&plain, "fc.weight").into_iter().zip(numbers(&decayed, "fc.weight"));
    for ((plain, decayed), start) in pairs.zip(start) {
        assert!((plain - decayed - rate * 0.2 * start).abs() < 1e-14);
    }
    for wrong in [-0.1, f64::NAN, f64::INFINITY] {
        let plan = TrainingPlan { weight_decay: wrong, ..plain.plan().clone() };
        assert!(plan.validate().unwrap_err().to_string().contains("weight_decay"));
    }
}

/// One sign step of 0.05 from the image itself.
fn single_step(mode: InnerMode) -> Madry {
    let inner = InnerAttack {
        epsilon: Radius::new(0.05).unwrap(),
        steps: 1,
        step_size: StepSize::Absolute(0.05),
        rule: StepRule::Sign,
        start: Start::Natural,
    };
    let madry = Madry::linf().unwrap();
    Madry { radius: RadiusSchedule::Constant, linf: Some(inner), mode, ..madry }
}

fn at(step: u32) -> StepContext {
    StepContext { step, iterations: 10, draws: Draws::new(7), reduction: Reduction::Mean }
}

#[test]
fn an_inner_attack_in_training_mode_follows_the_gradient_of_the_batch() {
    let architecture = residual_architecture();
    let weights = hashed_residual_weights(&architecture, 3, DType::F64);
    let network = Network::new(architecture, weights, Executor::Candle).unwrap();
    let digits = small_digits(6, DType::F64);
    let images = |mode| {
        let found = single_step(mode).attack(&network, &digits, &at(2)).unwrap();
        flat(&found.images)
    };
    let gradient = |mode: Mode<'_>| {
        let (logits, pullback) = network.forward(digits.images(), mode).unwrap();
        let labels = digits.labels().to_vec();
        let loss = Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).unwrap();
        let evaluated = loss.evaluate(&logits, &[0, 1, 2, 3, 4, 5]).unwrap();
        flat(&pullback(&evaluated.cotangent, Wanted::INPUT).unwrap().input.unwrap())
    };
    let draws = Draws::new(7);
    let training = Mode::Training { draws, step: 2, pass: 0, examples: digits.ids() };
    let modes = [(InnerMode::Evaluation, Mode::Evaluation), (InnerMode::Training, training)];
    for (inner, mode) in modes {
        let moved = images(inner).into_iter().zip(flat(digits.images()));
        for ((attacked, natural), gradient) in moved.zip(gradient(mode)) {
            let step = if gradient == 0.0 { 0.0 } else { 0.05 * gradient.signum() };
            let expected = (natural + step).clamp(0.0, 1.0);
            assert!((attacked - expected).abs() < 1e-6, "{attacked} is not {expected}");
        }
    }
    assert_ne!(images(InnerMode::Evaluation), images(InnerMode::Training));
}

#[test]
fn the_mode_does_not_matter_to_a_network_without_normalisation() {
    let architecture = small_architecture();
    let weights = initialize(&architecture, Initialization::Default, Draws::new(1)).unwrap();
    let network = Network::new(architecture, weights, Executor::Candle).unwrap();
    let digits = small_digits(6, DType::F32);
    let images = |mode| {
        let madry = Madry { mode, ..Madry::linf().unwrap() };
        flat(&madry.attack(&network, &digits, &at(1)).unwrap().images)
    };
    assert_eq!(images(InnerMode::Evaluation), images(InnerMode::Training));
}

#[test]
fn a_plan_without_the_new_settings_reads_and_writes_as_it_always_did() {
    let plan = small_plan(DefensePlan::Madry(Madry::linf().unwrap()), 3);
    let json = serde_json::to_string(&plan).unwrap();
    for new in ["\"mode\"", "weight_decay", "augmentation"] {
        assert!(!json.contains(new), "{json}");
    }
    assert_eq!(serde_json::from_str::<TrainingPlan>(&json).unwrap(), plan);
    let changed = TrainingPlan {
        weight_decay: 2e-4,
        augmentation: Some(Augmentation::cifar10()),
        defense: DefensePlan::Madry(single_step(InnerMode::Training)),
        ..plan
    };
    let json = serde_json::to_string(&changed).unwrap();
    assert_eq!(serde_json::from_str::<TrainingPlan>(&json).unwrap(), changed);
}

fn plans() -> Vec<TrainingPlan> {
    let shorter = |inner: InnerAttack| InnerAttack { steps: 2, ..inner };
    let trades = Trades::linf().unwrap();
    let trades = Trades { linf: trades.linf.map(shorter), ..trades };
    let defenses =
        [DefensePlan::Madry(single_step(InnerMode::Training)), DefensePlan::Trades(trades)];
    let plan = |defense| TrainingPlan {
        optimizer: OptimizerKind::Momentum { momentum: 0.9 },
        weight_decay: 2e-4,
        augmentation: Some(Augmentation::cifar10()),
        initialization: Initialization::MadryCifar10,
        ..small_plan(defense, 4)
    };
    defenses.map(plan).into()
}

#[test]
fn resuming_after_any_step_gives_the_bits_of_an_uninterrupted_run() {
    let start = |plan: &TrainingPlan| {
        let digits = small_digits(40, DType::F32);
        Trainer::new(plan.clone(), residual_architecture(), Executor::Candle, digits, None).unwrap()
    };
    for plan in plans() {
        let mut straight = start(&plan);
        straight.run(&mut Unobserved).unwrap();
        let expected = straight.checkpoint().unwrap();
        let mut bytes = start(&plan).checkpoint().unwrap();
        for _ in 0..plan.iterations {
            let digits = small_digits(40, DType::F32);
            let architecture = residual_architecture();
            let mut trainer =
                Trainer::resume(&bytes, plan.clone(), architecture, Executor::Candle, digits)
                    .unwrap();
            trainer.step().unwrap();
            bytes = trainer.checkpoint().unwrap();
        }
        assert!(bytes == expected, "other bits");
        let moved = flat(straight.weights().get("last.running_var").unwrap());
        assert!(moved.iter().all(|x| x.is_finite() && *x > 0.0 && *x != 1.0), "{moved:?}");
    }
}

#[test]
fn a_residual_network_learns_its_digits() {
    let plan = TrainingPlan {
        batch: 20,
        learning_rate: 0.02,
        optimizer: OptimizerKind::Momentum { momentum: 0.9 },
        initialization: Initialization::MadryCifar10,
        ..small_plan(DefensePlan::Natural(Natural {}), 60)
    };
    let digits = small_digits(40, DType::F32);
    let architecture = residual_architecture();
    let mut trainer =
        Trainer::new(plan, architecture, Executor::Candle, digits.clone(), None).unwrap();
    let mut losses = Vec::new();
    while !trainer.is_done() {
        losses.push(trainer.step().unwrap().loss);
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..6]), mean(&losses[54..]));
    assert!(last < 0.8 * first, "loss {first} at first, {last} at last");
    // As it is evaluated, by its running statistics, it has learnt the same.
    let logits: Tensor = trainer.network().logits(digits.images()).unwrap();
    let labels = digits.labels().to_vec();
    let loss = Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).unwrap();
    let rows: Vec<usize> = (0..40).collect();
    let evaluated = mean(&loss.evaluate(&logits, &rows).unwrap().values);
    assert!(evaluated < first, "{evaluated} in evaluation, {first} at first");
}
