//! Passes are counted as they happen, and the cap is never exceeded and never wasted.

use saddle_attacks::{
    Direction, Driver, Examples, Judge, Objective, ProjectedAscent, Start, ThreatModel,
};
use saddle_model::LossKind;
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Constant, Counting, Linear, examples_around_half, relabelled};

const PIXELS: usize = 12;

fn objective() -> Objective {
    Objective::untargeted(ThreatModel::new(Norm::L2, 0.6).expect("a usable radius"))
}

fn directions() -> [Direction; 4] {
    let sigma = 0.2;
    [
        Direction::Gradient,
        Direction::Smoothed { sigma, samples: 3 },
        Direction::Even { sigma, samples: 2 },
        Direction::Odd { sigma, samples: 1 },
    ]
}

fn attack(direction: Direction, steps: u32) -> ProjectedAscent {
    ProjectedAscent {
        direction,
        loss: LossKind::Margin,
        ..ProjectedAscent::pgd(Norm::L2, 0.1, steps)
    }
}

fn mixed_examples(classifier: &Counting<ByRow<Linear>>) -> Examples {
    let examples = relabelled(&examples_around_half(1, 9, PIXELS, 0.4), classifier).expect("fits");
    // Two of them are misclassified from the beginning.
    let mut labels = examples.labels().to_vec();
    labels[2] = (labels[2] + 1) % 3;
    labels[7] = (labels[7] + 1) % 3;
    Examples::new(examples.images().clone(), labels, examples.ids().to_vec()).expect("valid")
}

#[test]
fn an_uncapped_run_costs_what_arithmetic_says() {
    let classifier = ByRow(Constant(vec![1.0, 0.0])); // nobody is ever fooled
    let examples = examples_around_half(2, 3, PIXELS, 0.2);
    let steps = 5;
    for direction in directions() {
        for judge in [Judge::Final, Judge::Any] {
            for start in [Start::Natural, Start::Uniform] {
                let attack = ProjectedAscent { start, ..attack(direction, steps) };
                let driver = Driver { judge, ..Driver::default() };
                let outcome = driver
                    .run(&classifier, &attack, &examples, &objective(), Draws::new(1))
                    .expect("a well-formed attack");
                let gradients = u64::from(steps) * direction.points_per_step();
                // Natural and last image; S-O's verdicts on the way, its moved start included.
                let looks_elsewhere = direction != Direction::Gradient;
                let verdicts = if judge == Judge::Any && looks_elsewhere {
                    1 + u64::from(steps) + u64::from(start == Start::Uniform)
                } else {
                    2
                };
                for verdict in &outcome.verdicts {
                    assert_eq!(verdict.backward, gradients, "{direction:?}");
                    assert_eq!(verdict.forward, gradients + verdicts, "{direction:?} {judge:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_counted_is_what_happened_and_the_cap_holds() {
    for direction in directions() {
        for judge in [Judge::Final, Judge::Any] {
            for stop_fooled in [false, true] {
                for cap in [None, Some(2), Some(3), Some(4), Some(7), Some(10), Some(23), Some(90)]
                {
                    let classifier = Counting::new(ByRow(Linear::random(3, 3, PIXELS)));
                    let examples = mixed_examples(&classifier);
                    let before = classifier.counts();
                    let driver =
                        Driver { batch: 4, cap, judge, stop_fooled, restarts: 3, trace: false };
                    let attack = ProjectedAscent { start: Start::Uniform, ..attack(direction, 6) };
                    let outcome = driver
                        .run(&classifier, &attack, &examples, &objective(), Draws::new(1))
                        .expect("a well-formed attack");
                    let after = classifier.counts();
                    let forward: u64 = outcome.verdicts.iter().map(|v| v.forward).sum();
                    let backward: u64 = outcome.verdicts.iter().map(|v| v.backward).sum();
                    assert_eq!((forward, backward), (after.0 - before.0, after.1 - before.1));
                    if let Some(cap) = cap {
                        for verdict in &outcome.verdicts {
                            assert!(verdict.passes() <= cap, "{} of {cap}", verdict.passes());
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_capped_run_uses_all_that_buys_a_step() {
    let classifier = ByRow(Constant(vec![1.0, 0.0]));
    let examples = examples_around_half(4, 2, PIXELS, 0.2);
    for direction in directions() {
        for judge in [Judge::Final, Judge::Any] {
            let step = 2 * direction.points_per_step()
                + u64::from(judge == Judge::Any && direction != Direction::Gradient);
            for cap in 2..40 {
                let driver = Driver { cap: Some(cap), judge, ..Driver::default() };
                let attack = attack(direction, 1000);
                let outcome = driver
                    .run(&classifier, &attack, &examples, &objective(), Draws::new(1))
                    .expect("a well-formed attack");
                let spent = outcome.verdicts[0].passes();
                assert!(spent <= cap && cap - spent < step + 1, "{direction:?}: {spent} of {cap}");
            }
        }
    }
}

#[test]
fn a_cap_that_ends_a_run_early_gives_what_fewer_steps_give() {
    let classifier = ByRow(Linear::random(5, 3, PIXELS));
    let examples = relabelled(&examples_around_half(5, 6, PIXELS, 0.4), &classifier).expect("fits");
    let run = |driver: Driver, steps| {
        driver
            .run(
                &classifier,
                &attack(Direction::Gradient, steps),
                &examples,
                &objective(),
                Draws::new(1),
            )
            .expect("a well-formed attack")
    };
    let capped = run(Driver { cap: Some(2 + 2 * 4), ..Driver::default() }, 50);
    let short = run(Driver::default(), 4);
    assert_eq!(capped.verdicts, short.verdicts);
    let bits = saddle_tests::attacks::bits;
    assert_eq!(bits(&capped.final_images), bits(&short.final_images));
}

#[test]
fn a_trace_is_paid_apart_and_changes_nothing() {
    for direction in directions() {
        let classifier = Counting::new(ByRow(Linear::random(3, 3, PIXELS)));
        let examples = mixed_examples(&classifier);
        let run = |trace| {
            let driver = Driver { trace, judge: Judge::Any, batch: 4, ..Driver::default() };
            let attack = attack(direction, 4);
            driver
                .run(&classifier, &attack, &examples, &objective(), Draws::new(1))
                .expect("a well-formed attack")
        };
        let (plain, before) = (run(false), classifier.counts());
        let traced = run(true);
        let after = classifier.counts();
        assert_eq!(plain.verdicts, traced.verdicts);
        assert!(plain.trace.is_empty() && plain.diagnostic_passes == 0);
        let counted: u64 = traced.verdicts.iter().map(saddle_attacks::Verdict::passes).sum();
        let happened = after.0 + after.1 - before.0 - before.1;
        assert_eq!(counted + traced.diagnostic_passes, happened);
        let free = direction == Direction::Gradient;
        assert_eq!(traced.diagnostic_passes, if free { 0 } else { 2 * 9 * 4 });
        assert_eq!(traced.trace.len(), 4);
        for (number, step) in traced.trace.iter().enumerate() {
            assert_eq!((step.restart, step.step), (0, number as u32));
            assert_eq!(step.ids, examples.ids());
            assert!(step.gradient_norms.iter().all(|norm| *norm > 0.0));
        }
        assert!(traced.trace[0].distances.iter().all(|distance| *distance == 0.0));
        // A margin is positive exactly where the natural image is misclassified.
        for (loss, verdict) in traced.trace[0].losses.iter().zip(&traced.verdicts) {
            assert_eq!(*loss > 0.0, !verdict.natural_correct);
        }
    }
}
