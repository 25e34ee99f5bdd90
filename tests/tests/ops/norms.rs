//! Norms against their formulas, and the words for them.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_ops::{Norm, PixelBox, Radius, Result};
use saddle_tests::ops::{any_case, any_norm, minus, naive_norm, rows};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn sizes_and_distances_are_what_the_formulas_say(case in any_case(), norm in any_norm()) {
        let (a, b) = (case.natural(DType::F32)?, case.candidate(DType::F32)?);
        let sizes = norm.sizes(&b)?;
        let distances = norm.distances(&a, &b)?;
        prop_assert_eq!(sizes.len(), case.rows);
        for (i, (a, b)) in rows(&a)?.iter().zip(&rows(&b)?).enumerate() {
            let (size, distance) = (naive_norm(norm, b), naive_norm(norm, &minus(a, b)));
            prop_assert!((sizes[i] - size).abs() <= 1e-13 * size);
            prop_assert!((distances[i] - distance).abs() <= 1e-13 * distance);
        }
    }

    /// `linf <= l2 <= l1 <= sqrt(n) l2 <= n linf` on every row.
    #[test]
    fn norms_stand_in_order(case in any_case()) {
        let candidate = case.candidate(DType::F64)?;
        let sizes = Norm::ALL.map(|norm| norm.sizes(&candidate));
        let [l1, l2, linf] = sizes;
        let (l1, l2, linf) = (l1?, l2?, linf?);
        let n = (case.side * case.side) as f64;
        for i in 0..case.rows {
            let chain = [linf[i], l2[i], l1[i], n.sqrt() * l2[i], n * linf[i]];
            prop_assert!(chain.is_sorted_by(|a, b| *a <= b * (1.0 + 1e-12)), "{chain:?}");
        }
    }
}

#[test]
fn no_square_overflows_and_nothing_hides() -> Result<()> {
    let rows = [[3e200, -4e200], [3e-200, 4e-200], [f64::NAN, 0.0], [0.0, f64::INFINITY], [0.0; 2]];
    let sizes = Norm::L2.sizes(&Tensor::new(&rows, &Device::Cpu)?)?;
    assert!((sizes[0] / 5e200 - 1.0).abs() < 1e-15 && (sizes[1] / 5e-200 - 1.0).abs() < 1e-15);
    assert!(sizes[2].is_nan());
    assert_eq!(sizes[3..], [f64::INFINITY, 0.0]);
    for norm in Norm::ALL {
        let sizes = norm.sizes(&Tensor::new(&rows, &Device::Cpu)?)?;
        assert!(sizes[2].is_nan() && sizes[3] == f64::INFINITY && sizes[4] == 0.0, "{norm}");
    }
    Ok(())
}

#[test]
fn names_go_there_and_back() -> anyhow::Result<()> {
    for (norm, name) in Norm::ALL.into_iter().zip(["l1", "l2", "linf"]) {
        assert_eq!(norm.to_string(), name);
        assert_eq!(name.parse::<Norm>()?, norm);
        assert_eq!(serde_json::to_string(&norm)?, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<Norm>(&format!("\"{name}\""))?, norm);
    }
    assert_eq!(serde_json::from_str::<Radius>("0.3")?.get(), 0.3);
    assert_eq!(serde_json::to_string(&PixelBox::UNIT)?, "[0.0,1.0]");
    assert_eq!(serde_json::from_str::<PixelBox>("[0.0, 1.0]")?, PixelBox::UNIT);
    Ok(())
}
