//! Directions held against each other where their angle is known.

use saddle_attacks::{
    Attack, Compass, Curvature, CurvatureAscent, Direction, Examples, Objective, ProjectedAscent,
    Sign, ThreatModel,
};
use saddle_model::{Classifier, LossKind};
use saddle_ops::{Draws, Norm, StepRule};
use saddle_tests::attacks::{ByRow, HandsIn, Linear, examples_around_half, relabelled};

fn compass(direction: Direction) -> Compass {
    Compass { direction, rule: StepRule::Unit, loss: LossKind::Margin, steps: 3 }
}

fn cosines(
    compass: Compass,
    classifier: &dyn Classifier,
    attack: &dyn Attack,
    examples: &Examples,
) -> Vec<Vec<Option<f64>>> {
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, 0.5).unwrap());
    let draws = [1, 2].map(Draws::new);
    compass.cosines(classifier, attack, examples, &objective, draws).unwrap()
}

const AROUND: Direction = Direction::Smoothed { sigma: 0.2, samples: 3 };

fn slope() -> ByRow<Linear> {
    ByRow(Linear::two_classes(vec![0.7, -0.3, 1.1, 0.2], -100.0))
}

#[test]
fn on_a_slope_everybody_goes_the_same_way() {
    let examples = examples_around_half(1, 5, 4, 0.2);
    let plain =
        ProjectedAscent { loss: LossKind::Margin, ..ProjectedAscent::pgd(Norm::L2, 0.05, 4) };
    let exact = CurvatureAscent {
        direction: Curvature::Eigenvector { sign: Sign::Gradient },
        rule: StepRule::Unit,
        step_size: 0.05,
        steps: 4,
    };
    let attacks: [&dyn Attack; 3] = [&plain, &ProjectedAscent { momentum: 0.5, ..plain }, &exact];
    for attack in attacks {
        let found = cosines(compass(AROUND), &slope(), attack, &examples);
        assert_eq!((found.len(), found[0].len()), (3, 5));
        let cosines = found.into_iter().flatten().map(|cosine| cosine.unwrap());
        assert!(cosines.into_iter().all(|cosine| cosine > 1.0 - 1e-6), "{}", attack.name());
    }
}

#[test]
fn signs_have_the_angle_of_signs() {
    let examples = examples_around_half(1, 2, 4, 0.2);
    let signs = ProjectedAscent {
        rule: StepRule::Sign,
        loss: LossKind::Margin,
        ..ProjectedAscent::pgd(Norm::L2, 0.01, 4)
    };
    // (0.7, -0.3, 1.1, 0.2) against (1, -1, 1, 1).
    let expected = 2.3 / (2.0 * (0.49f64 + 0.09 + 1.21 + 0.04).sqrt());
    let found = cosines(compass(AROUND), &slope(), &signs, &examples);
    assert!((found[0][0].unwrap() - expected).abs() < 1e-6, "{found:?}");
}

#[test]
fn where_there_is_no_direction_there_is_no_cosine() {
    let examples = examples_around_half(1, 2, 4, 0.2);
    let plain =
        ProjectedAscent { loss: LossKind::Margin, ..ProjectedAscent::pgd(Norm::L2, 0.05, 4) };
    let curved = Direction::Odd { sigma: 0.2, samples: 1 };
    let found = cosines(compass(curved), &slope(), &plain, &examples);
    assert!(found.iter().flatten().all(Option::is_none), "{found:?}");
    let stays = ProjectedAscent { direction: curved, ..plain };
    let found = cosines(compass(AROUND), &slope(), &stays, &examples);
    assert!(found.iter().flatten().all(Option::is_none), "{found:?}");
}

#[test]
fn the_reference_draws_apart_from_the_attack() {
    let classifier = ByRow(Linear::random(4, 5, 30));
    let examples = relabelled(&examples_around_half(3, 6, 30, 0.4), &classifier).unwrap();
    let around = Direction::Smoothed { sigma: 1.0, samples: 1 };
    let itself = ProjectedAscent { direction: around, ..ProjectedAscent::pgd(Norm::L2, 0.05, 4) };
    let compass = Compass { loss: LossKind::CrossEntropy, ..compass(around) };
    let found: Vec<f64> =
        cosines(compass, &classifier, &itself, &examples).into_iter().flatten().flatten().collect();
    assert_eq!(found.len(), 18);
    assert!(found.iter().any(|cosine| *cosine < 0.999), "two draws are one draw: {found:?}");
    assert!(found.iter().sum::<f64>() > 0.0, "two draws of one attack disagree: {found:?}");
}

#[test]
fn a_shorter_attack_ends_the_list_and_no_steps_are_refused() {
    let examples = examples_around_half(1, 2, 4, 0.2);
    let short =
        ProjectedAscent { loss: LossKind::Margin, ..ProjectedAscent::pgd(Norm::L2, 0.05, 2) };
    assert_eq!(cosines(compass(AROUND), &slope(), &short, &examples).len(), 2);
    let done = HandsIn(|images| images.affine(1.0, 0.0));
    assert_eq!(cosines(compass(AROUND), &slope(), &done, &examples).len(), 0);
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, 0.5).unwrap());
    let none = Compass { steps: 0, ..compass(AROUND) };
    let refused =
        none.cosines(&slope(), &short, &examples, &objective, [1, 2].map(Draws::new)).unwrap_err();
    assert!(refused.to_string().contains("steps"), "{refused}");
}
