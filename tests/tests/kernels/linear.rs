//! Linear layers and their gradients against the definition.

use proptest::prelude::*;
use saddle_ops::{Kernels, Linear, Real, linear_gradients_naive, linear_naive};
use saddle_tests::kernels::{dot, eighths, largest_difference, slopes, sparse_eighths};
use saddle_tests::model::signed;

fn agrees_with_naive<T: Real>(rows: usize, inputs: usize, outputs: usize, salt: u64) {
    let batch = eighths::<T>(rows * inputs, salt);
    let weight = eighths::<T>(outputs * inputs, salt + 1);
    let bias = eighths::<T>(outputs, salt + 2);
    let cotangent = sparse_eighths::<T>(rows * outputs, salt + 3, 60);
    let [batch_gradient, weight_gradient, bias_gradient] =
        linear_gradients_naive(&batch, &weight, &cotangent, outputs);
    for kernels in Kernels::available() {
        let linear = Linear::new(kernels, inputs, &weight, &bias).expect("fits");
        let mut out = vec![T::from_f64(99.0); rows * outputs];
        linear.forward(&batch, &mut out).expect("fits");
        assert!(out == linear_naive(&batch, &weight, &bias), "forward on {kernels}");
        let mut gradient = vec![T::from_f64(99.0); rows * inputs];
        linear.input_gradient(&cotangent, &mut gradient).expect("fits");
        assert!(gradient == batch_gradient, "batch on {kernels}");
        let found = linear.weight_gradient(&batch, &cotangent).expect("fits");
        assert!(found.0 == weight_gradient && found.1 == bias_gradient, "weights on {kernels}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn linear_layers_are_the_definition(
        rows in 0..30usize, inputs in 1..120usize, outputs in 1..70usize, salt in 0..1000u64,
    ) {
        agrees_with_naive::<f32>(rows, inputs, outputs, salt);
        agrees_with_naive::<f64>(rows, inputs, outputs, salt);
    }
}

#[test]
fn a_wide_linear_layer_is_the_definition() {
    agrees_with_naive::<f32>(50, 777, 130, 4);
}

#[test]
fn other_weights_may_be_packed_into_the_same_memory() {
    let (inputs, outputs) = (21, 17);
    let batch = eighths::<f32>(3 * inputs, 1);
    let bias = eighths::<f32>(outputs, 2);
    let weights = [5, 6].map(|salt| eighths::<f32>(inputs * outputs, salt));
    for kernels in Kernels::available() {
        let mut linear = Linear::new(kernels, inputs, &weights[0], &bias).expect("fits");
        linear.pack(&weights[1], &bias).expect("fits");
        let mut out = vec![0.0; 3 * outputs];
        linear.forward(&batch, &mut out).expect("fits");
        assert_eq!(out, linear_naive(&batch, &weights[1], &bias));
    }
}

#[test]
fn gradients_are_difference_quotients() {
    let (rows, inputs, outputs) = (3, 7, 5);
    let batch = signed(rows * inputs, 1, 24);
    let weight = signed(outputs * inputs, 2, 24);
    let bias = signed(outputs, 3, 24);
    let cotangent = signed(rows * outputs, 4, 24);
    let result = |batch: &[f64], weight: &[f64], bias: &[f64]| {
        let linear = Linear::new(Kernels::PORTABLE, inputs, weight, bias).expect("fits");
        let mut out = vec![0.0; rows * outputs];
        linear.forward(batch, &mut out).expect("fits");
        dot(&out, &cotangent)
    };
    let linear = Linear::new(Kernels::PORTABLE, inputs, &weight, &bias).expect("fits");
    let mut by_batch = vec![0.0; rows * inputs];
    linear.input_gradient(&cotangent, &mut by_batch).expect("fits");
    let (by_weight, by_bias) = linear.weight_gradient(&batch, &cotangent).expect("fits");
    let pairs = [
        (by_batch, slopes(&batch, 0.5, |batch| result(batch, &weight, &bias))),
        (by_weight, slopes(&weight, 0.5, |weight| result(&batch, weight, &bias))),
        (by_bias, slopes(&bias, 0.5, |bias| result(&batch, &weight, bias))),
    ];
    for (gradient, slopes) in pairs {
        assert!(largest_difference(&gradient, &slopes) < 1e-13);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_in_words() {
    let kernels = Kernels::PORTABLE;
    let weight = [1f32; 6];
    for (inputs, bias) in [(0, 2), (3, 0)] {
        let refused = Linear::new(kernels, inputs, &weight, &vec![0.0; bias]).err();
        assert!(refused.expect("empty side").to_string().contains("at least 1"));
    }
    assert!(Linear::new(kernels, 3, &weight[1..], &[0.0; 2]).is_err());
    let linear = Linear::new(kernels, 3, &weight, &[0.0; 2]).expect("fits");
    assert!(linear.forward(&[0.0; 7], &mut [0.0; 4]).is_err());
    assert!(linear.forward(&[0.0; 6], &mut [0.0; 3]).is_err());
    assert!(linear.input_gradient(&[0.0; 3], &mut [0.0; 6]).is_err());
    assert!(linear.weight_gradient(&[0.0; 6], &[0.0; 6]).is_err());
    assert!(linear.weight_gradient(&[0.0; 6], &[0.0; 5]).is_err());
}
