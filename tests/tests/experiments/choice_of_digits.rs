//! Digits are drawn by a stated seed, in shares, and the held-out ones never meet a training.

use proptest::prelude::*;
use saddle_experiments::{Digits, Part};
use saddle_tests::data::fixture;

fn digits(from: usize, to: Option<usize>, count: Option<usize>, seed: u64) -> Digits {
    Digits { part: Part::Test, from, to, count, seed }
}

#[test]
fn without_a_count_the_whole_range_is_taken() {
    let labels = &fixture().labels;
    let chosen = digits(5, Some(50), None, 1).select("test", labels).unwrap();
    assert_eq!(chosen, (5..50).collect::<Vec<_>>());
}

#[test]
fn impossible_samples_are_refused_in_words() {
    let labels = &fixture().labels;
    for (sample, expected) in [
        (digits(0, Some(201), None, 1), "does not lie within"),
        (digits(200, None, None, 1), "does not lie within"),
        (digits(9, Some(9), None, 1), "does not lie within"),
        (digits(0, None, Some(0), 1), "0 asked for"),
        (digits(0, Some(10), Some(11), 1), "ask for 1 to 10"),
    ] {
        let message = sample.select("mine", labels).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains("mine"), "{message}");
    }
}

proptest! {
    #[test]
    fn a_sample_is_distinct_sorted_fair_and_repeatable(
        count in 1usize..=200,
        seed in any::<u64>(),
    ) {
        let labels = &fixture().labels;
        let sample = digits(0, None, Some(count), seed);
        let chosen = sample.select("test", labels).unwrap();
        prop_assert_eq!(chosen.len(), count);
        prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert_eq!(&chosen, &sample.select("test", labels).unwrap());
        let first_half = chosen.iter().filter(|&&position| position < 100).count();
        prop_assert_eq!(first_half, count.div_ceil(2));
        // Twenty of each class: no class may be over its share by more than one digit in each half.
        for class in 0..10u8 {
            for half in [0..100, 100..200] {
                let all = half.clone().filter(|&i| labels[i] == class).count();
                let mine = chosen.iter().filter(|i| half.contains(i) && labels[**i] == class).count();
                let taken = chosen.iter().filter(|i| half.contains(i)).count();
                let share = all as f64 * taken as f64 / 100.0;
                prop_assert!((mine as f64 - share).abs() < 1.0, "{mine} of class {class}, share {share}");
            }
        }
    }

    #[test]
    fn another_seed_draws_other_digits(seed in any::<u64>()) {
        let labels = &fixture().labels;
        let one = digits(0, None, Some(40), seed).select("test", labels).unwrap();
        let two = digits(0, None, Some(40), seed.wrapping_add(1)).select("test", labels).unwrap();
        prop_assert_ne!(one, two);
    }
}
