//! One run under a large cap tells what every smaller cap would have found: held against those runs.

use proptest::prelude::*;
use saddle_attacks::{
    Direction, Driver, Examples, Judge, Objective, Outcome, ProjectedAscent, Start, ThreatModel,
};
use saddle_model::LossKind;
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Linear, examples_around_half, relabelled};

const PIXELS: usize = 12;

/// Examples of a linear model, one of them misclassified from the beginning.
fn case(seed: u64) -> (ByRow<Linear>, Examples) {
    let classifier = ByRow(Linear::random(seed, 3, PIXELS));
    let examples =
        relabelled(&examples_around_half(seed, 7, PIXELS, 0.4), &classifier).expect("fits");
    let mut labels = examples.labels().to_vec();
    labels[2] = (labels[2] + 1) % 3;
    let examples = Examples::new(examples.images().clone(), labels, examples.ids().to_vec());
    (classifier, examples.expect("valid"))
}

fn run(seed: u64, attack: &ProjectedAscent, driver: &Driver) -> Outcome {
    let (classifier, examples) = case(seed);
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, 0.5).expect("usable"));
    driver.run(&classifier, attack, &examples, &objective, Draws::new(seed)).expect("well formed")
}

fn attack(direction: Direction, start: Start, steps: u32) -> ProjectedAscent {
    let pgd = ProjectedAscent::pgd(Norm::L2, 0.08, steps);
    ProjectedAscent { direction, start, loss: LossKind::Margin, ..pgd }
}

fn directions() -> impl Strategy<Value = Direction> {
    let sigma = 0.2;
    prop::sample::select(vec![
        Direction::Gradient,
        Direction::Smoothed { sigma, samples: 1 },
        Direction::Smoothed { sigma, samples: 3 },
        Direction::Even { sigma, samples: 1 },
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_smaller_cap_finds_exactly_what_fell_within_it(
        seed in 0u64..1000,
        direction in directions(),
        start in prop::sample::select(vec![Start::Uniform, Start::Gaussian { sigma: 0.05 }]),
        steps in 1u32..6,
        restarts in 1u32..5,
        stop_fooled: bool,
    ) {
        let attack = attack(direction, start, steps);
        let capped = |cap| {
            let judge = Judge::Any;
            run(seed, &attack, &Driver { cap: Some(cap), judge, stop_fooled, restarts, ..Driver::default() })
        };
        let whole = capped(60);
        for cap in 2..60 {
            let small = capped(cap);
            for (long, short) in whole.verdicts.iter().zip(&small.verdicts) {
                let fell = long.first_fooled_passes.is_some_and(|passes| passes <= cap);
                prop_assert_eq!(short.fooled_any, fell, "cap {} and {:?}", cap, long);
                if fell {
                    prop_assert_eq!(short.first_fooled_passes, long.first_fooled_passes);
                    prop_assert_eq!(short.first_fooled_step, long.first_fooled_step);
                }
            }
        }
    }
}

#[test]
fn some_examples_of_these_cases_fall_late_and_some_never() {
    let attack = attack(Direction::Smoothed { sigma: 0.2, samples: 1 }, Start::Uniform, 4);
    let driver = Driver {
        cap: Some(60),
        judge: Judge::Any,
        stop_fooled: true,
        restarts: 4,
        ..Driver::default()
    };
    let falls: Vec<_> = (0..20)
        .flat_map(|seed| run(seed, &attack, &driver).verdicts)
        .map(|verdict| verdict.first_fooled_passes)
        .collect();
    assert!(falls.contains(&None), "the case above tests nothing");
    // A restart costs 13 passes: the verdict on its start and three a step.
    assert!(falls.iter().flatten().any(|&passes| passes > 20), "no restart finds anything");
}

#[test]
fn the_steps_that_fool_are_those_after_which_a_shorter_attack_fools() {
    for direction in [Direction::Gradient, Direction::Smoothed { sigma: 0.3, samples: 1 }] {
        let judge = Judge::Any;
        let long =
            run(3, &attack(direction, Start::Natural, 8), &Driver { judge, ..Driver::default() });
        for steps in 1..=8 {
            let short = run(3, &attack(direction, Start::Natural, steps), &Driver::default());
            for (fooled, verdict) in long.fooled_steps.iter().zip(&short.verdicts) {
                assert_eq!(fooled.contains(&steps), verdict.fooled_final, "{direction:?} {steps}");
            }
        }
        for (fooled, verdict) in long.fooled_steps.iter().zip(&long.verdicts) {
            assert_eq!(fooled.first().copied(), verdict.first_fooled_step);
            assert!(fooled.is_sorted());
        }
    }
}
