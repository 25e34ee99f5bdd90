//! ATDA: its loss and gradients against differences, the examples that it makes, what it remembers, what a step costs.

use candle_core::{DType, Device, Tensor};
use saddle_attacks::{Examples, Start};
use saddle_defenses::{
    Atda, AttackedLabel, Defense, DefensePlan, Error, InnerAttack, NormSchedule, RadiusSchedule,
    Reduction, StepContext, StepReport, StepSize, Trainer,
};
use saddle_model::{
    Aim, Architecture, Classifier, Executor, Initialization, Loss, LossKind, Mode, Network, Wanted,
    Weights, initialize, predictions,
};
use saddle_ops::{Kernels, LpBall, Norm, PixelBox, Radius, StepRule, TOLERANCE};
use saddle_tests::attacks::Counting;
use saddle_tests::defenses::{
    assert_weight_gradient, draws, log_softmax, small_architecture,
    small_architecture_with_dropout, small_digits, small_plan,
};
use saddle_tests::model::{flat, relative_difference};

fn weights(dtype: DType) -> Weights {
    let drawn = initialize(&small_architecture(), Initialization::Default, draws()).unwrap();
    drawn.to_dtype(dtype).unwrap()
}

fn network(architecture: Architecture, weights: Weights) -> Network {
    Network::new(architecture, weights, Executor::Engine(Kernels::detect())).unwrap()
}

fn small_network(dtype: DType) -> Network {
    network(small_architecture(), weights(dtype))
}

fn at(step: u32, reduction: Reduction) -> StepContext {
    StepContext { step, iterations: 10, draws: draws(), reduction }
}

fn begun(atda: Atda) -> Box<dyn Defense> {
    DefensePlan::Atda(atda).defense().unwrap()
}

fn centres(defense: &dyn Defense) -> Vec<f64> {
    let state = defense.state().unwrap();
    let [(name, tensor)] = state.as_slice() else { panic!("{state:?}") };
    assert_eq!((name.as_str(), tensor.dims()), ("centres", [10, 10].as_slice()));
    flat(tensor)
}

fn all() -> Vec<Atda> {
    let single = [Atda::linf(), Atda::l2(), Atda::l2_raw(), Atda::mix(), Atda::mix_raw()];
    let single = single.map(|atda| atda.unwrap());
    single.into_iter().chain(single.map(Atda::multi_step)).collect()
}

/// The whole loss as it is written on paper, entry by entry.
fn written(
    atda: &Atda,
    labels: &[u32],
    centres: &[f64],
    [natural, adversarial]: [&Tensor; 2],
) -> f64 {
    let [natural, adversarial] =
        [natural, adversarial].map(|logits| logits.to_vec2::<f64>().unwrap());
    let (count, classes) = (labels.len() as f64, natural[0].len());
    let mean = |rows: &[Vec<f64>], k: usize| rows.iter().map(|row| row[k]).sum::<f64>() / count;
    let moment = |rows: &[Vec<f64>], k: usize, l: usize| -> f64 {
        let (k_mean, l_mean) = (mean(rows, k), mean(rows, l));
        rows.iter().map(|row| (row[k] - k_mean) * (row[l] - l_mean)).sum()
    };
    let mut loss = 0.0;
    let (mut mmd, mut coral, mut margin, mut pairs) = (0.0, 0.0, 0.0, 0.0);
    for k in 0..classes {
        mmd += (mean(&natural, k) - mean(&adversarial, k)).abs() / classes as f64;
        for l in 0..classes {
            let gap = moment(&natural, k, l) - moment(&adversarial, k, l);
            coral += gap.abs() / (classes * classes) as f64;
        }
    }
    for rows in [&natural, &adversarial] {
        for (row, &label) in rows.iter().zip(labels) {
            let label = label as usize;
            loss -= log_softmax(row)[label] / count;
            let distance = |class: usize| -> f64 {
                (0..classes).map(|k| (row[k] - centres[class * classes + k]).abs()).sum()
            };
            for other in (0..classes).filter(|&other| other != label) {
                margin += (distance(label) - distance(other)).exp().ln_1p();
                pairs += 1.0;
            }
        }
    }
    loss + atda.lambda * (coral + mmd + margin / pairs)
}

/// Two steps: the first from centres at zero, the second from where it left them. Adversarial examples are held fixed.
#[test]
fn gradients_are_those_of_the_whole_loss() {
    let examples = small_digits(6, DType::F64);
    let ids = examples.ids().to_vec();
    let weights = weights(DType::F64);
    for architecture in [small_architecture(), small_architecture_with_dropout()] {
        let fixed = network(architecture.clone(), weights.clone());
        let atda = Atda { lambda: 0.7, ..Atda::linf().unwrap() };
        let mut defense = begun(atda);
        assert!(defense.state().unwrap().is_empty());
        let mut before = vec![0.0; 100];
        for number in [3, 5] {
            let at = at(number, Reduction::Mean);
            let adversarial = atda.attack(&fixed, &examples, &at).unwrap().images;
            let logits = |network: &Network, images: &Tensor, pass| {
                let mode = Mode::Training { draws: at.draws, step: at.step, pass, examples: &ids };
                network.forward(images, mode).unwrap().0
            };
            let loss = |weights: Weights| {
                let network = network(architecture.clone(), weights);
                let natural = logits(&network, examples.images(), 0);
                let attacked = logits(&network, &adversarial, 1);
                written(&atda, examples.labels(), &before, [&natural, &attacked])
            };
            let found = defense.step(&fixed, &examples, &at).unwrap();
            assert!((found.loss - loss(weights.clone())).abs() < 1e-12);
            assert_weight_gradient(&found.gradients, &weights, 23, loss);
            before = centres(defense.as_ref());
            assert!(before.iter().any(|&one| one != 0.0));
        }
    }
}

/// The centres see all rows of the batch, natural and adversarial, with the weights as they were.
#[test]
fn centres_follow_both_branches() {
    let examples = small_digits(6, DType::F64);
    let network = small_network(DType::F64);
    let atda = Atda { centre_rate: 0.3, ..Atda::l2().unwrap() };
    let at = at(3, Reduction::Mean);
    let adversarial = atda.attack(&network, &examples, &at).unwrap().images;
    let mut defense = begun(atda);
    defense.step(&network, &examples, &at).unwrap();
    let mut expected = vec![0.0; 100];
    for images in [examples.images(), &adversarial] {
        let rows = network.logits(images).unwrap().to_vec2::<f64>().unwrap();
        for (row, &label) in rows.iter().zip(examples.labels()) {
            let own = examples.labels().iter().filter(|&&other| other == label).count();
            for (k, z) in row.iter().enumerate() {
                expected[label as usize * 10 + k] += 0.3 * z / (1 + 2 * own) as f64;
            }
        }
    }
    assert!(relative_difference(&centres(defense.as_ref()), &expected) < 1e-13);
}

#[test]
fn reduction_scales_the_whole_loss() {
    let examples = small_digits(6, DType::F64);
    let network = small_network(DType::F64);
    let step = |reduction| begun(Atda::mix().unwrap()).step(&network, &examples, &at(3, reduction));
    let (mean, sum): (StepReport, StepReport) =
        (step(Reduction::Mean).unwrap(), step(Reduction::Sum).unwrap());
    assert_eq!(mean.loss, sum.loss);
    for ((name, mean), (_, sum)) in mean.gradients.iter().zip(sum.gradients.iter()) {
        let scaled: Vec<f64> = flat(mean).iter().map(|slope| 6.0 * slope).collect();
        assert!(relative_difference(&flat(sum), &scaled) < 1e-13, "{name}");
    }
}

/// One step away from what the network predicts, which the labels do not enter.
#[test]
fn the_single_step_leaves_the_prediction() {
    let examples = small_digits(8, DType::F32);
    let network = small_network(DType::F32);
    let (logits, pullback) = network.forward(examples.images(), Mode::Evaluation).unwrap();
    let predicted = predictions(&logits).unwrap();
    assert_ne!(predicted, examples.labels(), "an untrained network errs");
    let loss = Loss::new(LossKind::CrossEntropy, predicted, &Aim::Untargeted).unwrap();
    let rows: Vec<usize> = (0..8).collect();
    let cotangent = loss.evaluate(&logits, &rows).unwrap().cotangent;
    let gradient = pullback(&cotangent, Wanted::INPUT).unwrap().input.unwrap();
    for (atda, rule) in [
        (Atda::linf().unwrap(), StepRule::Sign),
        (Atda::l2().unwrap(), StepRule::Unit),
        (Atda::l2_raw().unwrap(), StepRule::Raw),
    ] {
        let NormSchedule::Fixed(norm) = atda.norms else { panic!("one norm throughout") };
        let epsilon = if norm == Norm::L2 { 4.0 } else { 0.3 };
        let ball = LpBall::new(norm, Radius::new(epsilon).unwrap());
        let natural = examples.images();
        let step = (rule, epsilon);
        let (expected, _) = ball.ascend(natural, natural, &gradient, step, PixelBox::UNIT).unwrap();
        let found = atda.attack(&network, &examples, &at(3, Reduction::Mean)).unwrap();
        assert_eq!(flat(&found.images), flat(&expected));
        let (images, ids) = (natural.clone(), examples.ids().to_vec());
        let relabelled = Examples::new(images, vec![0; 8], ids).unwrap();
        let attack = |atda: Atda| {
            flat(&atda.attack(&network, &relabelled, &at(3, Reduction::Mean)).unwrap().images)
        };
        assert_eq!(attack(atda), flat(&expected));
        let against_truth = Atda { attacked_label: AttackedLabel::True, ..atda };
        assert_ne!(attack(against_truth), flat(&expected));
    }
}

#[test]
fn examples_lie_in_their_ball_and_the_box_alike_in_any_company() {
    let examples = small_digits(7, DType::F32);
    let network = small_network(DType::F32);
    let order = [6, 2, 0];
    for atda in all() {
        for number in [2, 3] {
            let at = at(number, Reduction::Mean);
            let found = atda.attack(&network, &examples, &at).unwrap();
            let distances = found.norm.distances(examples.images(), &found.images).unwrap();
            let allowed = found.radius.get() * (1.0 + TOLERANCE);
            assert!(distances.iter().all(|&one| one <= allowed && one > 0.0), "{distances:?}");
            assert!(PixelBox::UNIT.contains(&found.images).unwrap().into_iter().all(|one| one));
            let some = atda.attack(&network, &examples.select(&order).unwrap(), &at).unwrap();
            let pixels = |images: &Tensor| -> Vec<Vec<f32>> {
                images.flatten_from(1).unwrap().to_vec2().unwrap()
            };
            let together = pixels(&found.images);
            for (row, pixels) in order.iter().zip(pixels(&some.images)) {
                assert_eq!(together[*row], pixels, "example {row} depends on its batch");
            }
        }
    }
}

#[test]
fn passes_are_counted_as_they_are_made() {
    let examples = small_digits(4, DType::F32);
    let single = Atda::linf().unwrap();
    for (atda, prediction, steps) in [(single, 1, 1), (single.multi_step(), 0, 10)] {
        let counting = Counting::new(small_network(DType::F32));
        let report = begun(atda).step(&counting, &examples, &at(3, Reduction::Mean)).unwrap();
        assert_eq!(counting.counts(), (4 * (prediction + steps + 2), 4 * (steps + 2)));
        assert_eq!(report.passes, 4 * (prediction + 2 * (steps + 2)));
        assert_eq!(report.passes, 4 * atda.passes_per_example());
        assert_eq!((report.rows, report.ball), (4, Some((Norm::Linf, 0.3))));
    }
}

#[test]
fn a_state_that_is_not_its_own_is_refused() {
    let mut defense = begun(Atda::linf().unwrap());
    let square = |value: f64| Tensor::full(value, (10, 10), &Device::Cpu).unwrap();
    let named = |name: &str, tensor| vec![(name.to_owned(), tensor)];
    let twice = [named("centres", square(1.0)), named("centres", square(1.0))].concat();
    for state in [
        named("means", square(1.0)),
        named("centres", square(1.0).to_dtype(DType::F32).unwrap()),
        named("centres", Tensor::zeros((10, 9), DType::F64, &Device::Cpu).unwrap()),
        named("centres", square(f64::NAN)),
        twice,
    ] {
        let error = defense.restore(state).unwrap_err().to_string();
        assert!(error.contains("expected `centres`"), "{error}");
        assert!(defense.state().unwrap().is_empty());
    }
    defense.restore(named("centres", square(1.0))).unwrap();
    assert_eq!(centres(defense.as_ref()), [1.0; 100]);
    defense.restore(Vec::new()).unwrap();
    assert!(defense.state().unwrap().is_empty());
    // Centres of another number of classes fit a checkpoint, but not the network.
    let five = Tensor::zeros((5, 5), DType::F64, &Device::Cpu).unwrap();
    defense.restore(named("centres", five)).unwrap();
    let examples = small_digits(2, DType::F32);
    let step = defense.step(&small_network(DType::F32), &examples, &at(3, Reduction::Mean));
    let error = step.err().unwrap().to_string();
    assert!(error.contains("10 classes against the centres of 5"), "{error}");
}

/// A step that fails moves nothing: the centres too stand where they stood.
#[test]
fn a_diverging_step_does_not_move_the_centres() {
    let huge = weights(DType::F32).map(|_, tensor| Ok((tensor * 1e25)?)).unwrap();
    let plan = small_plan(DefensePlan::Atda(Atda::linf().unwrap()), 3);
    let digits = small_digits(16, DType::F32);
    let executor = Executor::Engine(Kernels::detect());
    let mut trainer =
        Trainer::new(plan, small_architecture(), executor, digits, Some(&huge)).unwrap();
    let before = trainer.checkpoint().unwrap();
    let error = trainer.step().unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 0, .. }), "{error}");
    assert!(trainer.checkpoint().unwrap() == before, "the failed step left a trace");
}

#[test]
fn training_lowers_the_loss() {
    let gentle = |inner: InnerAttack| InnerAttack {
        epsilon: Radius::new(inner.epsilon.get() / 3.0).unwrap(),
        ..inner
    };
    for atda in [Atda::linf().unwrap(), Atda::mix().unwrap().multi_step()] {
        let atda = Atda { l2: atda.l2.map(gentle), linf: atda.linf.map(gentle), ..atda };
        let plan = small_plan(DefensePlan::Atda(atda), 60);
        let executor = Executor::Engine(Kernels::detect());
        let digits = small_digits(64, DType::F32);
        let mut trainer = Trainer::new(plan, small_architecture(), executor, digits, None).unwrap();
        let losses: Vec<f64> = (0..60).map(|_| trainer.step().unwrap().loss).collect();
        let last = losses[56..].iter().sum::<f64>() / 4.0;
        assert!(last < 0.75 * losses[0], "{last} after {}", losses[0]);
    }
}

#[test]
fn the_defaults_are_the_published_settings() {
    let linf = Atda::linf().unwrap();
    assert!((linf.lambda - 1.0 / 3.0).abs() < 1e-16);
    assert_eq!((linf.centre_rate, linf.radius), (0.1, RadiusSchedule::Constant));
    assert_eq!(linf.attacked_label, AttackedLabel::Predicted);
    let inner = linf.linf.unwrap();
    assert_eq!((inner.steps, inner.rule, inner.start), (1, StepRule::Sign, Start::Natural));
    assert_eq!(inner.step_size.at(inner.epsilon), 0.3);
    let many = linf.multi_step();
    let inner = many.linf.unwrap();
    assert_eq!((inner.steps, inner.rule, inner.start), (10, StepRule::Sign, Start::Uniform));
    assert_eq!(inner.step_size, StepSize::Relative(0.25));
    assert_eq!(many.attacked_label, AttackedLabel::True);
    let mix = Atda::mix().unwrap();
    assert_eq!((mix.l2, mix.linf), (Atda::l2().unwrap().l2, linf.linf));
    let plan = linf.published(1);
    assert_eq!((plan.batch, plan.iterations), (32, 50 * (60_000 / 32)));
    plan.validate().unwrap();
}
