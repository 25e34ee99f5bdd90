//! A suite is the worst of its attacks, digit by digit, each on what the others left.

use proptest::prelude::*;
use saddle_attacks::{
    Apgd, Attack, Driver, Examples, Judge, Method, Objective, Outcome, ProjectedAscent, Square,
    Standard, Suite, SuiteOutcome, ThreatModel,
};
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Constant, Counting, Linear, examples_around_half, relabelled};
use saddle_tests::masked::laid_out;

const PIXELS: usize = 16;

fn case(seed: u64) -> (Counting<ByRow<Linear>>, Examples) {
    let classifier = Counting::new(ByRow(Linear::random(seed, 5, PIXELS)));
    let examples = relabelled(&examples_around_half(seed, 10, PIXELS, 0.4), &classifier).unwrap();
    let mut labels = examples.labels().to_vec();
    labels[3] = (labels[3] + 1) % 5;
    let examples = Examples::new(examples.images().clone(), labels, examples.ids().to_vec());
    (classifier, laid_out(&examples.unwrap(), [1, 4, 4]))
}

/// Weak attacks, so that each leaves something.
fn members() -> (ProjectedAscent, Square, Apgd) {
    let ascent = ProjectedAscent::pgd(Norm::L2, 0.05, 3);
    let apgd = Apgd { steps: 2, targets: Some(2), ..Apgd::targeted() };
    (ascent, Square { queries: 6, share: 0.3 }, apgd)
}

fn suite() -> Suite {
    let (ascent, square, apgd) = members();
    let mut suite = Suite::default();
    suite.push("pgd", ascent);
    suite.push("square", square);
    suite.push_from("apgd-t", 2, apgd);
    suite
}

fn together(seed: u64, driver: &Driver, epsilon: f64) -> SuiteOutcome {
    let (classifier, examples) = case(seed);
    let to = Objective::untargeted(ThreatModel::new(Norm::L2, epsilon).unwrap());
    let before = classifier.counts();
    let outcome = suite().run(driver, &classifier, None, &examples, &to, Draws::new(seed)).unwrap();
    let after = classifier.counts();
    let spent: u64 = outcome.verdicts.iter().map(saddle_attacks::Verdict::passes).sum();
    assert_eq!(spent, after.0 + after.1 - before.0 - before.1, "every pass is counted");
    outcome
}

fn alone(seed: u64, attack: &dyn Attack, driver: &Driver, epsilon: f64) -> Outcome {
    let (classifier, examples) = case(seed);
    let to = Objective::untargeted(ThreatModel::new(Norm::L2, epsilon).unwrap());
    let driver = Driver { judge: Judge::Any, stop_fooled: true, ..driver.clone() };
    driver.run(&classifier, attack, &examples, &to, Draws::new(seed)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn it_is_the_union_of_its_attacks_in_their_order(
        seed in 0u64..500,
        epsilon in 0.1..0.6f64,
        cap in prop_oneof![Just(None), Just(Some(7u64))],
    ) {
        let driver = Driver { cap, ..Driver::default() };
        let found = together(seed, &driver, epsilon);
        let (ascent, square, apgd) = members();
        let attacks: [(&dyn Attack, u32); 3] = [(&ascent, 1), (&square, 1), (&apgd, 2)];
        let each = attacks.map(|(attack, restarts)| {
            alone(seed, attack, &Driver { restarts, ..driver.clone() }, epsilon).verdicts
        });
        for (row, verdict) in found.verdicts.iter().enumerate() {
            let first = (0..3).find(|&member| each[member][row].fooled_any);
            let met = if verdict.natural_correct { first.map_or(3, |first| first + 1) } else { 1 };
            prop_assert_eq!(verdict.robust(Judge::Any), verdict.natural_correct && first.is_none());
            let mut passes = 0;
            for (place, member) in found.members.iter().enumerate() {
                let own = &each[place][row];
                let spent = if place < met { own.passes() } else { 0 };
                prop_assert_eq!(member.passes[row], spent);
                prop_assert_eq!(member.tried[row], place < met && verdict.natural_correct);
                prop_assert_eq!(member.took[row], verdict.natural_correct && first == Some(place));
                passes += spent;
            }
            prop_assert_eq!(verdict.passes(), passes);
            if verdict.natural_correct && let Some(first) = first {
                let own = &each[first][row];
                prop_assert_eq!((verdict.prediction, verdict.distance), (own.prediction, own.distance));
                prop_assert_eq!(verdict.first_fooled_step, own.first_fooled_step);
                let before: u64 = (0..first).map(|member| each[member][row].passes()).sum();
                prop_assert_eq!(verdict.first_fooled_passes, own.first_fooled_passes.map(|own| own + before));
            }
        }
    }
}

#[test]
fn some_digits_fall_to_each_attack_of_these_cases() {
    let found: Vec<SuiteOutcome> =
        (0..20).map(|seed| together(seed, &Driver::default(), 0.35)).collect();
    for place in 0..3 {
        let taken: usize = found.iter().map(|one| one.members[place].taken()).sum();
        assert!(taken > 0, "nothing falls to attack {place}: the case above tests nothing");
    }
    let left = found.iter().flat_map(|one| &one.verdicts);
    assert!(left.filter(|verdict| verdict.robust(Judge::Any)).count() > 0);
    // The images are those of the verdicts.
    for (seed, one) in found.iter().enumerate() {
        let (_, examples) = case(seed as u64);
        let distances = Norm::L2.distances(examples.images(), &one.images).unwrap();
        for (distance, verdict) in distances.iter().zip(&one.verdicts) {
            assert_eq!(*distance, verdict.distance);
        }
    }
}

#[test]
fn the_standard_suite_is_its_five_attacks_with_their_usual_settings() {
    let threat = ThreatModel::new(Norm::L2, 2.0).unwrap();
    let standard = Standard {
        steps: Some(3),
        targets: Some(2),
        restarts: Some(2),
        queries: Some(4),
        second_order: None,
    };
    let classifier = ByRow(Constant(vec![9.0, 1.0, 2.0, 3.0, 4.0]));
    let examples = laid_out(&examples_around_half(1, 2, PIXELS, 0.1), [1, 4, 4]);
    let driver = Driver::default();
    let method = Method::Standard(standard);
    let run =
        |driver: &Driver| method.run(driver, &classifier, None, &examples, threat, Draws::new(1));
    let found = run(&driver).unwrap();
    let names: Vec<&str> = found.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["apgd-ce", "apgd-t", "apgd-dlr", "square", "so"]);
    // The natural image, and: two starts, each with a gradient a step, a loss and its final image; the gradients for two
    // targets, a loss and the final image; queries and the final image; for S-O 400 steps, each judged.
    let starts = 1 + 2 * (7 + 1);
    let passes = [starts, 2 + 1 + 2 * 7, starts, 2 + 4, 1 + 3 * 400];
    for (member, passes) in found.members.iter().zip(passes) {
        assert_eq!(member.passes, [passes; 2], "{}", member.name);
        assert_eq!((member.taken(), member.passes_per_example()), (0, passes as f64));
    }
    for threat in [threat, ThreatModel::new(Norm::Linf, 0.2).unwrap()] {
        let found = method.run(&driver, &classifier, None, &examples, threat, Draws::new(1));
        assert_eq!(found.unwrap().verdicts[0].passes(), standard.passes(threat));
    }
    let restarts = Driver { restarts: 2, ..driver };
    assert!(run(&restarts).expect_err("must be refused").to_string().contains("run once"));
    let nothing = Suite::default();
    let to = Objective::untargeted(threat);
    let refused = nothing.run(&Driver::default(), &classifier, None, &examples, &to, Draws::new(1));
    assert!(refused.expect_err("must be refused").to_string().contains("no attacks"));
    for wrong in [
        Standard { steps: Some(0), ..standard },
        Standard { targets: Some(0), ..standard },
        Standard { queries: Some(0), ..standard },
        Standard { restarts: Some(0), ..standard },
    ] {
        assert!(Method::Standard(wrong).check().is_err());
    }
}
