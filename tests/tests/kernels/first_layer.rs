//! A first layer's choices are those of exact sums, on every path, however near to a tie.

use proptest::prelude::*;
use saddle_ops::{Conv2d, ConvShape, DEAD, ForwardScratch, Kernels, Pool};
use saddle_tests::kernels::{eighths, pad};

use super::winograd::{ALL, Numbers};

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Pooled values and marks of one pass.
fn pooled(
    kernels: Kernels,
    shape: ConvShape,
    [image, weight, bias]: [&[f32]; 3],
    (window, relu): (usize, bool),
) -> (Vec<f32>, Vec<u8>) {
    let conv = Conv2d::new(kernels, shape, weight, bias).expect("fits");
    let pool = Pool::new(kernels, shape.output(), window, relu).expect("fits");
    let length = pool.output().iter().product();
    let (mut out, mut marks) = (vec![9.0; length], vec![9; length]);
    let scratch = &mut ForwardScratch::default();
    conv.forward_pooled(&pad(&shape, image), &pool, &mut out, 0, &mut marks, scratch)
        .expect("fits");
    (out, marks)
}

/// Numbers here are whole multiples of 2^-25 and weights of 2^-23, so that `f64` adds their products without rounding, in any
/// order.
fn check(shape: ConvShape, numbers: Numbers, window: usize, relu: bool, salt: u64) {
    let (image, weight) = (numbers.image(&shape, salt), numbers.weight(&shape, salt + 1));
    let bias = match numbers {
        Numbers::Balanced => vec![0.0; shape.out_channels],
        _ => eighths(shape.out_channels, salt + 2),
    };
    let exact = Conv2d::new(Kernels::PORTABLE, shape, &wide(&weight), &wide(&bias)).expect("fits");
    let pool = Pool::new(Kernels::PORTABLE, shape.output(), window, relu).expect("fits");
    let mut map = vec![0.0; shape.output_length()];
    exact.forward(&pad(&shape, &wide(&image)), &mut map).expect("fits");
    let length = pool.output().iter().product();
    let (mut expected, mut expected_marks) = (vec![0.0; length], vec![0; length]);
    pool.forward(&map, &mut expected, 0, &mut expected_marks).expect("fits");
    let weight_sizes = weight.chunks(weight.len() / shape.out_channels);
    let heaviest = weight_sizes.map(|w| wide(w).iter().map(|x| x.abs()).sum::<f64>());
    let bound = 60.0 * f64::from(f32::EPSILON) * (1.0 + heaviest.fold(0.0, f64::max));
    for kernels in Kernels::available() {
        let (out, marks) = pooled(kernels, shape, [&image, &weight, &bias], (window, relu));
        assert!(marks == expected_marks, "{shape:?}, {numbers:?}, window {window} on {kernels}");
        for (found, expected) in out.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() <= bound, "{found} for {expected}");
        }
    }
}

fn shape(side: usize, out_channels: usize, kernel: usize, padding: usize) -> ConvShape {
    ConvShape { size: [side; 2], in_channels: 1, out_channels, kernel, stride: 1, padding }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn winners_are_those_of_exact_sums(
        half in 4..15usize, out_channels in 1..40usize, kernel in 1..6usize, kind in 0..6usize,
        relu: bool, salt in 0..1000u64,
    ) {
        // An even result: the padding makes up for the kernel.
        let side = 2 * half + (kernel - 1) % 2;
        let shape = shape(side, out_channels, kernel, (kernel - 1) / 2);
        check(shape, ALL[kind], 2, relu, salt);
        check(shape, ALL[kind], 1, true, salt);
        let strided = ConvShape { stride: 2, size: [4 * half + kernel - 2; 2], padding: 0, ..shape };
        check(strided, ALL[kind], 1, true, salt);
    }
}

#[test]
fn the_first_layers_of_the_papers_choose_exactly() {
    for (salt, numbers) in ALL.into_iter().enumerate() {
        let salt = salt as u64;
        check(shape(28, 32, 5, 2), numbers, 2, true, salt);
        check(shape(28, 32, 3, 0), numbers, 1, true, salt);
        check(shape(28, 64, 5, 0), numbers, 1, true, salt);
        let strided = ConvShape { stride: 2, ..shape(28, 16, 4, 1) };
        check(strided, numbers, 1, true, salt);
    }
}

#[test]
fn a_gap_that_single_precision_cannot_hold_decides() {
    // The window's sums are 1, 1 + 2^-30, 1 and 1; the second is the largest, and is 1 in single precision.
    let shape = ConvShape {
        size: [2, 4],
        in_channels: 1,
        out_channels: 1,
        kernel: 1,
        stride: 1,
        padding: 0,
    };
    let tiny = 2f32.powi(-30);
    let image = [0.0, tiny, 0.0, -tiny, 0.0, 0.0, 0.0, -1.0];
    for kernels in Kernels::available() {
        let (out, marks) = pooled(kernels, shape, [&image, &[1.0], &[1.0]], (2, true));
        assert_eq!((out, marks), (vec![1.0, 1.0], vec![1, 0]), "{kernels}");
        // A side of 0 likewise: -1 + 1 - 2^-30 and -1 + 1 + 2^-30.
        let image = [-1.0; 8];
        let (_, marks) = pooled(kernels, shape, [&image, &[1.0 + f32::EPSILON], &[1.0]], (2, true));
        assert_eq!(marks, [DEAD; 2], "{kernels}");
    }
}

#[test]
fn wild_numbers_take_the_plain_way() {
    let shape = shape(8, 3, 3, 1);
    let weight: Vec<f32> = eighths(27, 1);
    for wild in [f32::NAN, f32::INFINITY, 1e35] {
        let mut image: Vec<f32> = eighths(64, 2);
        image[20] = wild;
        let mut first = None;
        for kernels in Kernels::available() {
            let (_, marks) = pooled(kernels, shape, [&image, &weight, &[0.5; 3]], (2, true));
            assert_eq!(*first.get_or_insert(marks.clone()), marks, "{wild} on {kernels}");
        }
    }
}
