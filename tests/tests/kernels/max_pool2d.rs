//! Max pooling: one winner per window, the first; tensors and host images alike.

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use saddle_ops::{
    DEAD, Kernels, Pool, Real, Result, SparseCotangent, max_pool2d, max_pool2d_composed,
    max_pool2d_gradient_naive, max_pool2d_naive,
};
use saddle_tests::kernels::{dot, eighths, largest_difference, slopes, to_places, to_planes};
use saddle_tests::model::signed;

const FORMS: [fn(&Tensor, usize) -> Result<Tensor>; 2] = [max_pool2d, max_pool2d_composed];

/// Values and the gradient of `<max_pool2d(x), cotangent>` for images of shape `(n, c, h, w)`.
fn run<T: Real>(
    form: fn(&Tensor, usize) -> Result<Tensor>,
    images: &[T],
    shape: [usize; 4],
    window: usize,
    cotangent: &[T],
) -> [Vec<T>; 2] {
    let numbers = |tensor: &Tensor| {
        tensor.flatten_all().and_then(|tensor| tensor.to_vec1::<T>()).expect("numbers")
    };
    let images = Tensor::from_slice(images, &shape, &Device::Cpu).expect("a shape");
    let leaf = Var::from_tensor(&images).expect("a leaf");
    let pooled = form(leaf.as_tensor(), window).expect("divides");
    let cotangent = Tensor::from_slice(cotangent, pooled.shape(), &Device::Cpu).expect("a shape");
    let store = (&pooled * cotangent).and_then(|product| product.backward()).expect("a graph");
    [numbers(&pooled), numbers(store.get(&leaf).expect("a gradient"))]
}

fn tensors_agree_with_naive<T: Real>([n, c, rows, columns]: [usize; 4], window: usize, salt: u64) {
    let (h, w) = (rows * window, columns * window);
    // Eighths tie often.
    let images = eighths::<T>(n * c * h * w, salt);
    let cotangent = eighths::<T>(n * c * rows * columns, salt + 1);
    let (values, places) = max_pool2d_naive(&images, [n * c, h, w], window);
    let gradient = max_pool2d_gradient_naive(&places, &cotangent, images.len());
    for form in FORMS {
        let found = run(form, &images, [n, c, h, w], window, &cotangent);
        assert!(found[0] == values && found[1] == gradient);
    }
}

fn host_agrees_with_naive<T: Real>(
    [c, rows, columns]: [usize; 3],
    window: usize,
    relu: bool,
    border: usize,
    salt: u64,
) {
    let (h, w) = (rows * window, columns * window);
    let image = eighths::<T>(c * h * w, salt);
    let rectify = |x: &T| if relu && *x <= T::ZERO { T::ZERO } else { *x };
    let rectified: Vec<T> = image.iter().map(rectify).collect();
    let cotangent = eighths::<T>(c * rows * columns, salt + 1);
    let (expected, places) = max_pool2d_naive(&rectified, [c, h, w], window);
    let mut gradient = max_pool2d_gradient_naive(&places, &cotangent, image.len());
    for (gradient, value) in gradient.iter_mut().zip(&image) {
        *gradient = if relu && *value <= T::ZERO { T::ZERO } else { *gradient };
    }

    for kernels in Kernels::available() {
        let pool = Pool::new(kernels, [h, w, c], window, relu).expect("divides");
        let marker = T::from_f64(9.0);
        let bordered = columns + 2 * border;
        let mut out = vec![marker; (rows + 2 * border) * bordered * c];
        let mut winners = vec![0; expected.len()];
        pool.forward(&to_places(&image, [h, w, c]), &mut out, border, &mut winners).expect("fits");
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for (i, value) in out.into_iter().enumerate() {
            let (y, x) = (i / c / bordered, i / c % bordered);
            let is_inside =
                (border..border + rows).contains(&y) && (border..border + columns).contains(&x);
            if is_inside { inside.push(value) } else { outside.push(value) }
        }
        assert!(to_planes(&inside, [rows, columns, c]) == expected);
        assert!(outside.iter().all(|value| *value == marker), "the border was written to");

        let mut sparse = SparseCotangent::default();
        let cotangent = to_places(&cotangent, [rows, columns, c]);
        sparse.fill_pooled(&pool, &cotangent, &winners).expect("fits");
        let mut dense = Vec::new();
        sparse.to_dense(&mut dense);
        assert!(to_planes(&dense, [h, w, c]) == gradient);
        let mut masked = cotangent;
        let is_relu = pool.mask(&mut masked, &winners).is_ok();
        assert!(is_relu == (window == 1));
        assert!(!is_relu || to_planes(&masked, [h, w, c]) == gradient);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pooled_tensors_are_the_definition(
        n in 1..=2usize, c in 1..=3usize, rows in 1..=4usize, columns in 1..=4usize,
        window in 1..=4usize, salt in 0..1000u64,
    ) {
        tensors_agree_with_naive::<f32>([n, c, rows, columns], window, salt);
        tensors_agree_with_naive::<f64>([n, c, rows, columns], window, salt);
    }

    #[test]
    fn pooled_host_images_are_the_definition(
        c in 1..=40usize, rows in 1..=4usize, columns in 1..=4usize, window in 1..=3usize,
        relu: bool, border in 0..=2usize, salt in 0..1000u64,
    ) {
        host_agrees_with_naive::<f32>([c, rows, columns], window, relu, border, salt);
        host_agrees_with_naive::<f64>([c, rows, columns], window, relu, border, salt);
    }
}

#[test]
fn the_first_of_equal_values_takes_the_whole_gradient() {
    for form in FORMS {
        let images = [1f32, 1.0, 1.0, 1.0, 0.0, 2.0, 2.0, 1.0];
        let [values, gradient] = run(form, &images, [1, 2, 2, 2], 2, &[3.0, 5.0]);
        assert_eq!(values, [1.0, 2.0]);
        assert_eq!(gradient, [3.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 0.0]);
    }
}

#[test]
fn gradients_are_difference_quotients() {
    let shape = [2, 2, 6, 4];
    let images = signed(shape.iter().product(), 1, 24);
    let cotangent = signed(images.len() / 4, 2, 24);
    for form in FORMS {
        let result = |images: &[f64]| dot(&run(form, images, shape, 2, &cotangent)[0], &cotangent);
        let [_, gradient] = run(form, &images, shape, 2, &cotangent);
        assert!(largest_difference(&gradient, &slopes(&images, 1e-7, result)) < 1e-8);
    }
}

#[test]
fn a_window_that_holds_nan_gives_nan() {
    for place in 0..4 {
        let mut image = [1f32, 2.0, 3.0, 4.0];
        image[place] = f32::NAN;
        for form in FORMS {
            let [values, gradient] = run(form, &image, [1, 1, 2, 2], 2, &[1.0]);
            assert!(values[0].is_nan());
            assert_eq!(gradient.iter().position(|value| *value == 1.0), Some(place));
        }
        for relu in [false, true] {
            let pool = Pool::new(Kernels::detect(), [2, 2, 1], 2, relu).expect("divides");
            let (mut out, mut winners) = ([0.0], [0]);
            pool.forward(&image, &mut out, 0, &mut winners).expect("fits");
            assert!(out[0].is_nan());
            assert_eq!(winners, [place as u8]);
        }
    }
}

#[test]
fn a_window_at_or_below_zero_is_dead_behind_relu() {
    let pool = Pool::new(Kernels::detect(), [2, 2, 1], 2, true).expect("divides");
    for image in [[-1f32, -2.0, -3.0, -4.0], [-1.0, 0.0, -1.0, 0.0], [-0.0; 4]] {
        let (mut out, mut winners) = ([7.0], [0]);
        pool.forward(&image, &mut out, 0, &mut winners).expect("fits");
        assert_eq!((out[0].to_bits(), winners[0]), (0, DEAD));
    }
}

#[test]
fn a_view_is_pooled_as_it_is_seen() {
    let images = eighths::<f32>(2 * 3 * 4 * 4, 5);
    let images = Tensor::from_vec(images, (2, 3, 4, 4), &Device::Cpu).expect("a shape");
    let view = images.transpose(2, 3).and_then(|view| view.narrow(0, 1, 1)).expect("a view");
    let copy = view.force_contiguous().expect("a copy");
    for form in FORMS {
        let numbers = |images: &Tensor| {
            let pooled = form(images, 2).expect("divides");
            pooled.flatten_all().and_then(|pooled| pooled.to_vec1::<f32>()).expect("numbers")
        };
        assert_eq!(numbers(&view), numbers(&copy));
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused_in_words() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
    for form in FORMS {
        for (shape, window) in
            [(&[4, 4][..], 2), (&[1, 1, 4, 5], 2), (&[1, 1, 5, 4], 2), (&[1, 1, 4, 4], 0)]
        {
            let refused = form(&zeros(shape), window).expect_err("does not divide").to_string();
            assert!(refused.starts_with("max_pool2d"), "{refused}");
        }
    }
    for (shape, window) in [([4, 5, 1], 2), ([5, 4, 1], 2), ([4, 4, 1], 0), ([32, 32, 1], 16)] {
        assert!(Pool::new(Kernels::detect(), shape, window, true).is_err());
    }
    let pool = Pool::new(Kernels::detect(), [4, 4, 1], 2, true).expect("divides");
    assert!(pool.forward(&[0f32; 15], &mut [0.0; 4], 0, &mut [0; 4]).is_err());
    assert!(pool.forward(&[0f32; 16], &mut [0.0; 3], 0, &mut [0; 4]).is_err());
    assert!(pool.forward(&[0f32; 16], &mut [0.0; 4], 1, &mut [0; 4]).is_err());
    assert!(pool.forward(&[0f32; 16], &mut [0.0; 4], 0, &mut [0; 5]).is_err());
}
