//! APGD against Algorithm 1 read line by line, and where its answer is known on paper.

use candle_core::Tensor;
use proptest::prelude::*;
use saddle_attacks::{
    Apgd, Attack, Driver, Examples, Goal, Judge, Objective, Query, ThreatModel, answer,
};
use saddle_model::{Aim, Loss, LossKind};
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{
    ByRow, Constant, Linear, Quadratic, RowModel, examples_around_half, relabelled, rows,
};
use saddle_tests::masked::{Log, logged, widened};

fn objective(norm: Norm, epsilon: f64) -> Objective {
    Objective::untargeted(ThreatModel::new(norm, epsilon).expect("a usable radius"))
}

fn margin(steps: u32) -> Apgd {
    Apgd { loss: LossKind::Margin, steps, targets: None }
}

#[test]
fn checkpoints_are_those_of_the_paper() {
    // p: 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99.
    for (steps, expected) in [
        (100, vec![22, 41, 57, 70, 80, 87, 93, 99]),
        (50, vec![11, 21, 29, 35, 40, 44, 47, 50]),
        (10, vec![3, 5, 6, 7, 8, 9, 10]),
        (1, vec![1]),
    ] {
        assert_eq!(margin(steps).checkpoints(), expected, "{steps} steps");
    }
}

/// One image through Algorithm 1, in plain numbers: the iterates, and the best of them.
struct Literal<'a, M> {
    model: &'a M,
    label: usize,
    norm: Norm,
    epsilon: f64,
    natural: &'a [f64],
}

impl<M: RowModel> Literal<'_, M> {
    /// Cross-entropy and its gradient.
    fn look(&self, image: &[f64]) -> (f64, Vec<f64>) {
        let logits = self.model.logits(image);
        let total: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let slopes = logits
            .iter()
            .enumerate()
            .map(|(class, logit)| logit.exp() / total - f64::from(u8::from(class == self.label)));
        let slopes: Vec<f64> = slopes.collect();
        (total.ln() - logits[self.label], self.model.pullback(image, &slopes))
    }

    fn back(&self, image: Vec<f64>) -> Vec<f64> {
        let moved = image.iter().zip(self.natural).map(|(x, n)| x - n);
        let moved: Vec<f64> = match self.norm {
            Norm::Linf => moved.map(|d| d.clamp(-self.epsilon, self.epsilon)).collect(),
            _ => {
                let moved: Vec<f64> = moved.collect();
                let length = moved.iter().map(|d| d * d).sum::<f64>().sqrt();
                let factor = (self.epsilon / length).min(1.0);
                moved.into_iter().map(|d| d * factor).collect()
            }
        };
        moved.iter().zip(self.natural).map(|(d, n)| (n + d).clamp(0.0, 1.0)).collect()
    }

    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        match self.norm {
            Norm::Linf => gradient.iter().map(|g| g.signum()).collect(),
            _ => {
                let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
                gradient.iter().map(|g| g / length).collect()
            }
        }
    }

    fn run(&self, start: Vec<f64>, steps: u32, checkpoints: &[u32]) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut eta = 2.0 * self.epsilon;
        let (mut x, mut x_before) = (start.clone(), start.clone());
        let (mut f, mut gradient) = self.look(&x);
        let (mut best, mut f_best, mut best_gradient) = (x.clone(), f, gradient.clone());
        let (mut f_best_then, mut halved_then) = (f_best, false);
        let (mut raised, mut since) = (0.0, 0.0);
        let mut iterates = vec![start];
        for k in 1..=steps {
            let along = self.direction(&gradient);
            let z = self.back(x.iter().zip(&along).map(|(x, d)| x + eta * d).collect());
            let next = if k == 1 {
                z
            } else {
                let mixed = (0..x.len())
                    .map(|i| x[i] + 0.75 * (z[i] - x[i]) + 0.25 * (x[i] - x_before[i]))
                    .collect();
                self.back(mixed)
            };
            x_before = std::mem::replace(&mut x, next);
            iterates.push(x.clone());
            let (value, slope) = self.look(&x);
            since += 1.0;
            raised += f64::from(u8::from(value > f));
            (f, gradient) = (value, slope);
            if f > f_best {
                (best, f_best, best_gradient) = (x.clone(), f, gradient.clone());
            }
            if k < steps && checkpoints.contains(&k) {
                let first = raised < 0.75 * since;
                let second = !halved_then && f_best_then == f_best;
                halved_then = first || second;
                if halved_then {
                    eta /= 2.0;
                    (x, f, gradient) = (best.clone(), f_best, best_gradient.clone());
                }
                (f_best_then, raised, since) = (f_best, 0.0, 0.0);
            }
        }
        (iterates, best)
    }
}

fn close(found: &[f64], expected: &[f64], allowed: f64) -> bool {
    found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= allowed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_iterate_is_that_of_algorithm_1(
        seed in 0u64..1000,
        norm in prop_oneof![Just(Norm::L2), Just(Norm::Linf)],
        epsilon in 0.05..0.5f64,
        steps in prop_oneof![Just(1u32), Just(2), Just(12), Just(30)],
    ) {
        // Little to gain along one direction, so steps overshoot and are halved.
        let model = Linear { scale: 3.0, ..Linear::random(seed, 4, 6) };
        let classifier = ByRow(Linear { scale: 3.0, ..Linear::random(seed, 4, 6) });
        let examples = relabelled(&examples_around_half(seed, 3, 6, 0.4), &classifier).unwrap();
        let examples = widened(&examples);
        let apgd = Apgd { steps, ..Apgd::cross_entropy() };
        let to = objective(norm, epsilon);
        let log = logged(&classifier, &apgd, &examples, &to, Draws::new(seed)).unwrap();
        prop_assert_eq!(log.points.len(), steps as usize + 1);
        for (row, natural) in rows(examples.images()).unwrap().iter().enumerate() {
            let label = examples.labels()[row] as usize;
            let literal = Literal { model: &model, label, norm, epsilon, natural };
            let start = log.points[0][row].clone();
            let (iterates, best) = literal.run(start, steps, &apgd.checkpoints());
            for (step, expected) in iterates.iter().enumerate() {
                // Projections aim a millionth inside.
                prop_assert!(close(&log.points[step][row], expected, 1e-4), "step {}", step);
            }
            prop_assert!(close(&log.end[row], &best, 1e-4));
        }
    }

    #[test]
    fn a_linear_loss_is_maximised_exactly(seed in 0u64..1000, epsilon in 0.02..0.3f64) {
        let slope = rows(examples_around_half(seed, 1, 8, 0.5).images()).unwrap().remove(0);
        let slope: Vec<f64> = slope.iter().map(|x| x - 0.5).collect();
        let classifier = ByRow(Linear::two_classes(slope.clone(), -1.0));
        let examples = examples_around_half(seed + 1, 2, 8, 0.1);
        for (norm, dual) in [
            (Norm::Linf, slope.iter().map(|w| w.abs()).sum::<f64>()),
            (Norm::L2, slope.iter().map(|w| w * w).sum::<f64>().sqrt()),
        ] {
            let log = logged(&classifier, &margin(100), &examples, &objective(norm, epsilon), Draws::new(seed));
            let log = log.unwrap();
            for (row, natural) in rows(examples.images()).unwrap().iter().enumerate() {
                let value = |image: &[f64]| image.iter().zip(&slope).map(|(x, w)| x * w).sum::<f64>();
                let gained = value(&log.end[row]) - value(natural);
                prop_assert!((gained - epsilon * dual).abs() <= 1e-4 * epsilon * dual, "{norm}: {gained}");
            }
        }
    }
}

#[test]
fn a_quadratic_loss_leads_to_its_top_eigenvector() {
    let pixels = 9;
    let axis = vec![1.0 / (pixels as f64).sqrt(); pixels];
    let classifier = ByRow(Quadratic { axis, curvature: 3.0, centre: 0.5, height: 9.0 });
    let examples = examples_around_half(1, 4, pixels, 0.0);
    let epsilon = 0.4;
    let apgd = margin(100);
    let log = logged(&classifier, &apgd, &examples, &objective(Norm::L2, epsilon), Draws::new(5));
    let last = log.unwrap();
    // Half the top eigenvalue, 1 + 3, times the squared radius.
    let most = 0.5 * 4.0 * epsilon * epsilon - 9.0;
    for logits in rows(&classifier_logits(&classifier, &last)).unwrap() {
        assert!((logits[1] - logits[0] - most).abs() < 1e-4, "{logits:?} for {most}");
    }
}

fn classifier_logits(classifier: &dyn saddle_model::Classifier, log: &Log) -> Tensor {
    let (rows, width) = (log.end.len(), log.end[0].len());
    let flat: Vec<f64> = log.end.iter().flatten().copied().collect();
    let images = Tensor::from_vec(flat, (rows, 1, 1, width), &candle_core::Device::Cpu).unwrap();
    classifier.logits(&images).unwrap()
}

#[test]
fn it_starts_on_the_surface_of_the_ball_anew_for_each_restart() {
    let examples = examples_around_half(1, 5, 12, 0.1);
    let margin = margin(3);
    for (norm, epsilon) in [(Norm::Linf, 0.2), (Norm::L2, 0.3)] {
        let begin = |restart| {
            let run = margin.begin(&examples, &objective(norm, epsilon), Draws::new(1), restart);
            run.unwrap().iterate().clone()
        };
        let (one, other) = (begin(0), begin(1));
        for distance in norm.distances(examples.images(), &one).unwrap() {
            assert!((distance / epsilon - 1.0).abs() < 1e-5, "{norm}: {distance}");
        }
        assert!(norm.distances(&one, &other).unwrap().iter().all(|distance| *distance > 0.01));
    }
}

#[test]
fn the_targeted_form_goes_for_the_likeliest_wrong_classes_in_their_order() {
    let classifier = ByRow(Constant(vec![3.0, 9.0, 5.0, 1.0, 4.0]));
    let examples = examples_around_half(1, 2, 4, 0.1);
    let labels = Examples::new(examples.images().clone(), vec![1, 2], vec![7, 8]).unwrap();
    let apgd = Apgd { targets: Some(3), steps: 2, ..Apgd::targeted() };
    let mut run = apgd.begin(&labels, &objective(Norm::L2, 0.2), Draws::new(1), 0).unwrap();
    // Which targets a loss has shows at logits where each gives another value.
    let probe = Tensor::new(&[[1.0f64, 2.0, 4.0, 8.0, 16.0]], &candle_core::Device::Cpu).unwrap();
    let spread = 16.0 - (4.0 + 2.0) / 2.0;
    let target = |loss: &Loss, row: usize, label: i32| -> i32 {
        let value = loss.evaluate(&probe, &[row]).unwrap().values[0];
        (value * spread + f64::from(1 << label)).log2().round() as i32
    };
    let mut seen = Vec::new();
    loop {
        let query = run.ask().unwrap();
        if let Query::Gradient { loss, .. } = &query {
            seen.push((target(loss, 0, 1), target(loss, 1, 2)));
        }
        let Some(answer) = answer(&classifier, &query).unwrap() else { break };
        run.tell(answer).unwrap();
    }
    // By falling logit without the label: 2, 4, 0 for the label 1, and 1, 4, 0 for the label 2. Two steps each.
    assert_eq!(seen, [(2, 1), (2, 1), (4, 4), (4, 4), (0, 0), (0, 0)]);
}

#[test]
fn the_targeted_form_ends_at_the_largest_margin_that_it_saw() {
    let classifier = ByRow(Linear::random(4, 5, 8));
    let examples = relabelled(&examples_around_half(4, 6, 8, 0.3), &classifier).unwrap();
    let apgd = Apgd { steps: 8, ..Apgd::targeted() };
    let log = logged(&classifier, &apgd, &examples, &objective(Norm::L2, 0.3), Draws::new(2));
    let log = log.unwrap();
    // Nine targets are asked for and there are four wrong classes.
    assert_eq!(log.points.len(), 1 + 4 * 9);
    let margin = |logits: &[f64], label: usize| {
        let others = logits.iter().enumerate().filter(|(class, _)| *class != label);
        others.map(|(_, logit)| *logit).fold(f64::NEG_INFINITY, f64::max) - logits[label]
    };
    for row in 0..examples.len() {
        let label = examples.labels()[row] as usize;
        let margins = log.logits.iter().map(|logits| margin(&logits[row], label));
        let most = margins.enumerate().fold((0, f64::NEG_INFINITY), |best, (step, value)| {
            if value > best.1 { (step, value) } else { best }
        });
        assert_eq!(log.end[row], log.points[most.0][row]);
        assert!(most.0 > 0, "the natural image is the best: this test has lost its point");
    }
}

#[test]
fn what_it_costs_is_what_it_says() {
    let classifier = ByRow(Constant(vec![9.0, 1.0, 2.0, 3.0, 4.0]));
    let examples = examples_around_half(2, 3, 6, 0.1);
    for apgd in [
        Apgd { steps: 7, ..Apgd::cross_entropy() },
        Apgd { steps: 7, ..Apgd::dlr() },
        Apgd { steps: 3, targets: Some(4), ..Apgd::targeted() },
    ] {
        let run = |judge| {
            let driver = Driver { judge, stop_fooled: true, ..Driver::default() };
            let to = objective(Norm::Linf, 0.1);
            driver.run(&classifier, &apgd, &examples, &to, Draws::new(1)).unwrap()
        };
        for judge in [Judge::Final, Judge::Any] {
            for verdict in run(judge).verdicts {
                // The natural and the last image are judged besides.
                assert_eq!(verdict.passes(), apgd.passes() + 2, "{}", apgd.name());
            }
        }
    }
}

#[test]
fn a_targeted_aim_is_followed() {
    let classifier = ByRow(Linear::random(9, 4, 6));
    let examples = relabelled(&examples_around_half(9, 8, 6, 0.2), &classifier).unwrap();
    let targets: Vec<u32> = examples.labels().iter().map(|label| (label + 1) % 4).collect();
    let to = Objective::targeted(ThreatModel::new(Norm::Linf, 0.5).unwrap(), targets.clone());
    let driver = Driver { judge: Judge::Any, ..Driver::default() };
    let apgd = Apgd::cross_entropy();
    let outcome = driver.run(&classifier, &apgd, &examples, &to, Draws::new(1)).unwrap();
    let hit = outcome.verdicts.iter().filter(|verdict| verdict.fooled_any).count();
    assert!(hit > 0, "this test has lost its point");
    for (verdict, target) in outcome.verdicts.iter().zip(targets) {
        assert_eq!(verdict.fooled_any, verdict.prediction == target);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let classifier = ByRow(Constant(vec![1.0, 0.0, 0.0]));
    let examples = examples_around_half(1, 2, 4, 0.1);
    let refusal = |apgd: Apgd, to: &Objective| {
        let outcome = Driver::default().run(&classifier, &apgd, &examples, to, Draws::new(1));
        outcome.expect_err("must be refused").to_string()
    };
    let within = |norm| objective(norm, 0.5);
    assert!(refusal(margin(0), &within(Norm::L2)).starts_with("steps"));
    let none = Apgd { targets: Some(0), ..Apgd::targeted() };
    assert!(refusal(none, &within(Norm::L2)).starts_with("targets"));
    assert!(refusal(Apgd::dlr(), &within(Norm::L1)).contains("made for l2 and linf"));
    let smallest = Objective { goal: Goal::Smallest(Norm::L2), aim: Aim::Untargeted };
    assert!(refusal(Apgd::dlr(), &smallest).contains("threat model with an epsilon"));
    let aimed = Objective::targeted(ThreatModel::new(Norm::L2, 0.5).unwrap(), vec![1, 1]);
    assert!(refusal(Apgd::targeted(), &aimed).contains("leave the aim open"));
    // The targeted ratio needs a fourth logit.
    assert!(refusal(Apgd::targeted(), &within(Norm::L2)).contains("at least 4 classes"));
    assert!(
        Driver::default()
            .run(&classifier, &Apgd::dlr(), &examples, &within(Norm::L2), Draws::new(1))
            .is_ok()
    );
}
