//! Going straight toward images of other classes: which images are tried, that they fit, what they find.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use proptest::prelude::*;
use saddle_attacks::{Attack as _, Driver, Examples, Judge, Objective, ThreatModel, TowardImages};
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Linear, bits, rows};

fn images(pixels: &[[f32; 2]]) -> Tensor {
    let flat: Vec<f32> = pixels.iter().flatten().copied().collect();
    Tensor::from_vec(flat, (pixels.len(), 1, 1, 2), &Device::Cpu).unwrap()
}

fn one(pixels: [f32; 2], id: u64) -> Examples {
    Examples::new(images(&[pixels]), vec![0], vec![id]).unwrap()
}

fn objective(norm: Norm, epsilon: f64) -> Objective {
    Objective::untargeted(ThreatModel::new(norm, epsilon).unwrap())
}

fn toward(targets: &[[f32; 2]]) -> TowardImages {
    TowardImages::new(BTreeMap::from([(7, images(targets))])).unwrap()
}

#[test]
fn the_tries_are_midpoints_and_targets_moved_into_the_ball() {
    // From (0.2, 0.5): the first target is 0.6 away, the second 0.1.
    let attack = toward(&[[0.8, 0.5], [0.2, 0.6]]);
    let examples = one([0.2, 0.5], 7);
    let mut run = attack.begin(&examples, &objective(Norm::L2, 0.4), Draws::new(0), 0).unwrap();
    let classifier = ByRow(Linear::two_classes(vec![1.0, 0.0], -1.0));
    let expected = [[0.5, 0.5], [0.6, 0.5], [0.2, 0.55], [0.2, 0.6], [0.6, 0.5]];
    for (step, [x, y]) in expected.into_iter().enumerate() {
        let here = rows(run.iterate()).unwrap()[0].clone();
        assert!((here[0] - x).abs() < 1e-6 && (here[1] - y).abs() < 1e-6, "{step}: {here:?}");
        let query = run.ask().unwrap();
        assert_eq!(query.passes(10), u64::from(step < 4), "one forward pass a try, no gradient");
        if let Some(answer) = saddle_attacks::answer(&classifier, &query).unwrap() {
            run.tell(answer).unwrap();
        }
    }
    assert!(attack.repeats_itself());
}

#[test]
fn it_finds_what_lies_between_two_classes_and_nothing_else() {
    // Class 1 where the first pixel exceeds one half.
    let classifier = ByRow(Linear::two_classes(vec![1.0, 0.0], -0.5));
    let attack = toward(&[[0.9, 0.5]]);
    let examples = one([0.3, 0.5], 7);
    for (epsilon, judge, robust) in [
        (0.25, Judge::Any, 0),
        (0.25, Judge::Final, 0),
        (0.19, Judge::Any, 1),
        (0.19, Judge::Final, 1),
    ] {
        let driver = Driver { judge, ..Driver::default() };
        let to = objective(Norm::Linf, epsilon);
        let outcome = driver.run(&classifier, &attack, &examples, &to, Draws::new(0)).unwrap();
        assert_eq!(outcome.robust(judge), robust, "{epsilon} {judge:?}");
        let verdict = &outcome.verdicts[0];
        assert_eq!(verdict.backward, 0);
        // The natural image, two tries, and the last image once more.
        assert_eq!(verdict.forward, 4);
        assert!(verdict.final_distance <= epsilon);
    }
}

#[test]
fn targets_that_do_not_fit_are_refused() {
    let refusal = |targets: BTreeMap<u64, Tensor>| {
        TowardImages::new(targets).expect_err("must be refused").to_string()
    };
    assert!(refusal(BTreeMap::new()).contains("none at all"));
    let two = images(&[[0.0, 0.0], [1.0, 1.0]]);
    let uneven = BTreeMap::from([(1, two.clone()), (2, two.narrow(0, 0, 1).unwrap())]);
    assert!(refusal(uneven).contains("example 2"));
    assert!(refusal(BTreeMap::from([(1, two.flatten_all().unwrap())])).contains("shape [4]"));
    assert!(refusal(BTreeMap::from([(1, two.narrow(0, 0, 0).unwrap())])).contains("at least one"));

    let begin = |examples: &Examples| {
        let begun =
            toward(&[[0.8, 0.5]]).begin(examples, &objective(Norm::L2, 0.4), Draws::new(0), 0);
        begun.err().expect("must be refused").to_string()
    };
    assert!(begin(&one([0.2, 0.5], 8)).contains("none for example 8"));
    let wide = Tensor::zeros((1, 1, 1, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    assert!(begin(&Examples::new(wide, vec![0], vec![7]).unwrap()).contains("its targets"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_try_is_feasible_and_no_row_depends_on_another(
        pixels in prop::collection::vec(0.0..=1.0f32, 6 * 4),
        targets in prop::collection::vec(0.0..=1.0f32, 6 * 3 * 4),
        norm in prop::sample::select(&Norm::ALL[..]),
        epsilon in 0.01..2.0f64,
        stop_fooled: bool,
    ) {
        let images = Tensor::from_vec(pixels, (6, 1, 2, 2), &Device::Cpu).unwrap();
        let examples = Examples::new(images, vec![0, 1, 2, 0, 1, 2], (0..6).collect()).unwrap();
        let own = |id: usize| targets[id * 12..(id + 1) * 12].to_vec();
        let attack = TowardImages::new((0..6).map(|id| {
            (id as u64, Tensor::from_vec(own(id), (3, 1, 2, 2), &Device::Cpu).unwrap())
        }).collect()).unwrap();
        let classifier = ByRow(Linear::random(5, 3, 4));
        let to = objective(norm, epsilon);
        // The driver refuses whatever is infeasible.
        let run = |batch| Driver { batch, judge: Judge::Any, stop_fooled, ..Driver::default() }
            .run(&classifier, &attack, &examples, &to, Draws::new(0)).unwrap();
        let (together, alone) = (run(6), run(1));
        prop_assert_eq!(&together.verdicts, &alone.verdicts);
        prop_assert_eq!(bits(&together.final_images), bits(&alone.final_images));
    }
}
