//! Steepest ascent: the best direction, whatever the scale, and an honest count of what is not one.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_ops::{
    Draws, GradientHealth, Norm, PixelBox, Result, RowHealth, StepRule, ascend_composed,
    ascent_direction, steepest,
};
use saddle_tests::ops::{
    Case, any_ball, any_case, any_dtype, any_norm, ball, bits, inner, naive_norm, rows,
};

const RULES: [StepRule; 4] = [StepRule::Raw, StepRule::Unit, StepRule::Sign, StepRule::Coordinate];

/// The norm that measures a linear function on the unit ball of `norm`.
fn dual(norm: Norm) -> Norm {
    match norm {
        Norm::L1 => Norm::Linf,
        Norm::L2 => Norm::L2,
        Norm::Linf => Norm::L1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_step_is_its_moves_one_after_the_other(
        case in any_case(), ball in any_ball(), dtype in any_dtype(), rule in 0..4usize,
        share in 0.01..3.0f64, broken in 0..5usize,
    ) {
        let natural = case.natural(dtype)?;
        let there = case.reseeded(case.seed ^ 1).candidate(dtype)?;
        let iterate = ball.project_then_clip(&natural, &there, PixelBox::UNIT)?;
        let mut gradient: Vec<f64> =
            rows(&case.reseeded(case.seed ^ 2).candidate(DType::F64)?)?.concat();
        // One row in some cases says little.
        let width = case.side * case.side;
        match broken {
            0 => gradient[..width].fill(0.0),
            1 => gradient[width - 1] = f64::NAN,
            2 => gradient[0] = f64::INFINITY,
            _ => {}
        }
        let gradient = Tensor::from_vec(gradient, natural.shape(), &Device::Cpu)?.to_dtype(dtype)?;
        let step = (RULES[rule], share * ball.radius().get());
        let (found, health) = ball.ascend(&natural, &iterate, &gradient, step, PixelBox::UNIT)?;
        let (expected, same) =
            ascend_composed(&ball, &natural, &iterate, &gradient, step, PixelBox::UNIT)?;
        prop_assert_eq!(bits(&found)?, bits(&expected)?);
        prop_assert_eq!(health, same);
    }

    #[test]
    fn nothing_in_the_unit_ball_climbs_faster(case in any_case(), norm in any_norm()) {
        let gradient = case.candidate(DType::F64)?;
        let (direction, health) = ascent_direction(steepest(norm), &gradient)?;
        let (gradients, directions) = (rows(&gradient)?, rows(&direction)?);
        let mut stream = Draws::new(case.seed).stream("rival", 0, 0, 0, 0);
        for (i, (g, d)) in gradients.iter().zip(&directions).enumerate() {
            if health[i] != RowHealth::Sound {
                continue;
            }
            prop_assert!((naive_norm(norm, d) - 1.0).abs() < 1e-12);
            let climbed = inner(g, d);
            let most = naive_norm(dual(norm), g);
            prop_assert!((climbed - most).abs() <= 1e-12 * most, "{climbed} of {most}");
            for _ in 0..8 {
                let rival: Vec<f64> = g.iter().map(|g| g.signum() * stream.normal().abs()).collect();
                let rival = inner(g, &rival) / naive_norm(norm, &rival);
                prop_assert!(rival <= climbed * (1.0 + 1e-12), "{rival} beats {climbed}");
            }
        }
    }

    /// A gradient of 1e-35 points where its multiple of 1 points; only the report differs.
    #[test]
    fn scale_does_not_turn_a_direction(case in any_case(), exponent in -35..30i32) {
        let gradient = Case { step: 1.0, ..case.clone() }.candidate(DType::F32)?;
        // A power of two changes no digit of a row that stays above the denormals.
        let scaled = (&gradient * 2f64.powi(3 * exponent))?;
        let smallest = |t: &Tensor| -> Result<f64> {
            Ok(rows(t)?.concat().iter().filter(|v| **v != 0.0).fold(1.0, |m: f64, v| m.min(v.abs())))
        };
        prop_assume!(smallest(&scaled)? >= f64::from(f32::MIN_POSITIVE));
        for rule in [StepRule::Unit, StepRule::Sign, StepRule::Coordinate] {
            let (direction, _) = ascent_direction(rule, &gradient)?;
            let (small, _) = ascent_direction(rule, &scaled)?;
            prop_assert_eq!(bits(&direction)?, bits(&small)?);
        }
    }
}

#[test]
fn rows_that_say_little_are_told_apart() -> Result<()> {
    let gradient = Tensor::new(
        &[
            [3.0f32, -4.0, 0.0],
            [0.0, -0.0, 0.0],
            [3e-31, -4e-31, 0.0],
            [3e-38, -4e-38, 0.0],
            [3e-44, -4e-44, 0.0],
            [f32::NAN, 1.0, 0.0],
            [f32::INFINITY, 1.0, 0.0],
            [1.0, f32::NEG_INFINITY, 0.0],
            [1.5e38, -2e38, 0.0],
        ],
        &Device::Cpu,
    )?;
    use RowHealth::{NonFinite, Sound, Tiny, Zero};
    let expected = [Sound, Zero, Tiny, Tiny, Tiny, NonFinite, NonFinite, NonFinite, Sound];
    for rule in RULES {
        let (direction, health) = ascent_direction(rule, &gradient)?;
        assert_eq!(health, expected, "{rule:?}");
        let directions = rows(&direction)?;
        for i in [1, 5, 6, 7] {
            assert!(directions[i].iter().all(|d| *d == 0.0), "{rule:?} row {i}");
        }
        let count: GradientHealth = health.into_iter().collect();
        assert_eq!(count, GradientHealth { zero: 1, tiny: 3, non_finite: 3 });
        assert_eq!(count + count, GradientHealth { zero: 2, tiny: 6, non_finite: 6 });
    }
    let unit = rows(&ascent_direction(StepRule::Unit, &gradient)?.0)?;
    for i in [0, 2, 3, 8] {
        assert!(
            (unit[i][0] - 0.6).abs() < 1e-6 && (unit[i][1] + 0.8).abs() < 1e-6,
            "{:?}",
            unit[i]
        );
    }
    // Denormals carry few digits, yet the direction is theirs and of length 1.
    assert!((naive_norm(Norm::L2, &unit[4]) - 1.0).abs() < 1e-6 && unit[4][1] < -0.7);
    let sign = rows(&ascent_direction(StepRule::Sign, &gradient)?.0)?;
    assert_eq!(sign[4], [1.0, -1.0, 0.0]);
    let one = rows(&ascent_direction(StepRule::Coordinate, &gradient)?.0)?;
    assert_eq!(
        (one[0].as_slice(), one[4].as_slice()),
        (&[0.0, -1.0, 0.0][..], &[0.0, -1.0, 0.0][..])
    );
    Ok(())
}

#[test]
fn raw_keeps_bits_and_ties_go_to_the_first() -> Result<()> {
    let gradient = Tensor::new(&[[0.5f32, -2.0, 2.0, 0.0]], &Device::Cpu)?;
    assert_eq!(bits(&ascent_direction(StepRule::Raw, &gradient)?.0)?, bits(&gradient)?);
    let (direction, _) = ascent_direction(StepRule::Coordinate, &gradient)?;
    assert_eq!(rows(&direction)?[0], [0.0, -1.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn a_row_is_the_same_alone_and_in_company() -> Result<()> {
    let case = Case { seed: 11, rows: 48, side: 28, step: 1.0 };
    let gradient = case.candidate(DType::F32)?;
    for rule in RULES {
        let (together, _) = ascent_direction(rule, &gradient)?;
        for i in [0, 31, 47] {
            let (alone, _) = ascent_direction(rule, &gradient.narrow(0, i, 1)?)?;
            assert_eq!(bits(&alone)?, bits(&together.narrow(0, i, 1)?)?, "{rule:?} row {i}");
        }
    }
    Ok(())
}

#[test]
fn rules_are_written_in_snake_case() -> anyhow::Result<()> {
    let names = ["raw", "unit", "sign", "coordinate"];
    for (rule, name) in RULES.into_iter().zip(names) {
        assert_eq!(serde_json::to_string(&rule)?, format!("\"{name}\""));
    }
    Ok(())
}

#[test]
fn a_step_refuses_what_its_moves_refuse() -> Result<()> {
    let case = Case { seed: 1, rows: 2, side: 2, step: 0.1 };
    let natural = case.natural(DType::F32)?;
    let ball = ball(Norm::Linf, 0.3);
    let step = (StepRule::Sign, 0.1);
    let outside = (&natural + 2.0)?;
    let words = |found: Result<(Tensor, Vec<RowHealth>)>| found.expect_err("refused").to_string();
    let found = words(ball.ascend(&outside, &natural, &natural, step, PixelBox::UNIT));
    assert!(found.contains("row 0"), "{found}");
    let narrow = natural.narrow(0, 0, 1)?;
    assert!(ball.ascend(&natural, &narrow, &natural, step, PixelBox::UNIT).is_err());
    assert!(ball.ascend(&natural, &natural, &narrow, step, PixelBox::UNIT).is_err());
    let endless = (StepRule::Sign, f64::INFINITY);
    assert!(ball.ascend(&natural, &natural, &outside, endless, PixelBox::UNIT).is_err());
    Ok(())
}
