//! TRADES: its loss and gradients against hand and differences, the examples that it makes, and what a step costs.

use candle_core::{DType, Device, Tensor};
use saddle_attacks::{Examples, Start, WhenFlat};
use saddle_defenses::{
    Defense, DefensePlan, InnerAttack, Natural, NaturalPass, NormSchedule, RadiusSchedule,
    Reduction, StepContext, StepReport, StepSize, Trades, Trainer, TrainingPlan,
};
use saddle_model::{
    Architecture, Classifier, Executor, Initialization, Layer, Loss, Mode, Network, Wanted,
    Weights, initialize,
};
use saddle_ops::{Kernels, LpBall, Norm, PixelBox, Radius, StepRule, TOLERANCE};
use saddle_tests::attacks::Counting;
use saddle_tests::data::digits;
use saddle_tests::defenses::{
    assert_weight_gradient, draws, log_softmax, small_architecture,
    small_architecture_with_dropout, small_digits, small_plan,
};
use saddle_tests::model::{flat, relative_difference};

fn weights(initialization: Initialization, dtype: DType) -> Weights {
    initialize(&small_architecture(), initialization, draws()).unwrap().to_dtype(dtype).unwrap()
}

fn network(architecture: Architecture, weights: Weights) -> Network {
    Network::new(architecture, weights, Executor::Engine(Kernels::detect())).unwrap()
}

fn small_network(dtype: DType) -> Network {
    network(small_architecture(), weights(Initialization::Default, dtype))
}

fn at(step: u32, reduction: Reduction) -> StepContext {
    StepContext { step, iterations: 10, draws: draws(), reduction }
}

fn step(trades: Trades, network: &dyn Classifier, examples: &Examples) -> StepReport {
    let mut trades = trades;
    trades.step(network, examples, &at(3, Reduction::Mean)).unwrap()
}

/// `trades` with few steps, all as long as they need to be.
fn short(trades: Trades) -> Trades {
    let shorter =
        |inner: InnerAttack| InnerAttack { steps: 4, step_size: StepSize::Relative(0.4), ..inner };
    Trades { l2: trades.l2.map(shorter), linf: trades.linf.map(shorter), ..trades }
}

fn all() -> Vec<Trades> {
    vec![
        short(Trades::linf().unwrap()),
        short(Trades::l2().unwrap()),
        Trades { norms: NormSchedule::Alternate, ..short(Trades::mix().unwrap()) },
    ]
}

/// Mean cross-entropy plus beta times mean divergence, as it is written on paper.
fn written(beta: f64, labels: &[u32], [natural, attacked, anchor]: [&Tensor; 3]) -> f64 {
    let rows = |logits: &Tensor| logits.to_vec2::<f64>().unwrap();
    let mut total = 0.0;
    let rows = rows(natural).into_iter().zip(rows(attacked)).zip(rows(anchor)).zip(labels);
    for (((natural, attacked), anchor), &label) in rows {
        total -= log_softmax(&natural)[label as usize];
        let (log_p, log_q) = (log_softmax(&anchor), log_softmax(&attacked));
        let terms = log_p.iter().zip(log_q).map(|(log_p, log_q)| log_p.exp() * (log_p - log_q));
        total += beta * terms.sum::<f64>();
    }
    total / labels.len() as f64
}

/// One pixel, two classes, logits `(x, 0)`: everything about a step can be worked out on paper.
#[test]
fn one_pixel_by_hand() {
    let linear = Layer::Linear { name: "fc".to_owned(), inputs: 1, outputs: 2 };
    let architecture = Architecture {
        name: "one pixel".to_owned(),
        input: [1, 1, 1],
        classes: 2,
        layers: vec![Layer::Flatten, linear],
    };
    let entry = |numbers: &[f64], shape: &[usize]| Tensor::from_slice(numbers, shape, &Device::Cpu);
    let weights = Weights::new(vec![
        ("fc.weight".to_owned(), entry(&[1.0, 0.0], &[2, 1]).unwrap()),
        ("fc.bias".to_owned(), entry(&[0.0, 0.0], &[2]).unwrap()),
    ]);
    let network = network(architecture, weights.unwrap());
    let images = entry(&[0.5], &[1, 1, 1, 1]).unwrap();
    let examples = Examples::new(images, vec![1], vec![0]).unwrap();
    let trades = Trades { beta: 6.0, ..short(Trades::linf().unwrap()) };
    let adversarial = trades.attack(&network, &examples, &at(3, Reduction::Mean)).unwrap();
    let moved = flat(&adversarial.images)[0];
    // Away from 0.5, on the side where the noise put the start, to the end of the ball.
    assert!(((moved - 0.5).abs() - 0.3).abs() < 1e-5, "{moved}");
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (p, q) = (sigmoid(0.5), sigmoid(moved));
    let divergence = p * (p / q).ln() + (1.0 - p) * ((1.0 - p) / (1.0 - q)).ln();
    let found = step(trades, &network, &examples);
    let expected = -(1.0 - p).ln() + 6.0 * divergence;
    assert!((found.loss - expected).abs() < 1e-14, "{} is not {expected}", found.loss);
    // Slopes in the first logit: p - 0 of the cross-entropy at label 1, p (log p/q - KL) of the divergence in the natural
    // logit, q - p in the adversarial one; the second logit's are their opposites. Weights see them times their pixel.
    let anchor = 6.0 * p * ((p / q).ln() - divergence);
    let away = 6.0 * (q - p);
    let (weight, bias) = (0.5 * (p + anchor) + moved * away, p + anchor + away);
    let gradients = found.gradients;
    let close = |name: &str, expected: f64| {
        let found = flat(gradients.get(name).unwrap());
        let difference = relative_difference(&found, &[expected, -expected]);
        assert!(difference < 1e-13, "{name}: {found:?} is not {expected}");
    };
    close("fc.weight", weight);
    close("fc.bias", bias);
}

/// The whole loss by whole differences, adversarial examples held fixed: with dropout, whose passes must be told apart,
/// and without.
#[test]
fn gradients_are_those_of_the_whole_loss() {
    let examples = small_digits(4, DType::F64);
    let ids = examples.ids().to_vec();
    let weights = weights(Initialization::Default, DType::F64);
    for (architecture, natural_pass) in [
        (small_architecture(), NaturalPass::Shared),
        (small_architecture_with_dropout(), NaturalPass::Shared),
        (small_architecture_with_dropout(), NaturalPass::Separate),
    ] {
        let trades = Trades { beta: 2.5, natural_pass, ..short(Trades::linf().unwrap()) };
        let fixed = network(architecture.clone(), weights.clone());
        let at = at(3, Reduction::Mean);
        let adversarial = trades.attack(&fixed, &examples, &at).unwrap().images;
        let loss = |weights: Weights| {
            let network = network(architecture.clone(), weights);
            let logits = |images: &Tensor, pass| {
                let mode = Mode::Training { draws: at.draws, step: at.step, pass, examples: &ids };
                network.forward(images, mode).unwrap().0
            };
            let (natural, attacked) = (logits(examples.images(), 0), logits(&adversarial, 1));
            let anchor = match natural_pass {
                NaturalPass::Shared => natural.clone(),
                NaturalPass::Separate => logits(examples.images(), 2),
            };
            written(2.5, examples.labels(), [&natural, &attacked, &anchor])
        };
        let found = step(trades, &fixed, &examples);
        assert!((found.loss - loss(weights.clone())).abs() < 1e-13);
        assert_weight_gradient(&found.gradients, &weights, 19, loss);
    }
}

/// Without dropout it does not matter whether the natural images are passed once or twice.
#[test]
fn a_second_natural_pass_changes_nothing_without_dropout() {
    let examples = small_digits(5, DType::F64);
    let network = small_network(DType::F64);
    let [separate, shared] = [NaturalPass::Separate, NaturalPass::Shared].map(|natural_pass| {
        let trades = Trades { natural_pass, ..short(Trades::mix().unwrap()) };
        step(trades, &network, &examples)
    });
    assert_eq!(separate.loss, shared.loss);
    for ((name, one), (_, other)) in separate.gradients.iter().zip(shared.gradients.iter()) {
        let difference = relative_difference(&flat(one), &flat(other));
        assert!(difference < 1e-13, "{name}: {difference:e}");
    }
}

#[test]
fn without_its_divergence_it_is_natural_training() {
    let examples = small_digits(5, DType::F64);
    let architecture = small_architecture_with_dropout();
    let network = network(architecture, weights(Initialization::Default, DType::F64));
    let found = step(Trades { beta: 0.0, ..short(Trades::linf().unwrap()) }, &network, &examples);
    let natural = Natural {}.step(&network, &examples, &at(3, Reduction::Mean)).unwrap();
    assert_eq!(found.loss, natural.loss);
    for ((name, one), (_, other)) in found.gradients.iter().zip(natural.gradients.iter()) {
        assert!(relative_difference(&flat(one), &flat(other)) < 1e-14, "{name}");
    }
}

/// The gradient of a sum is the sum of gradients, however a batch is split: each example draws by its id.
#[test]
fn a_batch_in_parts_gives_the_parts_of_its_gradient() {
    let examples = small_digits(6, DType::F64);
    let architecture = small_architecture_with_dropout();
    let network = network(architecture, weights(Initialization::Default, DType::F64));
    for trades in all() {
        let gradient = |rows: &[usize]| -> Vec<f64> {
            let mut trades = trades;
            let part = examples.select(rows).unwrap();
            let report = trades.step(&network, &part, &at(3, Reduction::Sum)).unwrap();
            report.gradients.iter().flat_map(|(_, tensor)| flat(tensor)).collect()
        };
        let parts: Vec<f64> =
            gradient(&[5, 0]).iter().zip(gradient(&[1, 2, 4, 3])).map(|(a, b)| a + b).collect();
        let whole = gradient(&[0, 1, 2, 3, 4, 5]);
        assert!(relative_difference(&whole, &parts) < 1e-12);
        let mut mean = trades;
        let mean = mean.step(&network, &examples, &at(3, Reduction::Mean)).unwrap();
        let mean: Vec<f64> =
            mean.gradients.iter().flat_map(|(_, tensor)| flat(tensor)).map(|x| 6.0 * x).collect();
        assert!(relative_difference(&whole, &mean) < 1e-12);
    }
}

#[test]
fn examples_raise_the_divergence_within_their_ball_whatever_the_labels() {
    let examples = small_digits(10, DType::F32);
    let network = small_network(DType::F32);
    let reference = Loss::kl(&network.logits(examples.images()).unwrap()).unwrap();
    let rows: Vec<usize> = (0..10).collect();
    let divergence = |images: &Tensor| {
        reference.evaluate(&network.logits(images).unwrap(), &rows).unwrap().values
    };
    let (images, ids) = (examples.images().clone(), examples.ids().to_vec());
    let relabelled = Examples::new(images, vec![0; 10], ids).unwrap();
    for trades in all() {
        for number in [2, 3] {
            let at = at(number, Reduction::Mean);
            let found = trades.attack(&network, &examples, &at).unwrap();
            let distances = found.norm.distances(examples.images(), &found.images).unwrap();
            let allowed = found.radius.get() * (1.0 + TOLERANCE);
            assert!(distances.iter().all(|&one| one <= allowed && one > 0.5 * allowed));
            assert!(PixelBox::UNIT.contains(&found.images).unwrap().into_iter().all(|one| one));
            let start = Start::Gaussian { sigma: 0.001 };
            let noise = draws().gaussian(
                "gaussian start",
                examples.ids(),
                number,
                0,
                0,
                0.001,
                examples.images(),
            );
            assert_eq!(trades.l2.or(trades.linf).unwrap().start, start);
            let started = divergence(&(examples.images() + noise.unwrap()).unwrap());
            for (end, start) in divergence(&found.images).iter().zip(started) {
                assert!(*end > 1000.0 * start, "{end} from {start}");
            }
            let blind = trades.attack(&network, &relabelled, &at).unwrap();
            assert_eq!(flat(&blind.images), flat(&found.images));
        }
    }
}

/// The published start, from which a raw step is the gradient of the divergence times its size.
#[test]
fn a_raw_step_starts_at_the_noise() {
    let examples = small_digits(3, DType::F32);
    let network = small_network(DType::F32);
    let one = |inner: InnerAttack| InnerAttack { steps: 1, ..inner };
    let raw = Trades::l2_raw().unwrap();
    let trades = Trades { l2: raw.l2.map(one), ..raw };
    let found = trades.attack(&network, &examples, &at(3, Reduction::Mean)).unwrap();
    let ball = LpBall::new(Norm::L2, Radius::new(4.0).unwrap());
    let back = |candidate: Tensor| {
        ball.project_then_clip(examples.images(), &candidate, PixelBox::UNIT).unwrap()
    };
    let noise = draws()
        .gaussian("gaussian start", examples.ids(), 3, 0, 0, 0.001, examples.images())
        .unwrap();
    let start = back((examples.images() + noise).unwrap());
    let reference = Loss::kl(&network.logits(examples.images()).unwrap()).unwrap();
    let (logits, pullback) = network.forward(&start, Mode::Evaluation).unwrap();
    let cotangent = reference.evaluate(&logits, &[0, 1, 2]).unwrap().cotangent;
    let gradient = pullback(&cotangent, Wanted::INPUT).unwrap().input.unwrap();
    assert_eq!(flat(&found.images), flat(&back((start + gradient).unwrap())));
}

#[test]
fn an_example_is_attacked_alike_in_any_company() {
    let examples = small_digits(7, DType::F32);
    // A last layer of zeros, where l2 attacks leave by noise, and one of numbers.
    for initialization in [Initialization::Trades, Initialization::Default] {
        let network = network(small_architecture(), weights(initialization, DType::F32));
        for trades in all() {
            for number in [2, 3] {
                let at = at(number, Reduction::Mean);
                let attack = |examples: &Examples| -> Vec<Vec<f32>> {
                    let images = trades.attack(&network, examples, &at).unwrap().images;
                    images.flatten_from(1).unwrap().to_vec2().unwrap()
                };
                let (together, order) = (attack(&examples), [6, 2, 0]);
                let some = attack(&examples.select(&order).unwrap());
                for (row, pixels) in order.iter().zip(some) {
                    assert_eq!(together[*row], pixels, "example {row} depends on its batch");
                }
            }
        }
    }
}

/// The published network begins with a last layer of zeros: no gradient anywhere, and nothing to diverge from.
#[test]
fn a_last_layer_of_zeros_is_left_behind() {
    let examples = small_digits(5, DType::F32);
    let network = network(small_architecture(), weights(Initialization::Trades, DType::F32));
    for (trades, far) in [
        (short(Trades::linf().unwrap()), 0.0..0.006),
        (short(Trades::l2().unwrap()), 0.5..4.1),
        (Trades { l2_when_flat: WhenFlat::Stay, ..short(Trades::l2().unwrap()) }, 0.0..0.03),
    ] {
        let found = trades.attack(&network, &examples, &at(3, Reduction::Mean)).unwrap();
        assert_eq!(found.health.zero, 5 * 4, "four gradients of five examples");
        let distances = found.norm.distances(examples.images(), &found.images).unwrap();
        assert!(distances.iter().all(|one| far.contains(one)), "{distances:?} in {far:?}");
        let report = step(trades, &network, &examples);
        assert!((report.loss - f64::ln(10.0)).abs() < 1e-6, "{}", report.loss);
        let bias = flat(report.gradients.get("fc2.bias").unwrap());
        assert!(
            bias.iter().any(|slope| slope.abs() > 0.05),
            "the cross-entropy moves it: {bias:?}"
        );
    }
}

#[test]
fn training_lowers_the_loss_from_a_last_layer_of_zeros() {
    let gentle = |inner: InnerAttack| InnerAttack {
        epsilon: Radius::new(inner.epsilon.get() / 3.0).unwrap(),
        ..inner
    };
    for trades in [short(Trades::linf().unwrap()), short(Trades::mix().unwrap())] {
        let trades = Trades { l2: trades.l2.map(gentle), linf: trades.linf.map(gentle), ..trades };
        let initialization = Initialization::Trades;
        let plan = TrainingPlan { initialization, ..small_plan(DefensePlan::Trades(trades), 80) };
        let executor = Executor::Engine(Kernels::detect());
        let digits = small_digits(64, DType::F32);
        let mut trainer = Trainer::new(plan, small_architecture(), executor, digits, None).unwrap();
        let losses: Vec<f64> = (0..80).map(|_| trainer.step().unwrap().loss).collect();
        assert!((losses[0] - f64::ln(10.0)).abs() < 1e-6, "{}", losses[0]);
        let last = losses[76..].iter().sum::<f64>() / 4.0;
        assert!(last < 0.6 * losses[0], "{last} after {}", losses[0]);
    }
}

/// The authors' network with its dropout and its last layer of zeros, attack, optimiser and rates as published; few digits.
#[test]
fn the_published_training_takes_its_first_steps() {
    let plan = TrainingPlan { batch: 4, ..Trades::linf().unwrap().published(1) };
    let digits = digits(8);
    let examples = Examples::new(digits.images, digits.labels, digits.ids).unwrap();
    let architecture = Architecture::by_name("trades").unwrap();
    let executor = Executor::Engine(Kernels::detect());
    let mut trainer = Trainer::new(plan, architecture, executor, examples, None).unwrap();
    let first = trainer.step().unwrap();
    assert!((first.loss - f64::ln(10.0)).abs() < 1e-6, "{}", first.loss);
    assert_eq!((first.health.zero, first.learning_rate), (4 * 40, 0.01));
    assert_eq!(first.passes, 4 * (1 + 2 * 40 + 2 * 3));
    let second = trainer.step().unwrap();
    assert_eq!(second.health.zero, 0, "one step is enough to leave the zeros");
    assert!(second.loss.is_finite() && second.loss != first.loss);
}

#[test]
fn passes_are_counted_as_they_are_made() {
    let examples = small_digits(4, DType::F32);
    for (natural_pass, training) in [(NaturalPass::Separate, 3), (NaturalPass::Shared, 2)] {
        let trades = Trades { natural_pass, ..short(Trades::linf().unwrap()) };
        let counting = Counting::new(small_network(DType::F32));
        let report = step(trades, &counting, &examples);
        // Once for the natural outputs, four steps, the training passes, of four examples each.
        assert_eq!(counting.counts(), (4 * (1 + 4 + training), 4 * (4 + training)));
        assert_eq!(report.passes, 4 * (1 + 2 * (4 + training)));
        assert_eq!(report.passes, 4 * trades.passes_per_example());
        assert_eq!((report.rows, report.ball), (4, Some((Norm::Linf, 0.3))));
    }
}

#[test]
fn the_defaults_are_the_published_settings() {
    let linf = Trades::linf().unwrap();
    let inner = linf.linf.unwrap();
    assert_eq!((linf.beta, linf.radius), (1.0, RadiusSchedule::Constant));
    assert_eq!((inner.epsilon.get(), inner.steps, inner.rule), (0.3, 40, StepRule::Sign));
    assert_eq!(inner.step_size, StepSize::Absolute(0.01));
    let l2 = Trades::l2().unwrap().l2.unwrap();
    assert!((l2.step_size.at(l2.epsilon) - 2.0 * 4.0 / 40.0).abs() < 1e-15, "2 epsilon / steps");
    let mix = Trades::mix().unwrap();
    assert_eq!((mix.l2, mix.linf, mix.norms), (Some(l2), Some(inner), NormSchedule::Alternate));
    let raw = Trades::mix_raw().unwrap();
    assert_eq!((raw.l2.unwrap().rule, raw.linf), (StepRule::Raw, Some(inner)));
    let plan = linf.published(1);
    assert_eq!((plan.batch, plan.iterations), (128, 100 * (60_000 / 128)));
    plan.validate().unwrap();
}
