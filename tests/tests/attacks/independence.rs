//! An example's result is its own: batch, order and company change no bit of it.

use proptest::prelude::*;
use saddle_attacks::{
    Attack as _, Direction, Driver, Examples, Judge, Objective, Outcome, ProjectedAscent, Start,
    ThreatModel,
};
use saddle_model::LossKind;
use saddle_ops::{Draws, Norm, StepRule};
use saddle_tests::attacks::{ByRow, Linear, bits, examples_around_half, relabelled};

const COUNT: usize = 11;
const PIXELS: usize = 10;

fn any_attack() -> impl Strategy<Value = ProjectedAscent> {
    let sigma = 0.2;
    let direction = prop_oneof![
        Just(Direction::Gradient),
        Just(Direction::Smoothed { sigma, samples: 3 }),
        Just(Direction::Even { sigma, samples: 2 }),
        Just(Direction::Odd { sigma, samples: 2 }),
    ];
    let start = prop_oneof![
        Just(Start::Natural),
        Just(Start::Uniform),
        Just(Start::Gaussian { sigma: 0.1 })
    ];
    let rule = prop_oneof![Just(StepRule::Unit), Just(StepRule::Sign), Just(StepRule::Raw)];
    let loss = prop_oneof![Just(LossKind::CrossEntropy), Just(LossKind::Margin)];
    (direction, start, rule, loss, prop_oneof![Just(0.0), Just(0.75)]).prop_map(
        |(direction, start, rule, loss, momentum)| ProjectedAscent {
            direction,
            rule,
            step_size: 0.05,
            steps: 6,
            start,
            momentum,
            loss,
        },
    )
}

fn any_driver() -> impl Strategy<Value = Driver> {
    let judge = prop_oneof![Just(Judge::Final), Just(Judge::Any)];
    let cap = prop_oneof![Just(None), Just(Some(31))];
    (judge, cap, any::<bool>(), 1..3u32, any::<bool>()).prop_map(
        |(judge, cap, stop_fooled, restarts, trace)| Driver {
            batch: COUNT,
            cap,
            judge,
            stop_fooled,
            restarts,
            trace,
        },
    )
}

fn attacked(driver: &Driver, attack: &ProjectedAscent, examples: &Examples, norm: Norm) -> Outcome {
    let classifier = ByRow(Linear::random(1, 4, PIXELS));
    let objective = Objective::untargeted(ThreatModel::new(norm, 0.3).expect("a usable radius"));
    let restarts = if attack.repeats_itself() { 1 } else { driver.restarts };
    Driver { restarts, ..driver.clone() }
        .run(&classifier, attack, examples, &objective, Draws::new(3))
        .expect("a well-formed attack")
}

fn examples() -> Examples {
    let classifier = ByRow(Linear::random(1, 4, PIXELS));
    relabelled(&examples_around_half(2, COUNT, PIXELS, 0.3), &classifier).expect("fits")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_cut_into_batches_changes_a_bit(
        attack in any_attack(),
        driver in any_driver(),
        norm in prop_oneof![Just(Norm::L2), Just(Norm::Linf)],
    ) {
        let examples = examples();
        let whole = attacked(&driver, &attack, &examples, norm);
        for batch in [1, 2, 7] {
            let cut = attacked(&Driver { batch, ..driver.clone() }, &attack, &examples, norm);
            prop_assert_eq!(&cut.verdicts, &whole.verdicts);
            prop_assert_eq!(bits(&cut.images), bits(&whole.images));
            prop_assert_eq!(bits(&cut.final_images), bits(&whole.final_images));
            prop_assert_eq!(&cut.trace, &whole.trace);
            prop_assert_eq!(cut.health, whole.health);
            prop_assert_eq!(cut.diagnostic_passes, whole.diagnostic_passes);
        }
    }

    #[test]
    fn neither_order_nor_company_changes_a_bit(
        attack in any_attack(),
        driver in any_driver(),
        rows in Just((0..COUNT).collect::<Vec<_>>()).prop_shuffle(),
        count in 1..COUNT,
    ) {
        let examples = examples();
        let whole = attacked(&driver, &attack, &examples, Norm::L2);
        let rows = &rows[..count];
        let some = attacked(&driver, &attack, &examples.select(rows).expect("rows exist"), Norm::L2);
        let (all, few) = (bits(&whole.images), bits(&some.images));
        let (all_final, few_final) = (bits(&whole.final_images), bits(&some.final_images));
        for (place, &row) in rows.iter().enumerate() {
            prop_assert_eq!(&some.verdicts[place], &whole.verdicts[row]);
            prop_assert_eq!(&few[place], &all[row]);
            prop_assert_eq!(&few_final[place], &all_final[row]);
        }
    }

    #[test]
    fn whoever_leaves_changes_nobody_else(attack in any_attack()) {
        let examples = examples();
        let stay = Driver { judge: Judge::Any, batch: COUNT, ..Driver::default() };
        let leave = Driver { stop_fooled: true, ..stay.clone() };
        let all = attacked(&stay, &attack, &examples, Norm::L2);
        let left = attacked(&leave, &attack, &examples, Norm::L2);
        prop_assert_eq!(bits(&all.images), bits(&left.images));
        for (all, left) in all.verdicts.iter().zip(&left.verdicts) {
            prop_assert_eq!(all.fooled_any, left.fooled_any);
            prop_assert_eq!(all.first_fooled_step, left.first_fooled_step);
            prop_assert!(left.passes() <= all.passes());
            if !all.fooled_any {
                prop_assert_eq!(all, left);
            }
        }
    }
}

#[test]
fn another_seed_is_another_attack() {
    let examples = examples();
    let attack =
        ProjectedAscent { loss: LossKind::Margin, ..ProjectedAscent::pgd(Norm::L2, 0.05, 3) };
    let attack = ProjectedAscent { start: Start::Uniform, ..attack };
    let classifier = ByRow(Linear::random(1, 4, PIXELS));
    let objective =
        Objective::untargeted(ThreatModel::new(Norm::L2, 0.3).expect("a usable radius"));
    let run = |seed| {
        let outcome =
            Driver::default().run(&classifier, &attack, &examples, &objective, Draws::new(seed));
        bits(&outcome.expect("a well-formed attack").final_images)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}
