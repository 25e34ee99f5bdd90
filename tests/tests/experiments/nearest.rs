//! The nearest digits of other classes, and what an attack toward them must find whatever the network.

use candle_core::{Device, Tensor};
use saddle_attacks::{Driver, Examples, Judge, Objective, ThreatModel};
use saddle_data::Dataset;
use saddle_experiments::{conflicts, nearest_of_other_classes, toward_nearest};
use saddle_model::Classifier;
use saddle_ops::{Draws, Norm, Radius};
use saddle_report::bounds::{ConflictGraph, Witness};
use saddle_tests::attacks::{ByRow, Constant, Linear};
use saddle_tests::data::fixture;

#[test]
fn nearest_first_and_never_of_the_same_class() {
    let data = Dataset {
        name: "made up".to_owned(),
        images: vec![10, 0, 0, 30, 14, 7, 10, 5, 14, 7],
        labels: vec![1, 2, 2, 1, 2],
        channels: 1,
        rows: 1,
        cols: 2,
    };
    // In l1: from digit 1 to 0 and 3 it is 40 and 35, from digit 0 to 1, 2 and 4 it is 40, 11 and 11.
    let found = nearest_of_other_classes(&data, &[1, 0], 2, Norm::L1).unwrap();
    assert_eq!(found, [[3, 0], [2, 4]]);
    // From digit 2 to 0 and 3 it is 7 and 4 in l-infinity, 16 + 49 and 16 + 4 in squares.
    for norm in [Norm::Linf, Norm::L2] {
        assert_eq!(nearest_of_other_classes(&data, &[2], 1, norm).unwrap(), [[3]]);
    }
    let words = nearest_of_other_classes(&data, &[0], 4, Norm::L2).unwrap_err().to_string();
    assert!(words.contains("digit 0 has 3 digits of other classes, 4 are asked for"), "{words}");
    for (digits, count) in [(&[][..], 1), (&[0][..], 0)] {
        assert!(toward_nearest(&data, digits, count, Norm::L2, &Device::Cpu).is_err());
    }
}

#[test]
fn what_the_attack_leaves_standing_is_within_every_bound() {
    let data = fixture();
    let all: Vec<usize> = (0..60).collect();
    let epsilon = 4.0;
    let edges = conflicts(data, &all, Norm::L2, Radius::new(epsilon).unwrap());
    let graph = ConflictGraph::new(all.len(), &edges).unwrap();
    assert!(graph.edges() > 20, "{} conflicts: this test has lost its point", graph.edges());
    // Of the whole data set, so that all conflicts of a digit are among its targets.
    let most = (0..data.len() as u32).map(|own| {
        let others = (0..data.len()).filter(|&other| {
            let [a, b] = [own as usize, other];
            saddle_experiments::in_conflict(data, a, b, Norm::L2, Radius::new(epsilon).unwrap())
        });
        others.count()
    });
    let attack = toward_nearest(data, &all, most.max().unwrap(), Norm::L2, &Device::Cpu).unwrap();
    let pixels = data.pixels_at(&all);
    let images = Tensor::from_vec(pixels, (all.len(), 1, 28, 28), &Device::Cpu).unwrap();
    let labels = all.iter().map(|&index| u32::from(data.labels[index])).collect();
    let ids = all.iter().map(|&index| index as u64).collect();
    let examples = Examples::new(images, labels, ids).unwrap();
    let objective = Objective::untargeted(ThreatModel::new(Norm::L2, epsilon).unwrap());
    let driver = Driver { judge: Judge::Any, stop_fooled: true, ..Driver::default() };

    let bounds = Witness::of(&graph, 8).bounds(all.len(), |a, b| graph.joined(a, b)).unwrap();
    let classifiers: [&dyn Classifier; 3] = [
        &ByRow(Linear::random(1, 10, 784)),
        &ByRow(Nearest),
        &ByRow(Constant((0..10).map(f64::from).collect())),
    ];
    let mut standing = Vec::new();
    for classifier in classifiers {
        let outcome =
            driver.run(classifier, &attack, &examples, &objective, Draws::new(0)).unwrap();
        let robust: Vec<bool> =
            outcome.verdicts.iter().map(|verdict| verdict.robust(Judge::Any)).collect();
        for [a, b] in &edges {
            assert!(!(robust[*a as usize] && robust[*b as usize]), "{a} and {b} both stand");
        }
        let count = outcome.robust(Judge::Any);
        assert!(bounds.iter().all(|bound| count as f64 <= bound.robust_at_most));
        standing.push(count);
    }
    // A classifier that says 9 to everything is robust on all nines, and one that is right on every
    // natural digit loses some of them to the attack.
    assert_eq!(standing[2], examples.labels().iter().filter(|&&label| label == 9).count());
    assert!(0 < standing[1] && standing[1] < all.len(), "{standing:?}");
}

/// The label of the nearest of the 200 digits.
struct Nearest;

impl saddle_tests::attacks::RowModel for Nearest {
    fn classes(&self) -> usize {
        10
    }

    fn logits(&self, image: &[f64]) -> Vec<f64> {
        let data = fixture();
        let mut logits = vec![f64::MIN; 10];
        for digit in 0..data.len() {
            let pixels = data.image(digit).iter().zip(image);
            let squared: f64 =
                pixels.map(|(&byte, pixel)| (f64::from(byte) / 255.0 - pixel).powi(2)).sum();
            let logit = &mut logits[usize::from(data.labels[digit])];
            *logit = logit.max(-squared);
        }
        logits
    }

    fn pullback(&self, image: &[f64], _cotangent: &[f64]) -> Vec<f64> {
        vec![0.0; image.len()]
    }
}

#[test]
fn the_search_that_leaves_early_finds_what_sorting_everything_finds() {
    let data = fixture();
    let distance = |a: usize, b: usize, norm| {
        let pixels = data.image(a).iter().zip(data.image(b));
        let differences = pixels.map(|(&a, &b)| u64::from(a.abs_diff(b)));
        match norm {
            Norm::L1 => differences.sum::<u64>(),
            Norm::L2 => differences.map(|difference| difference * difference).sum(),
            Norm::Linf => differences.max().unwrap(),
        }
    };
    let own: Vec<usize> = (0..data.len()).step_by(7).collect();
    for norm in [Norm::L1, Norm::L2, Norm::Linf] {
        for count in [1, 2, 9, 150] {
            let found = nearest_of_other_classes(data, &own, count, norm).unwrap();
            for (&own, found) in own.iter().zip(found) {
                let others =
                    (0..data.len()).filter(|&other| data.labels[other] != data.labels[own]);
                let mut all: Vec<_> =
                    others.map(|other| (distance(own, other, norm), other)).collect();
                all.sort_unstable();
                let expected: Vec<usize> =
                    all.iter().take(count).map(|&(_, other)| other).collect();
                assert_eq!(found, expected, "{norm} {count} {own}");
            }
        }
    }
}
