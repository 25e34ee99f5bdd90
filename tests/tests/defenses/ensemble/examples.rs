//! The adversarial examples: of which gradient, towards which class, how far, and alike in any company.

use candle_core::{DType, Tensor};
use saddle_attacks::{Examples, Objective, ProjectedAscent, ThreatModel, perturb};
use saddle_defenses::{Adversarial, Ensemble, InnerAttack, Sources};
use saddle_model::{Aim, Classifier, Executor, Loss, LossKind, Mode, Wanted, predictions};
use saddle_ops::{LpBall, Norm, PixelBox, Radius, StepRule, TOLERANCE};
use saddle_tests::defenses::{
    draws, linear_architecture, small_architecture, small_architecture_with_dropout, small_digits,
    small_sources, untrained,
};

use super::{against, at, engine, forms, rows, step_of};

fn difference(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).fold(0.0, |far, (a, b)| far.max((a - b).abs()))
}

/// Grey images, far from both ends of the pixel box.
fn grey(count: usize) -> Examples {
    let digits = small_digits(count, DType::F64);
    let images = digits.images().affine(0.2, 0.4).unwrap();
    Examples::new(images, digits.labels().to_vec(), digits.ids().to_vec()).unwrap()
}

/// A linear source, its logits of `images` and what its weights are, as plain numbers.
struct LinearSource {
    sources: Sources,
    weight: Vec<Vec<f64>>,
    logits: Vec<Vec<f64>>,
}

impl LinearSource {
    fn on(images: &Tensor) -> Self {
        let network = untrained(linear_architecture(), 5, DType::F64, Executor::Candle);
        let weight: Vec<Vec<f64>> = network.weights().get("fc1.weight").unwrap().to_vec2().unwrap();
        let bias: Vec<f64> = network.weights().get("fc1.bias").unwrap().to_vec1().unwrap();
        let dot =
            |row: &[f64], image: &[f64]| row.iter().zip(image).map(|(w, x)| w * x).sum::<f64>();
        let logits = rows(images).into_iter().map(|image| {
            weight.iter().zip(&bias).map(|(row, bias)| dot(row, &image) + bias).collect()
        });
        let logits = logits.collect();
        let mut sources = Sources::new();
        sources.insert("linear", &network).unwrap();
        Self { sources, weight, logits }
    }

    /// The class of the largest logit.
    fn predicted(&self, row: usize) -> usize {
        let logits = &self.logits[row];
        (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap()
    }

    /// Gradient of the cross-entropy towards `class`: `W^T (softmax(z) - e_class)`.
    fn gradient(&self, row: usize, class: usize) -> Vec<f64> {
        let logits = &self.logits[row];
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let mut residual: Vec<f64> = logits.iter().map(|logit| logit.exp() / total).collect();
        residual[class] -= 1.0;
        (0..144).map(|pixel| (0..10).map(|k| self.weight[k][pixel] * residual[k]).sum()).collect()
    }
}

fn l2_norm(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// One norm at a radius at which no grey pixel reaches an end of the box.
fn small_radius(form: Ensemble) -> Ensemble {
    let at = |epsilon| move |inner| InnerAttack { epsilon: Radius::new(epsilon).unwrap(), ..inner };
    let form = against(&["linear"], form);
    Ensemble { l2: form.l2.map(at(0.5)), linf: form.linf.map(at(0.1)), ..form }
}

#[test]
fn a_single_step_from_a_linear_source_is_what_a_pencil_gives() {
    let natural = grey(6);
    let source = LinearSource::on(natural.images());
    // Labels that the source does not give: what it predicts must count, not what is true.
    let wrong = (0..6).map(|row| (source.predicted(row) as u32 + 1) % 10).collect::<Vec<_>>();
    let examples =
        Examples::new(natural.images().clone(), wrong.clone(), natural.ids().to_vec()).unwrap();
    let trained = untrained(small_architecture(), 9, DType::F64, Executor::Candle);
    type Step = fn(&[f64]) -> Vec<f64>;
    let steps: [(Ensemble, Step); 3] = [
        (Ensemble::linf().unwrap(), |g| g.iter().map(|g| 0.1 * g.signum()).collect()),
        (Ensemble::l2().unwrap(), |g| g.iter().map(|x| 0.5 * x / l2_norm(g)).collect()),
        (Ensemble::l2_raw().unwrap(), |g| g.iter().map(|g| 0.5 * g).collect()),
    ];
    for (form, step) in steps {
        let form = small_radius(form);
        let here = at(step_of(&form, Some("linear")));
        let found = form.attack(&source.sources, &trained, &examples, &here).unwrap();
        let moved = (&found.images - examples.images()).unwrap();
        for (row, moved) in rows(&moved).iter().enumerate() {
            let by_hand = |class| step(&source.gradient(row, class));
            let off = difference(moved, &by_hand(source.predicted(row)));
            assert!(off < 1e-6, "{:?}: {off:e} from the step by hand", form.norms);
            let leaking = difference(moved, &by_hand(wrong[row] as usize));
            assert!(leaking > 1e-3, "{:?}: the true class counts", form.norms);
        }
        assert_eq!(found.passes, 2 * 6, "the pass that predicts gives the gradient too");
    }
}

#[test]
fn a_normalised_step_is_as_long_as_the_radius_and_a_raw_one_is_not() {
    let examples = grey(6);
    let source = LinearSource::on(examples.images());
    let trained = untrained(small_architecture(), 9, DType::F64, Executor::Candle);
    let lengths = |form: Ensemble| {
        let form = small_radius(form);
        let here = at(step_of(&form, Some("linear")));
        let found = form.attack(&source.sources, &trained, &examples, &here).unwrap();
        Norm::L2.distances(examples.images(), &found.images).unwrap()
    };
    // Projections aim a millionth below the radius, so that rounding does not leave the ball.
    let short = |length: &f64| (0.5 - length) / 0.5;
    assert!(lengths(Ensemble::l2().unwrap()).iter().all(|own| (0.0..1.1e-6).contains(&short(own))));
    assert!(lengths(Ensemble::l2_raw().unwrap()).iter().all(|own| short(own) > 0.01));
}

#[test]
fn true_labels_do_not_matter_to_the_examples_of_any_form() {
    let digits = small_digits(5, DType::F32);
    let other = digits.labels().iter().map(|label| (label + 3) % 10).collect();
    let relabelled = Examples::new(digits.images().clone(), other, digits.ids().to_vec()).unwrap();
    let sources = small_sources(DType::F32, engine());
    let network = untrained(small_architecture(), 1, DType::F32, engine());
    for (name, form) in forms() {
        let form = against(&["one", "two"], form);
        for step in 0..6 {
            let attack = |examples| form.attack(&sources, &network, examples, &at(step)).unwrap();
            assert_eq!(rows(&attack(&digits).images), rows(&attack(&relabelled).images), "{name}");
        }
    }
}

#[test]
fn examples_stay_in_ball_and_box_and_are_the_same_in_any_company() {
    let examples = small_digits(7, DType::F32);
    let order = [6, 2, 0];
    let some = examples.select(&order).unwrap();
    let sources = small_sources(DType::F32, engine());
    let network = untrained(small_architecture_with_dropout(), 1, DType::F32, engine());
    for (name, form) in forms() {
        let form = against(&["one", "two"], form);
        for step in 0..8 {
            let attack = |examples| form.attack(&sources, &network, examples, &at(step)).unwrap();
            let Adversarial { images, norm, radius, .. } = attack(&examples);
            let distances = norm.distances(examples.images(), &images).unwrap();
            assert!(distances.iter().all(|far| *far <= radius.get() * (1.0 + TOLERANCE)), "{name}");
            assert!(distances.iter().all(|far| *far > 0.0), "{name}: an image stays where it is");
            assert!(PixelBox::UNIT.contains(&images).unwrap().into_iter().all(|inside| inside));
            let together = rows(&images);
            for (row, pixels) in order.iter().zip(rows(&attack(&some).images)) {
                assert_eq!(together[*row], pixels, "{name}: example {row} depends on its batch");
            }
        }
    }
}

#[test]
fn several_steps_are_projected_ascent_on_the_drawn_source_towards_its_prediction() {
    let examples = small_digits(4, DType::F32);
    let sources = small_sources(DType::F32, engine());
    let network = untrained(small_architecture(), 1, DType::F32, engine());
    for form in [Ensemble::linf(), Ensemble::l2(), Ensemble::l2_raw()] {
        let form = against(&["one", "two"], form.unwrap().multi_step().unwrap());
        for name in [None, Some("one"), Some("two")] {
            let source = name.map_or(&network, |name| sources.get(name).unwrap());
            let predicted = predictions(&source.logits(examples.images()).unwrap()).unwrap();
            let ids = examples.ids().to_vec();
            let aimed = Examples::new(examples.images().clone(), predicted, ids).unwrap();
            let inner = form.l2.or(form.linf).unwrap();
            let ascent = ProjectedAscent {
                direction: Default::default(),
                rule: inner.rule,
                step_size: inner.step_size.at(inner.epsilon),
                steps: inner.steps,
                start: inner.start,
                momentum: 0.0,
                loss: LossKind::CrossEntropy,
            };
            let here = at(step_of(&form, name));
            let threat = ThreatModel::new(form.norms.at(0), inner.epsilon.get()).unwrap();
            let objective = Objective::untargeted(threat);
            let expected =
                perturb(source, &ascent, &aimed, &objective, draws(), here.step).unwrap();
            let found = form.attack(&sources, &network, &examples, &here).unwrap();
            assert_eq!(rows(&found.images), rows(&expected.images), "{name:?}");
            assert_eq!(found.health, expected.health);
        }
    }
}

#[test]
fn a_source_drops_units_as_it_is_told_to() {
    let examples = small_digits(4, DType::F32);
    let network = untrained(small_architecture_with_dropout(), 1, DType::F32, engine());
    let form = against(&[], Ensemble::l2().unwrap());
    let attacked = |crafting_dropout| {
        let form = Ensemble { crafting_dropout, ..form.clone() };
        rows(&form.attack(&Sources::new(), &network, &examples, &at(3)).unwrap().images)
    };
    let by_hand = |mode: Mode<'_>| {
        let (logits, pullback) = network.forward(examples.images(), mode).unwrap();
        let predicted = predictions(&logits).unwrap();
        let loss = Loss::new(LossKind::CrossEntropy, predicted, &Aim::Untargeted).unwrap();
        let cotangent = loss.evaluate(&logits, &[0, 1, 2, 3]).unwrap().cotangent;
        let gradient = pullback(&cotangent, Wanted::INPUT).unwrap().input.unwrap();
        let ball = LpBall::new(Norm::L2, Radius::new(4.0).unwrap());
        let (images, step) = (examples.images(), (StepRule::Unit, 4.0));
        rows(&ball.ascend(images, images, &gradient, step, PixelBox::UNIT).unwrap().0)
    };
    let training =
        |pass| Mode::Training { draws: draws(), step: 3, pass, examples: examples.ids() };
    assert_eq!(attacked(true), by_hand(training(2)));
    assert_eq!(attacked(false), by_hand(Mode::Evaluation));
    // Neither half of the loss drops what the source drops.
    assert!((0..2).all(|pass| attacked(true) != by_hand(training(pass))));
    assert_ne!(attacked(true), attacked(false));
}
