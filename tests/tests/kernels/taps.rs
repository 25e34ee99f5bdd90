//! The weight gradient of first layers against the general one.

use proptest::prelude::*;
use saddle_ops::{ConvGradient, ConvShape, ForwardScratch, Kernels, Pool, SparseCotangent};
use saddle_tests::kernels::pad;
use saddle_tests::model::signed;

use super::conv2d::{Case, pooled_shape, shape};

/// The weight gradient by cells against the one by lists, whose bits it gives, where it is taken at all; returns on how many
/// paths it is.
fn taps_are_lists(shape: ConvShape, window: usize, relu: bool, salt: u64) -> usize {
    let mut case = Case::<f32>::new(shape, salt, 0);
    let rough = |count, salt| signed(count, salt, 24).into_iter().map(|x| x as f32).collect();
    case.image = rough(case.image.len(), salt);
    let padded = pad(&shape, &case.image);
    let mut taken = 0;
    for kernels in Kernels::available() {
        let conv = case.packed(kernels);
        let pool = Pool::new(kernels, shape.output(), window, relu).expect("divides");
        let marks: usize = pool.output().iter().product();
        let (mut out, mut winners) = (vec![0.0; marks], vec![0; marks]);
        let mut scratch = ForwardScratch::default();
        conv.forward_pooled(&padded, &pool, &mut out, 0, &mut winners, &mut scratch).expect("fits");
        let cotangent: Vec<f32> = rough(marks, salt + 5);
        let mut sparse = SparseCotangent::default();
        sparse.fill_pooled(&pool, &cotangent, &winners).expect("fits");
        let [mut lists, mut taps] = [(); 2].map(|()| ConvGradient::zeros(&conv));
        let refused = taps.add_image_of_cells(&conv, &padded, &pool, &cotangent, &winners[1..]);
        assert!(refused.is_err());
        for _ in 0..2 {
            lists.add_image(&conv, &padded, &sparse).expect("fits");
            let done = taps.add_image_of_cells(&conv, &padded, &pool, &cotangent, &winners);
            assert!(done.is_ok() == conv.takes_taps(&pool));
        }
        if conv.takes_taps(&pool) {
            taken += 1;
            let [lists, taps] = [lists, taps].map(|sum| sum.to_parameters(&conv).expect("its own"));
            assert!(lists == taps, "{shape:?} on {kernels}");
        }
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn weight_gradients_by_cells_are_those_by_lists(
        cells in (1..=5usize, 1..=9usize), channels in 1..=3usize, kernel in 2..=6usize, window in 1..=3usize,
        stride in 1..=2usize, padding in 0..=2usize, relu: bool, salt in 0..1000u64,
    ) {
        let (cells, channels) = ([cells.0, cells.1], [1, 16 * channels]);
        let shape = pooled_shape(cells, window, channels, kernel, stride, padding.min(kernel - 1));
        if let Some(shape) = shape {
            let taken = taps_are_lists(shape, window, relu, salt);
            let wanted = window < 3 && (3..=5).contains(&kernel);
            let able = Kernels::available().iter().any(|kernels| kernels.name() == "avx512");
            assert_eq!(taken > 0, wanted && able);
        }
    }
}

#[test]
fn first_layers_of_the_papers_come_this_way() {
    let wide = Kernels::available().iter().any(|kernels| kernels.name() == "avx512");
    for (shape, window) in [
        (shape([28, 28], [1, 32], 5, 1, 2), 2),
        (shape([28, 28], [1, 32], 3, 1, 0), 1),
        (shape([28, 28], [1, 16], 4, 2, 1), 1),
    ] {
        assert_eq!(taps_are_lists(shape, window, true, 3) > 0, wide);
    }
}
