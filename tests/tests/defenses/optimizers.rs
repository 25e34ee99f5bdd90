//! Adam and momentum: numbers worked out by hand, and the fast pass against its naive twin.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_defenses::optimizer::naive;
use saddle_defenses::{Optimizer, OptimizerKind};
use saddle_model::Weights;
use saddle_ops::{Adam, Kernels};

fn weights(values: &[f64], dtype: DType) -> Weights {
    let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu).unwrap();
    Weights::new(vec![("w".to_owned(), tensor.to_dtype(dtype).unwrap())]).unwrap()
}

fn values(weights: &Weights) -> Vec<f64> {
    weights.get("w").unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Weights after each of `gradients`; row `t` belongs to the `t`-th update.
fn run(
    kind: OptimizerKind,
    start: &[f64],
    gradients: &[Vec<f64>],
    rates: &[f64],
    dtype: DType,
) -> Vec<Vec<f64>> {
    let mut current = weights(start, dtype);
    let mut optimizer = Optimizer::new(kind, &current).unwrap();
    let mut history = Vec::new();
    for (gradient, &rate) in gradients.iter().zip(rates) {
        current = optimizer.update(&current, &weights(gradient, dtype), rate).unwrap();
        history.push(values(&current));
    }
    history
}

fn assert_close(found: &[f64], expected: &[f64], allowed: f64) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= allowed, "{found} is not {expected}");
    }
}

#[test]
fn adam_follows_two_steps_worked_out_by_hand() {
    // beta1 = beta2 = 0.5, rate 0.1, no stabilizer to speak of. First update: m / 0.5 = g and
    // v / 0.5 = g^2, so each weight moves by 0.1 against the sign of its gradient. Second update of
    // the first weight: m = 0.5 * 0.5 + 0.5 * 3 = 1.75, v = 0.5 * 0.5 + 0.5 * 9 = 4.75, both / 0.75.
    let kind = OptimizerKind::Adam { beta1: 0.5, beta2: 0.5, stabilizer: 1e-300 };
    let history =
        run(kind, &[1.0, 1.0], &[vec![1.0, -4.0], vec![3.0, -4.0]], &[0.1, 0.1], DType::F64);
    assert_close(&history[0], &[0.9, 1.1], 1e-15);
    let moved = 0.1 * (1.75 / 0.75) / f64::sqrt(4.75 / 0.75);
    assert_close(&history[1], &[0.9 - moved, 1.2], 1e-15);
}

#[test]
fn momentum_follows_three_steps_worked_out_by_hand() {
    // b: 2, then 0.5 * 2 + 2 = 3, then 0.5 * 3 - 1 = 0.5; rates 0.1, 0.1, 1.
    let kind = OptimizerKind::Momentum { momentum: 0.5 };
    let gradients = [vec![2.0], vec![2.0], vec![-1.0]];
    let history = run(kind, &[1.0], &gradients, &[0.1, 0.1, 1.0], DType::F64);
    assert_close(&[history[0][0], history[1][0], history[2][0]], &[0.8, 0.5, 0.0], 1e-15);
}

#[test]
fn a_weight_whose_gradient_is_zero_stays_where_it_is() {
    let history = run(OptimizerKind::default(), &[0.25], &[vec![0.0]], &[0.1], DType::F32);
    assert_eq!(history[0], [0.25], "0 / (0 + stabilizer) is 0, not NaN");
}

#[test]
fn an_update_leaves_the_old_weights_alone() {
    let before = weights(&[1.0, 2.0], DType::F32);
    let mut optimizer = Optimizer::new(OptimizerKind::default(), &before).unwrap();
    let after = optimizer.update(&before, &weights(&[1.0, 1.0], DType::F32), 0.5).unwrap();
    assert_eq!(values(&before), [1.0, 2.0]);
    assert!(values(&after)[0] < 1.0);
}

#[test]
fn a_restored_optimizer_goes_on_as_if_nothing_had_happened() {
    for kind in [OptimizerKind::default(), OptimizerKind::Momentum { momentum: 0.9 }] {
        let start = weights(&[1.0, -2.0, 0.5], DType::F32);
        let gradient = |scale: f64| weights(&[scale, -0.3 * scale, 7.0], DType::F32);
        let mut first = Optimizer::new(kind, &start).unwrap();
        let halfway = first.update(&start, &gradient(1.0), 0.1).unwrap();
        let mut second = Optimizer::new(kind, &start).unwrap();
        second.restore(first.updates(), &first.state().unwrap()).unwrap();
        let left = first.update(&halfway, &gradient(-2.0), 0.1).unwrap();
        let right = second.update(&halfway, &gradient(-2.0), 0.1).unwrap();
        assert_eq!(values(&left), values(&right));
        let mut fresh = Optimizer::new(kind, &start).unwrap();
        let other = fresh.update(&halfway, &gradient(-2.0), 0.1).unwrap();
        assert_ne!(values(&left), values(&other), "the state must matter");
    }
}

#[test]
fn an_optimizer_that_met_nan_says_where_and_goes_on_once_restored() {
    for kind in [OptimizerKind::default(), OptimizerKind::Momentum { momentum: 0.9 }] {
        let start = weights(&[1.0, -2.0, 0.5], DType::F32);
        let mut optimizer = Optimizer::new(kind, &start).unwrap();
        let sound = weights(&[1.0, 2.0, 3.0], DType::F32);
        let current = optimizer.update(&start, &sound, 0.1).unwrap();
        let (updates, state) = (optimizer.updates(), optimizer.state().unwrap());
        for fault in [f64::NAN, f64::INFINITY] {
            let error = optimizer.update(&current, &weights(&[0.0, fault, 1.0], DType::F32), 0.1);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("gradient of `w`"), "{error}");
            // It has met the fault: neither its state nor another update can be had.
            assert!(optimizer.state().is_err());
            assert!(optimizer.update(&current, &sound, 0.1).is_err());
            optimizer.restore(updates, &state).unwrap();
        }
        let again = optimizer.update(&current, &sound, 0.1).unwrap();
        let mut straight = Optimizer::new(kind, &start).unwrap();
        straight.update(&start, &sound, 0.1).unwrap();
        assert_eq!(values(&again), values(&straight.update(&current, &sound, 0.1).unwrap()));
    }
}

#[test]
fn foreign_state_gradients_and_dtypes_are_refused_in_words() {
    let own = weights(&[1.0, 2.0], DType::F32);
    let mut optimizer = Optimizer::new(OptimizerKind::default(), &own).unwrap();
    let longer = weights(&[1.0, 2.0, 3.0], DType::F32);
    let error = optimizer.update(&own, &longer, 0.1).unwrap_err().to_string();
    assert!(error.contains("gradients") && error.contains("[3]"), "{error}");
    let error = optimizer.update(&own, &weights(&[1.0, 2.0], DType::F64), 0.1).unwrap_err();
    assert!(error.to_string().contains("F64"), "{error}");
    let state = Optimizer::new(OptimizerKind::default(), &longer).unwrap().state().unwrap();
    let error = optimizer.restore(1, &state).unwrap_err().to_string();
    assert!(error.contains("first/w"), "{error}");
    let error = optimizer.restore(1, &[]).unwrap_err().to_string();
    assert!(error.contains("0 moments given, 2 expected"), "{error}");
    let half = weights(&[1.0], DType::F16);
    let error = Optimizer::new(OptimizerKind::default(), &half).err().unwrap().to_string();
    assert!(error.contains("f32 or f64"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn adam_agrees_with_its_naive_twin(
        gradients in prop::collection::vec(prop::collection::vec(-10.0f64..10.0, 5), 1..6),
        rate in 1e-4f64..0.1, beta1 in 0.0f64..0.99, beta2 in 0.5f64..0.9999,
    ) {
        let stabilizer = 1e-8;
        let kind = OptimizerKind::Adam { beta1, beta2, stabilizer };
        let start = [1.0, -1.0, 0.0, 3.0, 0.01];
        let rates: Vec<f64> = (1..=gradients.len()).map(|t| rate / t as f64).collect();
        for (dtype, allowed) in [(DType::F64, 1e-12), (DType::F32, 3e-6)] {
            let fast = run(kind, &start, &gradients, &rates, dtype);
            for (i, &weight) in start.iter().enumerate() {
                let own: Vec<f64> = gradients.iter().map(|gradient| gradient[i]).collect();
                let slow = naive::adam(weight, &own, &rates, beta1, beta2, stabilizer);
                for (fast, slow) in fast.iter().zip(slow) {
                    prop_assert!((fast[i] - slow).abs() <= allowed, "{} against {}", fast[i], slow);
                }
            }
        }
    }

    /// Nothing is fused and all is rounded alike: not one bit may differ.
    #[test]
    fn adam_has_the_same_bits_on_every_path(
        numbers in prop::collection::vec((-2.0f32..2.0, -10.0f32..10.0, -1.0f32..1.0, 0.0f32..1.0), 0..70),
    ) {
        let adam = Adam {
            beta1: 0.9f32, rest1: 0.1, beta2: 0.999, rest2: 0.001, rate: 0.01, root_scale: 1.5, stabilizer: 1e-8,
        };
        let column = |of: fn(&(f32, f32, f32, f32)) -> f32| numbers.iter().map(of).collect::<Vec<_>>();
        for kernels in Kernels::available() {
            let (mut first, mut second) = (column(|row| row.2), column(|row| row.3));
            let moments = [&mut first[..], &mut second[..]];
            let updated = adam.update(kernels, &column(|row| row.0), &column(|row| row.1), moments).unwrap();
            let updated = updated.expect("all gradients are finite");
            for (i, &(w, g, m, v)) in numbers.iter().enumerate() {
                let m = adam.beta1 * m + adam.rest1 * g;
                let v = adam.beta2 * v + adam.rest2 * g * g;
                let w = w - adam.rate * m / (adam.root_scale * v.sqrt() + adam.stabilizer);
                let bits = [first[i], second[i], updated[i]].map(f32::to_bits);
                prop_assert_eq!(bits, [m, v, w].map(f32::to_bits), "on {}", kernels);
            }
            let longer = vec![0.0; numbers.len() + 1];
            let moments = [&mut first[..], &mut second[..]];
            prop_assert!(adam.update(kernels, &updated, &longer, moments).is_err());
            for (place, fault) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].into_iter().cycle().enumerate().take(numbers.len()) {
                let mut gradients = column(|row| row.1);
                gradients[place] = fault;
                let moments = [&mut first[..], &mut second[..]];
                prop_assert!(adam.update(kernels, &updated, &gradients, moments).unwrap().is_none());
            }
        }
    }

    #[test]
    fn momentum_agrees_with_its_naive_twin(
        gradients in prop::collection::vec(prop::collection::vec(-10.0f64..10.0, 5), 1..6),
        rate in 1e-4f64..0.1, momentum in 0.0f64..0.99,
    ) {
        let kind = OptimizerKind::Momentum { momentum };
        let start = [1.0, -1.0, 0.0, 3.0, 0.01];
        let rates: Vec<f64> = (1..=gradients.len()).map(|t| rate / t as f64).collect();
        for (dtype, allowed) in [(DType::F64, 1e-12), (DType::F32, 3e-5)] {
            let fast = run(kind, &start, &gradients, &rates, dtype);
            for (i, &weight) in start.iter().enumerate() {
                let own: Vec<f64> = gradients.iter().map(|gradient| gradient[i]).collect();
                let slow = naive::momentum(weight, &own, &rates, momentum);
                for (fast, slow) in fast.iter().zip(slow) {
                    prop_assert!((fast[i] - slow).abs() <= allowed, "{} against {}", fast[i], slow);
                }
            }
        }
    }
}

#[test]
fn chunks_and_threads_do_not_show() {
    // Longer than two chunks and no multiple of one.
    let count = 40_001;
    let start: Vec<f64> = (0..count).map(|i| f64::from(i % 97) * 0.01).collect();
    let gradient: Vec<f64> = (0..count).map(|i| f64::from(i % 89) - 44.0).collect();
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let gradients = vec![gradient.clone(), gradient.clone()];
        pool.install(|| run(OptimizerKind::default(), &start, &gradients, &[0.1, 0.1], DType::F32))
    };
    let one = with_threads(1);
    assert_eq!(one, with_threads(2));
    assert_eq!(one, with_threads(3));
    let alone = run(
        OptimizerKind::default(),
        &start[count as usize - 1..],
        &vec![gradient[count as usize - 1..].to_vec(); 2],
        &[0.1, 0.1],
        DType::F32,
    );
    assert_eq!(one[1][count as usize - 1], alone[1][0], "the last weight as if it were alone");
}

/// A tensor whose new weights lie on large pages, and the same numbers in parts that do not.
#[test]
fn adam_updates_a_large_tensor_like_its_parts() {
    const PART: usize = 100_000;
    let length = (3 << 20) + 7;
    let numbers = |salt: usize| -> Vec<f32> {
        (0..length).map(|i| ((i * 37 + salt) % 1009) as f32 / 512.0 - 1.0).collect()
    };
    let adam = Adam {
        beta1: 0.9f32,
        rest1: 0.1,
        beta2: 0.999,
        rest2: 0.001,
        rate: 0.01,
        root_scale: 1.5,
        stabilizer: 1e-8,
    };
    let (weights, gradients) = (numbers(1), numbers(2));
    let update = |weights: &[f32], gradients: &[f32]| {
        let (mut first, mut second) = (vec![0.25; weights.len()], vec![0.5; weights.len()]);
        let moments = [&mut first[..], &mut second[..]];
        let updated = adam.update(Kernels::detect(), weights, gradients, moments);
        updated.expect("equal lengths").expect("all gradients are finite")
    };
    let parts = weights.chunks(PART).zip(gradients.chunks(PART));
    let parts: Vec<f32> =
        parts.flat_map(|(weights, gradients)| update(weights, gradients)).collect();
    assert!(update(&weights, &gradients) == parts);
}
