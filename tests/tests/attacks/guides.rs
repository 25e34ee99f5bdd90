//! A guide says where to go; who is fooled is decided by the classifier that is attacked.

use saddle_attacks::{Direction, Driver, Examples, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_model::{Classifier, Executor, LossKind, Mode, Network, Wanted, load_network};
use saddle_ops::{Draws, Kernels, Norm};
use saddle_tests::attacks::{
    ByRow, Constant, Counting, Linear, bits, examples_around_half, relabelled,
};
use saddle_tests::data::digits;

const PIXELS: usize = 12;
const STEPS: u32 = 6;
const WEIGHTS: &[u8] = include_bytes!("../../../zoo/madry_linf.safetensors");

fn objective() -> Objective {
    Objective::untargeted(ThreatModel::new(Norm::L2, 0.6).expect("a usable radius"))
}

fn attack(direction: Direction) -> ProjectedAscent {
    let loss = LossKind::Margin;
    ProjectedAscent { direction, loss, ..ProjectedAscent::pgd(Norm::L2, 0.1, STEPS) }
}

fn directions() -> [Direction; 2] {
    [Direction::Gradient, Direction::Smoothed { sigma: 0.2, samples: 2 }]
}

#[test]
fn a_guide_that_is_fooled_everywhere_fools_nobody_else() {
    // The guide sees class 1 in every image, the classifier class 0.
    let guide = ByRow(Linear::two_classes(vec![1.0; PIXELS], 100.0));
    let classifier = ByRow(Constant(vec![1.0, 0.0]));
    let examples = examples_around_half(1, 4, PIXELS, 0.2);
    for direction in directions() {
        for judge in [Judge::Final, Judge::Any] {
            let driver = Driver { judge, stop_fooled: true, ..Driver::default() };
            let attack = attack(direction);
            let outcome = driver
                .run_guided(&classifier, &guide, &attack, &examples, &objective(), Draws::new(1))
                .expect("a sound attack");
            assert_eq!(outcome.robust(judge), 4, "{direction:?} {judge:?}");
            // It did lead somewhere.
            assert!(outcome.verdicts.iter().all(|verdict| verdict.distance > 0.5));
        }
    }
}

#[test]
fn a_guide_that_notices_nothing_saves_nobody() {
    // The slopes are the same; only the classifier's class changes on the way.
    let guide = ByRow(Linear::two_classes(vec![1.0; PIXELS], -100.0));
    let classifier = ByRow(Linear::two_classes(vec![1.0; PIXELS], -0.5 * PIXELS as f64 - 0.9));
    let examples = examples_around_half(1, 4, PIXELS, 0.0);
    for judge in [Judge::Final, Judge::Any] {
        let driver = Driver { judge, stop_fooled: true, ..Driver::default() };
        let attack = attack(Direction::Gradient);
        let outcome = driver
            .run_guided(&classifier, &guide, &attack, &examples, &objective(), Draws::new(1))
            .expect("a sound attack");
        assert_eq!(outcome.robust(judge), 0, "{judge:?}");
        if judge == Judge::Any {
            // 0.1 along (1, ..., 1) / sqrt(12) adds 0.346 to the sum of pixels; 0.9 takes three steps.
            let steps: Vec<_> = outcome.verdicts.iter().map(|v| v.first_fooled_step).collect();
            assert_eq!(steps, [Some(3); 4]);
        }
    }
}

#[test]
fn verdicts_beside_a_guide_are_paid_for_and_the_cap_holds() {
    let classifier = Counting::new(ByRow(Constant(vec![1.0, 0.0])));
    let examples = examples_around_half(2, 3, PIXELS, 0.2);
    for direction in directions() {
        for judge in [Judge::Final, Judge::Any] {
            for cap in [None, Some(2), Some(7), Some(12)] {
                let guide = Counting::new(ByRow(Linear::two_classes(vec![1.0; PIXELS], 0.0)));
                let driver = Driver { judge, cap, ..Driver::default() };
                let (attack, before) = (attack(direction), classifier.counts().0);
                let outcome = driver
                    .run_guided(
                        &classifier,
                        &guide,
                        &attack,
                        &examples,
                        &objective(),
                        Draws::new(1),
                    )
                    .expect("a sound attack");
                let judged = classifier.counts().0 - before;
                let (asked, back) = guide.counts();
                let spent = |of: fn(&saddle_attacks::Verdict) -> u64| {
                    outcome.verdicts.iter().map(of).sum::<u64>()
                };
                assert_eq!(spent(|v| v.forward), judged + asked, "{direction:?} {judge:?} {cap:?}");
                assert_eq!(spent(|v| v.backward), back);
                let most = outcome.verdicts.iter().map(|v| v.passes()).max();
                assert!(most <= Some(cap.unwrap_or(u64::MAX)));
                if cap.is_none() {
                    let verdicts = if judge == Judge::Any { 1 + u64::from(STEPS) } else { 2 };
                    assert_eq!(judged, 3 * verdicts);
                }
            }
        }
    }
}

#[test]
fn a_classifier_that_guides_itself_gives_the_same_images() {
    let classifier = ByRow(Linear::random(3, 3, PIXELS));
    let examples = relabelled(&examples_around_half(1, 9, PIXELS, 0.4), &classifier).expect("fits");
    for direction in directions() {
        // Of the final iterate alone, a run that is its own guide sees for free more than this one pays for.
        for (judge, stop_fooled) in [(Judge::Final, false), (Judge::Any, false), (Judge::Any, true)]
        {
            let driver = Driver { judge, stop_fooled, ..Driver::default() };
            let (attack, draws) = (attack(direction), Draws::new(3));
            let alone = driver.run(&classifier, &attack, &examples, &objective(), draws);
            let guided = driver.run_guided(
                &classifier,
                &classifier,
                &attack,
                &examples,
                &objective(),
                draws,
            );
            let (alone, guided) = (alone.expect("sound"), guided.expect("sound"));
            assert!(bits(&alone.final_images) == bits(&guided.final_images));
            assert!(judge == Judge::Final || bits(&alone.images) == bits(&guided.images));
            assert_eq!(alone.robust(judge), guided.robust(judge), "{direction:?} {judge:?}");
        }
    }
}

fn robust_network(executor: Executor) -> Network {
    load_network(WEIGHTS, None, executor).expect("a network of the zoo").0
}

#[test]
fn a_rounded_network_guides_and_does_not_judge() {
    let found = digits(20);
    let examples = Examples::new(found.images, found.labels, found.ids).expect("real digits");
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, 2.5).expect("a radius"));
    let attack = ProjectedAscent::second_order(Norm::L2, 0.5, 8, 0.2, 1);
    let driver = Driver { judge: Judge::Any, ..Driver::default() };
    for kernels in Kernels::available() {
        let network = robust_network(Executor::Engine(kernels));
        let guide = robust_network(Executor::EngineBf16(kernels));
        assert_eq!(guide.executor_name(), format!("engine-{kernels}+bf16"));
        let draws = Draws::new(5);
        let alone = driver.run(&network, &attack, &examples, &objective, draws).expect("sound");
        let guided = driver
            .run_guided(&network, &guide, &attack, &examples, &objective, draws)
            .expect("a sound attack");
        let differ = alone.verdicts.iter().zip(&guided.verdicts);
        let differ = differ.filter(|(a, b)| a.fooled_any != b.fooled_any).count();
        assert!(differ <= 1, "{differ} verdicts of 20 differ on {kernels}");
        let refused = driver.run(&guide, &attack, &examples, &objective, draws);
        let message = refused.expect_err("it does not judge").to_string();
        assert!(message.contains("not exact enough"), "{message}");
    }
    let guide = ByRow(Constant(vec![1.0, 0.0]));
    let network = robust_network(Executor::Engine(Kernels::PORTABLE));
    let refused =
        driver.run_guided(&network, &guide, &attack, &examples, &objective, Draws::new(5));
    let message = refused.expect_err("two classes, not ten").to_string();
    assert!(message.contains("2 classes"), "{message}");
}

#[test]
fn a_rounded_network_points_where_the_exact_one_does_and_does_not_train() {
    let images = digits(20).images;
    for kernels in Kernels::available() {
        let pull = |executor, wanted| {
            let network = robust_network(executor);
            let (logits, pullback) = network.forward(&images, Mode::Evaluation).expect("digits");
            let cotangent = logits.affine(0.0, 1.0).expect("numbers");
            pullback(&cotangent, wanted)
        };
        let gradient = |executor| {
            let input = pull(executor, Wanted::INPUT).expect("a gradient").input.expect("wanted");
            input.flatten_all().and_then(|input| input.to_vec1::<f32>()).expect("numbers")
        };
        let (exact, rounded) =
            (gradient(Executor::Engine(kernels)), gradient(Executor::EngineBf16(kernels)));
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let cosine = dot(&exact, &rounded) / (dot(&exact, &exact) * dot(&rounded, &rounded)).sqrt();
        assert!(cosine > 0.999 && exact != rounded, "{cosine} on {kernels}");
        assert!(pull(Executor::EngineBf16(kernels), Wanted::WEIGHTS).is_err());
    }
}
