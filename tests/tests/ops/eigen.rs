//! Eigenproblems of small symmetric matrices: known ones, and any one by its defining equations.

use proptest::prelude::*;
use saddle_ops::symmetric_eigen;
use saddle_tests::model::signed;

/// The largest `|A v - value v|`, of all eigenvectors, and the largest deviation of their inner products from those of unit vectors
/// at right angles.
fn defects(matrix: &[f64], n: usize) -> (f64, f64) {
    let (values, vectors) = symmetric_eigen(matrix, n).unwrap();
    let symmetric = |i: usize, j: usize| matrix[i.min(j) * n + i.max(j)];
    let (mut residual, mut skew): (f64, f64) = (0.0, 0.0);
    for (value, vector) in values.iter().zip(&vectors) {
        for i in 0..n {
            let product: f64 = (0..n).map(|j| symmetric(i, j) * vector[j]).sum();
            residual = residual.max((product - value * vector[i]).abs());
        }
    }
    for (a, one) in vectors.iter().enumerate() {
        for (b, other) in vectors.iter().enumerate() {
            let inner: f64 = one.iter().zip(other).map(|(x, y)| x * y).sum();
            skew = skew.max((inner - f64::from(u8::from(a == b))).abs());
        }
    }
    (residual, skew)
}

#[test]
fn two_by_two_on_paper() {
    // (2 1; 1 2): 3 along (1, 1), 1 along (1, -1).
    let (values, vectors) = symmetric_eigen(&[2.0, 1.0, 1.0, 2.0], 2).unwrap();
    assert!((values[0] - 3.0).abs() < 1e-15 && (values[1] - 1.0).abs() < 1e-15, "{values:?}");
    assert!((vectors[0][0] - vectors[0][1]).abs() < 1e-15, "{vectors:?}");
    assert!((vectors[1][0] + vectors[1][1]).abs() < 1e-15, "{vectors:?}");
}

#[test]
fn a_diagonal_matrix_is_sorted_and_a_zero_one_stays() {
    let (values, vectors) =
        symmetric_eigen(&[1.0, 0.0, 0.0, 0.0, -4.0, 0.0, 0.0, 0.0, 2.5], 3).unwrap();
    assert_eq!(values, [2.5, 1.0, -4.0]);
    assert_eq!(vectors, [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    assert_eq!(symmetric_eigen(&[0.0; 4], 2).unwrap().0, [0.0, 0.0]);
}

#[test]
fn only_the_upper_triangle_is_read() {
    let (symmetric, _) = symmetric_eigen(&[2.0, 1.0, 1.0, 2.0], 2).unwrap();
    assert_eq!(symmetric_eigen(&[2.0, 1.0, 77.0, 2.0], 2).unwrap().0, symmetric);
}

#[test]
fn a_spectrum_over_many_magnitudes_keeps_its_top() {
    // v v^T with a part 1e-200 as large: the top is v, whatever the scale.
    let v = [0.6, 0.0, 0.8];
    for scale in [1e-300, 1.0, 1e300] {
        let matrix: Vec<f64> = (0..9).map(|at| scale * v[at / 3] * v[at % 3]).collect();
        let (values, vectors) = symmetric_eigen(&matrix, 3).unwrap();
        assert!((values[0] / scale - 1.0).abs() < 1e-14, "{values:?}");
        let cosine: f64 = vectors[0].iter().zip(&v).map(|(a, b)| a * b).sum();
        assert!((cosine.abs() - 1.0).abs() < 1e-14, "{vectors:?}");
    }
}

#[test]
fn what_is_no_matrix_is_refused() {
    assert!(symmetric_eigen(&[], 0).unwrap_err().to_string().contains("0 x 0"));
    assert!(symmetric_eigen(&[1.0; 5], 2).unwrap_err().to_string().contains("5 numbers"));
    let message = symmetric_eigen(&[1.0, 0.0, 0.0, f64::NAN], 2).unwrap_err().to_string();
    assert!(message.contains("row 1"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_matrix_satisfies_its_equations(n in 1usize..12, salt in 0u64..1000, shift in -3.0..3.0f64) {
        let mut matrix = signed(n * n, salt, 24);
        (0..n).for_each(|i| matrix[i * n + i] += shift);
        let (residual, skew) = defects(&matrix, n);
        prop_assert!(residual < 5e-13 && skew < 5e-13, "{residual:e} {skew:e}");
    }

    #[test]
    fn values_descend_and_add_up_to_the_trace(n in 1usize..12, salt in 0u64..1000) {
        let matrix = signed(n * n, salt, 24);
        let (values, _) = symmetric_eigen(&matrix, n).unwrap();
        prop_assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
        let trace: f64 = (0..n).map(|i| matrix[i * n + i]).sum();
        prop_assert!((values.iter().sum::<f64>() - trace).abs() < 1e-12);
    }
}
