//! Convolution and its gradients against the definition.

use candle_core::DType;
use proptest::prelude::*;
use saddle_ops::{
    Conv2d, ConvGradient, ConvShape, ForwardScratch, InputGradientScratch, Kernels, Pool, Real,
    SparseCotangent, conv2d_gradients_naive, conv2d_naive,
};
use saddle_tests::kernels::{
    dot, eighths, largest_difference, pad, slopes, sparse_eighths, to_places, to_planes, unpad,
};
use saddle_tests::model::signed;

pub(super) struct Case<T> {
    shape: ConvShape,
    pub(super) image: Vec<T>,
    pub(super) weight: Vec<T>,
    bias: Vec<T>,
    cotangent: Vec<T>,
}

impl<T: Real> Case<T> {
    pub(super) fn new(shape: ConvShape, salt: u64, percent: u32) -> Self {
        let ConvShape { size: [h, w], in_channels, out_channels, kernel, .. } = shape;
        Self {
            shape,
            image: eighths(h * w * in_channels, salt),
            weight: eighths(out_channels * in_channels * kernel * kernel, salt + 1),
            bias: eighths(out_channels, salt + 2),
            cotangent: sparse_eighths(shape.output_length(), salt + 3, percent),
        }
    }

    fn forward(&self, kernels: Kernels) -> Vec<T> {
        let conv = self.packed(kernels);
        let mut out = vec![T::ZERO; self.shape.output_length()];
        conv.forward(&pad(&self.shape, &self.image), &mut out).expect("shapes fit");
        to_planes(&out, self.shape.output())
    }

    fn gradients(&self, kernels: Kernels) -> [Vec<T>; 3] {
        let conv = self.packed(kernels);
        let mut cotangent = SparseCotangent::default();
        let places = to_places(&self.cotangent, self.shape.output());
        cotangent.fill_dense(kernels, self.shape.output(), &places).expect("shapes fit");
        let mut padded = vec![T::from_f64(77.0); self.shape.padded_length()];
        let mut scratch = InputGradientScratch::default();
        conv.input_gradient(&cotangent, &mut padded, &mut scratch).expect("shapes fit");
        let mut sum = ConvGradient::zeros(&conv);
        sum.add_image(&conv, &pad(&self.shape, &self.image), &cotangent).expect("shapes fit");
        let (weight, bias) = sum.to_parameters(&conv).expect("same convolution");
        [unpad(&self.shape, &padded), weight, bias]
    }

    fn dense_gradient(&self, kernels: Kernels) -> Vec<T> {
        let mut padded = vec![T::from_f64(77.0); self.shape.padded_length()];
        let places = to_places(&self.cotangent, self.shape.output());
        let mut scratch = InputGradientScratch::default();
        self.packed(kernels)
            .dense_input_gradient(&places, &mut padded, &mut scratch)
            .expect("shapes fit");
        unpad(&self.shape, &padded)
    }

    pub(super) fn packed(&self, kernels: Kernels) -> Conv2d<T> {
        Conv2d::new(kernels, self.shape, &self.weight, &self.bias).expect("a sound shape")
    }

    fn agrees_with_naive(&self) {
        let expected = conv2d_naive(&self.shape, &self.image, &self.weight, &self.bias);
        let gradients =
            conv2d_gradients_naive(&self.shape, &self.image, &self.weight, &self.cotangent);
        for kernels in Kernels::available() {
            assert!(self.forward(kernels) == expected, "forward {:?} on {kernels}", self.shape);
            assert!(self.dense_gradient(kernels) == gradients[0], "{:?} on {kernels}", self.shape);
            let found = self.gradients(kernels);
            for (i, name) in ["image", "weight", "bias"].into_iter().enumerate() {
                // What may be transformed, because few of its entries are 0, is near, and has tests of its own.
                let living = self.cotangent.iter().filter(|x| **x != T::ZERO).count();
                let may_be = self.shape.out_channels.is_multiple_of(16)
                    && living * 4 >= 3 * self.cotangent.len();
                if i == 0 && T::DTYPE == DType::F32 && may_be {
                    assert!(largest_difference(&wide(&found[0]), &wide(&gradients[0])) < 1e-3);
                    continue;
                }
                assert!(found[i] == gradients[i], "{name} of {:?} on {kernels}", self.shape);
            }
        }
    }
}

fn wide<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.to_f64()).collect()
}

fn any_shape() -> impl Strategy<Value = ConvShape> {
    (1..=14usize, 1..=13usize, 1..=20usize, 1..=40usize, 1..=6usize, 1..=3usize, 0..=3usize)
        .prop_map(|(height, width, in_channels, out_channels, kernel, stride, padding)| ConvShape {
            size: [height, width],
            in_channels,
            out_channels,
            kernel,
            stride,
            padding,
        })
        .prop_filter("the kernel fits", |shape| shape.check().is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn convolutions_are_the_definition(shape in any_shape(), salt in 0..1000u64, percent in 0..=100u32) {
        Case::<f32>::new(shape, salt, percent).agrees_with_naive();
        Case::<f64>::new(shape, salt, percent).agrees_with_naive();
    }
}

/// The fused pass against the two that it replaces: not one bit may differ, on numbers that do round.
fn fused_is_unfused(shape: ConvShape, window: usize, relu: bool, border: usize, salt: u64) {
    let mut case = Case::<f32>::new(shape, salt, 0);
    let rough = |count, salt| signed(count, salt, 24).into_iter().map(|x| x as f32).collect();
    // Every other case keeps its eighths, which tie; so do first layers, whose close choices are another test's business.
    if salt.is_multiple_of(2) && shape.in_channels > 1 {
        case.image = rough(case.image.len(), salt);
        case.weight = rough(case.weight.len(), salt + 1);
    }
    let padded = pad(&shape, &case.image);
    let [rows, columns, channels] = shape.output();
    for kernels in Kernels::available() {
        let conv = case.packed(kernels);
        let pool = Pool::new(kernels, shape.output(), window, relu).expect("divides");
        let mut map = vec![0.0; shape.output_length()];
        conv.forward(&padded, &mut map).expect("fits");
        let length = |border: usize| {
            (rows / window + 2 * border) * (columns / window + 2 * border) * channels
        };
        let marks = rows / window * (columns / window) * channels;
        let [mut two, mut one] = [(); 2].map(|()| (vec![9.0; length(border)], vec![7; marks]));
        pool.forward(&map, &mut two.0, border, &mut two.1).expect("fits");
        let mut scratch = ForwardScratch::default();
        conv.forward_pooled(&padded, &pool, &mut one.0, border, &mut one.1, &mut scratch)
            .expect("fits");
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert!(bits(&one.0) == bits(&two.0), "{shape:?} on {kernels}");
        assert!(one.1 == two.1, "winners of {shape:?} on {kernels}");
    }
}

/// The input gradient by cells against the definition.
fn cells_are_the_definition<T: Real>(shape: ConvShape, relu: bool, salt: u64) {
    let case = Case::<T>::new(shape, salt, 0);
    let image = to_planes(&to_places(&case.image, shape.input()), shape.input());
    for kernels in Kernels::available() {
        let conv = case.packed(kernels);
        let pool = Pool::new(kernels, shape.output(), 2, relu).expect("divides");
        assert!(conv.takes_cells(&pool), "{shape:?}");
        let marks: usize = pool.output().iter().product();
        let (mut out, mut winners) = (vec![T::ZERO; marks], vec![0; marks]);
        let mut scratch = ForwardScratch::default();
        conv.forward_pooled(&pad(&shape, &image), &pool, &mut out, 0, &mut winners, &mut scratch)
            .expect("fits");
        let cotangent = sparse_eighths::<T>(marks, salt + 5, 70);
        let mut sparse = SparseCotangent::default();
        sparse.fill_pooled(&pool, &cotangent, &winners).expect("fits");
        let mut dense = Vec::new();
        sparse.to_dense(&mut dense);
        let dense = to_planes(&dense, shape.output());
        let [expected, _, _] = conv2d_gradients_naive(&shape, &image, &case.weight, &dense);
        let mut padded = vec![T::from_f64(77.0); shape.padded_length()];
        conv.input_gradient_of_cells(&pool, &cotangent, &winners, &mut padded).expect("fits");
        assert!(unpad(&shape, &padded) == expected, "{shape:?} on {kernels}");
    }
}

/// A shape whose result is `cells` times `window` high and wide.
pub(super) fn pooled_shape(
    cells: [usize; 2],
    window: usize,
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Option<ConvShape> {
    let side = |cells: usize| ((cells * window - 1) * stride + kernel).checked_sub(2 * padding);
    let size = [side(cells[0])?, side(cells[1])?];
    let shape = shape(size, channels, kernel, stride, padding);
    (size[0] > 0 && size[1] > 0 && shape.check().is_ok()).then_some(shape)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_fused_pass_is_convolution_then_pool(
        cells in (1..=4usize, 1..=16usize), channels in (1..=35usize, 1..=40usize), kernel in 1..=5usize,
        window in 1..=3usize, stride in 1..=2usize, padding in 0..=2usize, relu: bool,
        border in 0..=2usize, salt in 0..1000u64,
    ) {
        let cells = [cells.0, cells.1];
        let channels = [channels.0, channels.1];
        for (window, stride) in [(2, 1), (1, 1), (window, stride)] {
            let shape = pooled_shape(cells, window, channels, kernel, stride, padding);
            // What is transformed is near, and has tests of its own.
            if let Some(shape) = shape.filter(|shape| shape.in_channels % 16 > 0) {
                fused_is_unfused(shape, window, relu, border, salt);
            }
        }
    }

    #[test]
    fn input_gradients_by_cells_are_the_definition(
        cells in (1..=5usize, 1..=9usize), in_channels in 1..=2usize, out_channels in 1..=140usize,
        kernel in 1..=7usize, stride in 1..=2usize, padding in 0..=2usize, relu: bool,
        salt in 0..1000u64,
    ) {
        let (cells, channels) = ([cells.0, cells.1], [in_channels, out_channels]);
        let narrow = (kernel + stride) * in_channels <= 8;
        let shape = pooled_shape(cells, 2, channels, kernel, stride, padding.min(kernel - 1));
        if let Some(shape) = shape.filter(|_| narrow) {
            cells_are_the_definition::<f32>(shape, relu, salt);
            cells_are_the_definition::<f64>(shape, relu, salt);
        }
    }
}

pub(super) fn shape(
    size: [usize; 2],
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> ConvShape {
    let [in_channels, out_channels] = channels;
    ConvShape { size, in_channels, out_channels, kernel, stride, padding }
}

#[test]
fn convolutions_of_the_papers_are_the_definition() {
    let shapes = [
        shape([28, 28], [1, 32], 5, 1, 2),
        shape([14, 14], [32, 64], 5, 1, 2),
        shape([28, 28], [1, 16], 4, 2, 1),
        shape([14, 14], [16, 32], 4, 2, 1),
        shape([28, 28], [1, 64], 8, 2, 3),
        shape([26, 26], [1, 32], 3, 1, 0),
        shape([12, 12], [32, 32], 3, 1, 0),
        shape([12, 12], [32, 64], 3, 1, 0),
    ];
    for shape in shapes {
        // 12 in 100: behind ReLU and pool; 50: behind ReLU; 80: the dense form.
        for percent in [12, 50, 80] {
            Case::<f32>::new(shape, 5, percent).agrees_with_naive();
        }
    }
}

#[test]
fn paths_that_round_once_agree_to_the_last_bit() {
    for shape in [shape([14, 14], [16, 32], 4, 2, 1), shape([9, 11], [5, 24], 3, 1, 1)] {
        let mut case = Case::<f32>::new(shape, 6, 0);
        let rough = |count, salt| signed(count, salt, 24).into_iter().map(|x| x as f32).collect();
        case.image = rough(case.image.len(), 7);
        case.weight = rough(case.weight.len(), 8);
        let paths = Kernels::available().into_iter();
        let fused = paths.filter(|kernels| matches!(kernels.name(), "avx512" | "avx2" | "neon"));
        let results: Vec<_> = fused.map(|kernels| case.forward(kernels)).collect();
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn fused_passes_of_the_papers_are_convolution_then_pool() {
    for salt in 0..4 {
        fused_is_unfused(shape([28, 28], [1, 32], 5, 1, 2), 2, true, 2, salt);
        fused_is_unfused(shape([14, 14], [31, 64], 5, 1, 2), 2, true, 0, salt);
        fused_is_unfused(shape([26, 26], [32, 33], 3, 1, 0), 1, true, 0, salt);
        fused_is_unfused(shape([26, 26], [32, 33], 3, 1, 0), 2, true, 0, salt);
    }
    cells_are_the_definition::<f32>(shape([28, 28], [1, 32], 5, 1, 2), true, 3);
}

#[test]
fn gradients_are_difference_quotients() {
    let shapes = [shape([6, 5], [3, 4], 3, 2, 1), shape([5, 6], [2, 3], 5, 1, 2)];
    for (shape, percent) in shapes.into_iter().flat_map(|shape| [(shape, 20), (shape, 100)]) {
        let mut case = Case::<f64>::new(shape, 11, percent);
        case.image = signed(case.image.len(), 31, 24);
        case.weight = signed(case.weight.len(), 32, 24);
        let [image, weight, bias] = case.gradients(Kernels::PORTABLE);
        let result = |image: &[f64], weight: &[f64], bias: &[f64]| {
            let copy = Case {
                shape,
                image: image.to_vec(),
                weight: weight.to_vec(),
                bias: bias.to_vec(),
                cotangent: Vec::new(),
            };
            dot(&copy.forward(Kernels::PORTABLE), &case.cotangent)
        };
        let by_image = slopes(&case.image, 0.5, |image| result(image, &case.weight, &case.bias));
        let by_weight = slopes(&case.weight, 0.5, |weight| result(&case.image, weight, &case.bias));
        let by_bias = slopes(&case.bias, 0.5, |bias| result(&case.image, &case.weight, bias));
        // The function is linear in each argument, so the quotients are exact but for rounding.
        for (gradient, slopes) in [(image, by_image), (weight, by_weight), (bias, by_bias)] {
            assert!(largest_difference(&gradient, &slopes) < 1e-12);
        }
    }
}

#[test]
fn sums_over_images_add_up() {
    let shape = shape([9, 7], [3, 5], 3, 1, 1);
    let cases = [1, 2, 3].map(|salt| Case::<f32>::new(shape, salt * 10, 30));
    for kernels in Kernels::available() {
        let conv = cases[0].packed(kernels);
        let mut total = ConvGradient::zeros(&conv);
        let mut expected = [vec![0.0; cases[0].weight.len()], vec![0.0; 5]];
        for case in &cases {
            let mut cotangent = SparseCotangent::default();
            let places = to_places(&case.cotangent, shape.output());
            cotangent.fill_dense(kernels, shape.output(), &places).expect("fits");
            let mut one = ConvGradient::zeros(&conv);
            one.add_image(&conv, &pad(&shape, &case.image), &cotangent).expect("fits");
            total.add(&one);
            let [_, weight, bias] =
                conv2d_gradients_naive(&shape, &case.image, &case.weight, &case.cotangent);
            for (sum, values) in expected.iter_mut().zip([weight, bias]) {
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        let (weight, bias) = total.to_parameters(&conv).expect("same convolution");
        assert!([weight, bias] == expected, "{kernels}");
    }
}

#[test]
fn a_cotangent_comes_back_from_its_list() {
    let shape = [3, 4, 5];
    let dense = sparse_eighths::<f32>(60, 8, 40);
    let mut list = SparseCotangent::default();
    list.fill_dense(Kernels::detect(), shape, &dense).expect("fits");
    assert_eq!(list.count(), dense.iter().filter(|value| **value != 0.0).count());
    let mut back = Vec::new();
    list.to_dense(&mut back);
    assert_eq!(back, dense);
    assert!(list.fill_dense(Kernels::detect(), shape, &dense[1..]).is_err());
    let pool = Pool::new(Kernels::detect(), [4, 4, 2], 2, true).expect("divides");
    assert!(list.fill_pooled(&pool, &[0.0; 8], &[0; 7]).is_err());
    assert!(list.fill_pooled(&pool, &[0.0; 7], &[0; 8]).is_err());
}

#[test]
fn nan_passes_through() {
    let shape = shape([6, 6], [2, 3], 3, 1, 1);
    for percent in [10, 90] {
        let mut case = Case::<f32>::new(shape, 3, percent);
        case.image[7] = f32::NAN;
        case.cotangent[5] = f32::NAN;
        for kernels in Kernels::available() {
            assert!(case.forward(kernels).iter().any(|value| value.is_nan()));
            let gradients =
                case.gradients(kernels).into_iter().chain([case.dense_gradient(kernels)]);
            for gradient in gradients {
                assert!(gradient.iter().any(|value| value.is_nan()), "{kernels}");
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_in_words() {
    let good = shape([6, 6], [2, 3], 3, 1, 1);
    let case = Case::<f32>::new(good, 3, 50);
    let conv = case.packed(Kernels::PORTABLE);
    for bad in [
        ConvShape { kernel: 9, ..good },
        ConvShape { kernel: 0, ..good },
        ConvShape { stride: 0, ..good },
        ConvShape { in_channels: 0, ..good },
        ConvShape { out_channels: 0, ..good },
    ] {
        let refused = bad.check().expect_err("makes no sense").to_string();
        assert!(refused.contains("conv2d"), "{refused}");
    }
    assert!(Conv2d::new(Kernels::PORTABLE, good, &case.weight[1..], &case.bias).is_err());
    assert!(Conv2d::new(Kernels::PORTABLE, good, &case.weight, &case.bias[1..]).is_err());
    let padded = pad(&good, &case.image);
    let mut out = vec![0.0; good.output_length()];
    assert!(conv.forward(&padded[1..], &mut out).is_err());
    assert!(conv.forward(&padded, &mut out[1..]).is_err());
    let mut gradient = vec![0.0; good.padded_length()];
    let mut scratch = InputGradientScratch::default();
    let whole = vec![0.0; good.output_length()];
    assert!(conv.dense_input_gradient(&whole[1..], &mut gradient, &mut scratch).is_err());
    assert!(conv.dense_input_gradient(&whole, &mut gradient[1..], &mut scratch).is_err());
    let mut cotangent = SparseCotangent::default();
    cotangent.fill_dense(Kernels::PORTABLE, [6, 6, 2], &[0.0; 72]).expect("fits itself");
    assert!(conv.input_gradient(&cotangent, &mut gradient, &mut scratch).is_err());
    assert!(ConvGradient::zeros(&conv).add_image(&conv, &padded, &cotangent).is_err());
}
