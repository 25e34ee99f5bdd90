//! Linear layers in bf16: the definition on rounded factors, and the same bits on every path.

use half::bf16;
use proptest::prelude::*;
use saddle_ops::{
    Error, Kernels, Linear, LinearScratch, Precision, Real, linear_gradients_naive, linear_naive,
};
use saddle_tests::kernels::{eighths, largest_difference, sparse_eighths};
use saddle_tests::model::signed;

fn layer<T: Real>(kernels: Kernels, inputs: usize, weight: &[T], bias: &[T]) -> Linear<T> {
    Linear::with_precision(kernels, Precision::Bf16, inputs, weight, bias).expect("fits")
}

/// On eighths, which bf16 holds, with sums that `f32` holds: no bit may differ.
fn agrees_with_naive<T: Real>(rows: usize, inputs: usize, outputs: usize, salt: u64) {
    let batch = sparse_eighths::<T>(rows * inputs, salt, 60);
    let weight = eighths::<T>(outputs * inputs, salt + 1);
    let bias = eighths::<T>(outputs, salt + 2);
    let cotangent = sparse_eighths::<T>(rows * outputs, salt + 3, 40);
    let sums = linear_naive(&batch, &weight, &bias);
    let [by_batch, ..] = linear_gradients_naive(&batch, &weight, &cotangent, outputs);
    for kernels in Kernels::available() {
        let mut scratch = LinearScratch::default();
        let linear = layer(kernels, inputs, &weight, &bias);
        let mut out = vec![T::from_f64(99.0); rows * outputs];
        linear.forward(&batch, false, &mut out, &mut scratch).expect("fits");
        assert!(out == sums, "forward on {kernels}");
        let mut gradient = vec![T::from_f64(99.0); rows * inputs];
        linear.input_gradient(&cotangent, &mut gradient, &mut scratch).expect("fits");
        assert!(gradient == by_batch, "batch on {kernels}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_bf16_holds_is_multiplied_exactly(
        rows in 0..40usize, inputs in 1..150usize, outputs in 1..300usize, salt in 0..1000u64,
    ) {
        agrees_with_naive::<f32>(rows, inputs, outputs, salt);
        agrees_with_naive::<f64>(rows, inputs, outputs, salt);
    }
}

#[test]
fn awkward_batches_are_the_definition() {
    for rows in [1, 2, 13, 14, 15, 97, 130] {
        agrees_with_naive::<f32>(rows, 71, 37, 9);
    }
    agrees_with_naive::<f32>(3, 1301, 531, 5);
}

/// Numbers of many sizes, a third of them 0.
fn numbers(count: usize, salt: u64) -> Vec<f32> {
    let values = signed(count, salt, 24).into_iter().zip(0..);
    values.map(|(value, i): (f64, i32)| (value * f64::from(i % 3)) as f32).collect()
}

fn rounded(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| bf16::from_f32(*value).to_f64()).collect()
}

#[test]
fn factors_are_rounded_and_sums_are_not_and_every_path_has_the_same_bits() {
    let (rows, inputs, outputs) = (30, 701, 133);
    let (batch, cotangent) = (numbers(rows * inputs, 1), numbers(rows * outputs, 2));
    let (weight, bias) = (numbers(outputs * inputs, 3), numbers(outputs, 4));
    let exact_bias: Vec<f64> = bias.iter().copied().map(f64::from).collect();
    let sums = linear_naive(&rounded(&batch), &rounded(&weight), &exact_bias);
    let [by_batch, ..] =
        linear_gradients_naive(&rounded(&batch), &rounded(&weight), &rounded(&cotangent), outputs);
    let mut first: Option<Vec<u32>> = None;
    for kernels in Kernels::available() {
        let linear = layer(kernels, inputs, &weight, &bias);
        let scratch = &mut LinearScratch::default();
        let (mut out, mut gradient) = (vec![0.0; rows * outputs], vec![0.0; rows * inputs]);
        linear.forward(&batch, false, &mut out, scratch).expect("fits");
        linear.input_gradient(&cotangent, &mut gradient, scratch).expect("fits");
        for (found, exact, terms) in [(&out, &sums, inputs), (&gradient, &by_batch, outputs)] {
            let found: Vec<f64> = found.iter().copied().map(f64::from).collect();
            // A sum of that many products, none above 4, rounds less than once for each of them.
            let bound = terms as f64 * 4.0 * terms as f64 * f64::from(f32::EPSILON) / 2.0;
            assert!(largest_difference(&found, exact) < bound, "{kernels}");
        }
        let bits: Vec<u32> = out.iter().chain(&gradient).map(|value| value.to_bits()).collect();
        assert!(*first.get_or_insert_with(|| bits.clone()) == bits, "{kernels}");
    }
}

#[test]
fn rounding_is_to_nearest_with_ties_to_even_and_keeps_what_is_not_finite() {
    let halves = [0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0xBF81_8000, 0x7F7F_FFFF];
    let not_finite = [0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0x7F80_0001];
    let mut values: Vec<f32> = halves.into_iter().chain(not_finite).map(f32::from_bits).collect();
    values.extend(signed(1000, 8, 24).into_iter().map(|value| value as f32));
    for kernels in Kernels::available() {
        let identity = layer(kernels, 1, &[1f32], &[0.0]);
        let mut out = vec![0.0; values.len()];
        identity.forward(&values, false, &mut out, &mut LinearScratch::default()).expect("fits");
        for (value, found) in values.iter().zip(out) {
            let expected = bf16::from_f32(*value).to_f32();
            assert!(
                found == expected || found.is_nan() && expected.is_nan(),
                "{value} became {found}, not {expected}, on {kernels}"
            );
        }
    }
}

#[test]
fn what_is_too_small_to_be_normal_counts_as_zero() {
    for kernels in Kernels::available() {
        let scratch = &mut LinearScratch::default();
        let mut out = [9.0];
        let linear = layer(kernels, 2, &[1e30f32, 1e-30], &[0.0]);
        linear.forward(&[1e-39, 0.0], false, &mut out, scratch).expect("fits");
        assert_eq!(out, [0.0], "a factor on {kernels}");
        linear.forward(&[0.0, 1e-10], false, &mut out, scratch).expect("fits");
        assert_eq!(out, [0.0], "a product on {kernels}");
    }
}

#[test]
fn a_product_with_an_infinite_weight_stays_visible() {
    for kernels in Kernels::available() {
        let scratch = &mut LinearScratch::default();
        // The largest `f32` is beyond the largest bf16.
        for weight in [f32::INFINITY, f32::MAX] {
            let linear = layer(kernels, 2, &[weight, 1.0], &[0.0]);
            let mut out = [0.0];
            linear.forward(&[0.0, 1.0], true, &mut out, scratch).expect("fits");
            assert!(out[0].is_nan());
            let mut gradient = [9.0; 2];
            linear.input_gradient(&[0.0], &mut gradient, scratch).expect("fits");
            assert!(gradient[0].is_nan() && gradient[1] == 0.0);
        }
        let linear = layer(kernels, 2, &[1f32, 1.0], &[0.0]);
        let mut out = [0.0];
        linear.forward(&[f32::NAN, 0.0], true, &mut out, scratch).expect("fits");
        assert!(out[0].is_nan());
    }
}

#[test]
fn a_rounded_layer_does_not_train() {
    let linear = layer(Kernels::PORTABLE, 2, &[1f32, 1.0], &[0.0]);
    let refused = linear.weight_gradient(&[1.0, 2.0], &[1.0], &mut LinearScratch::default());
    assert!(matches!(refused, Err(Error::RoundedWeights)));
    let text = Error::RoundedWeights.to_string();
    assert!(text.contains("full precision"), "{text}");
}
