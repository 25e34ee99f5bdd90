//! Nobody judges their own attack: what counts is measured again, and a wrong claim is an error.

use saddle_attacks::{
    Attack as _, Driver, Error, Examples, Judge, Objective, Outcome, ProjectedAscent, Result,
    Start, ThreatModel,
};
use saddle_model::{Classifier, LossKind};
use saddle_ops::{Draws, Norm, Radius};
use saddle_tests::attacks::{
    ByRow, Constant, Fragile, HandsIn, Linear, Pretends, bits, examples_around_half, first_largest,
    relabelled, rows,
};

fn objective(norm: Norm, epsilon: f64) -> Objective {
    Objective::untargeted(ThreatModel::new(norm, epsilon).expect("a usable radius"))
}

fn hand_in(
    images: fn(&candle_core::Tensor) -> candle_core::Result<candle_core::Tensor>,
) -> Result<Outcome> {
    let classifier = ByRow(Constant(vec![0.0, 1.0])); // everything counts as class 1, even NaN
    let examples = examples_around_half(1, 3, 4, 0.1);
    Driver::default().run(
        &classifier,
        &HandsIn(images),
        &examples,
        &objective(Norm::L2, 0.5),
        Draws::new(1),
    )
}

fn refused(outcome: Result<Outcome>) -> String {
    outcome.expect_err("a wrong claim must not pass").to_string()
}

#[test]
fn an_honest_image_passes() {
    assert!(hand_in(|natural| natural.affine(1.0, 0.2)).is_ok());
}

#[test]
fn an_image_outside_the_ball_is_an_error_with_its_figures() {
    let message = refused(hand_in(|natural| natural.affine(1.0, 0.2501)));
    assert!(message.contains("hands in") && message.contains("example 100"), "{message}");
    assert!(message.contains("0.500") && message.contains("allowed 0.5"), "{message}");
}

#[test]
fn a_hair_outside_is_outside() {
    // Four pixels moved by 0.25 are at 0.5 exactly; the judge allows one part in a million more.
    assert!(hand_in(|natural| natural.affine(1.0, 0.249_999)).is_ok());
    assert!(hand_in(|natural| natural.affine(1.0, 0.250_003)).is_err());
}

#[test]
fn an_image_outside_the_box_is_an_error() {
    let classifier = ByRow(Constant(vec![0.0, 1.0]));
    let examples = examples_around_half(1, 3, 4, 0.1);
    let attack = HandsIn(|natural| natural.affine(1.0, 0.7));
    let outcome = Driver::default().run(
        &classifier,
        &attack,
        &examples,
        &objective(Norm::Linf, 2.0),
        Draws::new(1),
    );
    let message = refused(outcome);
    assert!(message.contains("pixels from") && message.contains("example 10"), "{message}");
}

#[test]
fn nan_and_infinity_are_not_close() {
    assert!(refused(hand_in(|natural| natural.affine(f64::NAN, 0.0))).contains("example 100"));
    assert!(refused(hand_in(|natural| natural.affine(1.0, f64::INFINITY))).contains("example 100"));
}

#[test]
fn an_iterate_of_another_shape_is_an_error() {
    let message = refused(hand_in(|natural| natural.narrow(0, 0, 1)));
    assert!(message.contains("hands in") && message.contains("shape"), "{message}");
}

#[test]
fn a_question_about_other_points_than_it_says_is_an_error() {
    let classifier = ByRow(Constant(vec![0.0, 1.0]));
    let examples = examples_around_half(1, 3, 4, 0.1);
    let objective = objective(Norm::L2, 0.5);
    let outcome =
        Driver::default().run(&classifier, &Pretends, &examples, &objective, Draws::new(1));
    assert!(refused(outcome).contains("calls points the iterate that are others"));
}

#[test]
fn nan_logits_name_their_example() {
    let examples = examples_around_half(2, 5, 4, 0.1);
    let natural = rows(examples.images()).expect("floats");
    let worst = (0..5).max_by(|a, b| natural[*a][0].total_cmp(&natural[*b][0])).expect("five");
    // Only the example with the brightest first pixel crosses the threshold, and only once attacked.
    let classifier = ByRow(Fragile(natural[worst][0] + 0.05));
    let attack =
        ProjectedAscent { loss: LossKind::Margin, ..ProjectedAscent::pgd(Norm::Linf, 0.06, 1) };
    let outcome = Driver::default().run(
        &classifier,
        &attack,
        &examples,
        &objective(Norm::Linf, 0.1),
        Draws::new(1),
    );
    match outcome {
        Err(Error::NonFiniteLogits { example }) => assert_eq!(example, 100 + worst as u64),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

fn attacks(norm: Norm, epsilon: f64) -> Vec<ProjectedAscent> {
    let radius = Radius::new(epsilon).expect("positive");
    let pgd = ProjectedAscent::pgd(norm, epsilon / 4.0, 10);
    vec![
        ProjectedAscent::fgsm(norm, radius),
        pgd,
        ProjectedAscent::raw_pgd(0.1, 10),
        ProjectedAscent { start: Start::Uniform, loss: LossKind::Margin, ..pgd },
        ProjectedAscent { momentum: 0.75, loss: LossKind::Dlr, ..pgd },
        ProjectedAscent::second_order(norm, epsilon / 4.0, 10, 0.2, 2),
    ]
}

/// Accuracy under any attack is at most natural accuracy, and every claim can be checked again.
#[test]
fn the_table_of_attacks_and_threat_models_is_consistent() {
    let classifier = ByRow(Linear::random(3, 4, 16));
    let examples = examples_around_half(3, 30, 16, 0.5);
    let mut labels = relabelled(&examples, &classifier).expect("fits").labels().to_vec();
    for label in labels.iter_mut().step_by(5) {
        *label = (*label + 1) % 4;
    }
    let examples =
        Examples::new(examples.images().clone(), labels, examples.ids().to_vec()).expect("valid");
    for norm in Norm::ALL {
        for epsilon in [0.05, 0.6] {
            let mut weakest = usize::MAX;
            for attack in attacks(norm, epsilon) {
                for stop_fooled in [false, true] {
                    let restarts = if attack.repeats_itself() { 1 } else { 2 };
                    let driver =
                        Driver { judge: Judge::Any, stop_fooled, restarts, ..Driver::default() };
                    let outcome = driver
                        .run(
                            &classifier,
                            &attack,
                            &examples,
                            &objective(norm, epsilon),
                            Draws::new(1),
                        )
                        .expect("a well-formed attack");
                    check_claims(&outcome, &classifier, &examples, norm, epsilon);
                    weakest = weakest.min(outcome.robust(Judge::Any));
                }
            }
            assert!(epsilon < 0.1 || weakest < 24, "{norm}: some attack finds something");
        }
    }
}

fn check_claims(
    outcome: &Outcome,
    classifier: &dyn Classifier,
    examples: &Examples,
    norm: Norm,
    epsilon: f64,
) {
    assert_eq!(outcome.natural_correct(), 24);
    assert!(outcome.robust(Judge::Final) <= 24);
    assert!(outcome.robust(Judge::Any) <= outcome.robust(Judge::Final));
    for (images, is_final) in [(&outcome.images, false), (&outcome.final_images, true)] {
        let distances = norm.distances(examples.images(), images).expect("one shape");
        let logits = rows(&classifier.logits(images).expect("fits")).expect("floats");
        for (i, verdict) in outcome.verdicts.iter().enumerate() {
            let (prediction, distance, fooled) = if is_final {
                (verdict.final_prediction, verdict.final_distance, verdict.fooled_final)
            } else {
                (verdict.prediction, verdict.distance, verdict.fooled_any)
            };
            assert_eq!(first_largest(&logits[i]), prediction);
            assert_eq!(distances[i], distance);
            assert!(distance <= epsilon * 1.000_001 && verdict.feasible);
            assert!(!fooled || prediction != verdict.label);
            assert!(!verdict.fooled_final || verdict.fooled_any);
            assert_eq!(verdict.first_fooled_step.is_some(), verdict.fooled_any);
        }
    }
}

#[test]
fn misclassified_images_are_attacked_in_the_papers_setting_only() {
    let classifier = ByRow(Linear::random(3, 4, 16));
    let examples = relabelled(&examples_around_half(4, 6, 16, 0.3), &classifier).expect("fits");
    let wrong: Vec<u32> = examples.labels().iter().map(|label| (label + 1) % 4).collect();
    let examples =
        Examples::new(examples.images().clone(), wrong, examples.ids().to_vec()).expect("valid");
    let attack = ProjectedAscent::pgd(Norm::L2, 0.1, 3);
    for (stop_fooled, cap) in [(false, None), (true, None), (false, Some(2))] {
        let driver = Driver { stop_fooled, cap, ..Driver::default() };
        let outcome = driver
            .run(&classifier, &attack, &examples, &objective(Norm::L2, 0.3), Draws::new(1))
            .expect("a well-formed attack");
        assert_eq!((outcome.natural_correct(), outcome.robust(Judge::Final)), (0, 0));
        assert!(outcome.verdicts.iter().all(|verdict| verdict.fooled_any >= verdict.fooled_final));
        let passes = if stop_fooled || cap.is_some() { 1 } else { 2 + 2 * 3 };
        assert!(outcome.verdicts.iter().all(|verdict| verdict.passes() == passes));
        if passes == 1 {
            assert_eq!(bits(&outcome.images), bits(examples.images()));
        }
    }
}

#[test]
fn restarts_only_ever_fool_more() {
    let classifier = ByRow(Linear::random(5, 4, 16));
    let examples = relabelled(&examples_around_half(5, 40, 16, 0.3), &classifier).expect("fits");
    let attack = ProjectedAscent { start: Start::Uniform, ..ProjectedAscent::raw_pgd(0.02, 2) };
    let run = |restarts| {
        Driver { restarts, judge: Judge::Any, ..Driver::default() }
            .run(&classifier, &attack, &examples, &objective(Norm::L2, 0.5), Draws::new(1))
            .expect("a well-formed attack")
    };
    let (once, often) = (run(1), run(8));
    for (once, often) in once.verdicts.iter().zip(&often.verdicts) {
        assert!(often.fooled_final >= once.fooled_final && often.fooled_any >= once.fooled_any);
    }
    assert!(often.robust(Judge::Final) < once.robust(Judge::Final), "noise helps someone here");
}
