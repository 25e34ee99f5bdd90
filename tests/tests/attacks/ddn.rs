//! DDN against its paper, the goal of the smallest distance, and what is read off it.

use proptest::prelude::*;
use saddle_attacks::{
    Apgd, Ddn, Driver, Examples, Goal, Judge, Objective, Outcome, SmallestDistances, ThreatModel,
};
use saddle_model::{Aim, Classifier};
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{
    ByRow, Constant, Linear, RowModel, bits, examples_around_half, first_largest, relabelled, rows,
};
use saddle_tests::masked::{logged, widened};

fn smallest() -> Objective {
    Objective { goal: Goal::Smallest(Norm::L2), aim: Aim::Untargeted }
}

fn run(classifier: &dyn Classifier, ddn: Ddn, examples: &Examples, judge: Judge) -> Outcome {
    let driver = Driver { judge, batch: 3, ..Driver::default() };
    driver.run(classifier, &ddn, examples, &smallest(), Draws::new(1)).expect("well formed")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The distance of a point from a line is known.
    #[test]
    fn a_linear_classifier_is_crossed_where_it_is_nearest(seed in 0u64..1000) {
        let slope = rows(examples_around_half(seed, 1, 8, 0.5).images()).unwrap().remove(0);
        let slope: Vec<f64> = slope.iter().map(|x| x - 0.5).collect();
        let length = slope.iter().map(|w| w * w).sum::<f64>().sqrt();
        // Less than 0.2 of the way along the slope to the boundary, so that no pixel leaves the box.
        let offset = -0.5 * slope.iter().sum::<f64>() - 0.2 * length;
        let classifier = ByRow(Linear::two_classes(slope.clone(), offset));
        let examples = examples_around_half(seed + 1, 5, 8, 0.05);
        let ddn = Ddn { steps: 300, gamma: 0.02, ..Ddn::default() };
        for judge in [Judge::Final, Judge::Any] {
            let outcome = run(&classifier, ddn, &examples, judge);
            let found = SmallestDistances::of(&outcome.verdicts);
            for (natural, &found) in rows(examples.images()).unwrap().iter().zip(found.distances()) {
                let value = slope.iter().zip(natural).map(|(w, x)| w * x).sum::<f64>() + offset;
                let truth = (-value / length).max(0.0);
                prop_assert!(found >= truth * (1.0 - 1e-5), "{found} below {truth}");
                prop_assert!(found <= truth * 1.05 + 1e-6, "{found} far above {truth}");
            }
        }
    }

    #[test]
    fn every_iterate_is_that_of_algorithm_1(seed in 0u64..1000) {
        let model = Linear::random(seed, 3, 6);
        let classifier = ByRow(Linear::random(seed, 3, 6));
        let examples = relabelled(&examples_around_half(seed, 3, 6, 0.4), &classifier).unwrap();
        let examples = widened(&examples);
        let ddn = Ddn { steps: 40, gamma: 0.1, initial_norm: 0.5, levels: None };
        let log = logged(&classifier, &ddn, &examples, &smallest(), Draws::new(1)).unwrap();
        prop_assert_eq!(log.points.len(), 41);
        for (row, natural) in rows(examples.images()).unwrap().iter().enumerate() {
            let label = examples.labels()[row] as usize;
            let (iterates, best) = literal(&model, label, natural, &ddn);
            for (step, expected) in iterates.iter().enumerate() {
                let apart = log.points[step][row].iter().zip(expected).map(|(a, b)| (a - b).abs());
                prop_assert!(apart.fold(0.0, f64::max) < 1e-9, "step {}", step);
            }
            let apart = log.end[row].iter().zip(&best).map(|(a, b)| (a - b).abs());
            prop_assert!(apart.fold(0.0, f64::max) < 1e-9);
        }
    }
}

fn norm(numbers: &[f64]) -> f64 {
    numbers.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Algorithm 1 for one image, in plain numbers: all iterates, and the nearest that fools or the last.
fn literal(model: &Linear, label: usize, natural: &[f64], ddn: &Ddn) -> (Vec<Vec<f64>>, Vec<f64>) {
    let farthest: Vec<f64> = natural.iter().map(|x| x.max(1.0 - x)).collect();
    let mut delta = vec![0.0; natural.len()];
    let mut radius = ddn.initial_norm;
    let mut iterates = Vec::new();
    let mut best: Option<(f64, Vec<f64>)> = None;
    for k in 0..=ddn.steps {
        let x: Vec<f64> = natural.iter().zip(&delta).map(|(n, d)| n + d).collect();
        let logits = model.logits(&x);
        let fooled = first_largest(&logits) as usize != label;
        if fooled && best.as_ref().is_none_or(|(known, _)| norm(&delta) < *known) {
            best = Some((norm(&delta), x.clone()));
        }
        let total: f64 = logits.iter().map(|z| z.exp()).sum();
        let slopes = logits
            .iter()
            .enumerate()
            .map(|(class, z)| z.exp() / total - f64::from(u8::from(class == label)));
        let gradient = model.pullback(&x, &slopes.collect::<Vec<f64>>());
        iterates.push(x);
        let angle = std::f64::consts::PI * f64::from(k) / f64::from(ddn.steps);
        let alpha = 0.01 + 0.99 * (1.0 + angle.cos()) / 2.0;
        let size = norm(&gradient);
        delta.iter_mut().zip(&gradient).for_each(|(d, g)| *d += alpha * g / size);
        radius *= if fooled { 1.0 - ddn.gamma } else { 1.0 + ddn.gamma };
        radius = radius.min(norm(&farthest));
        let size = norm(&delta);
        for (d, n) in delta.iter_mut().zip(natural) {
            *d = (n + radius * *d / size).clamp(0.0, 1.0) - n;
        }
    }
    let last = iterates.last().cloned().unwrap_or_default();
    (iterates, best.map_or(last, |(_, image)| image))
}

#[test]
fn steps_shrink_along_half_a_cosine() {
    let ddn = Ddn::default();
    assert_eq!((ddn.steps, ddn.gamma, ddn.initial_norm, ddn.levels), (100, 0.05, 1.0, None));
    assert_eq!(ddn.step_size(0), 1.0);
    assert!((ddn.step_size(50) - 0.505).abs() < 1e-15);
    assert!((ddn.step_size(100) - 0.01).abs() < 1e-15);
    assert!((0..100).all(|step| ddn.step_size(step + 1) < ddn.step_size(step)));
}

/// Digits right at 0.2 and 0.4 from the boundary, one wrong from the start, and one that nothing fools.
fn case() -> (ByRow<Linear>, Examples) {
    let classifier = ByRow(Linear::two_classes(vec![1.0, 0.0, 0.0, 0.0], -0.7));
    let row = |first: f32| [first, 0.5, 0.5, 0.5];
    let images: Vec<f32> = [row(0.5), row(0.3), row(0.9)].concat();
    let images = candle_core::Tensor::from_vec(images, (3, 1, 2, 2), &candle_core::Device::Cpu);
    (classifier, Examples::new(images.unwrap(), vec![0, 0, 0], vec![1, 2, 3]).unwrap())
}

#[test]
fn distances_tell_median_and_accuracy_at_every_radius() {
    let (classifier, examples) = case();
    let ddn = Ddn { gamma: 0.01, steps: 400, ..Ddn::default() };
    let outcome = run(&classifier, ddn, &examples, Judge::Any);
    let found = SmallestDistances::of(&outcome.verdicts);
    let [near, far, wrong] = *found.distances() else { panic!("three digits") };
    assert!((0.2..0.21).contains(&near) && (0.4..0.42).contains(&far) && wrong == 0.0);
    assert_eq!(found.median(), near);
    for (radius, robust) in [(0.0, 2), (0.19, 2), (near, 1), (0.3, 1), (far, 0), (9.0, 0)] {
        assert_eq!(found.robust_at(radius), robust, "within {radius}");
    }
    // The same verdicts as those of a threat model with that radius.
    for (radius, robust) in [(0.19, 2), (0.3, 1), (0.5, 0)] {
        let within: Vec<_> = outcome.verdicts.iter().map(|v| v.clone().within(radius)).collect();
        assert_eq!(within.iter().filter(|verdict| verdict.robust(Judge::Any)).count(), robust);
        assert_eq!(within.iter().filter(|verdict| verdict.robust(Judge::Final)).count(), robust);
        assert!(within.iter().all(|verdict| verdict.first_fooled_passes.is_none()));
    }
    // The image that is handed over is the one whose distance is told.
    let distances = Norm::L2.distances(examples.images(), &outcome.images).unwrap();
    assert_eq!([distances[0], distances[1]], [near, far]);
    let logits = rows(&classifier.logits(&outcome.images).unwrap()).unwrap();
    assert!(logits.iter().all(|logits| first_largest(logits) == 1));

    let even = SmallestDistances::of(&outcome.verdicts[..2]);
    assert!((even.median() - (near + far) / 2.0).abs() < 1e-12);
    let unmoved = ByRow(Constant(vec![1.0, 0.0]));
    let outcome = run(&unmoved, Ddn { steps: 4, ..Ddn::default() }, &examples, Judge::Any);
    let found = SmallestDistances::of(&outcome.verdicts);
    assert!(found.distances().iter().all(|distance| *distance == f64::INFINITY));
    assert_eq!((found.median(), found.robust_at(99.0)), (f64::INFINITY, 3));
    // Nowhere is a gradient, so every step was taken at random, and counted.
    assert_eq!(outcome.health.zero, 3 * 4);
    assert_ne!(bits(&outcome.final_images), bits(examples.images()));
}

#[test]
fn the_judge_keeps_the_nearest_of_all_images_that_fool() {
    let classifier = ByRow(Linear::random(3, 3, 8));
    let examples = relabelled(&examples_around_half(3, 6, 8, 0.2), &classifier).unwrap();
    let ddn = Ddn { steps: 30, ..Ddn::default() };
    let log = logged(&classifier, &ddn, &examples, &smallest(), Draws::new(1)).unwrap();
    let outcome = run(&classifier, ddn, &examples, Judge::Any);
    let natural = rows(examples.images()).unwrap();
    let mut first_is_nearest = 0;
    for (row, verdict) in outcome.verdicts.iter().enumerate() {
        let fooling = log.points.iter().zip(&log.logits).filter_map(|(points, logits)| {
            let fooled = first_largest(&logits[row]) != examples.labels()[row];
            let moved = points[row].iter().zip(&natural[row]).map(|(a, b)| a - b);
            fooled.then(|| norm(&moved.collect::<Vec<f64>>()))
        });
        let fooling: Vec<f64> = fooling.collect();
        let nearest = fooling.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(verdict.fooled_any && (verdict.distance - nearest).abs() < 1e-12);
        assert_eq!(verdict.distance, verdict.final_distance);
        first_is_nearest += usize::from((fooling[0] - nearest).abs() < 1e-12);
        // Steps and passes are those of the first image that fooled.
        assert!(verdict.first_fooled_step.is_some_and(|step| step < 30));
        assert!(verdict.first_fooled_passes.is_some_and(|passes| passes < verdict.passes()));
    }
    assert!(first_is_nearest < 6, "this test has lost its point");
}

#[test]
fn pixels_are_rounded_to_levels_when_asked() {
    let (classifier, examples) = case();
    for levels in [2, 5, 256] {
        let ddn = Ddn { levels: Some(levels), steps: 30, ..Ddn::default() };
        let log = logged(&classifier, &ddn, &examples, &smallest(), Draws::new(1)).unwrap();
        let last = f64::from(levels - 1);
        for pixel in log.points[1..].iter().flatten().flatten() {
            assert!((pixel * last - (pixel * last).round()).abs() < 1e-4, "{pixel} of {levels}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (classifier, examples) = case();
    let attempt = |driver: Driver, ddn: Ddn, to: &Objective| {
        let outcome = driver.run(&classifier, &ddn, &examples, to, Draws::new(1));
        outcome.expect_err("must be refused").to_string()
    };
    let usual = Ddn::default();
    let plain = Driver::default;
    assert!(attempt(plain(), Ddn { steps: 0, ..usual }, &smallest()).starts_with("steps"));
    for gamma in [0.0, 1.0, f64::NAN] {
        assert!(attempt(plain(), Ddn { gamma, ..usual }, &smallest()).starts_with("gamma"));
    }
    let endless = Ddn { initial_norm: f64::INFINITY, ..usual };
    assert!(attempt(plain(), endless, &smallest()).starts_with("initial_norm"));
    let one = Ddn { levels: Some(1), ..usual };
    assert!(attempt(plain(), one, &smallest()).starts_with("levels"));
    let within = Objective::untargeted(ThreatModel::new(Norm::L2, 1.0).unwrap());
    assert!(attempt(plain(), usual, &within).contains("smallest perturbation in l2"));
    let linf = Objective { goal: Goal::Smallest(Norm::Linf), ..smallest() };
    assert!(attempt(plain(), usual, &linf).contains("smallest perturbation in l2"));
    let early = Driver { stop_fooled: true, ..plain() };
    assert!(attempt(early, usual, &smallest()).starts_with("stop_fooled"));
    let twice = Driver { restarts: 2, ..plain() };
    assert!(attempt(twice, usual, &smallest()).contains("runs without noise are one run"));
    // An attack that works inside a ball has no use for the goal.
    let ball = plain().run(&classifier, &Apgd::dlr(), &examples, &smallest(), Draws::new(1));
    assert!(ball.expect_err("must be refused").to_string().contains("an epsilon"));
}
