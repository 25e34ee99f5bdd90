//! FGSM, PGD, momentum, targets and restarts against closed forms.

use saddle_attacks::{
    Driver, Examples, Judge, Objective, Outcome, ProjectedAscent, Start, ThreatModel,
};
use saddle_model::{Classifier, LossKind};
use saddle_ops::{Draws, Norm, Radius, StepRule};
use saddle_tests::attacks::{
    ByRow, Constant, Linear, Quadratic, bits, examples_around_half, relabelled, rows,
};

const SLOPE: [f64; 4] = [3.0, -1.0, 0.5, -2.0];

fn run(
    classifier: &dyn Classifier,
    attack: ProjectedAscent,
    examples: &Examples,
    objective: &Objective,
) -> Outcome {
    Driver::default()
        .run(classifier, &attack, examples, objective, Draws::new(7))
        .expect("a well-formed attack")
}

fn untargeted(norm: Norm, epsilon: f64) -> Objective {
    Objective::untargeted(ThreatModel::new(norm, epsilon).expect("a usable radius"))
}

fn with_margin(attack: ProjectedAscent) -> ProjectedAscent {
    ProjectedAscent { loss: LossKind::Margin, ..attack }
}

/// Largest `slope · (x − natural)` over the ball and the box, found by bisection on the multiplier.
fn best_gain(norm: Norm, epsilon: f64, natural: &[f64], slope: &[f64]) -> f64 {
    let moved = |length: f64| -> Vec<f64> {
        let pixels = natural.iter().zip(slope);
        match norm {
            Norm::Linf => pixels.map(|(x, w)| (x + epsilon * w.signum()).clamp(0.0, 1.0) - x),
            _ => return pixels.map(|(x, w)| (x + length * w).clamp(0.0, 1.0) - x).collect(),
        }
        .collect()
    };
    let (mut low, mut high) = (0.0, 100.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        let size = moved(middle).iter().map(|d| d * d).sum::<f64>().sqrt();
        if size <= epsilon { low = middle } else { high = middle }
    }
    moved(low).iter().zip(slope).map(|(d, w)| d * w).sum()
}

/// The same without a box.
fn free_gain(norm: Norm, epsilon: f64) -> f64 {
    epsilon
        * match norm {
            Norm::Linf => SLOPE.iter().map(|w| w.abs()).sum::<f64>(),
            _ => SLOPE.iter().map(|w| w * w).sum::<f64>().sqrt(),
        }
}

fn gains(outcome: &Outcome, examples: &Examples) -> Vec<f64> {
    let natural = rows(examples.images()).expect("floats");
    let found = rows(&outcome.final_images).expect("floats");
    let gain = |(x, y): (&Vec<f64>, &Vec<f64>)| {
        x.iter().zip(y).zip(SLOPE).map(|((x, y), w)| (y - x) * w).sum()
    };
    natural.iter().zip(&found).map(gain).collect()
}

#[test]
fn fgsm_and_pgd_reach_the_optimum_of_a_linear_loss_far_from_the_box() {
    let classifier = ByRow(Linear::two_classes(SLOPE.to_vec(), -100.0));
    let examples = examples_around_half(1, 5, 4, 0.1);
    for norm in [Norm::L2, Norm::Linf] {
        let epsilon = 0.3;
        let best = free_gain(norm, epsilon);
        let radius = Radius::new(epsilon).expect("positive");
        for attack in
            [ProjectedAscent::fgsm(norm, radius), ProjectedAscent::pgd(norm, epsilon / 4.0, 10)]
        {
            let outcome =
                run(&classifier, with_margin(attack), &examples, &untargeted(norm, epsilon));
            for gain in gains(&outcome, &examples) {
                assert!((gain - best).abs() <= 1e-5 * best, "{norm}: {gain} of {best}");
            }
        }
    }
}

#[test]
fn pgd_reaches_the_optimum_of_a_linear_loss_where_the_box_is_in_the_way() {
    let classifier = ByRow(Linear::two_classes(SLOPE.to_vec(), -100.0));
    let examples = examples_around_half(2, 6, 4, 0.45);
    for norm in [Norm::L2, Norm::Linf] {
        let epsilon = 0.6;
        let attack = with_margin(ProjectedAscent::pgd(norm, epsilon / 200.0, 1200));
        let outcome = run(&classifier, attack, &examples, &untargeted(norm, epsilon));
        let natural = rows(examples.images()).expect("floats");
        let mut cut = 0;
        for (gain, natural) in gains(&outcome, &examples).into_iter().zip(&natural) {
            let best = best_gain(norm, epsilon, natural, &SLOPE);
            assert!(gain <= best * (1.0 + 1e-6), "{norm}: {gain} beats the optimum {best}");
            assert!(gain >= best * 0.99, "{norm}: {gain} of {best}");
            cut += usize::from(best < 0.98 * free_gain(norm, epsilon));
        }
        assert!(cut >= 3, "{norm}: the box must be in the way of some examples");
    }
}

#[test]
fn the_l1_step_puts_everything_into_the_steepest_pixel() {
    let classifier = ByRow(Linear::two_classes(SLOPE.to_vec(), -100.0));
    let examples = examples_around_half(3, 3, 4, 0.1);
    let attack = with_margin(ProjectedAscent::pgd(Norm::L1, 0.1, 4));
    let outcome = run(&classifier, attack, &examples, &untargeted(Norm::L1, 0.2));
    for gain in gains(&outcome, &examples) {
        assert!((gain - 0.2 * 3.0).abs() < 1e-5, "{gain}");
    }
}

#[test]
fn a_raw_step_is_the_step_size_times_the_gradient() {
    let classifier = ByRow(Linear::two_classes(SLOPE.to_vec(), -100.0));
    let examples = examples_around_half(4, 2, 4, 0.1);
    let attack = with_margin(ProjectedAscent::raw_pgd(0.01, 3));
    let outcome = run(&classifier, attack, &examples, &untargeted(Norm::L2, 4.0));
    let squared: f64 = SLOPE.iter().map(|w| w * w).sum();
    for gain in gains(&outcome, &examples) {
        assert!((gain - 0.03 * squared).abs() < 1e-5, "{gain}");
    }
}

#[test]
fn the_literal_unit_step_walks_inside_an_linf_ball() {
    let classifier = ByRow(Linear::two_classes(SLOPE.to_vec(), -100.0));
    let examples = examples_around_half(5, 2, 4, 0.1);
    let unit = ProjectedAscent {
        rule: StepRule::Unit,
        ..with_margin(ProjectedAscent::pgd(Norm::Linf, 0.05, 1))
    };
    let outcome = run(&classifier, unit, &examples, &untargeted(Norm::Linf, 0.3));
    let length = SLOPE.iter().map(|w| w * w).sum::<f64>().sqrt();
    for (gain, verdict) in gains(&outcome, &examples).iter().zip(&outcome.verdicts) {
        assert!((gain - 0.05 * length).abs() < 1e-5, "{gain}");
        assert!((verdict.final_distance - 0.05 * 3.0 / length).abs() < 1e-6);
    }
}

#[test]
fn a_model_without_gradients_leaves_every_image_where_it_is() {
    let classifier = ByRow(Constant(vec![1.0, 0.0]));
    let examples = examples_around_half(6, 3, 4, 0.4);
    for momentum in [0.0, 0.9] {
        for norm in Norm::ALL {
            let attack = ProjectedAscent { momentum, ..ProjectedAscent::pgd(norm, 0.1, 5) };
            let outcome = run(&classifier, attack, &examples, &untargeted(norm, 0.3));
            assert_eq!(bits(&outcome.final_images), bits(examples.images()));
            assert_eq!(outcome.health.zero, 15, "three rows, five steps");
            assert_eq!(outcome.robust(Judge::Any), 3);
        }
    }
}

/// The recurrence of the docstring, one image at a time in 64 bits.
fn momentum_by_hand(rule: StepRule, model: &Quadratic, start: &[f64], steps: u32) -> Vec<f64> {
    let (step_size, momentum) = (0.01, 0.75);
    let (mut x, mut velocity) = (start.to_vec(), vec![0.0; start.len()]);
    for _ in 0..steps {
        let gradient = model.slope(&x);
        let size = match rule {
            StepRule::Sign => gradient.iter().map(|g| g.abs()).sum::<f64>(),
            StepRule::Unit => gradient.iter().map(|g| g * g).sum::<f64>().sqrt(),
            _ => 1.0,
        };
        for (m, g) in velocity.iter_mut().zip(&gradient) {
            *m = momentum * *m + g / size;
        }
        let length = velocity.iter().map(|m| m * m).sum::<f64>().sqrt();
        for (x, m) in x.iter_mut().zip(&velocity) {
            *x += step_size
                * match rule {
                    StepRule::Sign => m.signum(),
                    StepRule::Unit => m / length,
                    _ => *m,
                };
        }
    }
    x
}

#[test]
fn momentum_follows_its_formula() {
    let model =
        || Quadratic { axis: vec![0.6, 0.8, 0.0], curvature: 4.0, centre: 0.5, height: 50.0 };
    let examples = examples_around_half(7, 4, 3, 0.02);
    let natural = rows(examples.images()).expect("floats");
    for rule in [StepRule::Sign, StepRule::Unit, StepRule::Raw] {
        let attack = ProjectedAscent {
            rule,
            momentum: 0.75,
            ..with_margin(ProjectedAscent::pgd(Norm::L2, 0.01, 6))
        };
        let outcome = run(&ByRow(model()), attack, &examples, &untargeted(Norm::L2, 5.0));
        let found = rows(&outcome.final_images).expect("floats");
        for (natural, found) in natural.iter().zip(&found) {
            let expected = momentum_by_hand(rule, &model(), natural, 6);
            for (a, b) in expected.iter().zip(found) {
                assert!((a - b).abs() < 1e-5, "{rule:?}: {expected:?} against {found:?}");
            }
        }
    }
}

#[test]
fn a_targeted_attack_finds_its_target_and_nothing_else_counts() {
    let classifier = ByRow(Linear::random(8, 4, 12));
    let examples = relabelled(&examples_around_half(8, 12, 12, 0.2), &classifier).expect("fits");
    let targets: Vec<u32> = examples.labels().iter().map(|label| (label + 1) % 4).collect();
    let threat_model = ThreatModel::new(Norm::Linf, 0.45).expect("a usable radius");
    let objective = Objective::targeted(threat_model, targets.clone());
    let attack = with_margin(ProjectedAscent::pgd(Norm::Linf, 0.05, 30));
    let outcome = run(&classifier, attack, &examples, &objective);
    let found = outcome.verdicts.iter().filter(|verdict| verdict.fooled_final).count();
    assert!(found >= 10, "a linear target is reachable: {found}");
    for (verdict, target) in outcome.verdicts.iter().zip(targets) {
        assert_eq!(verdict.fooled_final, verdict.final_prediction == target);
    }
    // The weak step misses targets, yet changes classes: those do not count as fooled.
    let weak = with_margin(ProjectedAscent::pgd(Norm::Linf, 0.02, 1));
    for verdict in run(&classifier, weak, &examples, &objective).verdicts {
        if verdict.final_prediction == verdict.label {
            assert!(!verdict.fooled_final && verdict.robust(Judge::Final));
        }
    }
}

#[test]
fn starts_lie_in_the_ball_and_differ_by_restart() {
    let classifier = ByRow(Constant(vec![1.0, 0.0]));
    let examples = examples_around_half(9, 8, 20, 0.5);
    for start in [Start::Uniform, Start::Gaussian { sigma: 0.2 }] {
        for norm in Norm::ALL {
            let attack = ProjectedAscent { start, ..ProjectedAscent::pgd(norm, 0.1, 1) };
            let outcome = run(&classifier, attack, &examples, &untargeted(norm, 0.3));
            for verdict in &outcome.verdicts {
                assert!(verdict.final_distance > 0.0 && verdict.final_distance <= 0.3 * 1.000_001);
            }
            let twice = Driver { restarts: 2, ..Driver::default() }
                .run(&classifier, &attack, &examples, &untargeted(norm, 0.3), Draws::new(7))
                .expect("a well-formed attack");
            assert_ne!(bits(&outcome.final_images), bits(&twice.final_images));
        }
    }
}
