//! Attacks along the curvature where the curvature is known: on paper, or from a dense Hessian.

use candle_core::{DType, Tensor};
use saddle_attacks::{
    Attack, Curvature, CurvatureAscent, Driver, Examples, Judge, Objective, ProjectedAscent, Sign,
    ThreatModel, answer, perturb,
};
use saddle_model::{Aim, Classifier, Executor, Loss, LossKind, Mode, Wanted};
use saddle_ops::{Draws, Kernels, Norm, StepRule, symmetric_eigen};
use saddle_tests::attacks::{
    ByRow, Constant, Counting, Linear, Quadratic, bits, examples_around_half, in_double,
    relabelled, rows,
};
use saddle_tests::model::{flat, hashed_images, hashed_network, small_architectures};

const EXACT: Curvature = Curvature::Eigenvector { sign: Sign::Gradient };
const BOTH: Curvature = Curvature::Eigenvector { sign: Sign::Both };
const PRINTED: Curvature = Curvature::AsPrinted { length: 1e-6 };

fn power(iterations: u32) -> Curvature {
    Curvature::Power { iterations, length: 1e-6 }
}

fn unit(direction: Curvature, step_size: f64, steps: u32) -> CurvatureAscent {
    CurvatureAscent { direction, rule: StepRule::Unit, step_size, steps }
}

fn objective(epsilon: f64) -> Objective {
    Objective::untargeted(ThreatModel::new(Norm::L2, epsilon).unwrap())
}

/// Where one step leads each example, less where it was.
fn moved(
    classifier: &dyn Classifier,
    attack: &dyn Attack,
    examples: &Examples,
    epsilon: f64,
) -> Vec<Vec<f64>> {
    let found = perturb(classifier, attack, examples, &objective(epsilon), Draws::new(3), 0);
    rows(&(found.unwrap().images - examples.images()).unwrap()).unwrap()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// A loss that curves 2,001 times as much along its axis as elsewhere, at its critical point.
fn quadratic() -> Quadratic {
    let mut stream = Draws::new(5).stream("axis", 0, 0, 0, 0);
    let axis: Vec<f64> = (0..10).map(|_| stream.normal()).collect();
    let length = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
    let axis = axis.iter().map(|a| a / length).collect();
    Quadratic { axis, curvature: 2000.0, centre: 0.5, height: 1.0 }
}

#[test]
fn power_iteration_finds_the_axis_of_a_quadratic() {
    let model = quadratic();
    let axis = model.axis.clone();
    let classifier = ByRow(model);
    let examples = in_double(&examples_around_half(3, 6, 10, 0.0));
    for (iterations, least) in [(1, 0.99), (5, 1.0 - 1e-9)] {
        let attack = unit(power(iterations), 1e-3, 1);
        for moved in moved(&classifier, &attack, &examples, 1.0) {
            let found = cosine(&moved, &axis).abs();
            assert!(found > least, "{iterations} iterations: cosine {found}");
        }
    }
}

/// The Hessian of the cross-entropy at one image, by central differences of gradients.
fn dense_hessian(classifier: &dyn Classifier, image: &Tensor, label: u32) -> Vec<f64> {
    let loss = Loss::new(LossKind::CrossEntropy, vec![label], &Aim::Untargeted).unwrap();
    let gradient = |pixels: &[f64]| {
        let image = Tensor::from_slice(pixels, image.shape(), image.device()).unwrap();
        let (logits, pullback) = classifier.forward(&image, Mode::Evaluation).unwrap();
        let cotangent = loss.evaluate(&logits, &[0]).unwrap().cotangent;
        flat(&pullback(&cotangent, Wanted::INPUT).unwrap().input.unwrap())
    };
    let here = flat(image);
    let step = 1e-6;
    let line = |pixel: usize| -> Vec<f64> {
        let at = |sign: f64| {
            let mut moved = here.clone();
            moved[pixel] += sign * step;
            gradient(&moved)
        };
        at(1.0).iter().zip(at(-1.0)).map(|(up, down)| (up - down) / (2.0 * step)).collect()
    };
    (0..here.len()).flat_map(line).collect()
}

#[test]
fn the_exact_direction_is_the_top_eigenvector_of_a_dense_hessian() {
    for architecture in &small_architectures()[..1] {
        let executor = Executor::Engine(Kernels::detect());
        let network = hashed_network(architecture, 11, DType::F64, executor);
        // Well inside the pixel box, so that no step is clipped.
        let images = hashed_images(architecture, 3, 12, DType::F64).affine(0.6, 0.2).unwrap();
        let examples = Examples::new(images.clone(), vec![0, 1, 2], vec![7, 8, 9]).unwrap();
        let exact = moved(&network, &unit(EXACT, 1e-3, 1), &examples, 1.0);
        let iterated = moved(&network, &unit(power(300), 1e-3, 1), &examples, 1.0);
        for row in 0..3 {
            let image = images.narrow(0, row, 1).unwrap();
            let hessian = dense_hessian(&network, &image, row as u32);
            let (values, vectors) = symmetric_eigen(&hessian, exact[row].len()).unwrap();
            let context =
                format!("row {row} of {}, spectrum {:?}", architecture.name, &values[..3]);
            assert!(values[0] > 1.05 * values[1], "no gap to speak of: {context}");
            let found = cosine(&exact[row], &vectors[0]).abs();
            assert!(found > 1.0 - 1e-8, "exact: cosine {found}, {context}");
            let found = cosine(&iterated[row], &vectors[0]).abs();
            assert!(found > 1.0 - 1e-4, "power iteration: cosine {found}, {context}");
            // Both go where the loss rises.
            let same = cosine(&iterated[row], &exact[row]);
            assert!(same > 0.0, "{context}");
        }
    }
}

#[test]
fn where_a_softmax_saturates_the_exact_direction_is_that_of_the_margin() {
    // So sure that the cross-entropy and its Hessian vanish even in double precision.
    let model = Linear { scale: 4e6, ..Linear::random(9, 4, 16) };
    let weights = model.weights.clone();
    let classifier = ByRow(model);
    let examples = examples_around_half(5, 8, 16, 0.3);
    let examples = relabelled(&examples, &classifier).unwrap();
    let scores = rows(&classifier.logits(examples.images()).unwrap()).unwrap();
    let exact = moved(&classifier, &unit(EXACT, 1e-2, 1), &examples, 1.0);
    let plain = ProjectedAscent::pgd(Norm::L2, 1e-2, 1);
    let stuck = moved(&classifier, &plain, &examples, 1.0);
    for (row, scores) in scores.iter().enumerate() {
        let mut order: Vec<usize> = (0..4).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        assert!(scores[order[0]] - scores[order[1]] > 800.0, "not saturated: {scores:?}");
        let (first, second) = (&weights[order[0]], &weights[order[1]]);
        let margin: Vec<f64> = second.iter().zip(first).map(|(up, down)| up - down).collect();
        let found = cosine(&exact[row], &margin);
        assert!(found > 1.0 - 1e-6, "cosine {found} with the rising margin");
        assert!(stuck[row].iter().all(|moved| *moved == 0.0), "the gradient was not lost");
    }
}

#[test]
fn both_signs_are_tried_and_the_larger_loss_wins() {
    // The loss rises to the right, but the pixel box ends there before it is as high as on the left.
    let classifier = ByRow(Quadratic { axis: vec![1.0], curvature: 9.0, centre: 0.6, height: 5.0 });
    let images = Tensor::new(&[[[[0.65f32]]], [[[0.3f32]]]], &candle_core::Device::Cpu).unwrap();
    let examples = Examples::new(images, vec![0, 0], vec![1, 2]).unwrap();
    let by_gradient = moved(&classifier, &unit(EXACT, 0.9, 1), &examples, 1.0);
    let by_trial = moved(&classifier, &unit(BOTH, 0.9, 1), &examples, 1.0);
    let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
    assert!(close(by_gradient[0][0], 0.35) && close(by_trial[0][0], -0.65), "{by_trial:?}");
    assert!(close(by_gradient[1][0], -0.3) && close(by_trial[1][0], -0.3), "{by_trial:?}");
}

#[test]
fn as_printed_it_is_the_gradient() {
    let classifier = ByRow(Linear::random(2, 5, 12));
    let examples = in_double(&examples_around_half(6, 5, 12, 0.3));
    let examples = relabelled(&examples, &classifier).unwrap();
    let printed = moved(&classifier, &unit(PRINTED, 1e-3, 1), &examples, 1.0);
    let plain = moved(&classifier, &ProjectedAscent::pgd(Norm::L2, 1e-3, 1), &examples, 1.0);
    for (printed, plain) in printed.iter().zip(&plain) {
        assert!(cosine(printed, plain) > 1.0 - 1e-9);
    }
}

fn all_directions() -> [Curvature; 5] {
    [EXACT, BOTH, power(1), power(3), PRINTED]
}

#[test]
fn an_uncapped_run_costs_what_arithmetic_says() {
    let classifier = ByRow(Constant(vec![1.0, 0.0, 0.0])); // nobody is ever fooled
    let examples = in_double(&examples_around_half(2, 3, 6, 0.2));
    for direction in all_directions() {
        for judge in [Judge::Final, Judge::Any] {
            let attack = unit(direction, 0.1, 4);
            let driver = Driver { judge, ..Driver::default() };
            let outcome =
                driver.run(&classifier, &attack, &examples, &objective(0.5), Draws::new(1));
            // Natural and last image. What an attack asks at its iterate judges it for free, and in the middle of a step it
            // still stands where it was judged.
            let verdicts = if direction == PRINTED && judge == Judge::Any { 1 + 4 } else { 2 };
            for verdict in &outcome.unwrap().verdicts {
                let expected = 4 * attack.passes_per_step(3) + verdicts;
                assert_eq!(verdict.passes(), expected, "{direction:?} {judge:?}");
            }
        }
    }
}

#[test]
fn what_is_counted_is_what_happened_and_the_cap_holds() {
    for direction in all_directions() {
        for judge in [Judge::Final, Judge::Any] {
            for stop_fooled in [false, true] {
                for cap in [None, Some(2), Some(3), Some(11), Some(40)] {
                    let classifier = Counting::new(ByRow(Linear::random(3, 3, 12)));
                    let examples = in_double(&examples_around_half(1, 9, 12, 0.4));
                    let examples = relabelled(&examples, &classifier).unwrap();
                    let before = classifier.counts();
                    let driver =
                        Driver { batch: 4, cap, judge, stop_fooled, restarts: 1, trace: false };
                    let attack = unit(direction, 0.1, 6);
                    let outcome = driver
                        .run(&classifier, &attack, &examples, &objective(0.6), Draws::new(1))
                        .unwrap();
                    let after = classifier.counts();
                    let forward: u64 = outcome.verdicts.iter().map(|v| v.forward).sum();
                    let backward: u64 = outcome.verdicts.iter().map(|v| v.backward).sum();
                    assert_eq!((forward, backward), (after.0 - before.0, after.1 - before.1));
                    let within = |most: u64| outcome.verdicts.iter().all(|v| v.passes() <= most);
                    assert!(cap.is_none_or(within), "{direction:?} {cap:?}");
                }
            }
        }
    }
}

#[test]
fn a_trace_shows_the_gradient_of_the_loss_and_not_that_of_the_logits() {
    let classifier = ByRow(Linear::random(3, 3, 12));
    let examples = examples_around_half(1, 4, 12, 0.2);
    let trace = |attack: &dyn Attack| {
        let driver = Driver { trace: true, ..Driver::default() };
        let outcome = driver.run(&classifier, attack, &examples, &objective(0.6), Draws::new(1));
        outcome.unwrap().trace
    };
    let (exact, plain) = (unit(EXACT, 0.1, 2), ProjectedAscent::pgd(Norm::L2, 0.1, 2));
    assert_eq!(trace(&exact)[0].gradient_norms, trace(&plain)[0].gradient_norms);
    assert_eq!(trace(&exact)[0].losses, trace(&plain)[0].losses);
}

/// In the middle of a step or between steps: who leaves changes nothing for those who stay.
#[test]
fn rows_keep_their_way_when_others_leave() {
    let classifier = ByRow(Linear::random(3, 4, 8));
    let examples = in_double(&examples_around_half(1, 5, 8, 0.3));
    for direction in all_directions() {
        let attack = unit(direction, 0.1, 3);
        let whole = perturb(&classifier, &attack, &examples, &objective(0.5), Draws::new(2), 0);
        let whole = bits(&whole.unwrap().images);
        for leave_after in 1..5 {
            let mut run = attack.begin(&examples, &objective(0.5), Draws::new(2), 0).unwrap();
            let mut told = 0;
            loop {
                let query = run.ask().unwrap();
                let Some(answer) = answer(&classifier, &query).unwrap() else { break };
                run.tell(answer).unwrap();
                told += 1;
                if told == leave_after {
                    run.keep(&[1, 4]).unwrap();
                }
            }
            let expected = if told < leave_after {
                whole.clone()
            } else {
                [1, 4].map(|row: usize| whole[row].clone()).into()
            };
            assert_eq!(bits(run.iterate()), expected, "{direction:?} after {leave_after}");
        }
    }
}

#[test]
fn the_direction_followed_is_known_after_each_step_and_only_then() {
    let classifier = ByRow(Linear::random(3, 4, 8));
    let examples = in_double(&examples_around_half(1, 2, 8, 0.2));
    for direction in all_directions() {
        let attack = unit(direction, 1e-3, 2);
        let mut run = attack.begin(&examples, &objective(0.5), Draws::new(2), 0).unwrap();
        assert!(run.followed().unwrap().is_none());
        loop {
            let before = run.iterate().clone();
            let query = run.ask().unwrap();
            let Some(answer) = answer(&classifier, &query).unwrap() else { break };
            run.tell(answer).unwrap();
            let Some(followed) = run.followed().unwrap() else {
                assert_eq!(bits(run.iterate()), bits(&before));
                continue;
            };
            let moved = rows(&(run.iterate() - &before).unwrap()).unwrap();
            for (moved, followed) in moved.iter().zip(rows(&followed).unwrap()) {
                assert!(cosine(moved, &followed) > 1.0 - 1e-6, "{direction:?}");
            }
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let examples = examples_around_half(1, 2, 8, 0.2);
    let refused = |attack: CurvatureAscent, objective: &Objective| {
        let begun = attack.begin(&examples, objective, Draws::new(2), 0);
        begun.err().unwrap().to_string()
    };
    let anything = objective(0.5);
    for (attack, word) in [
        (unit(power(1), 0.1, 1), "F64"),
        (unit(EXACT, 0.1, 0), "steps"),
        (unit(EXACT, f64::NAN, 1), "step_size"),
        (unit(power(0), 0.1, 1), "iterations"),
        (unit(Curvature::AsPrinted { length: 0.0 }, 0.1, 1), "length"),
    ] {
        let message = refused(attack, &anything);
        assert!(message.contains(word), "{message}");
    }
    let threat = ThreatModel::new(Norm::L2, 0.5).unwrap();
    let message = refused(unit(EXACT, 0.1, 1), &Objective::targeted(threat, vec![1, 1]));
    assert!(message.contains("any wrong class"), "{message}");
    let nowhere = Driver { restarts: 2, ..Driver::default() };
    let classifier = ByRow(Linear::random(3, 4, 8));
    let again = nowhere.run(&classifier, &unit(EXACT, 0.1, 1), &examples, &anything, Draws::new(1));
    assert!(again.unwrap_err().to_string().contains("one run"));
}
