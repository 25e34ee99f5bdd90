//! What changes over a run, against values worked out by hand.

use proptest::prelude::*;
use saddle_defenses::{LearningSchedule, NormSchedule, RadiusSchedule};
use saddle_ops::{Norm, Radius};

fn radii(schedule: RadiusSchedule, epsilon: f64, iterations: u32) -> Vec<f64> {
    let epsilon = Radius::new(epsilon).unwrap();
    (0..iterations).map(|step| schedule.at(epsilon, step, iterations).unwrap().get()).collect()
}

#[test]
fn ramp_grows_by_equal_parts_and_stops_at_epsilon() {
    let found = radii(RadiusSchedule::Ramp { fraction: 0.5 }, 0.4, 8);
    for (found, expected) in found.iter().zip([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.4]) {
        assert!((found - expected).abs() < 1e-15, "{found} is not {expected}");
    }
    assert_eq!(found[7], 0.4, "epsilon itself, not a product near it");
}

#[test]
fn constant_radius_is_epsilon_from_the_first_step() {
    assert_eq!(radii(RadiusSchedule::Constant, 4.0, 3), [4.0, 4.0, 4.0]);
}

#[test]
fn mix_starts_in_l2_and_alternates() {
    let found: Vec<Norm> = (0..5).map(|step| NormSchedule::Alternate.at(step)).collect();
    assert_eq!(found, [Norm::L2, Norm::Linf, Norm::L2, Norm::Linf, Norm::L2]);
    assert_eq!(NormSchedule::Fixed(Norm::Linf).at(0), Norm::Linf);
    assert_eq!(NormSchedule::Fixed(Norm::Linf).at(1), Norm::Linf);
}

#[test]
fn learning_rate_holds_to_sixty_percent_and_falls_to_three() {
    let schedule = LearningSchedule::default();
    let rate = |step| schedule.at(0.001, step, 100);
    assert_eq!(rate(0), 0.001);
    assert_eq!(rate(60), 0.001);
    assert!((rate(80) - 0.001 * 0.515).abs() < 1e-15, "half way down: {}", rate(80));
    assert!((schedule.at(0.001, 100, 100) - 0.00003).abs() < 1e-15, "3 % at the end");
    assert_eq!(LearningSchedule::Constant.at(0.001, 99, 100), 0.001);
}

#[test]
fn stepped_rates_drop_when_their_part_of_the_run_is_done() {
    let schedule = LearningSchedule::Steps { factor: 0.5, at: vec![0.25, 0.5] };
    let found: Vec<f64> = (0..8).map(|step| schedule.at(0.8, step, 8)).collect();
    assert_eq!(found, [0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.2, 0.2]);
    // No step of three begins at a quarter or a half: the drops come with the next.
    let found: Vec<f64> = (0..3).map(|step| schedule.at(0.8, step, 3)).collect();
    assert_eq!(found, [0.8, 0.4, 0.2]);
}

/// Epochs 1 to 54 at the full rate, 55 to 74 at a tenth, 75 to 89 at a hundredth, the rest at a thousandth.
#[test]
fn the_published_rates_of_trades_change_with_their_epochs() {
    let (batches, schedule) = (468, LearningSchedule::trades());
    for (epoch, expected) in [
        (1, 0.01),
        (54, 0.01),
        (55, 1e-3),
        (74, 1e-3),
        (75, 1e-4),
        (89, 1e-4),
        (90, 1e-5),
        (100, 1e-5),
    ] {
        for batch in [0, batches - 1] {
            let found = schedule.at(0.01, (epoch - 1) * batches + batch, 100 * batches);
            assert!((found / expected - 1.0).abs() < 1e-12, "epoch {epoch}: {found}");
        }
    }
}

proptest! {
    #[test]
    fn a_ramp_never_falls_and_never_leaves_its_range(
        fraction in 0.001f64..=1.0, epsilon in 1e-3f64..30.0, iterations in 1u32..300
    ) {
        let found = radii(RadiusSchedule::Ramp { fraction }, epsilon, iterations);
        prop_assert!(found.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(found.iter().all(|&radius| radius > 0.0 && radius <= epsilon));
        prop_assert_eq!(found[found.len() - 1], epsilon);
    }

    #[test]
    fn a_learning_rate_never_rises_and_keeps_its_last_part(
        hold in 0.0f64..=1.0, last in 0.0f64..=1.0, iterations in 1u32..300
    ) {
        let schedule = LearningSchedule::LinearDecay { hold, last };
        let found: Vec<f64> = (0..iterations).map(|step| schedule.at(1.0, step, iterations)).collect();
        prop_assert_eq!(found[0], 1.0);
        prop_assert!(found.windows(2).all(|pair| pair[0] >= pair[1]));
        prop_assert!(found.iter().all(|&rate| rate >= last - 1e-12));
    }
}
