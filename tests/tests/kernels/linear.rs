//! Linear layers and their gradients against the definition.

use proptest::prelude::*;
use saddle_ops::{
    Kernels, Linear, LinearScratch, Precision, Real, linear_gradients_naive, linear_naive,
    transpose,
};
use saddle_tests::kernels::{dot, eighths, largest_difference, slopes, sparse_eighths};
use saddle_tests::model::signed;

fn agrees_with_naive<T: Real>(rows: usize, inputs: usize, outputs: usize, salt: u64) {
    let batch = sparse_eighths::<T>(rows * inputs, salt, 80);
    let weight = eighths::<T>(outputs * inputs, salt + 1);
    let bias = eighths::<T>(outputs, salt + 2);
    let cotangent = sparse_eighths::<T>(rows * outputs, salt + 3, 40);
    let sums = linear_naive(&batch, &weight, &bias);
    let rectified: Vec<T> =
        sums.iter().map(|&sum| if sum > T::ZERO { sum } else { T::ZERO }).collect();
    let [batch_gradient, weight_gradient, bias_gradient] =
        linear_gradients_naive(&batch, &weight, &cotangent, outputs);
    for kernels in Kernels::available() {
        let mut scratch = LinearScratch::default();
        let linear = Linear::new(kernels, inputs, &weight, &bias).expect("fits");
        for (relu, expected) in [(false, &sums), (true, &rectified)] {
            let mut out = vec![T::from_f64(99.0); rows * outputs];
            linear.forward(&batch, relu, &mut out, &mut scratch).expect("fits");
            assert!(out == *expected, "forward on {kernels}");
        }
        let mut gradient = vec![T::from_f64(99.0); rows * inputs];
        linear.input_gradient(&cotangent, &mut gradient, &mut scratch).expect("fits");
        assert!(gradient == batch_gradient, "batch on {kernels}");
        let found = linear.weight_gradient(&batch, &cotangent, &mut scratch).expect("fits");
        assert!(found.0 == weight_gradient && found.1 == bias_gradient, "weights on {kernels}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn linear_layers_are_the_definition(
        rows in 0..40usize, inputs in 1..150usize, outputs in 1..300usize, salt in 0..1000u64,
    ) {
        agrees_with_naive::<f32>(rows, inputs, outputs, salt);
        agrees_with_naive::<f64>(rows, inputs, outputs, salt);
    }
}

fn transposes<T: Real>(rows: usize, columns: usize) {
    let matrix = eighths::<T>(rows * columns, 3);
    for kernels in Kernels::available() {
        let mut found = vec![T::from_f64(99.0); rows * columns];
        transpose(kernels, &matrix, columns, &mut found).expect("whole rows");
        for (at, value) in found.iter().enumerate() {
            let (column, row) = (at / rows, at % rows);
            assert!(*value == matrix[row * columns + column], "{row}, {column} on {kernels}");
        }
    }
}

proptest! {
    #[test]
    fn a_transpose_is_the_definition(rows in 1..90usize, columns in 1..90usize) {
        transposes::<f32>(rows, columns);
        transposes::<f64>(rows, columns);
    }
}

#[test]
fn a_transpose_takes_whole_rows_only() {
    let refused = |columns: usize, to: usize| {
        let found = transpose(Kernels::PORTABLE, &[0.0f32; 6], columns, &mut vec![0.0; to]);
        found.expect_err("a shape that makes no sense").to_string()
    };
    assert!(refused(4, 6).contains("6 numbers in rows of 4"));
    assert!(refused(0, 6).contains("rows of 0"));
    assert!(refused(3, 5).contains("into 5 numbers"));
    transpose::<f32>(Kernels::PORTABLE, &[], 0, &mut []).expect("nothing to do");
}

#[test]
fn awkward_batches_of_linear_layers_are_the_definition() {
    for rows in [1, 2, 13, 14, 15, 97, 130] {
        agrees_with_naive::<f32>(rows, 70, 37, 9);
    }
}

#[test]
fn a_wide_linear_layer_is_the_definition() {
    agrees_with_naive::<f32>(50, 777, 130, 4);
    agrees_with_naive::<f32>(3, 1300, 530, 5);
}

#[test]
fn threads_that_share_lists_and_columns_find_the_definition() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a few threads");
    pool.install(|| agrees_with_naive::<f32>(128, 3100, 400, 6));
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
        linear.forward(&batch, false, &mut out, &mut LinearScratch::default()).expect("fits");
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
        linear.forward(batch, false, &mut out, &mut LinearScratch::default()).expect("fits");
        dot(&out, &cotangent)
    };
    let linear = Linear::new(Kernels::PORTABLE, inputs, &weight, &bias).expect("fits");
    let scratch = &mut LinearScratch::default();
    let mut by_batch = vec![0.0; rows * inputs];
    linear.input_gradient(&cotangent, &mut by_batch, scratch).expect("fits");
    let (by_weight, by_bias) = linear.weight_gradient(&batch, &cotangent, scratch).expect("fits");
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
    let scratch = &mut LinearScratch::default();
    assert!(linear.forward(&[0.0; 7], false, &mut [0.0; 4], scratch).is_err());
    assert!(linear.forward(&[0.0; 6], false, &mut [0.0; 3], scratch).is_err());
    assert!(linear.input_gradient(&[0.0; 3], &mut [0.0; 6], scratch).is_err());
    assert!(linear.weight_gradient(&[0.0; 6], &[0.0; 6], scratch).is_err());
    assert!(linear.weight_gradient(&[0.0; 6], &[0.0; 5], scratch).is_err());
}

/// Bits of a layer's passes on the first rows of a batch whose sums round.
struct Bits {
    rows: Vec<Vec<u32>>,
    weights: Vec<u32>,
}

const INPUTS: usize = 1100;
const OUTPUTS: usize = 270;

fn bits(kernels: Kernels, precision: Precision, count: usize) -> Bits {
    // Every third row has few zeros, so it goes another way than its neighbours.
    let numbers = |length: usize, count: usize, salt, kept| {
        let values = signed(count * length, salt, 24).into_iter().map(|value| value as f32);
        let mask = sparse_eighths::<f32>(count * length, salt + 50, kept);
        let is_dead = |(i, mask): (usize, f32)| mask == 0.0 && !(i / length).is_multiple_of(3);
        let dead = mask.into_iter().enumerate().map(is_dead);
        values.zip(dead).map(|(value, dead)| if dead { 0.0 } else { value }).collect()
    };
    let batch: Vec<f32> = numbers(INPUTS, 100, 1, 50);
    let cotangent: Vec<f32> = numbers(OUTPUTS, 100, 2, 30);
    let (weight, bias): (Vec<f32>, Vec<f32>) =
        (numbers(INPUTS, OUTPUTS, 3, 100), numbers(OUTPUTS, 1, 4, 100));
    let (batch, cotangent) = (&batch[..count * INPUTS], &cotangent[..count * OUTPUTS]);
    let linear = Linear::with_precision(kernels, precision, INPUTS, &weight, &bias).expect("fits");
    let scratch = &mut LinearScratch::default();
    let mut out = vec![0.0; count * OUTPUTS];
    linear.forward(batch, true, &mut out, scratch).expect("fits");
    let mut gradient = vec![0.0; count * INPUTS];
    linear.input_gradient(cotangent, &mut gradient, scratch).expect("fits");
    let by_weights = match precision {
        Precision::Full => linear.weight_gradient(batch, cotangent, scratch).expect("fits"),
        Precision::Bf16 => Default::default(),
    };
    let row = |(out, gradient): (&[f32], &[f32])| {
        out.iter().chain(gradient).map(|value| value.to_bits()).collect()
    };
    Bits {
        rows: out.chunks(OUTPUTS).zip(gradient.chunks(INPUTS)).map(row).collect(),
        weights: by_weights.0.iter().chain(&by_weights.1).map(|value| value.to_bits()).collect(),
    }
}

#[test]
fn a_row_has_the_same_bits_in_any_batch_on_any_number_of_threads() {
    let pools = [1, 2, 3].map(|threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a few threads")
    });
    let paths = Kernels::available().into_iter();
    for (kernels, precision) in paths.flat_map(|kernels| {
        [Precision::Full, Precision::Bf16].map(|precision| (kernels, precision))
    }) {
        let alone = pools[0].install(|| bits(kernels, precision, 100));
        for count in [1, 2, 7, 13, 14, 15, 64, 65, 97, 100] {
            let found: Vec<Bits> =
                pools.iter().map(|pool| pool.install(|| bits(kernels, precision, count))).collect();
            for found in &found {
                assert!(
                    found.rows == alone.rows[..count],
                    "{count} rows on {kernels}, {precision:?}"
                );
            }
            let weights = &found[0].weights;
            assert!(found.iter().all(|found| found.weights == *weights), "weights on {kernels}");
        }
    }
}

#[test]
fn a_product_with_an_infinite_weight_or_activation_stays_visible() {
    for kernels in Kernels::available() {
        let scratch = &mut LinearScratch::default();
        let linear = Linear::new(kernels, 2, &[f32::INFINITY, 1.0], &[0.0]).expect("fits");
        let mut out = [0.0];
        linear.forward(&[0.0, 1.0], true, &mut out, scratch).expect("fits");
        assert!(out[0].is_nan());
        let mut gradient = [9.0; 2];
        linear.input_gradient(&[0.0], &mut gradient, scratch).expect("fits");
        assert!(gradient[0].is_nan() && gradient[1] == 0.0);
        let linear = Linear::new(kernels, 2, &[1f32, 1.0], &[0.0]).expect("fits");
        linear.forward(&[f32::NAN, 0.0], true, &mut out, scratch).expect("fits");
        assert!(out[0].is_nan());
        let (weight, _) = linear.weight_gradient(&[f32::NAN, 1.0], &[0.0], scratch).expect("fits");
        assert!(weight[0].is_nan() && weight[1] == 0.0);
    }
}
