//! The packed product against the textbook's.

use proptest::prelude::*;
use saddle_ops::{Error, Kernels, PackedMatrix, Real, Rows, matmul, matmul_naive};
use saddle_tests::kernels::eighths;
use saddle_tests::model::signed;

fn product<T: Real>(
    kernels: Kernels,
    left: &[T],
    packed: &PackedMatrix<T>,
    bias: Option<&[T]>,
) -> Vec<T> {
    let rows = Rows::matrix(left, packed.inner()).expect("whole rows");
    let mut out = vec![T::from_f64(99.0); rows.count() * packed.columns()];
    matmul(kernels, rows, packed, bias, &mut out).expect("shapes fit");
    out
}

fn agrees_with_naive<T: Real>(rows: usize, inner: usize, columns: usize, with_bias: bool) {
    let left = eighths::<T>(rows * inner, 1);
    let right = eighths::<T>(inner * columns, 2);
    let bias = with_bias.then(|| eighths::<T>(columns, 3));
    let expected = matmul_naive(&left, &right, bias.as_deref(), inner, columns);
    let mut transposed = vec![T::ZERO; right.len()];
    for (i, value) in right.iter().enumerate() {
        transposed[i % columns * inner + i / columns] = *value;
    }
    for kernels in Kernels::available() {
        let packed = [
            PackedMatrix::from_rows(kernels, &right, inner, columns).expect("fits"),
            PackedMatrix::from_columns(kernels, &transposed, inner, columns).expect("fits"),
        ];
        for packed in &packed {
            let found = product(kernels, &left, packed, bias.as_deref());
            assert!(found == expected, "{rows} x {inner} x {columns} on {kernels}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_are_the_textbooks(
        rows in 0..40usize, inner in 1..70usize, columns in 1..100usize, with_bias: bool,
    ) {
        agrees_with_naive::<f32>(rows, inner, columns, with_bias);
        agrees_with_naive::<f64>(rows, inner, columns, with_bias);
    }
}

#[test]
fn products_are_the_textbooks_beyond_one_block_of_the_inner_dimension() {
    for inner in [383, 384, 385, 900] {
        agrees_with_naive::<f32>(27, inner, 33, true);
        agrees_with_naive::<f64>(5, inner, 9, false);
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_in_company() {
    let (inner, columns) = (801, 65);
    let number = |x: f64| x as f32;
    let left: Vec<f32> = signed(29 * inner, 4, 24).into_iter().map(number).collect();
    let right: Vec<f32> = signed(inner * columns, 5, 24).into_iter().map(number).collect();
    for kernels in Kernels::available() {
        let packed = PackedMatrix::from_rows(kernels, &right, inner, columns).expect("fits");
        let together = product(kernels, &left, &packed, None);
        for (row, together) in left.chunks_exact(inner).zip(together.chunks_exact(columns)) {
            assert!(product(kernels, row, &packed, None) == together, "{kernels}");
        }
    }
}

#[test]
fn fused_paths_agree_to_the_last_bit() {
    let (inner, columns) = (500, 40);
    let number = |x: f64| x as f32;
    let left: Vec<f32> = signed(13 * inner, 6, 24).into_iter().map(number).collect();
    let right: Vec<f32> = signed(inner * columns, 7, 24).into_iter().map(number).collect();
    let results: Vec<_> = Kernels::available()
        .into_iter()
        .filter(|kernels| *kernels != Kernels::PORTABLE)
        .map(|kernels| {
            let packed = PackedMatrix::from_rows(kernels, &right, inner, columns).expect("fits");
            product(kernels, &left, &packed, None)
        })
        .collect();
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn shapes_that_do_not_fit_are_refused_in_words() {
    let kernels = Kernels::PORTABLE;
    assert!(Rows::matrix(&[1f32; 7], 3).is_err());
    assert!(Rows::matrix(&[1f32; 7], 0).is_err());
    assert!(PackedMatrix::from_rows(kernels, &[1f32; 7], 2, 3).is_err());
    let packed = PackedMatrix::from_rows(kernels, &[1f32; 6], 2, 3).expect("fits");
    let rows = Rows::matrix(&[1f32; 8], 2).expect("4 rows");
    let refused = matmul(kernels, rows, &packed, None, &mut [0.0; 11]).expect_err("12 expected");
    assert!(refused.to_string().contains("4 x 2 times 2 x 3"), "{refused}");
    let bias = [0.0; 2];
    assert!(matmul(kernels, rows, &packed, Some(&bias), &mut [0.0; 12]).is_err());
    let wide = Rows::matrix(&[1f32; 12], 3).expect("4 rows");
    assert!(matmul(kernels, wide, &packed, None, &mut [0.0; 12]).is_err());
}

#[test]
fn a_matrix_packed_for_another_path_is_refused() {
    let paths = Kernels::available();
    for (one, other) in paths.iter().zip(&paths[1..]) {
        let packed = PackedMatrix::from_rows(*one, &[1f32; 6], 2, 3).expect("fits");
        let rows = Rows::matrix(&[1f32; 2], 2).expect("1 row");
        let refused =
            matmul(*other, rows, &packed, None, &mut [0.0; 3]).expect_err("packed for one");
        assert!(matches!(refused, Error::InvalidShape { .. }));
    }
}
