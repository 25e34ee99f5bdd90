//! Every projection is a projection: feasible, idempotent, the identity inside, non-expansive, nearest.
//!
//! Checks of feasibility and bits run on both formats of numbers; checks of the mathematics run on
//! `f64`, where rounding cannot hide a wrong formula.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_ops::{Draws, LpBall, Norm, PixelBox, Result, TOLERANCE};
use saddle_tests::ops::{
    Case, any_ball, any_case, any_dtype, any_norm, ball, bits, inner, minus, naive_norm,
    naive_projection, naive_projection_into, rows,
};

/// The three ways back into the threat model.
#[derive(Clone, Copy, Debug)]
enum Way {
    Ball,
    ThenClip,
    BallAndBox,
}

use Way::{Ball, BallAndBox, ThenClip};

impl Way {
    const ALL: [Self; 3] = [Ball, ThenClip, BallAndBox];
    /// Those that promise the nearest point.
    const EXACT: [Self; 2] = [Ball, BallAndBox];

    fn project(self, ball: &LpBall, natural: &Tensor, candidate: &Tensor) -> Result<Tensor> {
        match self {
            Ball => ball.project(natural, candidate),
            ThenClip => ball.project_then_clip(natural, candidate, PixelBox::UNIT),
            BallAndBox => ball.project_into(natural, candidate, PixelBox::UNIT),
        }
    }

    fn boxed(self) -> bool {
        !matches!(self, Ball)
    }
}

/// What a projection aims at.
fn aim(ball: &LpBall) -> f64 {
    ball.radius().get() * (1.0 - TOLERANCE)
}

/// How far rounding may move a point: thresholds are as exact as numbers of the size of the step.
fn rounding(ball: &LpBall, case: &Case) -> f64 {
    1e-11 * ball.radius().get() + 1e-14 * case.step + 1e-14
}

/// A feasible point: a random one of the ball, on its surface once in two cases, clipped to the box.
fn feasible(seed: u64, ball: &LpBall, way: Way, natural: &[f64]) -> Vec<f64> {
    let mut stream = Draws::new(seed).stream("feasible", 0, 0, 0, 0);
    let mut point: Vec<f64> = natural.iter().map(|_| stream.normal()).collect();
    let share = if stream.below(2) == 0 { 1.0 } else { stream.uniform() };
    let factor = share * aim(ball) / naive_norm(ball.norm(), &point);
    for (d, x) in point.iter_mut().zip(natural) {
        *d = x + *d * factor;
        if way.boxed() {
            *d = d.clamp(0.0, 1.0);
        }
    }
    point
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_result_is_feasible(case in any_case(), ball in any_ball(), dtype in any_dtype()) {
        let (natural, candidate) = (case.natural(dtype)?, case.candidate(dtype)?);
        for way in Way::ALL {
            let projected = way.project(&ball, &natural, &candidate)?;
            for distance in ball.norm().distances(&natural, &projected)? {
                // The judge allows radius * (1 + TOLERANCE); rounding toward the natural image
                // promises more.
                prop_assert!(distance <= ball.radius().get(), "{way:?}: {distance}");
            }
            if way.boxed() {
                prop_assert!(!PixelBox::UNIT.contains(&projected)?.contains(&false), "{way:?}");
            }
        }
    }

    #[test]
    fn projecting_twice_gives_the_bits_of_once(
        case in any_case(), ball in any_ball(), dtype in any_dtype(),
    ) {
        let (natural, candidate) = (case.natural(dtype)?, case.candidate(dtype)?);
        for way in Way::ALL {
            let once = way.project(&ball, &natural, &candidate)?;
            let twice = way.project(&ball, &natural, &once)?;
            prop_assert_eq!(bits(&once)?, bits(&twice)?, "{:?}", way);
        }
    }

    #[test]
    fn a_point_inside_keeps_its_bits(case in any_case(), norm in any_norm(), dtype in any_dtype()) {
        let (natural, candidate) = (case.natural(dtype)?, case.candidate(dtype)?);
        let size = norm.distances(&natural, &candidate)?.into_iter().fold(1e-3, f64::max);
        let ball = ball(norm, size * (1.0 + 2.0 * TOLERANCE));
        prop_assert_eq!(bits(&Ball.project(&ball, &natural, &candidate)?)?, bits(&candidate)?);
        let legal = PixelBox::UNIT.clip(&candidate)?;
        for way in Way::ALL {
            prop_assert_eq!(bits(&way.project(&ball, &natural, &legal)?)?, bits(&legal)?);
        }
    }

    #[test]
    fn points_do_not_move_apart(case in any_case(), ball in any_ball()) {
        let natural = case.natural(DType::F64)?;
        let first = case.candidate(DType::F64)?;
        let other = case.reseeded(case.seed.wrapping_add(1)).candidate(DType::F64)?;
        // A partner far away and one nearby.
        for share in [1.0, 1e-3] {
            let second = ((&first * (1.0 - share))? + (&other * share)?)?;
            let before = Norm::L2.distances(&first, &second)?;
            for way in Way::EXACT {
                let a = way.project(&ball, &natural, &first)?;
                let b = way.project(&ball, &natural, &second)?;
                for (before, after) in before.iter().zip(Norm::L2.distances(&a, &b)?) {
                    let allowed = before + 30.0 * rounding(&ball, &case);
                    prop_assert!(after <= allowed, "{way:?}: {before} grew to {after}");
                }
            }
        }
    }

    /// A point is the nearest of a convex set exactly when no feasible point lies on the candidate's
    /// side of it: `<candidate - nearest, feasible - nearest> <= 0`.
    #[test]
    fn no_feasible_point_is_nearer(case in any_case(), ball in any_ball()) {
        let (natural, candidate) = (case.natural(DType::F64)?, case.candidate(DType::F64)?);
        let (centers, candidates) = (rows(&natural)?, rows(&candidate)?);
        for way in Way::EXACT {
            let nearest = rows(&way.project(&ball, &natural, &candidate)?)?;
            for i in 0..case.rows {
                let away = minus(&candidates[i], &nearest[i]);
                let scale = naive_norm(Norm::L2, &away) * (ball.radius().get() + 1e-3);
                for trial in 0..8 {
                    let other = feasible(case.seed ^ trial, &ball, way, &centers[i]);
                    let along = inner(&away, &minus(&other, &nearest[i]));
                    prop_assert!(along <= 1e-9 * scale, "{way:?}: {along} of {scale}");
                }
            }
        }
    }

    #[test]
    fn fast_and_naive_agree(case in any_case(), ball in any_ball()) {
        let (natural, candidate) = (case.natural(DType::F64)?, case.candidate(DType::F64)?);
        let (centers, candidates) = (rows(&natural)?, rows(&candidate)?);
        let free = rows(&Ball.project(&ball, &natural, &candidate)?)?;
        let boxed = rows(&BallAndBox.project(&ball, &natural, &candidate)?)?;
        // Both sum up to 784 numbers of the size of the step, each in its own order.
        let (norm, aim, allowed) = (ball.norm(), aim(&ball), 4.0 * rounding(&ball, &case));
        for i in 0..case.rows {
            let (x, y) = (&centers[i], &candidates[i]);
            let slow = naive_projection(norm, aim, &minus(y, x));
            let error = naive_norm(Norm::Linf, &minus(&slow, &minus(&free[i], x)));
            prop_assert!(error <= allowed, "ball: {error} of {allowed}");
            let slow = naive_projection_into(norm, aim, x, y, (0.0, 1.0));
            let error = naive_norm(Norm::Linf, &minus(&slow, &boxed[i]));
            prop_assert!(error <= allowed, "ball and box: {error} of {allowed}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_row_is_the_same_alone_and_in_company(case in any_case(), ball in any_ball()) {
        // 48 images of 784 pixels are spread over threads, one image is not.
        let case = Case { rows: 48, side: 28, ..case };
        let (natural, candidate) = (case.natural(DType::F32)?, case.candidate(DType::F32)?);
        for way in Way::ALL {
            let together = way.project(&ball, &natural, &candidate)?;
            for i in [0, 17, 47] {
                let (x, y) = (natural.narrow(0, i, 1)?, candidate.narrow(0, i, 1)?);
                let alone = way.project(&ball, &x, &y)?;
                prop_assert_eq!(bits(&alone)?, bits(&together.narrow(0, i, 1)?)?);
            }
        }
    }
}

fn row(values: &[f64]) -> Result<Tensor> {
    Ok(Tensor::new(values, &Device::Cpu)?.reshape((1, values.len()))?)
}

#[test]
fn answers_known_on_paper() -> Result<()> {
    let expect = |way: Way, norm, radius: f64, candidate: [f64; 2], expected: [f64; 2]| {
        let projected = way.project(&ball(norm, radius), &row(&[0.0; 2])?, &row(&candidate)?)?;
        let got = &rows(&projected)?[0];
        let error = naive_norm(Norm::Linf, &minus(got, &expected));
        assert!(error < 1e-11, "{way:?} {norm}: {got:?} against {expected:?}");
        Ok(())
    };
    let aim = 1.0 - TOLERANCE;
    expect(Ball, Norm::L2, 1.0, [3.0, -4.0], [0.6 * aim, -0.8 * aim])?;
    expect(Ball, Norm::Linf, 1.0, [3.0, -0.4], [aim, -0.4])?;
    // The sum 1.5 must fall to the aim, by equal parts.
    let fall = (1.5 - aim) / 2.0;
    expect(Ball, Norm::L1, 1.0, [1.0, -0.5], [1.0 - fall, fall - 0.5])?;
    // In the box the first pixel stops at 1 and what remains of the radius goes to the second.
    let radius = 1.25f64.sqrt();
    let rest = (1.25 * aim * aim - 1.0).sqrt();
    expect(BallAndBox, Norm::L2, radius, [3.0, 1.0], [1.0, rest])?;
    expect(BallAndBox, Norm::L1, 1.5, [9.0, 1.0], [1.0, 1.5 * aim - 1.0])?;
    // The clipped projection is feasible but not the nearest point: the second pixel falls short.
    expect(ThenClip, Norm::L2, radius, [3.0, 1.0], [1.0, radius * aim / 10f64.sqrt()])
}

#[test]
fn candidates_beyond_all_measure_come_back() -> Result<()> {
    let natural = Tensor::new(&[[0.0f32, 0.5, 1.0, 0.25]], &Device::Cpu)?;
    let far = Tensor::new(&[[1e30f32, -1e30, 3e38, 0.25]], &Device::Cpu)?;
    for norm in Norm::ALL {
        for radius in [1e-3, 0.3, 30.0] {
            for way in Way::ALL {
                let projected = way.project(&ball(norm, radius), &natural, &far)?;
                let distance = norm.distances(&natural, &projected)?[0];
                assert!(distance <= radius, "{way:?} {norm} {radius}: {distance}");
                // Without a box all of the radius is used, but for rounding of pixels below 32.
                let used = distance >= radius * (1.0 - 2.0 * TOLERANCE) - 2e-6;
                assert!(way.boxed() || used, "{norm} {radius}: {distance}");
            }
        }
    }
    Ok(())
}

/// Rounding to nearest would leave this ball: at a radius of 1e-3 the slack of the judge is 2e-9,
/// while 784 pixels near 1 are 6e-8 apart.
#[test]
fn small_radii_are_kept_although_f32_is_coarse() -> Result<()> {
    let natural = (Tensor::ones((1, 784), DType::F32, &Device::Cpu)? * 0.9)?;
    for seed in 0..20 {
        let ids = [seed];
        let noise = Draws::new(5).gaussian("far", &ids, 0, 0, 0, 10.0, &natural)?;
        for norm in Norm::ALL {
            for radius in [1e-6, 1e-4, 1e-3] {
                let projected = ball(norm, radius).project(&natural, &(&natural + &noise)?)?;
                assert!(norm.distances(&natural, &projected)?[0] <= radius, "{norm} {radius}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_box_that_f32_cannot_hold_is_clipped_inward() -> Result<()> {
    let pixels = PixelBox::new(0.1, 0.7)?;
    let images = Tensor::new(&[[0.0f32, 1.0, 0.5, f32::INFINITY]], &Device::Cpu)?;
    assert_eq!(pixels.contains(&images)?, [false]);
    let clipped = pixels.clip(&images)?;
    assert_eq!(pixels.contains(&clipped)?, [true]);
    let values = &rows(&clipped)?[0];
    assert!((values[0] - 0.1).abs() < 1e-7 && (values[1] - 0.7).abs() < 1e-7, "{values:?}");
    assert_eq!((values[2], values[3]), (0.5, values[1]));
    Ok(())
}

#[test]
fn strided_batches_are_read_right() -> Result<()> {
    let case = Case { seed: 3, rows: 3, side: 5, step: 1.0 };
    let natural = case.natural(DType::F32)?.transpose(2, 3)?;
    let candidate = case.candidate(DType::F32)?.transpose(2, 3)?;
    let ball = ball(Norm::L1, 0.7);
    let strided = ball.project(&natural, &candidate)?;
    let copied = ball.project(&natural.contiguous()?, &candidate.contiguous()?)?;
    assert_eq!(bits(&strided)?, bits(&copied)?);
    Ok(())
}
