//! The transformed convolution against the direct one: numbers close to it, and the choices of a direct sum.

use proptest::prelude::*;
use saddle_ops::{
    Conv2d, ConvShape, DEAD, ForwardScratch, InputGradientScratch, Kernels, Pool, SparseCotangent,
    conv2d_gradients_naive,
};
use saddle_tests::kernels::{eighths, pad, to_places, unpad};
use saddle_tests::model::{hashed, signed};

/// Shapes whose pooled pass is transformed in `f32`.
fn is_transformed(shape: &ConvShape) -> bool {
    let [rows, columns, out_channels] = shape.output();
    matches!(shape.kernel, 3 | 5)
        && shape.stride == 1
        && rows.min(columns) >= 4
        && (rows | columns) % 2 == 0
        && shape.in_channels.is_multiple_of(16)
        && out_channels.is_multiple_of(16)
}

/// What images and weights are made of; each has its own way of coming close to a tie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Numbers {
    /// Of 24 bits.
    Rough,
    /// Multiples of 1/8: sums are exact, many are equal.
    Eighths,
    /// An image of constant blocks, as a digit's background is.
    Blocks,
    /// Of one size and random sign: what rounds worst.
    Signs,
    /// One number everywhere.
    Constant,
    /// Weights with no sum, so that a constant image gives 0 but for rounding.
    Balanced,
    /// An image whose channels and corners differ by powers of two, and are mostly far below the bias.
    Uneven,
}

pub(super) const ALL: [Numbers; 7] = [
    Numbers::Rough,
    Numbers::Eighths,
    Numbers::Blocks,
    Numbers::Signs,
    Numbers::Constant,
    Numbers::Balanced,
    Numbers::Uneven,
];

fn narrow(values: Vec<f64>) -> Vec<f32> {
    values.into_iter().map(|x| x as f32).collect()
}

impl Numbers {
    /// `(in, h, w)`.
    pub(super) fn image(self, shape: &ConvShape, salt: u64) -> Vec<f32> {
        let [height, width, channels] = shape.input();
        let count = height * width * channels;
        match self {
            Self::Rough => narrow(signed(count, salt, 24)),
            Self::Eighths => eighths(count, salt),
            Self::Signs => signed(count, salt, 24).iter().map(|x| x.signum() as f32).collect(),
            Self::Constant => vec![0.3; count],
            Self::Uneven => {
                let numbers = narrow(signed(count, salt, 24)).into_iter().enumerate();
                let scale = |i: usize| {
                    let corner = i / width % height / 7 * 2 + i % width / 7;
                    hashed((i / (height * width) * 100 + corner) as u64, salt) % 24
                };
                numbers.map(|(i, number)| number / (1u32 << scale(i)) as f32).collect()
            }
            Self::Blocks | Self::Balanced => (0..count)
                .map(|i| {
                    let (y, x) = (i / width % height, i % width);
                    let block = i / (height * width) * 100 + y / 5 * 10 + x / 5;
                    (hashed(block as u64, salt) % 3) as f32 * 0.37
                })
                .collect(),
        }
    }

    /// `(out, in, k, k)`.
    pub(super) fn weight(self, shape: &ConvShape, salt: u64) -> Vec<f32> {
        let count = shape.out_channels * shape.in_channels * shape.kernel * shape.kernel;
        let rough = narrow(signed(count, salt, 24));
        match self {
            Self::Eighths => eighths(count, salt),
            Self::Balanced => {
                let mut weights = rough;
                for pair in weights.chunks_exact_mut(2) {
                    pair[1] = -pair[0];
                }
                weights
            }
            Self::Signs => rough.iter().map(|x| x.signum()).collect(),
            _ => rough,
        }
    }
}

/// What each result `(row, column, out)` may be off. An input channel brings its weights' sizes times its largest number under
/// the tile; the squares, as often as additions follow, are summed, and the root is of so many units of rounding.
fn bounds(shape: &ConvShape, padded: &[f32], weight: &[f32]) -> Vec<f64> {
    let [height, width, inputs] = shape.padded();
    let [rows, columns, channels] = shape.output();
    let (area, reach) = (shape.kernel * shape.kernel, 4 + shape.kernel - 1);
    let size = |numbers: &[f32]| numbers.iter().map(|x| f64::from(x.abs())).sum::<f64>();
    let sizes: Vec<f64> = weight.chunks_exact(area).map(size).collect();
    let mut bounds = vec![0.0; rows * columns * channels];
    for (i, bound) in bounds.iter_mut().enumerate() {
        let (place, channel) = (i / channels, i % channels);
        let [top, left] = [place / columns / 4 * 4, place % columns / 4 * 4];
        for input in 0..inputs {
            let mut largest = 0.0f32;
            // The pass looks at whole blocks of 4 x 4.
            for y in top..height.min(top + reach.next_multiple_of(4)) {
                for x in left..width.min(left + reach.next_multiple_of(4)) {
                    largest = largest.max(padded[(y * width + x) * inputs + input].abs());
                }
            }
            let brought = sizes[channel * inputs + input] * f64::from(largest);
            *bound += (inputs - input) as f64 * brought * brought;
        }
        *bound = bound.sqrt() * UNIT * if shape.kernel == 3 { 44.0 } else { 28.0 };
    }
    bounds
}

/// Unit of rounding of `f32`.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// Holds one pooled pass against the direct map, in `f32` for the choices and in `f64` for the numbers.
fn check(shape: ConvShape, numbers: Numbers, window: usize, relu: bool, border: usize, salt: u64) {
    assert!(is_transformed(&shape));
    let (image, weight) = (numbers.image(&shape, salt), numbers.weight(&shape, salt + 1));
    let bias = match numbers {
        Numbers::Balanced => vec![0.0; shape.out_channels],
        _ => eighths(shape.out_channels, salt + 2),
    };
    let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    let exact = Conv2d::new(Kernels::PORTABLE, shape, &wide(&weight), &wide(&bias)).unwrap();
    let mut exact_map = vec![0.0; shape.output_length()];
    exact.forward(&pad(&shape, &wide(&image)), &mut exact_map).unwrap();
    let bounds = bounds(&shape, &pad(&shape, &image), &weight);

    let [rows, columns, channels] = shape.output();
    let side = |length: usize| length / window + 2 * border;
    for kernels in Kernels::available() {
        let conv = Conv2d::new(kernels, shape, &weight, &bias).unwrap();
        let pool = Pool::new(kernels, shape.output(), window, relu).unwrap();
        let padded = pad(&shape, &image);
        let mut map = vec![0.0; shape.output_length()];
        conv.forward(&padded, &mut map).unwrap();
        let marks = rows / window * (columns / window) * channels;
        let length = side(rows) * side(columns) * channels;
        let [mut direct, mut found] = [(); 2].map(|()| (vec![9.0; length], vec![7u8; marks]));
        pool.forward(&map, &mut direct.0, border, &mut direct.1).unwrap();
        let mut scratch = ForwardScratch::default();
        conv.forward_pooled(&padded, &pool, &mut found.0, border, &mut found.1, &mut scratch)
            .unwrap();
        // Where a winner is not the direct one, the two are a rounding of the direct sum apart, and no tie.
        let winners = found.1.iter().zip(&direct.1).enumerate();
        for (i, (found, direct)) in winners.filter(|(_, (found, direct))| found != direct) {
            let (cell, channel) = (i / channels, i % channels);
            let [row, column] = [cell / (columns / window), cell % (columns / window)];
            let at = |mark: u8| {
                let place = usize::from(mark);
                let [y, x] = [row * window + place / window, column * window + place % window];
                (y * columns + x) * channels + channel
            };
            let value = |mark: u8| if mark == DEAD { 0.0 } else { exact_map[at(mark)] };
            let values = [value(*found), value(*direct)];
            let gap = (values[0] - values[1]).abs();
            let rounded =
                UNIT * (values[0].abs() + values[1].abs() + f64::from(bias[channel].abs()));
            // Numbers that cancel to 0 are on one side of it by rounding alone.
            let is_tie = gap == 0.0 && ![found, direct].contains(&&DEAD);
            assert!(
                !is_tie && gap <= bounds[at(0)] / 4.0 + 2.0 * rounded,
                "winner {found} for {direct}, {gap:e} apart, {numbers:?} in {shape:?} on {kernels}"
            );
        }
        let mut exact_pooled = vec![9.0; length];
        let exact_pool = Pool::new(kernels, shape.output(), window, relu).unwrap();
        let mut ignored = vec![0; marks];
        exact_pool.forward(&exact_map, &mut exact_pooled, border, &mut ignored).unwrap();
        for (i, (found, exact)) in found.0.iter().zip(&exact_pooled).enumerate() {
            let (place, channel) = (i / channels, i % channels);
            let inside = |place: usize, length: usize| {
                place.checked_sub(border).filter(|place| *place < length / window)
            };
            let [row, column] = [place / side(columns), place % side(columns)];
            let (Some(row), Some(column)) = (inside(row, rows), inside(column, columns)) else {
                assert!(*found == *exact as f32, "{found} for {exact} in the border on {kernels}");
                continue;
            };
            let bound = bounds[(row * window * columns + column * window) * channels + channel];
            let allowed = bound + 2.0 * UNIT * (exact.abs() + f64::from(bias[channel].abs()));
            let difference = (f64::from(*found) - exact).abs();
            assert!(
                difference <= allowed,
                "{found} for {exact}, {allowed:e} allowed, {numbers:?} in {shape:?} on {kernels}"
            );
        }
    }
}

/// Holds a dense input gradient against the definition in `f64`.
fn check_gradient(shape: ConvShape, numbers: Numbers, percent: u32, salt: u64) {
    let weight = numbers.weight(&shape, salt);
    let like_image = ConvShape {
        size: [shape.output()[0], shape.output()[1]],
        in_channels: shape.out_channels,
        ..shape
    };
    // `(out, rows, columns)`.
    let mut cotangent = numbers.image(&like_image, salt + 1);
    for (i, value) in cotangent.iter_mut().enumerate() {
        if hashed(i as u64, salt + 2) % 100 >= percent {
            *value = 0.0;
        }
    }
    let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
    let image = vec![0.0; shape.input().iter().product()];
    let [exact, _, _] = conv2d_gradients_naive(&shape, &image, &wide(&weight), &wide(&cotangent));
    let area = shape.kernel * shape.kernel;
    let mut sizes = vec![0.0; shape.in_channels];
    for (i, weight) in weight.iter().enumerate() {
        sizes[i / area % shape.in_channels] += f64::from(weight.abs());
    }
    let heaviest = sizes.into_iter().fold(0.0, f64::max);
    let largest = cotangent.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    let allowed = 24.0 * f64::from(f32::EPSILON) / 2.0 * heaviest * f64::from(largest);
    for kernels in Kernels::available() {
        let conv = Conv2d::new(kernels, shape, &weight, &vec![0.0; shape.out_channels]).unwrap();
        let mut list = SparseCotangent::default();
        let places = to_places(&cotangent, shape.output());
        list.fill_dense(kernels, shape.output(), &places).unwrap();
        let mut padded = vec![77.0; shape.padded_length()];
        conv.input_gradient(&list, &mut padded, &mut InputGradientScratch::default()).unwrap();
        for (found, exact) in unpad(&shape, &padded).iter().zip(&exact) {
            assert!(
                (f64::from(*found) - exact).abs() <= allowed,
                "{found} for {exact}, {allowed:e} allowed, {numbers:?} in {shape:?} on {kernels}"
            );
        }
    }
}

fn shape(size: [usize; 2], channels: [usize; 2], kernel: usize, padding: usize) -> ConvShape {
    let [in_channels, out_channels] = channels;
    ConvShape { size, in_channels, out_channels, kernel, stride: 1, padding }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn choices_are_direct_and_numbers_near(
        cells in (2..=8usize, 2..=8usize), channels in (1..=4usize, 1..=3usize), wide: bool,
        window in 1..=2usize, padding in 0..=2usize, relu: bool, border in 0..=2usize,
        numbers in proptest::sample::select(ALL.to_vec()), salt in 0..10_000u64,
    ) {
        let kernel = if wide { 5 } else { 3 };
        let side = |cells: usize| (2 * cells + kernel - 1).saturating_sub(2 * padding).max(1);
        let channels = [16 * channels.0, 16 * channels.1];
        let shape = shape([side(cells.0), side(cells.1)], channels, kernel, padding);
        if shape.check().is_ok() && is_transformed(&shape) {
            check(shape, numbers, window, relu, border, salt);
        }
    }

    #[test]
    fn dense_gradients_are_near_the_definition(
        side in (1..=13usize, 1..=13usize), channels in (1..=3usize, 1..=4usize), wide: bool,
        padding in 0..=4usize, numbers in proptest::sample::select(ALL.to_vec()),
        percent in 60..=100u32, salt in 0..10_000u64,
    ) {
        let kernel = if wide { 5 } else { 3 };
        let channels = [16 * channels.0, 16 * channels.1];
        let shape = shape([side.0, side.1], channels, kernel, padding.min(kernel - 1));
        if shape.check().is_ok() {
            check_gradient(shape, numbers, percent, salt);
        }
    }
}

#[test]
fn convolutions_of_the_papers_make_the_direct_choices() {
    for (salt, numbers) in (0..).zip(ALL) {
        check(shape([14, 14], [32, 64], 5, 2), numbers, 2, true, 0, salt);
        check(shape([26, 26], [32, 32], 3, 0), numbers, 2, true, 0, salt);
        check(shape([12, 12], [32, 64], 3, 0), numbers, 1, true, 0, salt);
        check(shape([10, 10], [64, 64], 3, 0), numbers, 2, true, 0, salt);
    }
}

/// What could overflow or is no number takes the direct pass, bit for bit.
#[test]
fn wild_numbers_are_summed_directly() {
    let shape = shape([8, 8], [16, 16], 5, 2);
    let weight = Numbers::Rough.weight(&shape, 1);
    for wild in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38, -1e33] {
        for [of_image, of_weight] in [[true, false], [false, true]] {
            let (mut image, mut weight) = (Numbers::Rough.image(&shape, 2), weight.clone());
            if of_image {
                image[77] = wild;
            }
            if of_weight {
                weight[777] = wild;
            }
            for kernels in Kernels::available() {
                let conv = Conv2d::new(kernels, shape, &weight, &[0.5; 16]).unwrap();
                let pool = Pool::new(kernels, shape.output(), 2, true).unwrap();
                let padded = pad(&shape, &image);
                let mut map = vec![0.0; shape.output_length()];
                conv.forward(&padded, &mut map).unwrap();
                let [mut direct, mut found] = [(); 2].map(|()| (vec![0.0; 256], vec![0u8; 256]));
                pool.forward(&map, &mut direct.0, 0, &mut direct.1).unwrap();
                let mut scratch = ForwardScratch::default();
                conv.forward_pooled(&padded, &pool, &mut found.0, 0, &mut found.1, &mut scratch)
                    .unwrap();
                let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert!(bits(&found.0) == bits(&direct.0), "{wild} on {kernels}");
                assert!(found.1 == direct.1, "winners with {wild} on {kernels}");
            }
        }
    }
}

/// One cotangent that is no number reaches the pixels under it and no others.
#[test]
fn a_wild_cotangent_stays_under_its_kernel() {
    let shape = shape([8, 8], [16, 16], 3, 1);
    let weight = Numbers::Rough.weight(&shape, 1);
    let mut cotangent: Vec<f32> = Numbers::Rough.image(&shape, 2);
    cotangent[0] = f32::NAN;
    for kernels in Kernels::available() {
        let conv = Conv2d::new(kernels, shape, &weight, &[0.0; 16]).unwrap();
        let mut list = SparseCotangent::default();
        list.fill_dense(kernels, shape.output(), &to_places(&cotangent, shape.output())).unwrap();
        let mut padded = vec![0.0; shape.padded_length()];
        conv.input_gradient(&list, &mut padded, &mut InputGradientScratch::default()).unwrap();
        for (i, value) in unpad(&shape, &padded).iter().enumerate() {
            assert_eq!(value.is_nan(), i % 64 / 8 < 2 && i % 8 < 2, "place {i} on {kernels}");
        }
    }
}
