//! What cannot be computed is refused in words that say what to do.

use candle_core::{DType, Device, Tensor};
use saddle_ops::{Draws, LpBall, Norm, PixelBox, Radius, Result, StepRule, ascent_direction};
use saddle_tests::ops::ball;

#[track_caller]
fn refused<T>(result: Result<T>, words: &[&str]) {
    let message = match result {
        Ok(_) => panic!("accepted, expected a message with {words:?}"),
        Err(error) => error.to_string(),
    };
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
}

fn batch(dims: &[usize]) -> Tensor {
    Tensor::zeros(dims, DType::F32, &Device::Cpu).expect("zeros of any shape")
}

fn row(values: &[f32]) -> Tensor {
    Tensor::new(values, &Device::Cpu).and_then(|t| t.unsqueeze(0)).expect("one row")
}

fn unit_ball() -> LpBall {
    ball(Norm::L2, 1.0)
}

#[test]
fn radii_that_are_no_radii() {
    for value in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        refused(Radius::new(value), &["radius", "finite and greater than 0", &value.to_string()]);
    }
    let error = serde_json::from_str::<Radius>("-0.3").expect_err("negative radius in a plan");
    assert!(error.to_string().contains("radius -0.3 is not usable"), "{error}");
}

#[test]
fn boxes_and_norms_that_are_none() {
    for (low, high) in [(1.0, 0.0), (0.5, 0.5), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        refused(PixelBox::new(low, high), &["pixel box", "low < high"]);
    }
    assert!(serde_json::from_str::<PixelBox>("[1.0, 0.0]").is_err());
    refused("l3".parse::<Norm>(), &["`l3`", "l1, l2, linf"]);
    refused("L2".parse::<Norm>(), &["`L2`"]);
}

#[test]
fn batches_that_do_not_fit() -> Result<()> {
    let ball = unit_ball();
    let words = ["project", "[2, 3]", "[3, 2]", "shapes differ"];
    refused(ball.project(&batch(&[2, 3]), &batch(&[3, 2])), &words);
    refused(Norm::L1.distances(&batch(&[2, 3]), &batch(&[3, 2])), &["distance", "[2, 3]"]);
    let double = batch(&[2, 3]).to_dtype(DType::F64)?;
    refused(ball.project(&batch(&[2, 3]), &double), &["number formats differ", "f32", "f64"]);
    Ok(())
}

#[test]
fn batches_without_rows_or_without_batch() -> Result<()> {
    let (empty, flat) = (batch(&[0, 1, 28, 28]), batch(&[5]));
    let ball = unit_ball();
    let words = ["the batch is empty", "at least one image"];
    refused(ball.project(&empty, &empty), &words);
    refused(Norm::L2.sizes(&empty), &words);
    refused(PixelBox::UNIT.clip(&empty), &words);
    refused(PixelBox::UNIT.contains(&empty), &words);
    refused(ascent_direction(StepRule::Sign, &empty), &words);
    refused(Draws::new(0).gaussian("noise", &[], 0, 0, 0, 1.0, &empty), &words);
    refused(Norm::L2.sizes(&flat), &["expected a batch (n, ...)", "[5]"]);
    let whole = batch(&[2, 3]).to_dtype(DType::U32)?;
    refused(Norm::L2.sizes(&whole), &["u32", "f32 or f64"]);
    Ok(())
}

#[test]
fn numbers_that_are_none_name_their_row() -> Result<()> {
    let ball = unit_ball();
    for bad in [f32::NAN, f32::INFINITY] {
        let candidate = Tensor::new(&[[0.0f32, 0.5], [bad, 0.0]], &Device::Cpu)?;
        let natural = batch(&[2, 2]);
        refused(ball.project(&natural, &candidate), &["row 1", "NaN or infinity"]);
        refused(ball.project(&candidate, &natural), &["row 1", "NaN or infinity"]);
    }
    refused(PixelBox::UNIT.clip(&row(&[0.0, f32::NAN])), &["clip", "row 0"]);
    assert_eq!(PixelBox::UNIT.contains(&row(&[0.0, f32::NAN]))?, [false]);
    Ok(())
}

/// Clipping keeps a point in the ball only because the natural image lies in the box.
#[test]
fn natural_images_outside_the_box() {
    let (natural, candidate) = (row(&[0.0, 1.5]), row(&[0.0, 1.0]));
    let words = ["natural image in row 0", "[0, 1]", "scale the images"];
    refused(unit_ball().project_then_clip(&natural, &candidate, PixelBox::UNIT), &words);
    refused(unit_ball().project_into(&natural, &candidate, PixelBox::UNIT), &words);
}

#[test]
fn draws_that_nobody_can_make() {
    let (draws, like) = (Draws::new(1), batch(&[2, 3]));
    for sigma in [-1.0, f64::NAN, f64::INFINITY] {
        let result = draws.gaussian("noise", &[0, 1], 0, 0, 0, sigma, &like);
        refused(result, &["sigma", "at least 0"]);
    }
    let words = ["2 rows but 1 example ids"];
    refused(draws.gaussian("noise", &[0], 0, 0, 0, 1.0, &like), &words);
    refused(draws.uniform_in_ball("start", &[0], 0, &unit_ball(), &like), &words);
}
