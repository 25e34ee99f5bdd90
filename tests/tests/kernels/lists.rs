//! Input gradients from the list of what is not zero behind a pool, whose places come cell by cell, against the definition.

use candle_core::DType;
use proptest::prelude::*;
use saddle_ops::{
    ConvShape, DEAD, InputGradientScratch, Kernels, Pool, Real, SparseCotangent,
    conv2d_gradients_naive,
};
use saddle_tests::kernels::{eighths, largest_difference, to_planes, unpad};
use saddle_tests::model::hashed;

use super::conv2d::{Case, pooled_shape, shape};

/// About `living` in a hundred windows have a winner.
fn gradients_behind_a_pool_are_the_definition<T: Real>(
    shape: ConvShape,
    window: usize,
    salt: u64,
    living: u32,
) {
    let case = Case::<T>::new(shape, salt, 0);
    let [_, columns, channels] = shape.output();
    let pools = Kernels::available().into_iter().map(|kernels| {
        (kernels, Pool::new(kernels, shape.output(), window, true).expect("divides"))
    });
    for (kernels, pool) in pools {
        let count: usize = pool.output().iter().product();
        let cotangent: Vec<T> = eighths(count, salt + 3);
        let mark = |i: usize| {
            let hash = hashed(i as u64, salt + 9);
            if hash / 16 % 100 < living { (hash as usize % (window * window)) as u8 } else { DEAD }
        };
        let marks: Vec<u8> = (0..count).map(mark).collect();
        let mut whole = vec![T::ZERO; shape.output_length()];
        for (i, mark) in marks.iter().enumerate().filter(|(_, mark)| **mark != DEAD) {
            let (cell, place) = (i / channels, usize::from(*mark));
            let row = cell / (columns / window) * window + place / window;
            let column = cell % (columns / window) * window + place % window;
            whole[(row * columns + column) * channels + i % channels] = cotangent[i];
        }
        let whole = to_planes(&whole, shape.output());
        let [expected, ..] = conv2d_gradients_naive(&shape, &case.image, &case.weight, &whole);

        let mut list = SparseCotangent::default();
        list.fill_pooled(&pool, &cotangent, &marks).expect("fits");
        let mut padded = vec![T::from_f64(77.0); shape.padded_length()];
        let mut scratch = InputGradientScratch::default();
        case.packed(kernels).input_gradient(&list, &mut padded, &mut scratch).expect("fits");
        let found = unpad(&shape, &padded);
        let may_be_transformed = T::DTYPE == DType::F32
            && shape.out_channels.is_multiple_of(16)
            && list.count() * 4 >= 3 * shape.output_length();
        if may_be_transformed {
            let [found, expected] = [found, expected].map(|numbers| -> Vec<f64> {
                numbers.iter().map(|number| number.to_f64()).collect()
            });
            assert!(largest_difference(&found, &expected) < 1e-3);
        } else {
            assert!(found == expected, "{shape:?} behind {window} on {kernels}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn input_gradients_behind_pools_are_the_definition(
        cells in (1..=5usize, 1..=5usize), channels in (1..=40usize, 1..=20usize), kernel in 1..=6usize, window in 1..=3usize,
        stride in 1..=3usize, padding in 0..=3usize, salt in 0..1000u64, living in 0..=100u32,
    ) {
        let cells = [cells.0, cells.1];
        if let Some(shape) = pooled_shape(cells, window, [channels.0, channels.1], kernel, stride, padding) {
            gradients_behind_a_pool_are_the_definition::<f32>(shape, window, salt, living);
            gradients_behind_a_pool_are_the_definition::<f64>(shape, window, salt, living);
        }
    }

    #[test]
    fn so_are_those_that_neighbours_share(
        size in (3..=7usize, 3..=7usize), padding in 0..=3usize, window in 1..=2usize, salt in 0..1000u64, living in 0..=100u32,
    ) {
        // Results are as large as images where the padding is 2: even sides divide by the window.
        let [height, width] = [size.0, size.1].map(|side| 2 * side);
        let of = |channels| shape([height, width], [channels, 20], 5, 1, padding);
        gradients_behind_a_pool_are_the_definition::<f32>(of(32), window, salt, living);
        gradients_behind_a_pool_are_the_definition::<f64>(of(16), window, salt, living);
    }
}
