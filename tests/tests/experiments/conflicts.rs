//! Conflicts between digits: distances in whole numbers, right at the limit, and against plain ones.

use proptest::prelude::*;
use saddle_data::Dataset;
use saddle_experiments::{ClosePair, closest_conflicts, conflicts, in_conflict};
use saddle_ops::{Norm, Radius};
use saddle_tests::data::fixture;

/// Images of one row each.
fn images(images: &[&[u8]], labels: &[u8]) -> Dataset {
    Dataset {
        name: "made up".to_owned(),
        images: images.concat(),
        labels: labels.to_vec(),
        channels: 1,
        rows: 1,
        cols: images[0].len(),
    }
}

fn radius(epsilon: f64) -> Radius {
    Radius::new(epsilon).unwrap()
}

/// Whether the first two images are in conflict, by both ways, which must agree.
fn first_two(data: &Dataset, norm: Norm, epsilon: f64) -> bool {
    let found = !conflicts(data, &[0, 1], norm, radius(epsilon)).is_empty();
    assert_eq!(found, in_conflict(data, 0, 1, norm, radius(epsilon)));
    assert_eq!(found, in_conflict(data, 1, 0, norm, radius(epsilon)));
    found
}

#[test]
fn twice_epsilon_exactly_is_in_conflict_and_one_step_more_is_not() {
    let pair = |other: [u8; 2]| images(&[&[0, 0], &other], &[3, 5]);
    // 2 * 0.3 * 255 = 153, although 0.3 as a double is a little less than three tenths.
    for (norm, within, beyond) in [
        (Norm::Linf, [153, 153], [154, 0]),
        (Norm::L1, [100, 53], [100, 54]),
        // 153^2 = 23409 = 72^2 + 135^2.
        (Norm::L2, [72, 135], [73, 135]),
    ] {
        assert!(first_two(&pair(within), norm, 0.3), "{norm}");
        assert!(!first_two(&pair(beyond), norm, 0.3), "{norm}");
        assert!(!first_two(&pair(within), norm, 0.3 * (1.0 - 1e-9)), "{norm}");
    }
    // Sides 153 and 204 of a right triangle with hypotenuse 255: distance one, epsilon one half.
    assert!(first_two(&pair([153, 204]), Norm::L2, 0.5));
    assert!(!first_two(&pair([153, 205]), Norm::L2, 0.5));
}

#[test]
fn one_image_under_two_labels_is_in_conflict_at_any_radius() {
    let data = images(&[&[9, 9], &[9, 9], &[9, 9]], &[3, 5, 3]);
    for norm in Norm::ALL {
        assert_eq!(conflicts(&data, &[0, 1, 2], norm, radius(1e-300)), [[0, 1], [1, 2]]);
        // Positions among the chosen, not indices of the data.
        assert_eq!(conflicts(&data, &[2, 1], norm, radius(1e-300)), [[0, 1]]);
        assert!(conflicts(&data, &[0, 2], norm, radius(1e300)).is_empty(), "one label");
        assert!(conflicts(&data, &[], norm, radius(1.0)).is_empty());
    }
}

#[test]
fn real_digits_agree_with_distances_in_f64_and_midpoints_fit_both_balls() {
    let data = fixture();
    let all: Vec<usize> = (0..data.len()).collect();
    // Limits that no whole number meets, or for l2 no pair of these digits.
    for (norm, epsilon) in
        [(Norm::L2, 4.0), (Norm::L2, 3.0), (Norm::Linf, 0.495), (Norm::L1, 40.001)]
    {
        let found = conflicts(data, &all, norm, radius(epsilon));
        let pixels = |index: usize| data.image(index).iter().map(|&byte| f64::from(byte) / 255.0);
        let distance = |a: Vec<f64>, b: Vec<f64>| {
            let differences = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
            match norm {
                Norm::L1 => differences.sum::<f64>(),
                Norm::L2 => differences.map(|d| d * d).sum::<f64>().sqrt(),
                Norm::Linf => differences.fold(0.0, f64::max),
            }
        };
        let mut expected = Vec::new();
        for a in 0..data.len() {
            for b in a + 1..data.len() {
                let apart = distance(pixels(a).collect(), pixels(b).collect());
                assert!((apart - 2.0 * epsilon).abs() > 1e-9, "no pair right at the limit");
                if data.labels[a] != data.labels[b] && apart <= 2.0 * epsilon {
                    expected.push([a as u32, b as u32]);
                }
            }
        }
        assert!(!expected.is_empty(), "{norm} {epsilon}: this test has lost its point");
        assert_eq!(found, expected, "{norm} {epsilon}");
        for [a, b] in found.into_iter().take(50) {
            let [a, b] = [a, b].map(|place| pixels(place as usize).collect::<Vec<f64>>());
            let middle: Vec<f64> = a.iter().zip(&b).map(|(&a, &b)| f64::midpoint(a, b)).collect();
            assert!(middle.iter().all(|pixel| (0.0..=1.0).contains(pixel)));
            for end in [a, b] {
                assert!(distance(end, middle.clone()) <= epsilon * (1.0 + 1e-12));
            }
        }
    }
}

proptest! {
    #[test]
    fn all_pairs_at_once_are_all_pairs_one_by_one(
        // Longer than a block of pixels, and shades close enough for conflicts of every norm.
        bytes in prop::collection::vec(0u8..40, 6 * 250),
        labels in prop::collection::vec(0u8..3, 6),
        norm in prop::sample::select(&Norm::ALL[..]),
        share in 0.5..1.5f64,
    ) {
        let rows: Vec<&[u8]> = bytes.chunks(250).collect();
        let data = images(&rows, &labels);
        // About half of the typical distance of two such images.
        let epsilon = radius(share * match norm {
            Norm::L1 => 6.5,
            Norm::L2 => 0.5,
            Norm::Linf => 0.072,
        });
        let chosen = [4, 1, 5, 0, 2];
        let found = conflicts(&data, &chosen, norm, epsilon);
        for (second, &b) in chosen.iter().enumerate() {
            for (first, &a) in chosen[..second].iter().enumerate() {
                let listed = found.contains(&[first as u32, second as u32]);
                prop_assert_eq!(listed, in_conflict(&data, a, b, norm, epsilon));
            }
        }
        prop_assert!(found.is_sorted());
    }
}

#[test]
fn the_closest_pairs_come_first() {
    let data = images(&[&[0, 0], &[30, 40], &[0, 50], &[0, 1], &[255, 255]], &[0, 1, 2, 0, 1]);
    let pair = |first, second, distance: f64| ClosePair { first, second, distance };
    let found = closest_conflicts(&data, Norm::L2, radius(0.1), 9);
    let distances: Vec<f64> = found.iter().map(|pair| pair.distance * 255.0).collect();
    // 0-1 and 0-2 are 50 apart; 1-2 sqrt(1000), 1-3 sqrt(2421), 2-3 49; 51 is the limit. 0 and 3 have one label.
    let expected = [1000f64.sqrt(), 49.0, 2421f64.sqrt(), 50.0, 50.0];
    assert_eq!(distances.len(), expected.len(), "{found:?}");
    for (distance, expected) in distances.iter().zip(expected) {
        assert!((distance - expected).abs() < 1e-9, "{found:?}");
    }
    assert_eq!(found[0], pair(1, 2, 1000f64.sqrt() / 255.0));
    assert_eq!(found[3], pair(0, 1, 50.0 / 255.0));
    assert_eq!(closest_conflicts(&data, Norm::L2, radius(0.1), 2), found[..2]);
    let in_linf = closest_conflicts(&data, Norm::Linf, radius(0.1), 1);
    assert_eq!(in_linf, [pair(1, 2, 30.0 / 255.0)]);
    let in_l1 = closest_conflicts(&data, Norm::L1, radius(0.1), 1);
    assert_eq!(in_l1, [pair(1, 2, 40.0 / 255.0)]);
}

#[test]
fn the_closest_pairs_of_digits_are_those_of_all_pairs() {
    let data = fixture();
    let mut all = Vec::new();
    for first in 0..data.len() {
        for second in first + 1..data.len() {
            if data.labels[first] != data.labels[second] {
                let pixels = data.image(first).iter().zip(data.image(second));
                let squares = pixels.map(|(&a, &b)| (i64::from(a) - i64::from(b)).pow(2));
                all.push((squares.sum::<i64>(), first, second));
            }
        }
    }
    all.sort_unstable();
    let found = closest_conflicts(data, Norm::L2, radius(4.0), 12);
    let found: Vec<_> = found.iter().map(|pair| (pair.first, pair.second)).collect();
    let expected: Vec<_> = all[..12].iter().map(|&(_, first, second)| (first, second)).collect();
    assert_eq!(found, expected);
}
