//! What makes no sense is refused in words, before anything is attacked.

use candle_core::{Device, Tensor};
use saddle_attacks::{
    Apgd, Attack, Curvature, CurvatureAscent, Ddn, Direction, Driver, Examples, Goal, Objective,
    ProjectedAscent, Result, Square, Start, ThreatModel, TowardImages,
};
use saddle_model::Aim;
use saddle_ops::{Draws, Norm, PixelBox, StepRule};
use saddle_tests::attacks::{ByRow, Constant, examples_around_half};

fn refusal<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("must be refused"),
        Err(error) => error.to_string(),
    }
}

fn images(values: &[f32]) -> Tensor {
    Tensor::new(values, &Device::Cpu)
        .and_then(|values| values.reshape((values.elem_count(), 1, 1, 1)))
        .expect("one pixel each")
}

#[test]
fn examples_are_checked() {
    let empty = Tensor::zeros((0, 1, 2, 2), candle_core::DType::F32, &Device::Cpu).expect("zeros");
    assert!(refusal(Examples::new(empty, vec![], vec![])).contains("at least one image"));
    let flat = Tensor::zeros((2, 4), candle_core::DType::F32, &Device::Cpu).expect("zeros");
    assert!(refusal(Examples::new(flat, vec![0, 0], vec![0, 1])).contains("[2, 4]"));
    let two = images(&[0.0, 1.0]);
    assert!(refusal(Examples::new(two.clone(), vec![0], vec![0, 1])).contains("1 labels"));
    for bad in [-0.01, 1.01, f32::NAN, f32::INFINITY] {
        let message = refusal(Examples::new(images(&[0.5, bad]), vec![0, 0], vec![7, 8]));
        assert!(message.contains("example 8"), "{bad}: {message}");
    }
    let wide = PixelBox::new(-1.0, 1.0).expect("in order");
    assert!(Examples::in_box(images(&[-1.0, 1.0]), vec![0, 0], vec![0, 1], wide).is_ok());
    let examples = Examples::new(two, vec![0, 1], vec![5, 6]).expect("valid");
    assert!(refusal(examples.select(&[])).contains("no rows"));
    assert!(refusal(examples.select(&[2])).contains("row 2 of 2"));
}

#[test]
fn radii_must_be_positive_and_finite() {
    for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(refusal(ThreatModel::new(Norm::L2, epsilon)).contains("radius"));
    }
}

fn run(driver: Driver, attack: &dyn Attack, examples: &Examples, objective: &Objective) -> String {
    let classifier = ByRow(Constant(vec![1.0, 0.0, 0.0]));
    refusal(driver.run(&classifier, attack, examples, objective, Draws::new(1)))
}

#[test]
fn labels_targets_and_boxes_are_checked_against_classifier_and_goal() {
    let attack = ProjectedAscent::pgd(Norm::L2, 0.1, 1);
    let threat_model = ThreatModel::new(Norm::L2, 0.5).expect("usable");
    let untargeted = Objective::untargeted(threat_model);
    let examples =
        |labels| Examples::new(images(&[0.2, 0.8]), labels, vec![40, 41]).expect("valid");
    let message = run(Driver::default(), &attack, &examples(vec![0, 3]), &untargeted);
    assert!(message.contains("example 41") && message.contains("label 3"), "{message}");
    let targeted = |targets| Objective::targeted(threat_model, targets);
    let valid = examples(vec![0, 1]);
    for (targets, words) in
        [(vec![1], "1 targets"), (vec![1, 9], "target 9"), (vec![0, 0], "its own label 0")]
    {
        let message = run(Driver::default(), &attack, &valid, &targeted(targets));
        assert!(message.contains(words), "{message}");
    }
    let narrow = ThreatModel { pixels: PixelBox::new(0.0, 0.5).expect("in order"), ..threat_model };
    let message = run(Driver::default(), &attack, &valid, &Objective::untargeted(narrow));
    assert!(message.contains("example 41") && message.contains("box of the threat model"));
}

#[test]
fn settings_of_the_driver_are_checked() {
    let attack = ProjectedAscent::pgd(Norm::L2, 0.1, 1);
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, 0.5).expect("usable"));
    let examples = examples_around_half(1, 2, 4, 0.1);
    for (driver, words) in [
        (Driver { batch: 0, ..Driver::default() }, "batch"),
        (Driver { restarts: 0, ..Driver::default() }, "restarts"),
        (Driver { restarts: 2, ..Driver::default() }, "runs without noise are one run"),
        (Driver { cap: Some(1), ..Driver::default() }, "cap"),
    ] {
        assert!(run(driver, &attack, &examples, &objective).contains(words));
    }
}

#[test]
fn settings_of_an_ascent_are_checked() {
    let pgd = ProjectedAscent::pgd(Norm::L2, 0.1, 1);
    let smoothed = |sigma, samples| Direction::Smoothed { sigma, samples };
    let wrong = [
        (ProjectedAscent { steps: 0, ..pgd }, "steps"),
        (ProjectedAscent { step_size: 0.0, ..pgd }, "step_size"),
        (ProjectedAscent { step_size: f64::NAN, ..pgd }, "step_size"),
        (ProjectedAscent { momentum: 1.5, ..pgd }, "momentum"),
        (ProjectedAscent { momentum: f64::NAN, ..pgd }, "momentum"),
        (ProjectedAscent { start: Start::Gaussian { sigma: -1.0 }, ..pgd }, "start"),
        (ProjectedAscent { direction: smoothed(0.0, 1), ..pgd }, "sigma"),
        (ProjectedAscent { direction: smoothed(0.1, 0), ..pgd }, "samples"),
    ];
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, 0.5).expect("usable"));
    let examples = examples_around_half(1, 2, 4, 0.1);
    for (attack, words) in wrong {
        let message = run(Driver::default(), &attack, &examples, &objective);
        assert!(message.starts_with(words), "{message}");
    }
}

#[test]
fn an_ascent_needs_a_radius() {
    let objective = Objective { goal: Goal::Smallest(Norm::L2), aim: Aim::Untargeted };
    let attack = ProjectedAscent::pgd(Norm::L2, 0.1, 1);
    let message = run(Driver::default(), &attack, &examples_around_half(1, 2, 4, 0.1), &objective);
    assert!(message.contains("threat model with an epsilon"), "{message}");
}

#[test]
fn no_attack_goes_on_without_rows_or_with_rows_that_are_not_there() {
    let curvature = CurvatureAscent {
        direction: Curvature::AsPrinted { length: 1e-6 },
        rule: StepRule::Unit,
        step_size: 0.1,
        steps: 2,
    };
    let examples = examples_around_half(1, 3, 16, 0.1);
    let targets = examples.ids().iter().map(|&id| (id, examples.images().clone()));
    let toward = TowardImages::new(targets.collect()).expect("images of one shape");
    let attacks: [&dyn Attack; 7] = [
        &ProjectedAscent::pgd(Norm::L2, 0.1, 2),
        &curvature,
        &Apgd::cross_entropy(),
        &Apgd::targeted(),
        &Square::default(),
        &Ddn::default(),
        &toward,
    ];
    let within = Objective::untargeted(ThreatModel::new(Norm::L2, 0.5).expect("usable"));
    let smallest = Objective { goal: Goal::Smallest(Norm::L2), aim: Aim::Untargeted };
    for attack in attacks {
        let begin = |objective| attack.begin(&examples, objective, Draws::new(1), 0);
        let mut run = begin(&within).or_else(|_| begin(&smallest)).expect("one of the goals");
        for rows in [&[][..], &[0, 3]] {
            let message = refusal(run.keep(rows));
            assert!(message.contains("of 3"), "{}, {rows:?}: {message}", attack.name());
        }
    }
}
