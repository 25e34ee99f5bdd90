//! ReLU on tensors: slope 0 at 0, both forms alike.

use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;
use saddle_ops::{Result, relu, relu_composed, relu_naive};
use saddle_tests::kernels::{largest_difference, slopes};
use saddle_tests::model::signed;

const FORMS: [fn(&Tensor) -> Result<Tensor>; 2] = [relu, relu_composed];

/// Values and the gradient of `<relu(x), cotangent>`.
fn run(
    form: fn(&Tensor) -> Result<Tensor>,
    values: &[f64],
    cotangent: &[f64],
    dtype: DType,
) -> [Vec<f64>; 2] {
    let tensor = |values: &[f64]| {
        Tensor::new(values, &Device::Cpu)
            .and_then(|tensor| tensor.to_dtype(dtype))
            .expect("numbers")
    };
    let numbers = |tensor: &Tensor| {
        tensor.to_dtype(DType::F64).and_then(|tensor| tensor.to_vec1::<f64>()).expect("numbers")
    };
    let leaf = Var::from_tensor(&tensor(values)).expect("a leaf");
    let rectified = form(leaf.as_tensor()).expect("any shape will do");
    let store =
        (&rectified * tensor(cotangent)).and_then(|product| product.backward()).expect("a graph");
    [numbers(&rectified), numbers(store.get(&leaf).expect("a gradient"))]
}

#[test]
fn the_slope_at_zero_is_zero() {
    for form in FORMS {
        for dtype in [DType::F32, DType::F64] {
            let [values, gradient] = run(form, &[-1.0, -0.0, 0.0, 0.5], &[2.0; 4], dtype);
            assert_eq!(values, [0.0, 0.0, 0.0, 0.5]);
            assert_eq!(gradient, [0.0, 0.0, 0.0, 2.0]);
        }
    }
}

#[test]
fn gradients_are_difference_quotients() {
    let values = signed(40, 1, 12);
    let cotangent = signed(40, 2, 12);
    for form in FORMS {
        let result = |values: &[f64]| {
            let [rectified, _] = run(form, values, &cotangent, DType::F64);
            rectified.iter().zip(&cotangent).map(|(a, b)| a * b).sum()
        };
        let [_, gradient] = run(form, &values, &cotangent, DType::F64);
        assert!(largest_difference(&gradient, &slopes(&values, 1e-5, result)) < 1e-9);
    }
}

proptest! {
    #[test]
    fn both_forms_agree_with_the_naive_twin(
        values in proptest::collection::vec(prop_oneof![Just(0.0), Just(-0.0), -2.0..2.0f64], 1..60),
    ) {
        let cotangent = signed(values.len(), 3, 12);
        for form in FORMS {
            prop_assert_eq!(run(form, &values, &cotangent, DType::F64), relu_naive(&values, &cotangent));
        }
    }
}

#[test]
fn infinity_and_nan_stay() {
    for form in FORMS {
        let [values, _] =
            run(form, &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY], &[1.0; 3], DType::F32);
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [f64::INFINITY, 0.0]);
    }
}

#[test]
fn a_view_is_rectified_as_it_is_seen() {
    for form in FORMS {
        let tensor =
            Tensor::new(&[[1f32, -2.0, 3.0], [-4.0, 5.0, -6.0]], &Device::Cpu).expect("numbers");
        let view = tensor.t().and_then(|view| view.narrow(0, 1, 2)).expect("a view");
        let rectified =
            form(&view).and_then(|tensor| Ok(tensor.to_vec2::<f32>()?)).expect("any shape");
        assert_eq!(rectified, [[0.0, 5.0], [3.0, 0.0]]);
    }
}
