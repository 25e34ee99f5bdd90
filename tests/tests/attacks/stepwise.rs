//! An attack answered from outside ends where the driver's ends, at the same cost, step by step.

use candle_core::Tensor;
use saddle_attacks::{
    Direction, Driver, Examples, Judge, Objective, ProjectedAscent, Request, Standing, Start,
    Stepwise, ThreatModel,
};
use saddle_model::{Classifier, LossKind};
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Constant, Linear, bits, examples_around_half, relabelled};

const PIXELS: usize = 12;

fn threat_model() -> ThreatModel {
    ThreatModel::new(Norm::L2, 0.6).expect("a usable radius")
}

/// Digits of which some fall at once, some later and one is wrong from the start.
fn digits(classifier: &ByRow<Linear>) -> Examples {
    let examples = relabelled(&examples_around_half(1, 7, PIXELS, 0.4), classifier).expect("fits");
    let mut labels = examples.labels().to_vec();
    labels[2] = (labels[2] + 1) % 3;
    Examples::new(examples.images().clone(), labels, examples.ids().to_vec()).expect("valid")
}

fn attacks() -> Vec<ProjectedAscent> {
    let sigma = 0.2;
    let directions = [
        Direction::Gradient,
        Direction::Smoothed { sigma, samples: 3 },
        Direction::Even { sigma, samples: 2 },
        Direction::Odd { sigma, samples: 1 },
    ];
    let starts = [Start::Natural, Start::Uniform, Start::Gaussian { sigma: 0.1 }];
    let kinds = [(LossKind::CrossEntropy, 0.0), (LossKind::Margin, 0.5)];
    let mut attacks = Vec::new();
    for direction in directions {
        for start in starts {
            for (loss, momentum) in kinds {
                let pgd = ProjectedAscent::pgd(Norm::L2, 0.1, 6);
                attacks.push(ProjectedAscent { direction, start, loss, momentum, ..pgd });
            }
        }
    }
    attacks
}

/// Every step's standings.
fn stepped(
    classifier: &dyn Classifier,
    attack: ProjectedAscent,
    examples: &Examples,
    stop_fooled: bool,
) -> Vec<Vec<Standing>> {
    let (draws, classes) = (Draws::new(1), classifier.classes());
    let mut run =
        Stepwise::new(attack, examples.clone(), threat_model(), draws, stop_fooled, classes)
            .expect("sound settings");
    let mut steps = Vec::new();
    while let Some(request) = run.ask().expect("asks") {
        let answer = request.answer(classifier, attack.loss).expect("answers");
        assert_eq!(answer.gradient.is_some(), request.gradients > 0);
        if let Some(step) = run.tell(&answer.logits, answer.gradient).expect("told") {
            assert_eq!(step as usize, steps.len(), "reports come in order");
            steps.push(run.standings().to_vec());
        }
    }
    assert!(run.is_over());
    steps
}

#[test]
fn verdicts_images_and_passes_are_the_drivers() {
    let classifier = ByRow(Linear::random(5, 3, PIXELS));
    let examples = digits(&classifier);
    let objective = Objective::untargeted(threat_model());
    for attack in attacks() {
        for stop_fooled in [false, true] {
            let driver = Driver { judge: Judge::Any, stop_fooled, ..Driver::default() };
            let outcome = driver
                .run(&classifier, &attack, &examples, &objective, Draws::new(1))
                .expect("a sound attack");
            let steps = stepped(&classifier, attack, &examples, stop_fooled);
            let last = steps.last().expect("at least the start");
            for (row, verdict) in outcome.verdicts.iter().enumerate() {
                let here = format!("{attack:?}, stop_fooled {stop_fooled}, example {row}");
                let first = steps.iter().position(|step| step[row].fooled);
                if stop_fooled && !verdict.natural_correct {
                    // Nobody attacks it: it stays where it is, and counts as no success of the attack.
                    assert_eq!((first, verdict.first_fooled_step), (Some(0), None), "{here}");
                    assert_eq!((last[row].passes, verdict.passes()), (1, 1), "{here}");
                    continue;
                }
                assert_eq!(first.map(|step| step as u32), verdict.first_fooled_step, "{here}");
                let passes = first.map(|step| steps[step][row].passes);
                assert_eq!(passes, verdict.first_fooled_passes, "{here}");
                let image = if stop_fooled { &outcome.images } else { &outcome.final_images };
                let image = image.narrow(0, row, 1).expect("a row");
                assert_eq!(bits(&last[row].image), bits(&image), "{here}");
                if !stop_fooled {
                    assert_eq!(last[row].passes, verdict.passes(), "{here}");
                    assert_eq!(last[row].prediction, verdict.final_prediction, "{here}");
                    assert_eq!(last[row].fooled, verdict.fooled_final, "{here}");
                    assert_eq!(last[row].l2, verdict.final_distance, "{here}");
                }
            }
        }
    }
}

#[test]
fn a_step_shows_what_a_trace_shows() {
    let classifier = ByRow(Linear::random(5, 3, PIXELS));
    let examples = digits(&classifier);
    let objective = Objective::untargeted(threat_model());
    for attack in attacks() {
        let driver = Driver { judge: Judge::Any, trace: true, ..Driver::default() };
        let outcome = driver
            .run(&classifier, &attack, &examples, &objective, Draws::new(1))
            .expect("a sound attack");
        let steps = stepped(&classifier, attack, &examples, false);
        assert_eq!(steps.len(), 7, "six steps and the start");
        for (trace, step) in outcome.trace.iter().zip(&steps) {
            for (row, standing) in step.iter().enumerate() {
                assert_eq!(standing.loss, trace.losses[row]);
                assert_eq!(standing.l2, trace.distances[row]);
                assert!(standing.gradient_norm.is_some());
                if attack.direction == Direction::Gradient {
                    assert_eq!(standing.gradient_norm, Some(trace.gradient_norms[row]));
                }
            }
        }
        assert!(steps[6].iter().all(|standing| standing.gradient_norm.is_none()));
    }
}

#[test]
fn what_is_left_of_antithetic_pairs_on_a_linear_loss_is_their_sum() {
    // A margin of two linear classes has the same gradient everywhere: of norm 5 here.
    let mut slope = vec![0.0; PIXELS];
    (slope[0], slope[1]) = (3.0, 4.0);
    let classifier = ByRow(Linear::two_classes(slope, -10.0));
    let examples = examples_around_half(3, 2, PIXELS, 0.2);
    let examples = Examples::new(examples.images().clone(), vec![0, 0], vec![4, 9]).expect("valid");
    let (sigma, samples) = (0.1, 2);
    let norm = |direction| {
        let pgd = ProjectedAscent::pgd(Norm::L2, 0.1, 1);
        let attack = ProjectedAscent { direction, loss: LossKind::Margin, ..pgd };
        stepped(&classifier, attack, &examples, false)[0][1].gradient_norm.expect("it looked")
    };
    for direction in [
        Direction::Gradient,
        Direction::Smoothed { sigma, samples },
        Direction::Even { sigma, samples },
    ] {
        assert!((norm(direction) - 5.0).abs() < 1e-6, "{direction:?}: {}", norm(direction));
    }
    assert_eq!(norm(Direction::Odd { sigma, samples }), 0.0);
}

#[test]
fn an_answer_that_does_not_fit_is_refused_and_changes_nothing() {
    let classifier = ByRow(Constant(vec![1.0, 0.0]));
    let examples = examples_around_half(4, 2, PIXELS, 0.2);
    let attack = ProjectedAscent::second_order(Norm::L2, 0.1, 2, 0.1, 2);
    let draws = Draws::new(1);
    let mut run = Stepwise::new(attack, examples, threat_model(), draws, false, 2).expect("sound");
    let device = candle_core::Device::Cpu;
    let zeros =
        |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &device).expect("fits");
    assert!(run.tell(&zeros(&[2, 2]), None).is_err(), "nothing was asked");
    let mut asked = 0;
    while let Some(request) = run.ask().expect("asks") {
        asked += 1;
        let count = request.labels.len();
        let wrong = zeros(&[count + 1, 2]);
        assert!(run.tell(&wrong, None).is_err());
        let again = run.ask().expect("asks").expect("the same question");
        assert_eq!(bits(&again.points), bits(&request.points));
        let nan = (zeros(&[count, 2]) * f64::NAN).expect("fits");
        let answer = request.answer(&classifier, attack.loss).expect("answers");
        assert!(run.tell(&nan, answer.gradient.clone()).is_err());
        run.ask().expect("asks");
        if request.gradients > 0 {
            assert!(run.tell(&answer.logits, None).is_err(), "the gradient is missing");
            run.ask().expect("asks");
        }
        run.tell(&answer.logits, answer.gradient).expect("the right answer");
    }
    // The natural images, two looks of which the second comes with the verdict on the iterate, and the last verdict.
    assert_eq!(asked, 4);
    assert_eq!(run.standings()[0].passes, 1 + 2 * 2 * 2 + 2);
    assert!(
        Stepwise::new(
            ProjectedAscent { steps: 0, ..attack },
            examples_around_half(4, 2, PIXELS, 0.2),
            threat_model(),
            draws,
            false,
            2
        )
        .is_err()
    );
}

#[test]
fn a_request_is_answered_as_its_parts_are() {
    let classifier = ByRow(Linear::random(5, 3, PIXELS));
    let points = examples_around_half(6, 5, PIXELS, 0.4).images().clone();
    let labels = vec![0, 1, 2, 1, 0];
    let ask = |gradients| Request { points: points.clone(), labels: labels.clone(), gradients };
    for loss in [LossKind::CrossEntropy, LossKind::Margin] {
        let all = ask(5).answer(&classifier, loss).expect("answers");
        for gradients in 0..5 {
            let answer = ask(gradients).answer(&classifier, loss).expect("answers");
            assert_eq!(answer.losses, all.losses);
            assert_eq!(bits(&answer.logits), bits(&all.logits));
            match answer.gradient {
                None => assert_eq!(gradients, 0),
                Some(gradient) => {
                    let expected = all.gradient().and_then(|all| Ok(all.narrow(0, 0, gradients)?));
                    assert_eq!(bits(&gradient), bits(&expected.expect("of the first points")));
                }
            }
        }
        let error = ask(6).answer(&classifier, loss).expect_err("more gradients than points");
        assert!(error.to_string().contains("6 gradients"), "{error}");
    }
}
