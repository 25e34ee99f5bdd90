//! S-O and its even and odd parts where theory says what they must do.

use saddle_attacks::{
    Direction, Driver, Examples, Judge, Objective, Outcome, ProjectedAscent, ThreatModel,
    inspect_gradients,
};
use saddle_model::{Classifier, LossKind};
use saddle_ops::{Draws, Norm, StepRule};
use saddle_tests::attacks::{
    ByRow, Linear, Plateau, Quadratic, bits, examples_around_half, relabelled, rows,
};

const STEPS: u32 = 12;

fn attack(norm: Norm, direction: Direction) -> ProjectedAscent {
    ProjectedAscent { direction, loss: LossKind::Margin, ..ProjectedAscent::pgd(norm, 0.05, STEPS) }
}

fn run(
    classifier: &dyn Classifier,
    attack: ProjectedAscent,
    examples: &Examples,
    epsilon: f64,
) -> Outcome {
    let norm = if attack.rule == StepRule::Sign { Norm::Linf } else { Norm::L2 };
    let threat_model = ThreatModel::new(norm, epsilon).expect("a usable radius");
    Driver::default()
        .run(classifier, &attack, examples, &Objective::untargeted(threat_model), Draws::new(11))
        .expect("a well-formed attack")
}

fn smoothed(samples: u32) -> Direction {
    Direction::Smoothed { sigma: 0.2, samples }
}

#[test]
fn on_a_linear_loss_smoothing_finds_exactly_what_pgd_finds() {
    let classifier = ByRow(Linear::two_classes(vec![0.7, -0.3, 1.1, 0.2], -100.0));
    let examples = examples_around_half(1, 5, 4, 0.4);
    for norm in [Norm::L2, Norm::Linf] {
        let pgd = run(&classifier, attack(norm, Direction::Gradient), &examples, 0.3);
        let even = Direction::Even { sigma: 0.2, samples: 1 };
        for direction in [smoothed(1), smoothed(2), even] {
            let found = run(&classifier, attack(norm, direction), &examples, 0.3);
            assert_eq!(bits(&found.final_images), bits(&pgd.final_images), "{direction:?}");
        }
    }
}

#[test]
fn on_a_linear_loss_the_odd_part_finds_nothing_and_stays() {
    let classifier = ByRow(Linear::two_classes(vec![0.7, -0.3, 1.1, 0.2], -100.0));
    let examples = examples_around_half(2, 5, 4, 0.4);
    for norm in [Norm::L2, Norm::Linf] {
        for samples in [1, 3] {
            let odd = Direction::Odd { sigma: 0.2, samples };
            let found = run(&classifier, attack(norm, odd), &examples, 0.3);
            assert_eq!(bits(&found.final_images), bits(examples.images()));
            assert_eq!(found.health.zero, 5 * u64::from(STEPS), "counted, never silent");
        }
    }
}

fn quadratic(pixels: usize) -> Quadratic {
    let mut stream = Draws::new(5).stream("axis", 0, 0, 0, 0);
    let axis: Vec<f64> = (0..pixels).map(|_| stream.normal()).collect();
    let length = axis.iter().map(|a| a * a).sum::<f64>().sqrt();
    let axis = axis.iter().map(|a| a / length).collect();
    Quadratic { axis, curvature: 2000.0, centre: 0.5, height: 1000.0 }
}

#[test]
fn on_a_quadratic_the_odd_part_finds_the_top_eigenvector_and_pgd_stays() {
    let model = quadratic(10);
    let axis = model.axis.clone();
    let classifier = ByRow(model);
    let examples = examples_around_half(3, 6, 10, 0.0); // the critical point itself
    let pgd = run(&classifier, attack(Norm::L2, Direction::Gradient), &examples, 0.4);
    assert_eq!(bits(&pgd.final_images), bits(examples.images()));
    assert_eq!(pgd.health.zero, 6 * u64::from(STEPS));

    // The sign of a step along the axis is a coin toss; twice the radius always ends at the rim.
    let odd = ProjectedAscent {
        step_size: 0.8,
        ..attack(Norm::L2, Direction::Odd { sigma: 0.1, samples: 1 })
    };
    let found = run(&classifier, odd, &examples, 0.4);
    for row in rows(&found.final_images).expect("floats") {
        let moved: Vec<f64> = row.iter().map(|x| x - 0.5).collect();
        let length = moved.iter().map(|d| d * d).sum::<f64>().sqrt();
        let along: f64 = moved.iter().zip(&axis).map(|(d, v)| d * v).sum();
        assert!(along.abs() / length > 0.97, "cosine {}", along.abs() / length);
    }
}

#[test]
fn smoothing_is_the_sum_of_its_even_and_odd_parts_for_one_draw() {
    // Raw single steps of length one: the iterate shows the direction itself.
    let classifier = ByRow(Quadratic { curvature: 0.5, ..quadratic(8) });
    let examples = examples_around_half(4, 4, 8, 0.05);
    let step = |direction| {
        let raw = ProjectedAscent {
            rule: StepRule::Raw,
            step_size: 0.1,
            steps: 1,
            ..attack(Norm::L2, direction)
        };
        rows(&run(&classifier, raw, &examples, 5.0).final_images).expect("floats")
    };
    let parts = |sigma| {
        let smoothed = step(Direction::Smoothed { sigma, samples: 1 });
        let even = step(Direction::Even { sigma, samples: 1 });
        let odd = step(Direction::Odd { sigma, samples: 1 });
        (smoothed, even, odd)
    };
    let (smoothed, even, odd) = parts(0.3);
    let natural = rows(examples.images()).expect("floats");
    let gradient = step(Direction::Gradient);
    let mut odd_size: f64 = 0.0;
    for row in 0..4 {
        for pixel in 0..8 {
            let from = natural[row][pixel];
            let sum = (even[row][pixel] - from) + (odd[row][pixel] - from);
            assert!((smoothed[row][pixel] - from - sum).abs() < 1e-6);
            // On a quadratic the even part is the gradient: the Hessian's term cancels.
            assert!((even[row][pixel] - gradient[row][pixel]).abs() < 1e-6);
            odd_size = odd_size.max((odd[row][pixel] - from).abs());
        }
    }
    assert!(odd_size > 1e-3, "the comparison is not one of zeros");
}

#[test]
fn a_saturated_softmax_stops_raw_pgd_but_not_a_margin_loss() {
    // Logits times a thousand: the cross-entropy's gradient underflows.
    let classifier = ByRow(Linear { scale: 1000.0, ..Linear::random(9, 3, 16) });
    let examples = relabelled(&examples_around_half(5, 20, 16, 0.3), &classifier).expect("fits");
    let raw = run(&classifier, ProjectedAscent::raw_pgd(1.0, 20), &examples, 2.0);
    let unit = ProjectedAscent::pgd(Norm::L2, 0.5, 20);
    let margin = ProjectedAscent { loss: LossKind::Margin, ..unit };
    let smoothed = ProjectedAscent { direction: smoothed(2), ..margin };
    assert!(raw.robust(Judge::Any) >= 15, "raw steps fail: {}", raw.robust(Judge::Any));
    assert!(raw.health.zero > 0, "and their zero gradients are counted");
    assert_eq!(run(&classifier, margin, &examples, 2.0).robust(Judge::Final), 0);
    assert_eq!(run(&classifier, smoothed, &examples, 2.0).robust(Judge::Final), 0);

    let inspected =
        inspect_gradients(&classifier, &examples, LossKind::CrossEntropy, 7).expect("fits");
    assert!(inspected.share_below(1e-6) > 0.5 && inspected.health.zero > 0);
    assert!(inspected.quantile(0.0) <= inspected.quantile(0.5));
    let healthy = inspect_gradients(&classifier, &examples, LossKind::Margin, 7).expect("fits");
    assert_eq!(healthy.share_below(1.0), 0.0);
    assert!(healthy.health.is_sound());
}

#[test]
fn on_a_plateau_only_looking_around_finds_the_way() {
    let classifier = ByRow(Plateau { slope: vec![1.0; 16], width: 0.5, height: 0.5 });
    let examples = examples_around_half(6, 10, 16, 0.02);
    let pgd = run(&classifier, attack(Norm::L2, Direction::Gradient), &examples, 1.0);
    assert_eq!(pgd.robust(Judge::Any), 10);
    assert_eq!(pgd.health.zero, 10 * u64::from(STEPS));
    let around = ProjectedAscent { step_size: 0.25, ..attack(Norm::L2, smoothed(8)) };
    assert_eq!(run(&classifier, around, &examples, 1.0).robust(Judge::Final), 0);
}

#[test]
fn noise_is_drawn_by_id() {
    let classifier = ByRow(quadratic(8));
    let examples = examples_around_half(7, 3, 8, 0.0); // three times the same image
    let odd = attack(Norm::L2, Direction::Odd { sigma: 0.1, samples: 1 });
    let found = bits(&run(&classifier, odd, &examples, 0.4).final_images);
    assert_ne!(found[0], found[1]);
    assert_ne!(found[1], found[2]);
    let same = Examples::new(examples.images().clone(), vec![0; 3], vec![102, 102, 100]);
    let again = bits(&run(&classifier, odd, &same.expect("valid"), 0.4).final_images);
    assert_eq!((&again[0], &again[1], &again[2]), (&found[2], &found[2], &found[0]));
}
